"""Runs a task's tests inside a fresh sandbox and reports every result through a pipe of its own.

Standard input carries the settings, among them a nonce; each line on the pipe starts with it. Both are
taken before any line of the candidate's code runs. Standard output is only a log.
"""

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion import rewrite


class Reporter:
    """Turns pytest's three phases into one outcome a test."""

    def __init__(self, pipe: int, nonce: str, tests: list[str]) -> None:
        """Takes the pipe to the host, the word that makes its lines valid, and the files or folders of tests."""
        self.pipe, self.nonce = pipe, nonce
        paths = [Path(test).resolve() for test in tests]
        self.test_files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("test_*.py"))]

    def pytest_configure(self, config: pytest.Config) -> None:
        """Compiles the tests now: candidate code that rewrites them when it is imported comes too late."""
        compiled = {str(path): rewrite._rewrite_test(path, config)[1] for path in self.test_files}
        original = rewrite.AssertionRewritingHook.exec_module

        def exec_module(hook: rewrite.AssertionRewritingHook, module: types.ModuleType) -> None:
            code = compiled.get(str(module.__file__))
            if code is None:
                original(hook, module)
            else:
                exec(code, module.__dict__)

        rewrite.AssertionRewritingHook.exec_module = exec_module  # type: ignore[assignment,method-assign]

    def send(self, record: dict[str, Any]) -> None:
        """Writes one line."""
        line = self.nonce + json.dumps(record) + "\n"
        data = line.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self.pipe, data) :]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sends what each phase of a test came to; the host puts the phases together."""
        expected_failure = hasattr(report, "wasxfail")
        outcome: str = report.outcome
        if expected_failure:
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        message = ""
        crash = getattr(report.longrepr, "reprcrash", None)
        if crash is not None:
            message = crash.message.splitlines()[0][:500] if crash.message else ""
        self.send({"test": report.nodeid, "phase": report.when, "outcome": outcome, "message": message})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Sends errors of collection, which leave their tests without a result."""
        if report.failed:
            self.send(
                {"test": report.nodeid, "phase": "collect", "outcome": "error", "message": str(report.longrepr)[-500:]}
            )


def main() -> None:
    """Runs pytest with nothing from the candidate's tree in its configuration."""
    settings = json.loads(sys.stdin.buffer.read())
    pipe = int(sys.argv[-1])
    os.set_inheritable(pipe, False)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    reporter = Reporter(pipe, settings.pop("nonce"), settings["tests"])
    # Last on the path: the candidate's files cannot take the place of a library that is imported later.
    sys.path.append(os.getcwd())
    options = ["-q", "--tb=short", "--import-mode=importlib", "-p", "no:cacheprovider", "-c", os.devnull]
    options += ["--rootdir", os.getcwd(), "-o", "xfail_strict=false", "-W", "ignore::pytest.PytestConfigWarning"]
    status = pytest.main([*options, *settings["tests"]], plugins=[reporter])
    reporter.send({"end": int(status)})
    sys.stdout.flush()
    # Handlers that the candidate registered for the interpreter's end come too late.
    os._exit(int(status))


main()
