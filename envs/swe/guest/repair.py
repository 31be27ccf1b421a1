"""What runs inside the sandbox to repair a repository: tries edits until the reproduction and the tests pass.

Standard input is a JSON list of ``[path, start, end, text]``. Each edit is tried in a forked child, which takes some
milliseconds. Needs nothing but the sandbox's Python and pytest.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import time

REPRODUCTION = "/tmp/reproduction.py"
CHILD_SECONDS, ALL_SECONDS = 0.5, 45.0


def reproduction_passes() -> bool:
    """Runs the reproduction in a child with a time limit."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, CHILD_SECONDS)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        code = 1
        try:
            runpy.run_path(REPRODUCTION)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def visible_tests_pass() -> bool:
    """Runs the repository's own tests; that there are none (exit code 5) is no failure."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--deselect",
        "tests/test_reported.py",
    ]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode in (0, 5)
    except subprocess.TimeoutExpired:
        return False


def write(path: str, text: str) -> None:
    """Writes a source file without touching its line ends."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def read(path: str) -> str:
    """Reads a source file as it is."""
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def main(candidates: list[tuple[str, int, int, str]]) -> None:
    """Leaves the first edit that works in place, or the files as they were."""
    sys.path.insert(0, os.getcwd())
    if "pytest" in read(REPRODUCTION):
        import pytest  # noqa: F401 - once here, so that no child has to
    deadline = time.monotonic() + ALL_SECONDS
    sources = {path: read(path) for path in {candidate[0] for candidate in candidates}}
    for number, (path, start, end, text) in enumerate(candidates, 1):
        if time.monotonic() > deadline:
            print(f"out of time after {number - 1} of {len(candidates)} candidates")
            return
        write(path, sources[path][:start] + text + sources[path][end:])
        if reproduction_passes() and visible_tests_pass():
            print(f"repaired by candidate {number} of {len(candidates)} in {path}")
            return
        write(path, sources[path])
    print(f"none of {len(candidates)} candidates helps")


if __name__ == "__main__":
    main(json.load(sys.stdin))
