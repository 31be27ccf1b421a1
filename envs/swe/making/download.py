"""Gets packages from an index without running a line of theirs: source distributions, wheels, and their members."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from telos.envs.swe.errors import PackageError
from telos.envs.swe.scratch import scratch_folder

__all__ = ["download_source", "download_wheels", "read_archive", "read_folder"]

_TIMEOUT = 180.0
_UNPACKED_LIMIT = 64 << 20
_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_STOPPED = 86
# After the download pip would ask the distribution's own build code for metadata, in a process of its own. This ends
# pip when it is about to start any process but those that it describes the machine with.
_PIP_WITHOUT_BUILDS = f"""import os, runpy, sys

def refuse(event, arguments):
    if event in ("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system") or (
        event == "subprocess.Popen"
        and os.path.basename(os.fspath(arguments[0] or "")) not in ("lsb_release", "rustc", "uname")
    ):
        os._exit({_STOPPED})

sys.dont_write_bytecode = True
sys.addaudithook(refuse)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__")
"""
# What working on a package leaves in its folder.
_NO_SOURCES = {"__pycache__", "node_modules", "build", "dist", "venv", "site-packages"}


def download_source(requirement: str) -> tuple[str, bytes]:
    """Downloads the source distribution of one package; nothing in it is run.

    Args:
        requirement: A name, perhaps with a version, as pip takes it: ``"toolz"``, ``"toolz==1.0.0"``.

    Returns:
        The archive's file name and content.

    Raises:
        PackageError: If pip finds none; the message ends in what pip says.
    """
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="pip-") as folder:
        told = _pip(["--no-deps", "--no-binary", ":all:"], [requirement], Path(folder))
        # Where pip was stopped before it built anything, the archive still lies where pip unpacks it from.
        found = [path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name.endswith(_ARCHIVES)]
        downloaded = [path for path in found if path.parent.name.startswith(("pip-unpack", "downloaded"))]
        if not downloaded:
            raise PackageError(
                f"no source distribution of {requirement!r} can be downloaded: {told}. Check the name at "
                "https://pypi.org, or give the path of a folder with the package and its tests"
            )
        return downloaded[0].name, downloaded[0].read_bytes()


def download_wheels(requirements: Sequence[str]) -> dict[str, bytes]:
    """Downloads wheels of packages and of all that they require; wheels have no code that installing would run.

    Args:
        requirements: Requirements as pip takes them; those whose markers do not apply here are left out.

    Returns:
        File name to content.

    Raises:
        PackageError: If one has no wheel in pure Python.
    """
    if not requirements:
        return {}
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="pip-") as folder:
        pure = ["--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", "3.11"]
        told = _pip(["--only-binary", ":all:", *pure], requirements, Path(folder))
        if told:
            raise PackageError(f"the dependencies {', '.join(requirements)} have no wheels in pure Python: {told}")
        return {path.name: path.read_bytes() for path in sorted((Path(folder) / "downloaded").glob("*.whl"))}


def _pip(options: Sequence[str], requirements: Sequence[str], folder: Path) -> str:
    """Runs ``pip download``; returns what it says if it fails."""
    command = [sys.executable, "-c", _PIP_WITHOUT_BUILDS, "download", "--quiet", "--no-cache-dir", "--no-input"]
    # Requirements are other people's text: none of them may be taken for an option.
    command += ["--progress-bar", "off", "--dest", str(folder / "downloaded"), *options, "--", *requirements]
    try:
        done = subprocess.run(
            command, env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise PackageError(f"pip did not answer within {_TIMEOUT:g} s; check the network") from error
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return (errors[-1] if errors else (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]).strip()


def read_archive(name: str, content: bytes) -> dict[str, bytes]:
    """Reads the regular files of an archive in memory; links, devices and paths that lead outside are refused.

    Args:
        name: File name, which tells the format: a tar archive, a zip archive or a wheel.
        content: The archive.

    Returns:
        POSIX path to content, sorted, without the one folder that a source distribution has at its top.

    Raises:
        PackageError: If it is broken, larger than 64 MiB unpacked, or holds a path that leads outside.
    """
    files: dict[str, bytes] = {}
    room = _UNPACKED_LIMIT
    try:
        for path, size, read in _members(name, content):
            room -= size
            parts = PurePosixPath(path).parts
            if room < 0:
                raise PackageError(f"{name} holds more than {_UNPACKED_LIMIT >> 20} MiB")
            if path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
                raise PackageError(f"{name} holds the path {path!r}, which leads out of it")
            files[str(PurePosixPath(path))] = read()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        if isinstance(error, PackageError):
            raise
        raise PackageError(f"{name} cannot be unpacked: {error}") from error
    tops = {path.partition("/")[0] for path in files}
    if not name.endswith(".whl") and len(tops) == 1 and all("/" in path for path in files):
        files = {path.partition("/")[2]: data for path, data in files.items()}
    return dict(sorted(files.items()))


def _members(name: str, content: bytes) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Path, size and reader of each regular file."""
    if name.endswith((".zip", ".whl")):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
                if not entry.is_dir() and not is_link:
                    yield entry.filename, entry.file_size, partial(archive.read, entry)
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is not None:
                    yield member.name, member.size, file.read


def read_folder(folder: Path) -> dict[str, bytes]:
    """Reads the files below a folder: no links, nothing hidden, nothing that building or running left behind.

    Returns:
        POSIX path to content, sorted.

    Raises:
        PackageError: If they hold more than 64 MiB.
    """
    files: dict[str, bytes] = {}
    room = _UNPACKED_LIMIT
    for path in _walk(folder):
        content = path.read_bytes()
        room -= len(content)
        if room < 0:
            raise PackageError(f"{folder} holds more than {_UNPACKED_LIMIT >> 20} MiB; give the package's own folder")
        files[path.relative_to(folder).as_posix()] = content
    return dict(sorted(files.items()))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() or entry.name.startswith("."):
            continue
        if entry.is_dir():
            # The mark of a virtual environment, whatever its name.
            if entry.name not in _NO_SOURCES and not (entry / "pyvenv.cfg").exists():
                yield from _walk(entry)
        elif entry.is_file() and entry.suffix != ".pyc":
            yield entry
