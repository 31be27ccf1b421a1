"""What is in a container image: the trees of files, and images made from others by taking files out."""

from __future__ import annotations

import contextlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from typing import Any, cast

import docker

from telos.envs.swe.datasets.images import ENGINE_ERRORS, first_line, note_use, tagged
from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError
from telos.envs.swe.repository import is_litter
from telos.envs.swe.sandbox.docker import client
from telos.envs.swe.sandbox.owner import owner_labels
from telos.envs.swe.scratch import scratch_folder

__all__ = ["read_image_tree", "strip_image"]

#: Seconds that a container for reading or stripping an image may live, should its owner die.
_LIFETIME = 1800
_TREE_LIMIT = 2 << 30


@contextlib.contextmanager
def _container(image: str, command: list[str], **settings: Any) -> Iterator[str]:
    """A container without network, removed at the end."""
    api = client()
    try:
        host = api.create_host_config(network_mode="none")
        made = api.create_container(
            image, command, labels=owner_labels(_LIFETIME), host_config=host, entrypoint=[], **settings
        )
    except docker.errors.ImageNotFound as error:
        raise SandboxUnavailableError(f"the image {image!r} is not on this engine") from error
    except ENGINE_ERRORS as error:
        raise InfrastructureError("create", first_line(error)) from error
    try:
        yield cast(str, made["Id"])
    finally:
        with contextlib.suppress(*ENGINE_ERRORS):
            api.remove_container(made["Id"], force=True, v=True)


def read_image_tree(image: str, folder: str, skip: str = "") -> dict[str, tuple[int, bytes]]:
    """Reads the files below a folder of an image, without running anything in it.

    Args:
        image: Name of an image that the engine has.
        folder: Absolute path in it.
        skip: Name of a folder in ``folder`` that is left out.

    Returns:
        POSIX path from the folder to (git mode, content), without git's own files and traces of running programs;
        empty if there is no such folder.

    Raises:
        SandboxUnavailableError: If the engine lacks the image.
        InfrastructureError: If the engine fails, or the tree is larger than 2 GiB.
    """
    with _container(image, ["true"]) as container, tempfile.TemporaryFile(dir=scratch_folder()) as spool:
        try:
            stream, _ = client().get_archive(container, folder)
            for chunk in stream:
                spool.write(chunk)
                if spool.tell() > _TREE_LIMIT:
                    raise InfrastructureError("archive", f"{folder} of {image} has more than {_TREE_LIMIT} bytes")
        except docker.errors.NotFound:
            return {}
        except ENGINE_ERRORS as error:
            raise InfrastructureError("archive", first_line(error)) from error
        spool.seek(0)
        with tarfile.open(fileobj=spool) as archive:
            return dict(_entries(archive, skip))


def _entries(archive: tarfile.TarFile, skip: str) -> Iterator[tuple[str, tuple[int, bytes]]]:
    for member in archive:
        _, _, path = member.name.partition("/")
        if not path or is_litter(path) or path.partition("/")[0] == skip:
            continue
        if member.issym():
            yield path, (0o120000, os.fsencode(member.linkname))
        elif member.isreg() or member.islnk():
            # Of a hard link the archive holds the content under the name that came first.
            file = archive.extractfile(member)
            if file is not None:
                yield path, (0o100755 if member.mode & 0o100 else 0o100644, file.read())


def strip_image(image: str, script: str, name: str) -> str:
    """Makes an image from another one by a shell script that runs in it as root, without network.

    Args:
        image: The one to start from.
        script: For ``sh -e``.
        name: Of the new image. It is made only if the engine has none of that name that was made from ``image``.

    Returns:
        The new image's name with tag.

    Raises:
        InfrastructureError: If the engine or the script fails.
    """
    api, name = client(), tagged(name)
    parent = api.inspect_image(image)["Id"]  # type: ignore[no-untyped-call]
    label = "telos.swe.parent"
    if api.images(name=name, filters={"label": f"{label}={parent}"}):
        note_use(name)
        return name
    with _container(image, ["sh", "-e", "-c", script], user="0:0") as container:
        try:
            api.start(container)
            ended = api.wait(container, timeout=_LIFETIME)
            if ended["StatusCode"]:
                told = api.logs(container, tail=5).decode("utf-8", "replace").strip()
                raise InfrastructureError("strip", f"{image} cannot be prepared: {told}")
            repository, _, tag = name.rpartition(":")
            api.commit(container, repository=repository, tag=tag, changes=[f"LABEL {label}={parent}"])
        except ENGINE_ERRORS as error:
            raise InfrastructureError("strip", first_line(error)) from error
    note_use(name, parent=tagged(image))
    return name
