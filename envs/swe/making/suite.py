"""Finds the part of a package's test suite that passes in a sandbox, every time and quickly."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch

from telos.envs.swe.builtin_tasks import without_tests
from telos.envs.swe.errors import PackageError
from telos.envs.swe.grading import TestReport
from telos.envs.swe.making.reach import Reach
from telos.envs.swe.making.runner import SandboxRunner
from telos.envs.swe.syntax import parse

__all__ = ["PassingSuite", "find_suite", "without_slow_tests"]

_TIMEOUT = 240.0
_RUNS = 3
_ROUNDS = 12


@dataclass(frozen=True)
class PassingSuite:
    """A tree all of whose tests pass.

    Attributes:
        files: POSIX path to content, without the tests that do not pass.
        tests: How many tests it has.
        found: How many tests were found in all.
        seconds: Wall time of the slowest of three runs, in seconds.
    """

    files: Mapping[str, bytes]
    tests: int
    found: int
    seconds: float


def find_suite(files: Mapping[str, bytes], runner: SandboxRunner, tell: Callable[[str], None]) -> PassingSuite:
    """Runs the tests and takes out those that fail, are skipped or are not the same every time, until all pass.

    Tests with subtests go first: they have several results, or one, by the version of pytest.

    Args:
        files: A project's files, tests under ``tests/``.
        runner: Runs them, in sandboxes only.
        tell: Told what is being done.

    Returns:
        What is left.

    Raises:
        PackageError: If no test is found, if the run does not come to its end, or if fewer than half of the tests pass.
    """
    tree = dict(files)
    divided = [test for path in files if path.startswith("tests/") for test in _with_subtests(path, files[path])]
    _cut(tree, divided)
    found = clean_runs = 0
    seconds = 0.0
    complaint = ""
    for number in range(_ROUNDS):
        tell(f"looking for tests that pass, run {number + 1}")
        report = runner.run_tests(tree, _TIMEOUT)
        broken_files = {path: message for path, message in report.messages.items() if path in tree and "::" not in path}
        if broken_files:
            complaint = next(iter(broken_files.values())).strip().splitlines()[-1].removeprefix("E").strip()
            for path in broken_files:
                del tree[path]
            if not _has_tests(tree):
                raise PackageError(f"none of the test files can be imported in the sandbox: {complaint}")
            continue
        if not report.outcomes:
            raise PackageError(f"no tests found: {complaint or report.problem or report.log.strip()[-300:]}")
        if not report.valid:
            raise PackageError(f"the test suite does not run to its end: {report.problem}. {report.log.strip()[-300:]}")
        found = found or len(report.outcomes) + len(divided)
        bad = [test for test, outcome in report.outcomes.items() if outcome != "passed"]
        ran = [test for test, outcome in report.outcomes.items() if outcome not in ("skipped", "xfailed")]
        if 2 * sum(report.outcomes[test] == "passed" for test in ran) < max(len(ran), 1):
            raise PackageError(
                f"the test suite fails: {len(ran) - (len(report.outcomes) - len(bad))} of {len(ran)} tests do not pass "
                f"in the sandbox, the first is {_first(bad, report)}. What it needs beyond its dependencies can be "
                "given with --requires"
            )
        if bad:
            clean_runs, seconds = 0, 0.0
            _cut(tree, bad)
            continue
        clean_runs, seconds = clean_runs + 1, max(seconds, report.seconds)
        if clean_runs == _RUNS:
            return PassingSuite(tree, len(report.outcomes), found, seconds)
    raise PackageError(f"the test suite gives other results in every run; last failed: {_first(bad, report)}")


def _first(bad: list[str], report: TestReport) -> str:
    return f"{bad[0]}: {report.messages.get(bad[0], report.outcomes[bad[0]])}" if bad else "none"


def _has_tests(tree: Mapping[str, bytes]) -> bool:
    names = [path.rpartition("/")[2] for path in tree if path.startswith("tests/")]
    return any(fnmatch(name, "test_*.py") or fnmatch(name, "*_test.py") for name in names)


def _with_subtests(path: str, content: bytes) -> Iterator[str]:
    """Names of a file's tests that have subtests, as pytest names them."""
    if not path.endswith(".py"):
        return
    try:
        module = parse(content)
    except (SyntaxError, ValueError):  # pytest will say so
        return
    scopes: list[tuple[str, ast.Module | ast.ClassDef]] = [(f"{path}::", module), *_classes(module, f"{path}::")]
    for prefix, node in scopes:
        for item in node.body:
            if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name.startswith("test"):
                names = {part.attr for part in ast.walk(item) if isinstance(part, ast.Attribute)}
                names |= {argument.arg for argument in item.args.args}
                if names & {"subTest", "subtests"}:
                    yield prefix + item.name


def _classes(module: ast.Module, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield f"{prefix}{node.name}::", node


def _cut(tree: dict[str, bytes], tests: Collection[str]) -> None:
    """Takes tests out of their files; a file from which one cannot be taken goes as a whole."""
    by_file: dict[str, set[str]] = {}
    for test in tests:
        path, _, name = test.partition("::")
        by_file.setdefault(path, set()).add(name.partition("[")[0])
    for path, names in by_file.items():
        try:
            rest = without_tests(tree[path].decode(), names)
        except ValueError:
            rest = None
        if rest is None:
            del tree[path]
        else:
            tree[path] = rest.encode()


def without_slow_tests(files: Mapping[str, bytes], reach: Reach, budget: float) -> dict[str, bytes]:
    """Takes out the slowest tests until the rest, under the tracer, takes no longer than a budget.

    Args:
        files: The tree.
        reach: What tracing has seen of its tests.
        budget: Seconds.
    """
    total, slow = sum(reach.seconds.values()), []
    for test, seconds in sorted(reach.seconds.items(), key=lambda item: -item[1]):
        if total <= budget:
            break
        slow.append(test)
        total -= seconds
    tree = dict(files)
    _cut(tree, slow)
    return tree
