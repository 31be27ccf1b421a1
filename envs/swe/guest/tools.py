"""The file tools of the scaffold; runs inside the sandbox, appended to the supervisor's source.

Each function prints what the agent reads and returns the exit code: 0 when it did what was asked.
"""

import difflib
import os
import re
import stat
from collections.abc import Iterator

VIEW_LINES = 200
SEARCH_MATCHES = 100
LINE_WIDTH = 400
LARGEST_FILE = 8 << 20
SKIPPED_FOLDERS = {".git", "__pycache__", ".pytest_cache"}


def fail(message: str) -> int:
    """Prints an error and gives its exit code."""
    print(f"error: {message}")
    return 1


def read_text(path: str) -> tuple[str, str | None]:
    """The text of a regular file and None, or nothing and a message that says why."""
    try:
        status = os.stat(path)
    except OSError as error:
        near = difflib.get_close_matches(path, list(files_below(".")), n=3, cutoff=0.6)
        hint = f". Did you mean {' or '.join(near)}?" if near else ""
        return "", f"{path}: {error.strerror}{hint}"
    if stat.S_ISDIR(status.st_mode):
        return "", f"{path} is a directory"
    if not stat.S_ISREG(status.st_mode):
        return "", f"{path} is not a regular file"
    if status.st_size > LARGEST_FILE:
        return "", f"{path} has {status.st_size} bytes; the limit of this tool is {LARGEST_FILE}, use bash"
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        return "", f"{path}: {error.strerror}"
    if b"\0" in content:
        return "", f"{path} is a binary file"
    return content.decode("utf-8", "surrogateescape"), None


def files_below(folder: str) -> Iterator[str]:
    """Paths of the regular files below a folder, sorted, without caches and version control."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(names):
            path = os.path.normpath(os.path.join(root, name))
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def lines_of(text: str) -> list[str]:
    """Lines as grep and sed count them: only a line feed ends one."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def store(path: str, content: bytes) -> None:
    """Writes a file; if there is no room for it, the old content stays."""
    existed = os.path.lexists(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        try:
            if content:
                os.posix_fallocate(descriptor, 0, len(content))
        except OSError:
            os.ftruncate(descriptor, size)
            if not existed:
                os.unlink(path)
            raise
        with open(descriptor, "r+b", closefd=False) as file:
            file.write(content)
            file.truncate()
    finally:
        os.close(descriptor)


def shorten(line: str) -> str:
    """Cuts a line that would flood the observation."""
    return line if len(line) <= LINE_WIDTH else f"{line[:LINE_WIDTH]} [... {len(line) - LINE_WIDTH} more characters]"


def view(path: str, start: int = 1, end: int | None = None) -> int:
    """Prints a file with line numbers, or the files below a directory."""
    if os.path.isdir(path):
        for name in files_below(path):
            print(name)
        return 0
    text, problem = read_text(path)
    if problem:
        return fail(problem)
    lines = lines_of(text)
    if lines and not 1 <= start <= len(lines):
        return fail(f"start={start} is outside the file, which has {len(lines)} lines")
    if end is not None and end < start:
        return fail(f"end={end} comes before start={start}")
    last = min(len(lines), start + VIEW_LINES - 1 if end is None else end)
    for number in range(start, last + 1):
        print(f"{number:6}  {shorten(lines[number - 1])}")
    if last < len(lines):
        print(f"[{len(lines) - last} more lines; view with start={last + 1}]")
    return 0


def search(pattern: str, path: str = ".") -> int:
    """Prints the lines that match a Python regular expression as ``path:line: text``."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        return fail(f"{pattern!r} is no valid regular expression: {error}")
    if not os.path.exists(path):
        return fail(f"{path}: no such file or directory")
    found = 0
    for name in [os.path.normpath(path)] if os.path.isfile(path) else files_below(path):
        text, problem = read_text(name)
        if problem:
            continue
        for number, line in enumerate(lines_of(text), 1):
            if expression.search(line):
                found += 1
                if found > SEARCH_MATCHES:
                    print(f"[more than {SEARCH_MATCHES} matches; narrow the pattern or the path]")
                    return 0
                print(f"{name}:{number}: {shorten(line)}")
    if not found:
        print("no match")
    return 0


def edit(path: str, old: str, new: str) -> int:
    """Replaces the one occurrence of ``old`` by ``new``; an empty ``old`` creates a file."""
    if old == new:
        return fail("old and new are the same text; nothing to change")
    if old == "":
        if os.path.lexists(path):
            return fail(f"{path} exists; give the text to replace in <old>, or use bash to overwrite the file")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        text, count = new, 1
    else:
        text, problem = read_text(path)
        if problem:
            return fail(problem)
        if "\r\n" in text and old not in text:
            # The file ends its lines as Windows does; an action's lines end in a line feed.
            old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
        count = text.count(old)
        if count == 0:
            return fail(f"<old> does not occur in {path}{closest_line(text, old)}")
        if count > 1:
            starts = [text.count("\n", 0, match.start()) + 1 for match in re.finditer(re.escape(old), text)]
            return fail(f"<old> occurs {count} times in {path} (lines {starts}); add lines around it to make it unique")
        text = text.replace(old, new)
    try:
        store(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        return fail(f"{path}: {error.strerror}")
    print(f"created {path}" if old == "" else f"edited {path}")
    return 0


def closest_line(text: str, old: str) -> str:
    """Hints at the line that the agent may have meant."""
    wanted = next((line for line in old.splitlines() if line.strip()), "")
    lines = lines_of(text)
    near = difflib.get_close_matches(wanted, lines[:5000], n=1, cutoff=0.6)
    return f"; the closest line is {lines.index(near[0]) + 1}: {near[0]!r}" if near else ""


TOOLS = {"view": view, "search": search, "edit": edit}
