"""A task's base commit in a git repository on the host, and patches against it.

Only this process's git touches it: the agent's tree comes in as data, never as a repository, so its hooks,
configuration, commits and links have no effect here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from telos.envs.swe.scratch import scratch_folder
from telos.envs.swe.tasks import tree_entries

__all__ = ["PatchError", "Repository", "TreeTooLargeError", "is_litter"]

# Traces of running programs, which are no part of a change.
_LITTER = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".git"}
_TREE_LIMIT = 4 << 20
# What a tree may hold in files that are no part of a change; holes count, since reading them takes as long.
_STREAM_LIMIT = 1 << 30
_PATH_LIMIT, _DEPTH_LIMIT = 1_000, 64
_PATCH_LIMIT = 16 << 20
_FILES_LIMIT = 5_000
_IDENTITY = "Telos <telos@localhost> 946684800 +0000"
_GIT_ENV = {
    "PATH": os.defpath,
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
}
_DIFF_OPTIONS = ("--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv")
# `git apply` takes what it writes itself for an absolute path, unless it is quoted; the file may be empty, so that
# no other line names it.
_HEADER_OF_FOLDER_THAT_ENDS_IN_SPACE = re.compile(r"^diff --git a/([^\n]* /[^\n]*) b/\1$", re.MULTILINE)
# Quick rather than small: no differences between unrelated files are tried, and packs live as long as an episode.
_IMPORT = (
    "-c",
    "fastimport.unpackLimit=0",
    "-c",
    "core.compression=1",
    "fast-import",
    "--depth=0",
    "--quiet",
    "--force",
)
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"

Files = Mapping[str, tuple[int, bytes]]


class PatchError(ValueError):
    """A patch that git does not apply; the message is git's."""


class TreeTooLargeError(ValueError):
    """The agent's change is larger than any repair, or cannot be written as a patch at all."""


def is_litter(path: str) -> bool:
    """Whether a path is a trace of running programs or of git, and so no part of a change."""
    return bool(_LITTER.intersection(path.split("/"))) or path.endswith(".pyc")


def _mode(member: tarfile.TarInfo) -> int:
    if member.issym():
        return 0o120000
    return 0o100755 if member.mode & 0o100 else 0o100644


def _too_long(path: str) -> bool:
    return len(path) > _PATH_LIMIT or path.count("/") > _DEPTH_LIMIT


def _quoted(raw: bytes) -> bytes:
    """Bytes in git's C-style quotes."""
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _exact_pattern(path: str) -> bytes:
    """A pattern of a gitattributes file that matches one path and nothing else."""
    raw = os.fsencode("/" + path)
    for character in b"\\*?[":
        raw = raw.replace(bytes([character]), b"\\" + bytes([character]))
    return _quoted(raw)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


