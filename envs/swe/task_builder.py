"""Makes validated tasks from a package: mutates it, runs its tests, keeps what makes a fair task.

A mutant becomes a task if some tests fail, at most half of them, if every other test still runs, if the failing
tests can be cut out of the visible ones, if one of them can be written as a script that fails on the mutant and
passes on the clean package, and if the gold patch and the empty patch get their verdicts in every one of three runs.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from telos.envs.swe.bug_report import write_report
from telos.envs.swe.builtin_tasks import build_task
from telos.envs.swe.difficulty import difficulty
from telos.envs.swe.grading import TestReport
from telos.envs.swe.mutations import Mutation, apply_mutations, mutations_of
from telos.envs.swe.repository import Repository
from telos.envs.swe.reproduction import reproduction_of
from telos.envs.swe.tasks import Health, Task

__all__ = ["PackageError", "Runner", "build_rows"]

_TIMEOUT = 20.0
_HEALTH_RUNS = 3
_COMPOUND_SHARE = 0.2
_TASKS_PER_FUNCTION = 3
_RUNS_PER_TASK = 8
_SCRIPT = "reproduction.py"
_SCRIPT_TEST = "tests/test_reproduction.py"
# The script is run as it stands in the report, not as a test.
_SCRIPT_RUNNER = b"""import runpy
from pathlib import Path


def test_reproduction():
    runpy.run_path(str(Path(__file__).parents[1] / "reproduction.py"))
"""
# What any linter finds is no bug worth a task.
_LINTED = ("NameError", "UnboundLocalError", "SyntaxError", "ImportError")


class PackageError(ValueError):
    """A package that no task can be made from."""


class Runner(Protocol):
    """Runs a package's tests in a sandbox. Called from several threads at once."""

    def run_tests(self, files: Mapping[str, bytes], timeout: float) -> TestReport:
        """Runs the tests under ``tests/`` of a tree.

        Args:
            files: POSIX path to content.
            timeout: Limit in seconds; a run that outlives it gives a report that is not valid.
        """
        ...


@dataclass(frozen=True)
class _Mutant:
    """Mutations with the tests that fail under them, and each one's message."""

    mutations: tuple[Mutation, ...]
    failing: Mapping[str, str]


@dataclass(frozen=True)
class _Package:
    """A package that passes its tests, and what runs them."""

    name: str
    files: Mapping[str, bytes]
    tests: Sequence[str]
    runner: Runner

    @property
    def sources(self) -> dict[str, str]:
        """The package's modules: path to text."""
        prefix = self.name + "/"
        return {
            path: content.decode()
            for path, content in self.files.items()
            if path.startswith(prefix) and path.endswith(".py")
        }

    def mutated(self, mutations: Sequence[Mutation]) -> dict[str, bytes]:
        """The tree with mutations applied."""
        tree = dict(self.files)
        for path in {mutation.path for mutation in mutations}:
            own = [mutation for mutation in mutations if mutation.path == path]
            tree[path] = apply_mutations(self.files[path].decode(), own).encode()
        return tree

    def try_out(self, mutations: tuple[Mutation, ...]) -> _Mutant | None:
        """Runs the tests on a mutant and returns it if it can be a task."""
        report = self.runner.run_tests(self.mutated(mutations), _TIMEOUT)
        failing = {test: report.messages.get(test, "") for test in self.tests if report.outcomes.get(test) != "passed"}
        whole = report.valid and set(report.outcomes) == set(self.tests)
        if not whole or not 1 <= len(failing) <= len(self.tests) / 2:
            return None
        if any(report.outcomes[test] != "failed" or "::" not in test for test in failing):
            return None
        if all(message.startswith(_LINTED) for message in failing.values()):
            return None
        return _Mutant(mutations, failing)


def build_rows(
    name: str, files: Mapping[str, bytes], seed: int, wanted: int, runner: Runner, advance: Callable[[], None]
) -> list[dict[str, Any]]:
    """Makes the lines of ``tasks.jsonl`` for one package.

    Args:
        name: Name of the package and of its folder of modules.
        files: The package's tree.
        seed: Decides which mutants are tried; the same seed gives the same rows, measured seconds aside.
        wanted: How many tasks to make; fewer come if the package has too few good mutants.
        runner: Runs the tests.
        advance: Called for every task made.

    Returns:
        The package's line, then the lines of its tasks.

    Raises:
        PackageError: If a test of the clean package does not pass.
    """
    report = runner.run_tests(files, _TIMEOUT)
    broken = [test for test, outcome in report.outcomes.items() if outcome != "passed"]
    if broken or not report.valid or not report.outcomes:
        raise PackageError(f"package {name!r} does not pass its own tests: {broken or report.problem or 'no tests'}")
    package = _Package(name, files, sorted(report.outcomes), runner)
    rng = random.Random(f"{seed}:{name}")
    rows: list[dict[str, Any]] = []
    for mutant in _mutants(package, rng, wanted):
        row = _row(package, f"{name}-{len(rows) + 1:04d}", mutant, rng)
        if row is not None:
            rows.append(row)
            advance()
        if len(rows) == wanted:
            break
    return [{"package": name, "tests": package.tests}, *rows]


