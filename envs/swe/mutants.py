"""Searches a package's mutants for those that some of its tests, but not too many, notice."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from telos.envs.swe.grading import TestReport
from telos.envs.swe.mutations import Mutation, apply_mutations, mutations_of

__all__ = ["Mutant", "Package", "Runner", "Search", "search_mutants"]

_COMPOUND_SHARE = 0.2
# What any linter finds is no bug worth a task.
_LINTED = ("NameError", "UnboundLocalError", "SyntaxError", "ImportError")

Item = TypeVar("Item")
Result = TypeVar("Result")


class Runner(Protocol):
    """Runs a package's tests in a sandbox. Called from several threads at once."""

    def run_tests(self, files: Mapping[str, bytes], timeout: float, tests: Sequence[str] = ("tests",)) -> TestReport:
        """Runs tests of a tree.

        Args:
            files: POSIX path to content.
            timeout: Limit in seconds; a run that outlives it gives a report that is not valid.
            tests: Files, folders or test functions; all tests by default.
        """
        ...


class TestMap(Protocol):
    """Knows which tests can notice a mutation."""

    def tests_of(self, mutations: Iterable[Mutation]) -> Sequence[str] | None:
        """Test functions to run, empty if none can notice it; None is all tests."""
        ...


@dataclass(frozen=True)
class Search:
    """How the search goes. All defaults are ours.

    Attributes:
        runs_per_task: Mutants that are tried for each task that is wanted.
        per_function: Largest number of mutants of one function that are kept.
        timeout: Limit of one run of the tests, in seconds.
        jobs: Runs at a time; does not change what is found.
        test_map: Chooses the tests that a mutant meets; without it, all.
        fates: Counts what became of the mutants that were tried.
    """

    runs_per_task: int = 8
    per_function: int = 3
    timeout: float = 20.0
    jobs: int = 1
    test_map: TestMap | None = None
    fates: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Mutant:
    """Mutations with the tests that fail under them, and each one's message."""

    mutations: tuple[Mutation, ...]
    failing: Mapping[str, str]

    @property
    def place(self) -> tuple[str, str]:
        """File and function of the first mutation."""
        return self.mutations[0].path, self.mutations[0].function


@dataclass(frozen=True)
class Package:
    """A package that passes its tests, and what runs them."""

    name: str
    files: Mapping[str, bytes]
    tests: Sequence[str]
    runner: Runner
    search: Search

    @property
    def sources(self) -> dict[str, str]:
        """The package's modules: path to text."""
        return {
            path: content.decode()
            for path, content in self.files.items()
            if path == f"{self.name}.py" or (path.startswith(self.name + "/") and path.endswith(".py"))
        }

    def mutated(self, mutations: Sequence[Mutation]) -> dict[str, bytes]:
        """The tree with mutations applied."""
        tree = dict(self.files)
        for path in {mutation.path for mutation in mutations}:
            own = [mutation for mutation in mutations if mutation.path == path]
            tree[path] = apply_mutations(self.files[path].decode(), own).encode()
        return tree

    def try_out(self, mutations: tuple[Mutation, ...]) -> Mutant | str:
        """Runs the tests on a mutant; returns it if it can be a task, else what became of it."""
        chosen = self.search.test_map.tests_of(mutations) if self.search.test_map is not None else None
        if chosen is not None:
            if not chosen:
                return "reached by no test"
            functions = set(chosen)
            tests = [test for test in self.tests if test.partition("[")[0] in functions]
            report = self.runner.run_tests(self.mutated(mutations), self.search.timeout, chosen)
            mutant = self._judge(mutations, tests, report)
            if isinstance(mutant, str):
                return mutant
            # What one test leaves in a cache, others use without reaching the function.
        return self._judge(mutations, self.tests, self.runner.run_tests(self.mutated(mutations), self.search.timeout))

    def _judge(self, mutations: tuple[Mutation, ...], tests: Sequence[str], report: TestReport) -> Mutant | str:
        failing = {test: report.messages.get(test, "") for test in tests if report.outcomes.get(test) != "passed"}
        if not report.valid or set(report.outcomes) != set(tests):
            return "breaks the test run"
        if not failing:
            return "noticed by no test"
        if len(failing) > len(self.tests) / 2:
            return "breaks most tests"
        if any(report.outcomes[test] != "failed" or "::" not in test for test in failing):
            return "breaks fixtures"
        if all(message.startswith(_LINTED) for message in failing.values()):
            return "a linter's find"
        return Mutant(mutations, failing)


def search_mutants(package: Package, rng: random.Random, wanted: int, pool: Executor | None = None) -> Iterator[Mutant]:
    """Mutants that can be tasks, all different; among them a share with several mutations.

    Args:
        package: The package.
        rng: Decides the order in which mutations are tried.
        wanted: How many tasks are to be made of them.
        pool: Tries ``search.jobs`` mutants ahead, if given; that changes nothing but the time it takes.
    """
    search, fates = package.search, package.search.fates
    seen: set[str] = set()
    spare: list[Mutant] = []
    per_function: Counter[tuple[str, str]] = Counter()
    compounds = singles = 0

    def untried() -> Iterator[Mutation]:
        for mutation in itertools.islice(_sampled(package, rng), wanted * search.runs_per_task):
            if per_function[mutation.path, mutation.function] < search.per_function:
                yield mutation

    for mutation, mutant in _ahead(pool, lambda item: package.try_out((item,)), untried(), search.jobs):
        if per_function[mutation.path, mutation.function] >= search.per_function:
            continue
        fates["tried"] += 1
        if isinstance(mutant, str):
            fates[mutant] += 1
            continue
        per_function[mutant.place] += 1
        if compounds + 1 > _COMPOUND_SHARE * (singles + compounds + 1):
            if _is_new(package, mutant, seen):
                singles += 1
                yield mutant
            continue
        # Parts of compound mutants are no tasks of their own.
        spare.append(mutant)
        fates["became part of a compound bug"] += 1
        parts = 2 + compounds % 2
        if len({part.place for part in spare}) >= parts:
            compound = _compound(package, spare, parts)
            spare.clear()
            if compound is not None and _is_new(package, compound, seen):
                compounds += 1
                yield compound


def _ahead(
    pool: Executor | None, function: Callable[[Item], Result], items: Iterator[Item], depth: int
) -> Iterator[tuple[Item, Result]]:
    """Items with what a function makes of them, in order, some of them begun before they are asked for."""
    if pool is None:
        for item in items:
            yield item, function(item)
        return
    begun: deque[tuple[Item, Future[Result]]] = deque()
    try:
        while True:
            for item in itertools.islice(items, max(0, depth - len(begun))):
                begun.append((item, pool.submit(function, item)))
            if not begun:
                return
            item, future = begun.popleft()
            yield item, future.result()
    finally:
        for _, future in begun:
            future.cancel()


def _sampled(package: Package, rng: random.Random) -> Iterator[Mutation]:
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


def _compound(package: Package, spare: Sequence[Mutant], parts: int) -> Mutant | None:
    members = list({mutant.place: mutant for mutant in spare}.values())[:parts]
    compound = package.try_out(tuple(mutation for member in members for mutation in member.mutations))
    if isinstance(compound, str):
        return None
    # A mutation that another one hides would need no repair.
    shows = all(member.failing.keys() & compound.failing.keys() for member in members)
    return compound if shows else None


def _is_new(package: Package, mutant: Mutant, seen: set[str]) -> bool:
    tree = package.mutated(mutant.mutations)
    digest = hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest()
    if digest in seen:
        return False
    seen.add(digest)
    return True
