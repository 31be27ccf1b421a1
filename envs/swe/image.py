"""Builds the base image: from its Dockerfile, or from Debian's packages where no registry answers."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Protocol

import docker
import requests

from telos.envs.swe.errors import SandboxUnavailableError
from telos.envs.swe.sandbox.docker import client
from telos.envs.swe.scratch import scratch_folder

__all__ = ["BASE_IMAGE", "Progress", "build_image", "image_is_current"]

BASE_IMAGE = "telos-swe-base"
_LABEL = "telos.swe.image"
_PARENT = "debian:bookworm-slim"
_SUITE, _MIRROR = "bookworm", "http://deb.debian.org/debian"
# Documentation and package caches: two thirds of a bootstrapped system and of no use in a sandbox.
_CLUTTER = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
)
# What debootstrap says of each package: retrieving, validating, extracting, unpacking, configuring.
_LINES_EXPECTED = 700


class Progress(Protocol):
    """Called with a short text and the done fraction, 0 to 1."""

    def __call__(self, text: str, fraction: float, /) -> None:
        """Shows progress."""


def _recipe() -> dict[str, bytes]:
    folder = resources.files("telos.envs.swe") / "images"
    return {name: (folder / name).read_bytes() for name in ("Dockerfile", "packages.txt")}


def _version() -> str:
    digest = hashlib.sha256()
    for name, content in sorted(_recipe().items()):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


def image_is_current() -> bool:
    """Whether the engine holds the base image of this version of its recipe.

    Raises:
        SandboxUnavailableError: If no engine answers.
    """
    current = {"reference": f"{BASE_IMAGE}:latest", "label": f"{_LABEL}={_version()}"}
    return bool(client().images(filters=current))


def build_image(progress: Progress, *, force: bool = False) -> str:
    """Builds the base image if it is missing or out of date.

    Args:
        progress: Told how far the work is.
        force: Builds in any case.

    Returns:
        How: ``"reused"``, ``"built"`` (from the Dockerfile) or ``"bootstrapped"`` (from Debian's packages).

    Raises:
        SandboxUnavailableError: If no engine answers or neither way works; the message says what each lacks.
    """
    if not force and image_is_current():
        return "reused"
    progress(f"asking a registry for {_PARENT}", 0.0)
    try:
        client().pull(_PARENT)
    except (docker.errors.APIError, requests.RequestException) as error:
        _bootstrap(progress, f"{_PARENT} cannot be pulled ({_first_line(error)})")
        return "bootstrapped"
    _build(progress)
    return "built"


def _first_line(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error).splitlines()[0]


def _build(progress: Progress) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in _recipe().items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    lines = client().build(
        fileobj=buffer, custom_context=True, tag=BASE_IMAGE, labels={_LABEL: _version()}, rm=True, decode=True
    )
    for seen, line in enumerate(lines):
        if "error" in line:
            raise SandboxUnavailableError(f"docker build failed: {line['error'].strip()}")
        progress("building from the Dockerfile", min(0.99, seen / _LINES_EXPECTED))


def _bootstrap(progress: Progress, reason: str) -> None:
    if shutil.which("debootstrap") is None:
        raise SandboxUnavailableError(f"{reason}, and debootstrap is not installed: `sudo apt-get install debootstrap`")
    if os.geteuid() != 0:
        raise SandboxUnavailableError(
            f"{reason}, and debootstrap needs root: run `sudo $(which telos) swe build-image`"
        )
    packages = _recipe()["packages.txt"].decode().split()
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="debian-") as folder:
        root = Path(folder)
        # Programs of the packages run from here and as other users.
        root.chmod(0o755)
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", _SUITE, folder, _MIRROR]
        for seen, line in enumerate(_lines(command, f"{reason}, and debootstrap failed")):
            progress(line.removeprefix("I: ")[:60], min(0.9, 0.9 * seen / _LINES_EXPECTED))
        _finish(root)
        progress("importing into Docker", 0.92)
        with subprocess.Popen(
            ["tar", "-C", folder, "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "-c", "."],
            stdout=subprocess.PIPE,
        ) as tar:
            assert tar.stdout is not None
            client().import_image_from_stream(
                tar.stdout,
                repository=BASE_IMAGE,
                tag="latest",
                changes=[f"LABEL {_LABEL}={_version()}", 'CMD ["bash"]'],
            )
        if tar.returncode:
            raise SandboxUnavailableError(f"tar ended with {tar.returncode} while packing the image")


def _lines(command: list[str], failure: str) -> Iterator[str]:
    """Runs a command and yields its lines."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        last = ""
        try:
            for line in process.stdout:
                last = line.strip()
                yield last
        finally:
            # Ctrl-C: debootstrap must not go on alone.
            if process.poll() is None:
                process.terminate()
    if process.returncode:
        raise SandboxUnavailableError(f"{failure}: {last}")


def _finish(root: Path) -> None:
    """Does to a bootstrapped system what the Dockerfile does after installing packages."""
    for name in _CLUTTER:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, line in {
        "passwd": "agent:x:1000:1000::/home/agent:/bin/bash\n",
        "group": "agent:x:1000:\n",
    }.items():
        with (root / "etc" / name).open("a") as file:
            file.write(line)
    for folder in ("home/agent", "testbed"):
        (root / folder).mkdir(parents=True, exist_ok=True)
