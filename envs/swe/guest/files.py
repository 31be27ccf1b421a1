"""Copies of all that the agent can write; runs inside the sandbox, appended to the supervisor's source."""

import contextlib
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator


def save_places(places: list[str], archive: int) -> int:
    """Writes the files below some folders as a tar archive, to a descriptor: modes, times and links are kept."""
    with os.fdopen(os.dup(archive), "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for place in places:
            folders = [place]
            while folders:
                folder = folders.pop()
                with readable(folder):
                    names = sorted(os.listdir(folder))
                    for name in names:
                        path = os.path.join(folder, name)
                        member = tar.gettarinfo(path, path)
                        if member is None:
                            continue  # a socket
                        if member.isreg():
                            with readable(path), open(open_quietly(path), "rb") as file:
                                tar.addfile(member, file)
                        else:
                            tar.addfile(member)
                            folders += [path] * member.isdir()
    return 0


def open_quietly(path: str) -> int:
    """Opens a regular file for reading; its access time stays what it is, where the owner asks for that."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


@contextlib.contextmanager
def readable(path: str) -> Iterator[None]:
    """Gives the owner every right to a file or folder for a while; its mode comes back."""
    mode = stat.S_IMODE(os.lstat(path).st_mode)
    wanted = mode | (0o700 if os.path.isdir(path) else 0o400)
    # A place itself may be somebody else's, who lets everybody in.
    lacking = mode != wanted and os.lstat(path).st_uid == os.getuid()
    if lacking:
        os.chmod(path, wanted)
    try:
        yield
    finally:
        if lacking:
            os.chmod(path, mode)


def load_places(places: list[str], archive: int) -> int:
    """Empties some folders and fills them from an archive of ``save_places``."""
    for place in places:
        for name in os.listdir(place):
            path = os.path.join(place, name)
            if os.path.isdir(path) and not os.path.islink(path):
                make_removable(path)
                shutil.rmtree(path)
            else:
                os.unlink(path)
    with os.fdopen(os.dup(archive), "rb") as stream, tarfile.open(fileobj=stream) as tar:
        # The sandbox is the limit here; the agent's links may point anywhere.
        tar.extraction_filter = staticmethod(lambda member, path: member)
        tar.extractall("/")
    return 0


def make_removable(folder: str) -> None:
    """Gives the owner every right to a folder and those below it."""
    folders = [folder]
    while folders:
        path = folders.pop()
        os.chmod(path, 0o700)
        folders += [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
