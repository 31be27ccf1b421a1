"""Which tests reach which function, so that a mutant meets only the tests that can notice it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from telos.envs.swe.errors import PackageError, SandboxWreckedError
from telos.envs.swe.mutations import Mutation
from telos.envs.swe.pool import SandboxPool
from telos.envs.swe.syntax import parse

__all__ = ["Reach", "trace_tests"]

_RESULT_LIMIT = 64 << 20
#: Share of the suite's time from which on running all of it is simpler and hardly slower.
_NEARLY_ALL = 0.8

Place = tuple[str, int]  # a file and the first line of a function in it, decorators included


@dataclass(frozen=True)
class Reach:
    """What each test reaches.

    Attributes:
        sources: The package's modules: path to text.
        seconds: Test id to its duration under the tracer, in seconds.
        reached: Test id to the functions that it calls, directly or not.
        imported: Functions that importing the package and its tests calls.
    """

    sources: Mapping[str, str]
    seconds: Mapping[str, float]
    reached: Mapping[str, frozenset[Place]]
    imported: frozenset[Place]

    def tests_of(self, mutations: Iterable[Mutation]) -> Sequence[str] | None:
        """The tests that may notice mutations, without the cases of parametrised ones; None is all tests.

        Code outside of functions, and functions that run on import, count for every test.
        """
        places = set()
        for mutation in mutations:
            line = _function_at(mutation.path, self.sources[mutation.path], mutation.line)
            if line is None or (mutation.path, line) in self.imported:
                return None
            places.add((mutation.path, line))
        tests = dict.fromkeys(test.partition("[")[0] for test, own in self.reached.items() if places & own)
        chosen = sum(seconds for test, seconds in self.seconds.items() if test.partition("[")[0] in tests)
        return list(tests) if chosen < _NEARLY_ALL * sum(self.seconds.values()) else None


@cache
def _function_spans(path: str, source: str) -> tuple[tuple[int, int, int], ...]:
    """Functions of a module: first line with decorators, first line of the body, last line."""
    functions = [node for node in ast.walk(parse(source)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return tuple(
        (
            min([node.lineno, *(item.lineno for item in node.decorator_list)]),
            node.body[0].lineno,
            node.end_lineno or node.lineno,
        )
        for node in functions
    )


def _function_at(path: str, source: str, line: int) -> int | None:
    """First line of the innermost function whose body holds a line; None outside of functions and in their heads."""
    around = [(first, body) for first, body, last in _function_spans(path, source) if first <= line <= last]
    if not around:
        return None
    first, body = max(around)
    return first if line >= body else None


@cache
def _tracer_source() -> str:
    return (resources.files("telos.envs.swe.making") / "reach_tracer.py").read_text()


def trace_tests(pool: SandboxPool, files: Mapping[str, bytes], sources: Mapping[str, str], timeout: float) -> Reach:
    """Runs the tests under ``tests/`` once and notes what each reaches.

    Args:
        pool: Where the sandbox comes from.
        files: The whole tree: POSIX path to content.
        sources: The modules among them that count: path to text.
        timeout: Limit in seconds; tracing makes tests two to five times slower.

    Raises:
        PackageError: If the run does not come to its end.
    """
    sandbox = pool.take()
    try:
        sandbox.put({path: (0o100644, content) for path, content in files.items()})
        argv = ["python3", "-I", "-B", "-c", _tracer_source()]
        run = sandbox.spawn(argv, json.dumps(["tests"]).encode(), timeout, _RESULT_LIMIT)
        answer = json.loads(run.result)
    except (SandboxWreckedError, ValueError) as error:
        raise PackageError(f"the tests cannot be traced: {error}") from error
    finally:
        sandbox.close()
    places = [(str(path), int(line)) for path, line in answer["functions"]]
    return Reach(
        sources,
        {test: seconds for test, (seconds, _) in answer["tests"].items()},
        {test: frozenset(places[number] for number in numbers) for test, (_, numbers) in answer["tests"].items()},
        frozenset(places[number] for number in answer["imported"]),
    )
