"""Grading: a patch, applied to the base commit, meets the hidden tests in a sandbox that never ran the agent.

What a patch cannot touch: the test files, pytest's configuration, and everything that Python runs by itself
at start-up come from the task. What counts as passing: a report of every phase of exactly the expected
tests, marked with a nonce, on a pipe that is not standard output, from a run that ended as pytest ends. A
skipped, expected-to-fail or missing test has not passed. Each test file also carries canaries, which contradict
real tests of the file; a candidate that makes everything pass gives itself away.

Candidate code runs in the interpreter that runs the tests, as in every suite of this kind. A candidate
written against this very grader that inspects the runner's frames is caught only by what it overlooks.
"""

from __future__ import annotations

import io
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from telos.envs.swe.canaries import add_canaries
from telos.envs.swe.errors import SandboxWreckedError
from telos.envs.swe.pool import SandboxPool
from telos.envs.swe.repository import PatchError, Repository
from telos.envs.swe.tasks import Task, tree_entries

__all__ = ["Grade", "Outcome", "TestReport", "grade", "judge", "run_tests"]

Changes = Mapping[str, tuple[int, bytes] | None]

_RUNNER_FILES = {
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "setup.cfg",
    "pyproject.toml",
    "sitecustomize.py",
    "usercustomize.py",
}
_RUNNER_SUFFIXES = {".pth", ".egg-link", ".so", ".pyc"}
_RESULT_LIMIT = 8 << 20
_PHASES = ("setup", "call", "teardown")


class Outcome(IntEnum):
    """The four ordered levels of an episode's end."""

    NO_SUBMIT = 0
    EMPTY_PATCH = 1
    FAILS_TESTS = 2
    PASSES_TESTS = 3


@dataclass(frozen=True)
class TestReport:
    """What a run of tests came to.

    Attributes:
        outcomes: Test id to ``"passed"``, ``"failed"``, ``"error"``, ``"skipped"``, ``"xfailed"`` or ``"xpassed"``.
        messages: Id of each failing test to the first line of its error.
        valid: Whether the run ended as pytest ends and nothing about its report is odd.
        problem: Why it is not valid, empty if it is.
        log: The end of the run's standard output.
        seconds: Wall time of the test command, in seconds.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    outcomes: Mapping[str, str]
    messages: Mapping[str, str]
    valid: bool
    problem: str
    log: str = field(repr=False)
    seconds: float


@dataclass(frozen=True)
class Grade:
    """The verdict on a patch.

    Attributes:
        outcome: ``EMPTY_PATCH``, ``FAILS_TESTS`` or ``PASSES_TESTS``.
        passed: Ids of the expected tests that passed; empty, like ``failed``, where no test was run.
        failed: Ids of the expected tests that did not, for whatever reason.
        detail: Why tests could not be judged by their results alone, empty otherwise.
        log: The end of the test run's output.
        test_seconds: Wall time of the test command, in seconds.
        seconds: Wall time of all of the grading, in seconds.
    """

    outcome: Outcome
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    detail: str = ""
    log: str = field(default="", repr=False)
    test_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def resolved(self) -> bool:
        """Whether every expected test passed."""
        return self.outcome is Outcome.PASSES_TESTS


@cache
def _runner_source() -> str:
    return (resources.files("telos.envs.swe") / "guest" / "test_runner.py").read_text()


def _combine(phases: Mapping[str, str]) -> str:
    """One outcome from a test's phases: passed only if each of the three passed."""
    if any(phases.get(phase) == "failed" for phase in ("setup", "teardown")):
        return "error"
    call = phases.get("call") or phases.get("setup", "error")
    complete = all(phases.get(phase) == "passed" for phase in _PHASES)
    return "error" if call == "passed" and not complete else call