def _mutants(package: _Package, rng: random.Random, wanted: int) -> Iterator[_Mutant]:
    """Mutants that can be tasks, all different; among them a share with several mutations."""
    runs = wanted * _RUNS_PER_TASK
    seen: set[str] = set()
    spare: list[_Mutant] = []
    per_function: Counter[tuple[str, str]] = Counter()
    compounds = singles = 0
    for mutation in itertools.islice(_sampled(package, rng), runs):
        place = mutation.path, mutation.function
        if per_function[place] >= _TASKS_PER_FUNCTION:
            continue
        mutant = package.try_out((mutation,))
        if mutant is None:
            continue
        per_function[place] += 1
        if compounds + 1 > _COMPOUND_SHARE * (singles + compounds + 1):
            if _is_new(package, mutant, seen):
                singles += 1
                yield mutant
            continue
        # Parts of compound mutants are no tasks of their own.
        spare.append(mutant)
        parts = 2 + compounds % 2
        if len({(part.mutations[0].path, part.mutations[0].function) for part in spare}) >= parts:
            compound = _compound(package, spare, parts)
            spare.clear()
            if compound is not None and _is_new(package, compound, seen):
                compounds += 1
                yield compound


def _sampled(package: _Package, rng: random.Random) -> Iterator[Mutation]:
    """All mutations in an order that goes round the operators, and for each round the modules and functions."""
    by_operator: dict[str, list[Mutation]] = {}
    for path, source in package.sources.items():
        for mutation in mutations_of(path, source):
            by_operator.setdefault(mutation.operator, []).append(mutation)
    for mutations in by_operator.values():
        rng.shuffle(mutations)
    operators = sorted(by_operator)
    rng.shuffle(operators)
    used: Counter[tuple[str, str]] = Counter()
    lines: set[tuple[str, int]] = set()
    while any(by_operator.values()):
        for operator in operators:
            # Of the shuffled ones, one in the function that was tried least; a line is tried once.
            fresh = [item for item in by_operator[operator] if (item.path, item.line) not in lines]
            by_operator[operator] = fresh
            if fresh:
                chosen = min(fresh, key=lambda item: used[item.path, item.function])
                fresh.remove(chosen)
                used[chosen.path, chosen.function] += 1
                lines.add((chosen.path, chosen.line))
                yield chosen


def _compound(package: _Package, spare: Sequence[_Mutant], parts: int) -> _Mutant | None:
    chosen = {(mutant.mutations[0].path, mutant.mutations[0].function): mutant for mutant in spare}
    members = list(chosen.values())[:parts]
    compound = package.try_out(tuple(mutation for member in members for mutation in member.mutations))
    if compound is None:
        return None
    # A mutation that another one hides would need no repair.
    shows = all(member.failing.keys() & compound.failing.keys() for member in members)
    return compound if shows else None


def _is_new(package: _Package, mutant: _Mutant, seen: set[str]) -> bool:
    tree = package.mutated(mutant.mutations)
    digest = hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest()
    if digest in seen:
        return False
    seen.add(digest)
    return True


def _row(package: _Package, task_id: str, mutant: _Mutant, rng: random.Random) -> dict[str, Any] | None:
    """The line of one task, or None if the mutant turns out to be none."""
    functions = list(dict.fromkeys(mutation.function for mutation in mutant.mutations))
    found = _reproduction(package, mutant, rng)
    if found is None:
        return None
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
    except ValueError:  # a failing test that is no top-level function cannot be hidden
        return None
    health = _health(package.runner, task)
    if not health.stable or not any(path.startswith("tests/") for path in task.files):
        return None
    return {**row, "health": asdict(health)}


def _reproduction(package: _Package, mutant: _Mutant, rng: random.Random) -> tuple[str, str] | None:
    """A script made of one failing test that fails on the mutant alone, and the error of that test."""
    tests = list(mutant.failing)
    rng.shuffle(tests)
    for test in tests[:3]:
        script = reproduction_of(package.files[test.partition("::")[0]].decode(), test)
        if script is None:
            continue
        outcomes: list[str] = []
        for tree in (package.files, package.mutated(mutant.mutations)):
            files = {path: content for path, content in tree.items() if not path.startswith("tests/")}
            files |= {_SCRIPT: script.encode(), _SCRIPT_TEST: _SCRIPT_RUNNER}
            outcomes += package.runner.run_tests(files, _TIMEOUT).outcomes.values()
        if outcomes == ["passed", "failed"]:
            return script, mutant.failing[test]
    return None


def _health(runner: Runner, task: Task) -> Health:
    """Runs the hidden tests on the base commit, with the gold patch and without."""
    repository = Repository(task.files)
    changes = repository.apply(task.gold_patch)
    repository.close()
    gold = {**task.files, **{path: entry[1] for path, entry in changes.items() if entry is not None}}
    expected = {*task.fail_to_pass, *task.pass_to_pass}
    passes = fails = 0
    seconds = []
    for _ in range(_HEALTH_RUNS):
        report = runner.run_tests({**gold, **task.test_files}, task.timeout)
        passes += report.valid and all(report.outcomes.get(test) == "passed" for test in expected)
        seconds.append(report.seconds)
        report = runner.run_tests({**task.files, **task.test_files}, task.timeout)
        passing = {test for test in expected if report.outcomes.get(test) == "passed"}
        fails += report.valid and passing == set(task.pass_to_pass)
    return Health(_HEALTH_RUNS, passes, fails, round(statistics.median(seconds), 2))
