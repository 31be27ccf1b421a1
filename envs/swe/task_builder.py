"""Makes validated tasks from a package: mutates it, runs its tests, keeps what makes a fair task.

A mutant becomes a task if some tests fail, at most half of them, if every other test still runs, if the failing
tests can be cut out of the visible ones, if one of them can be written as a script that fails on the mutant and
passes on the clean package, and if the gold patch and the empty patch get their verdicts in every one of three runs.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from telos.envs.swe.bug_report import write_report
from telos.envs.swe.builtin_tasks import build_task
from telos.envs.swe.difficulty import difficulty
from telos.envs.swe.errors import PackageError
from telos.envs.swe.grading import TestReport
from telos.envs.swe.mutants import Mutant, Package, Runner, Search, search_mutants
from telos.envs.swe.repository import Repository
from telos.envs.swe.reproduction import reproduction_of
from telos.envs.swe.tasks import Health, Task

__all__ = ["PackageError", "Runner", "build_rows"]

_HEALTH_RUNS = 3
_SCRIPT = "reproduction.py"
_SCRIPT_TEST = "tests/test_reproduction.py"
# The script is run as it stands in the report, not as a test.
_SCRIPT_RUNNER = b"""import runpy
from pathlib import Path


def test_reproduction():
    runpy.run_path(str(Path(__file__).parents[1] / "reproduction.py"))
"""


def build_rows(
    name: str,
    files: Mapping[str, bytes],
    seed: int,
    wanted: int,
    runner: Runner,
    advance: Callable[[], None],
    search: Search | None = None,
) -> list[dict[str, Any]]:
    """Makes the lines of ``tasks.jsonl`` for one package.

    Args:
        name: Name of the package and of its folder of modules.
        files: The package's tree.
        seed: Decides which mutants are tried; the same seed gives the same rows, measured seconds aside.
        wanted: How many tasks to make; fewer come if the package has too few good mutants.
        runner: Runs the tests.
        advance: Called for every task made.
        search: How mutants are searched for, if not as for the built-in tasks.

    Returns:
        The package's line, then the lines of its tasks.

    Raises:
        PackageError: If a test of the clean package does not pass.
    """
    search = search or Search()
    report = runner.run_tests(files, search.timeout)
    broken = [test for test, outcome in report.outcomes.items() if outcome != "passed"]
    if broken or not report.valid or not report.outcomes:
        raise PackageError(f"package {name!r} does not pass its own tests: {broken or report.problem or 'no tests'}")
    package = Package(name, files, sorted(report.outcomes), runner, search)
    rng = random.Random(f"{seed}:{name}")
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(search.jobs)) if search.jobs > 1 else None
        for mutant in search_mutants(package, rng, wanted, pool):
            row = _row(package, f"{name}-{len(rows) + 1:04d}", mutant, rng, pool)
            if isinstance(row, str):
                search.fates[row] += 1
                continue
            search.fates["kept"] += 1
            rows.append(row)
            advance()
            if len(rows) == wanted:
                break
    return [{"package": name, "tests": package.tests}, *rows]


def _row(
    package: Package, task_id: str, mutant: Mutant, rng: random.Random, pool: Executor | None
) -> dict[str, Any] | str:
    """The line of one task, or what the mutant lacks to be one."""
    functions = list(dict.fromkeys(mutation.function for mutation in mutant.mutations))
    found = _reproduction(package, mutant, rng, pool)
    if found is None:
        return "has no script that shows it"
    script, failure = found
    grade = difficulty(package.sources, functions, len(mutant.mutations), len(mutant.failing), script)
    statement = write_report(
        package=package.name,
        sources=package.sources,
        functions=functions,
        reproduction=script,
        failure=failure,
        difficulty=grade,
        seed=rng.getrandbits(32),
    )
    row: dict[str, Any] = {
        "id": task_id,
        "package": package.name,
        "difficulty": grade,
        "edits": [asdict(mutation) for mutation in mutant.mutations],
        "fail_to_pass": list(mutant.failing),
        "statement": statement,
        "health": asdict(Health(0, 0, 0, 0.0)),
    }
    try:
        task = build_task(row, package.files, package.tests)
    except ValueError:  # a failing test that stands elsewhere than in its file cannot be hidden
        return "fails tests that cannot be hidden"
    health = _health(package.runner, task, pool)
    if not health.stable:
        return "not the same verdict every time"
    if not any(path.startswith("tests/") for path in task.files):
        return "leaves no visible test"
    return {**row, "health": asdict(health)}


def _reproduction(
    package: Package, mutant: Mutant, rng: random.Random, pool: Executor | None
) -> tuple[str, str] | None:
    """A script made of one failing test that fails on the mutant alone, and the error of that test."""

    def outcomes_of(files: Mapping[str, bytes]) -> list[str]:
        return list(package.runner.run_tests(files, package.search.timeout).outcomes.values())

    tests = list(mutant.failing)
    rng.shuffle(tests)
    for test in tests[:3]:
        script = reproduction_of(package.files[test.partition("::")[0]].decode(), test)
        if script is None:
            continue
        added = {_SCRIPT: script.encode(), _SCRIPT_TEST: _SCRIPT_RUNNER}
        trees = [
            {path: content for path, content in tree.items() if not path.startswith("tests/")} | added
            for tree in (package.files, package.mutated(mutant.mutations))
        ]
        if list(_map(pool, outcomes_of, trees)) == [["passed"], ["failed"]]:
            return script, mutant.failing[test]
    return None


def _map(pool: Executor | None, function: Callable[..., Any], items: Iterable[Any]) -> Iterable[Any]:
    return map(function, items) if pool is None else pool.map(function, items)


def _health(runner: Runner, task: Task, pool: Executor | None) -> Health:
    """Runs the hidden tests on the base commit, with the gold patch and without."""
    repository = Repository(task.files)
    changes = repository.apply(task.gold_patch)
    repository.close()
    gold = {**task.files, **{path: entry[1] for path, entry in changes.items() if entry is not None}}
    expected = {*task.fail_to_pass, *task.pass_to_pass}
    trees = [{**gold, **task.test_files}, {**task.files, **task.test_files}]

    def run(files: Mapping[str, bytes]) -> TestReport:
        return runner.run_tests(files, task.timeout)

    runs = passes = fails = 0
    seconds = []
    while runs < _HEALTH_RUNS and passes == fails == runs:
        repaired, broken = _map(pool, run, trees)
        runs += 1
        passes += repaired.valid and all(repaired.outcomes.get(test) == "passed" for test in expected)
        seconds.append(repaired.seconds)
        passing = {test for test in expected if broken.outcomes.get(test) == "passed"}
        fails += broken.valid and passing == set(task.pass_to_pass)
    return Health(runs, passes, fails, round(statistics.median(seconds), 2))