@dataclass
class _Results:
    """What the runner's lines say."""

    phases: dict[str, dict[str, str]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    problem: str = ""

    def add(self, record: Mapping[str, Any]) -> None:
        """Takes one record; raises KeyError or TypeError for one that the runner would not send."""
        if self.status is not None:
            self.problem = "results after the end"
        if "end" in record:
            self.status = int(record["end"])
            return
        test, phase = str(record["test"]), str(record["phase"])
        if phase in self.phases.setdefault(test, {}):
            self.problem = f"two results for {phase} of {test}"
        self.phases[test][phase] = str(record["outcome"])
        if record["message"]:
            self.messages.setdefault(test, str(record["message"]))


def _read_results(result: bytes, nonce: str) -> _Results:
    """Reads the runner's lines. Whatever else is on the pipe makes the run invalid."""
    results = _Results()
    for line in io.BytesIO(result):
        if not line.startswith(nonce.encode()):
            results.problem = "foreign lines on the result pipe"
            break
        try:
            results.add(json.loads(line[len(nonce) :]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            results.problem = "lines on the result pipe that the runner did not write"
            break
    return results


def run_tests(
    pool: SandboxPool, files: Mapping[str, tuple[int, bytes]], tests: Sequence[str], timeout: float
) -> TestReport:
    """Runs pytest on a tree in a fresh sandbox.

    Args:
        pool: Where the sandbox comes from.
        files: The whole tree: POSIX path to (git mode, content).
        tests: Files or folders to collect, relative to the tree.
        timeout: Limit in seconds.
    """
    nonce = secrets.token_hex(16)
    sandbox = pool.take()
    try:
        sandbox.put(files)
        settings = json.dumps({"nonce": nonce, "tests": list(tests)}).encode()
        argv = ["python3", "-I", "-B", "-c", _runner_source()]
        run = sandbox.spawn(argv, settings, timeout, _RESULT_LIMIT)
    except SandboxWreckedError as error:
        return TestReport({}, {}, valid=False, problem=f"the candidate broke the sandbox: {error}", log="", seconds=0.0)
    finally:
        sandbox.close()
    results = _read_results(run.result, nonce)
    problem, status = results.problem, results.status
    if run.command.stopped:
        problem = f"stopped: {run.command.stopped}"
    elif status is None:
        problem = problem or f"the run ended early with exit code {run.command.exit_code}"
    elif status != run.command.exit_code:
        problem = f"pytest ended with {status}, the process with {run.command.exit_code}"
    outcomes = {test: _combine(phases) for test, phases in results.phases.items() if "collect" not in phases}
    if not problem and (status == 0) != {"failed", "error"}.isdisjoint(outcomes.values()):
        problem = f"pytest ended with {status}, which its results do not bear out"
    return TestReport(outcomes, results.messages, not problem, problem, run.command.output, run.command.seconds)


def _protected(path: str, task: Task) -> bool:
    """Whether a path belongs to the tests or to their runner and so comes from the task alone."""
    pure = PurePosixPath(path)
    if pure.name in _RUNNER_FILES or pure.suffix in _RUNNER_SUFFIXES:
        return True
    if task.suite is not None:
        # Other people's tests lie among the sources; only the files themselves are known to be tests.
        return path in task.test_files
    folders = {PurePosixPath(test).parts[0] for test in task.test_files}
    return pure.parts[0] in folders or path in task.test_files


def _graded_tree(task: Task, changes: Changes) -> tuple[dict[str, tuple[int, bytes]], dict[str, str]]:
    """The tree that is tested, and the canaries in it: test id to the id of the test that each contradicts."""
    tree = tree_entries(task.files)
    for path, entry in changes.items():
        if _protected(path, task):
            continue
        tree.pop(path, None)
        if entry is not None:
            tree[path] = entry
    canaries: dict[str, str] = {}
    for path, (mode, content) in tree_entries(task.test_files).items():
        if task.suite is None and any(PurePosixPath(path).match(name) for name in ("test_*.py", "*_test.py")):
            content, names = add_canaries(content)
            canaries |= {f"{path}::{name}": f"{path}::{test}" for name, test in names.items()}
        tree[path] = (mode, content)
    return tree, canaries


def _contradicted(canaries: Mapping[str, str], outcomes: Mapping[str, str]) -> bool:
    """Whether a test passed although the canary that contradicts it did not fail."""
    passing_files = {test.partition("::")[0] for test, outcome in outcomes.items() if outcome == "passed"}
    for canary, test in canaries.items():
        path, _, name = test.partition("::")
        due = outcomes.get(test) == "passed" if name else path in passing_files
        if due and outcomes.get(canary) != "failed":
            return True
    return False


def judge(pool: SandboxPool, task: Task, changes: Changes) -> Grade:
    """Runs the hidden tests on the base commit with ``changes``; no changes is a case like any other.

    Raises:
        InfrastructureError: If the machinery failed; nothing is then judged.
    """
    started = time.monotonic()
    expected = (*task.fail_to_pass, *task.pass_to_pass)
    tree, canaries = _graded_tree(task, changes)
    if task.suite is None:
        report = run_tests(pool, tree, sorted({test.partition("::")[0] for test in expected}), task.timeout)
    else:
        from telos.envs.swe.datasets.suites import run_suite

        report = run_suite(pool, tree, task, task.suite)
    outcomes, problem = report.outcomes, report.problem
    if _contradicted(canaries, outcomes):
        problem = "a test and its contradiction were both reported as passed: the candidate interferes with the runner"
    passed = tuple(test for test in expected if not problem and outcomes.get(test) == "passed")
    failed = tuple(test for test in expected if problem or outcomes.get(test) != "passed")
    return Grade(
        Outcome.FAILS_TESTS if failed else Outcome.PASSES_TESTS,
        passed=passed,
        failed=failed,
        detail=problem,
        log=report.log,
        test_seconds=report.seconds,
        seconds=time.monotonic() - started,
    )


def grade(pool: SandboxPool, repository: Repository, task: Task, patch: str) -> Grade:
    """Judges a patch against a task's hidden tests.

    Raises:
        InfrastructureError: If the machinery failed; the patch is then not judged at all.
    """
    if not patch.strip():
        return Grade(Outcome.EMPTY_PATCH)
    try:
        changes = repository.apply(patch)
    except PatchError as error:
        expected = (*task.fail_to_pass, *task.pass_to_pass)
        return Grade(Outcome.FAILS_TESTS, failed=expected, detail=f"the patch does not apply: {error}")
    return judge(pool, task, changes)
