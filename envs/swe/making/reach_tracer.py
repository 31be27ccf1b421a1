"""Runs tests inside a fresh sandbox and reports which functions each of them reaches, and how long it takes.

The host reads this file as text and sends it there. Standard input holds the files or folders of tests; the answer, one
JSON object, goes to the pipe whose number is the last argument.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import pytest


class Tracer:
    """Notes the code that is called, apart for each test."""

    def __init__(self) -> None:
        """Starts with what importing the tests calls."""
        self.called: set[CodeType] = set()
        self.imported = self.called
        self.tests: dict[str, tuple[float, set[CodeType]]] = {}

    def note(self, frame: FrameType, event: str, argument: Any) -> None:
        """Is called for every call and return."""
        if event == "call":
            self.called.add(frame.f_code)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Surrounds a test, its fixtures included."""
        self.called = set()
        started = time.perf_counter()
        # Code under test may have set a profile of its own.
        sys.setprofile(self.note)
        yield
        self.tests[item.nodeid] = time.perf_counter() - started, self.called
        self.called = set()


def main() -> None:
    """Runs pytest as grading does, and answers."""
    tests = json.loads(sys.stdin.buffer.read())
    pipe, top = int(sys.argv[-1]), os.getcwd() + os.sep
    os.set_inheritable(pipe, False)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path.append(os.getcwd())
    tracer = Tracer()
    threading.setprofile(tracer.note)
    sys.setprofile(tracer.note)
    options = ["-q", "--tb=no", "--import-mode=importlib", "-p", "no:cacheprovider", "-c", os.devnull]
    options += ["--rootdir", os.getcwd(), "-o", "xfail_strict=false", "-W", "ignore::pytest.PytestConfigWarning"]
    pytest.main([*options, *tests], plugins=[tracer])
    sys.setprofile(None)
    numbers: dict[tuple[str, int], int] = {}

    def number(codes: set[CodeType]) -> list[int]:
        own = {(code.co_filename, code.co_firstlineno) for code in codes if code.co_filename.startswith(top)}
        return sorted(numbers.setdefault((path.removeprefix(top), line), len(numbers)) for path, line in own)

    answer = {
        "tests": {test: [seconds, number(codes)] for test, (seconds, codes) in tracer.tests.items()},
        "imported": number(tracer.imported),
        "functions": list(numbers),
    }
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(pipe, data) :]
    os._exit(0)


main()