class Repository:
    """One commit, ``base``, made of a task's files.

    Args:
        files: POSIX path to content. Modes are 0644, also of a path that ends in ``.sh``, unless it is a
            :class:`~telos.envs.swe.tasks.FileTree`, which has its own.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = tree_entries(files)
        self._folder = tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="repository-")
        self._git_dir = Path(self._folder.name)
        self._lock = threading.Lock()
        for name in ("objects/pack", "refs/heads", "info"):
            (self._git_dir / name).mkdir(parents=True)
        (self._git_dir / "HEAD").write_text("ref: refs/heads/main\n")
        (self._git_dir / "config").write_text(_CONFIG)
        self._import("refs/heads/main", self.files, message="base")
        self._git("read-tree", "refs/heads/main")
        shutil.copy(self._git_dir / "index", self._git_dir / "base-index")

    def _git(self, *arguments: str, stdin: bytes = b"", index: str = "index") -> bytes:
        environment = {
            **_GIT_ENV,
            "GIT_DIR": str(self._git_dir),
            "GIT_INDEX_FILE": str(self._git_dir / index),
            "GIT_WORK_TREE": "/nonexistent",
        }
        result = subprocess.run(
            ["git", *arguments], input=stdin, capture_output=True, check=False, env=environment, cwd=self._git_dir
        )
        if result.returncode:
            raise PatchError(result.stderr.decode("utf-8", "replace").strip())
        return result.stdout

    def _import(self, ref: str, changes: Mapping[str, tuple[int, bytes] | None], message: str) -> None:
        """Commits ``changes`` (None deletes) on ``ref`` through git's own bulk importer."""
        commands = [f"commit {ref}\ncommitter {_IDENTITY}\ndata {len(message)}\n{message}\n".encode()]
        if ref != "refs/heads/main":
            commands.append(b"from refs/heads/main\n")
        # Deletions first: a file may have become a folder.
        for path, entry in sorted(changes.items(), key=lambda item: item[1] is not None):
            if entry is None:
                commands.append(b"D " + _quoted(os.fsencode(path)) + b"\n")
            else:
                mode, content = entry
                commands.append(
                    b"M %o inline " % mode
                    + _quoted(os.fsencode(path))
                    + b"\ndata %d\n" % len(content)
                    + content
                    + b"\n"
                )
        self._git(*_IMPORT, stdin=b"".join(commands))

    def guest_git(self) -> Files:
        """The ``.git`` folder that the agent sees: one commit, nothing after it."""
        names = ["HEAD", "config", "refs/heads/main", "base-index"]
        names += [str(path.relative_to(self._git_dir)) for path in (self._git_dir / "objects/pack").iterdir()]
        return {
            f".git/{'index' if name == 'base-index' else name}": (0o100644, (self._git_dir / name).read_bytes())
            for name in names
            if not name.endswith(".keep")
        }

    def changes(self, tree: Iterable[tuple[tarfile.TarInfo, Any]]) -> dict[str, tuple[int, bytes] | None]:
        """What a tree, streamed as ``(member, file or None)``, adds to, changes in and deletes from the base.

        Raises:
            TreeTooLargeError: Before more than 4 MiB of changed content is held.
        """
        changed: dict[str, tuple[int, bytes] | None] = {}
        missing = set(self.files)
        total = streamed = 0
        for member, file in tree:
            path = member.name
            streamed += member.size
            if streamed > _STREAM_LIMIT or _too_long(path):
                raise TreeTooLargeError(
                    f"{path[:100]}: the tree exceeds {_STREAM_LIMIT} bytes or {_DEPTH_LIMIT} levels"
                )
            if is_litter(path):
                continue
            known = self.files.get(path)
            # A large file of the base commit that has its size still is read, and compared.
            if member.size > _TREE_LIMIT and (known is None or len(known[1]) != member.size):
                raise TreeTooLargeError(f"{path} has {member.size} bytes; the limit is {_TREE_LIMIT}")
            if member.islnk():
                # A hard link: the archive holds the content once, under the name that came first.
                entry = changed.get(member.linkname) or self.files.get(member.linkname)
            elif member.issym():
                # A patch is text, and git has no binary form for links.
                entry = (
                    (_mode(member), os.fsencode(member.linkname)) if _is_text(os.fsencode(member.linkname)) else None
                )
            else:
                entry = (_mode(member), file.read()) if file else None
            if entry is None:
                continue
            missing.discard(path)
            if known != entry:
                changed[path] = entry
                total += len(entry[1])
                if total > _TREE_LIMIT or len(changed) > _FILES_LIMIT:
                    raise TreeTooLargeError(f"the change exceeds {_TREE_LIMIT} bytes or {_FILES_LIMIT} files")
        return changed | dict.fromkeys(missing)

    def patch(self, changes: Mapping[str, tuple[int, bytes] | None]) -> str:
        """Writes changes as a git patch in pure UTF-8: content in other encodings goes in git's binary form."""
        if not changes:
            return ""
        with self._lock:
            binary = [path for path, entry in changes.items() if not _is_text((entry or self.files[path])[1])]
            binary += [path for path in changes if path in self.files and not _is_text(self.files[path][1])]
            self._import("refs/heads/candidate", changes, message="candidate")
            # Git ignores attributes of very long paths: the second try has no path in it.
            for attributes in (b"".join(b"%s -diff\n" % _exact_pattern(path) for path in binary), b"* -diff\n"):
                (self._git_dir / "info/attributes").write_bytes(attributes)
                patch = self._git("diff", *_DIFF_OPTIONS, "refs/heads/main", "refs/heads/candidate")
                with contextlib.suppress(UnicodeDecodeError):
                    return _HEADER_OF_FOLDER_THAT_ENDS_IN_SPACE.sub(r'diff --git "a/\1" "b/\1"', patch.decode())
        raise TreeTooLargeError("the change cannot be written as text")

    def apply(self, patch: str) -> dict[str, tuple[int, bytes] | None]:
        """The changes that a patch makes: path to ``(mode, content)``, None for a deleted file.

        Raises:
            PatchError: If git refuses it.
        """
        if not patch.strip():
            return {}
        if len(patch) > _PATCH_LIMIT:
            raise PatchError(f"the patch has {len(patch)} characters; the limit is {_PATCH_LIMIT}")
        with self._lock:
            (self._git_dir / "info/attributes").write_bytes(b"")
            shutil.copy(self._git_dir / "base-index", self._git_dir / "index")
            try:
                data = patch.encode()
            except UnicodeEncodeError as error:
                raise PatchError(f"the patch is no text: {error}") from error
            self._git("apply", "--cached", "--binary", "--whitespace=nowarn", "-", stdin=data)
            raw = self._git("diff-index", "--cached", "--raw", "--no-renames", "-z", "--full-index", "refs/heads/main")
            return dict(self._entries(raw))

    def _entries(self, raw: bytes) -> Iterator[tuple[str, tuple[int, bytes] | None]]:
        """Reads ``git diff-index --raw -z`` and the contents that it names."""
        fields = raw.split(b"\0")[:-1]
        rows = [(head.split(), os.fsdecode(path)) for head, path in zip(fields[::2], fields[1::2], strict=True)]
        if any(head[1] == b"160000" for head, _ in rows):
            raise PatchError("the patch adds a submodule, which has no content")
        long = next((path for _, path in rows if _too_long(path)), None)
        if long is not None:
            raise PatchError(
                f"the path {long[:100]}... is longer than {_PATH_LIMIT} or deeper than {_DEPTH_LIMIT} levels"
            )
        wanted = b"".join(head[3] + b"\n" for head, _ in rows if head[4] != b"D")
        sizes = self._git("cat-file", "--batch-check=%(objectsize)", stdin=wanted).split() if wanted else []
        if sum(map(int, sizes)) > _TREE_LIMIT:
            raise PatchError(f"the patch makes more than {_TREE_LIMIT} bytes of changed files")
        blobs = self._git("cat-file", "--batch", stdin=wanted) if wanted else b""
        for head, path in rows:
            if head[4] == b"D":
                yield path, None
                continue
            line, _, blobs = blobs.partition(b"\n")
            size = int(line.split()[2])
            yield path, (int(head[1], 8), blobs[:size])
            blobs = blobs[size + 1 :]

    def close(self) -> None:
        """Removes the repository from disk."""
        self._folder.cleanup()
