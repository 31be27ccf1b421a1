"""Scripted policies for SWEDocker-v0: what an agent can do without learning anything.

* ``RandomToolUser`` - any tool on any file, submits now and then
* ``Loiterer`` - farms the rewards of well-formed tool calls and never submits
* ``EmptySubmit`` - submits at once
* ``HonestFixer`` - reproduces the bug, looks for a single-mutation repair, submits whatever came of it
* ``GoldPatch`` - applies the task's own solution

All talk to the environment as a language agent would: text in, text out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any, Protocol

import numpy as np

from telos.envs.swe.mutations import mutations_of
from telos.envs.swe.tasks import Task

__all__ = ["POLICIES", "EmptySubmit", "GoldPatch", "HonestFixer", "Loiterer", "Policy", "RandomToolUser"]

Observation = Mapping[str, Any]
# What a single action can carry, with room for the script around the candidates.
_CANDIDATE_BYTES = 120_000
_PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Policy(Protocol):
    """Plays one episode at a time."""

    def reset(self, task: Task) -> None:
        """Starts an episode. Only :class:`GoldPatch` looks at more than ``task.id``."""

    def act(self, observation: Observation) -> str:
        """Answers an observation with an action."""


class _Scripted:
    """A policy written as a generator: yields an action, gets the next observation."""

    def reset(self, task: Task) -> None:
        """Starts the script anew."""
        self._script: Iterator[str] | None = None
        self._observation: Observation = {}
        self._task = task

    def act(self, observation: Observation) -> str:
        """Goes on to the script's next action; a script that is through submits."""
        self._observation = observation
        if self._script is None:
            self._script = self._play()
        return next(self._script, "<submit/>")

    def _play(self) -> Iterator[str]:
        raise NotImplementedError


class RandomToolUser(_Scripted):
    """Picks tools and files at random.

    Args:
        seed: Seed of its choices.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def _play(self) -> Iterator[str]:
        yield '<view path="."/>'
        files = [line for line in self._observation["output"].splitlines() if line.endswith(".py")]
        while True:
            path = str(self._rng.choice(files))
            line = int(self._rng.integers(1, 60))
            yield str(
                self._rng.choice(
                    [
                        f'<view path="{path}"/>',
                        f'<view path="{path}" start="{line}"/>',
                        '<search pattern="return"/>',
                        f"sed -i '{line}d' {path}",
                        "python3 -m pytest -q",
                        "<submit>",
                        "<submit/>",
                    ],
                    p=[0.2, 0.2, 0.2, 0.1, 0.15, 0.1, 0.05],
                )
            )


class Loiterer(_Scripted):
    """Looks at the same file until the turns are used up."""

    def _play(self) -> Iterator[str]:
        while True:
            yield '<view path="README.md"/>'


class EmptySubmit(_Scripted):
    """Submits the repository as it found it."""

    def _play(self) -> Iterator[str]:
        yield "<submit/>"


class GoldPatch(_Scripted):
    """Applies the task's own solution; the upper bound of every score."""

    def _play(self) -> Iterator[str]:
        yield f"git apply - <<'END_OF_PATCH'\n{self._task.gold_patch}END_OF_PATCH"
        yield "<submit/>"


class HonestFixer(_Scripted):
    """Works as a careful engineer without imagination would.

    It runs the reproduction from the bug report, keeps it as a regression test, reads the modules, and tries, in
    the sandbox, every single-mutation edit of them until the reproduction and the visible tests pass. Then it
    submits, repaired or not: a bug of several parts is beyond it, and its failure is an honest one.
    """

    def _play(self) -> Iterator[str]:
        statement = self._observation["statement"]
        block = _PYTHON_BLOCK.search(statement)
        reproduction = block.group(1) if block else ""
        yield '<view path="."/>'
        modules = [line for line in self._observation["output"].splitlines() if _is_module(line)]
        indented = "".join(f"    {line}\n" if line else "\n" for line in reproduction.splitlines())
        yield _write("/tmp/reproduction.py", reproduction)
        yield _write("tests/test_reported.py", f"def test_reported_behaviour():\n{indented or '    pass'}\n")
        yield "PYTHONPATH=. timeout 10 python3 /tmp/reproduction.py"
        trace = self._observation["output"]
        yield "python3 -m pytest -q --deselect tests/test_reported.py"
        sources: dict[str, str] = {}
        for path in modules:
            yield f"cat {path}"
            if self._observation["exit_code"][0] == 0 and "bytes omitted" not in self._observation["output"]:
                sources[path] = self._observation["output"]
        yield _write("/tmp/repair.py", (resources.files("telos.baselines.policies") / "swe_repair.py").read_text())
        candidates = _candidates(sources, statement + trace)
        while candidates:
            batch, candidates = _split(candidates)
            yield f"python3 /tmp/repair.py <<'END_OF_CANDIDATES'\n{json.dumps(batch)}\nEND_OF_CANDIDATES"
            if "repaired" in self._observation["output"]:
                break
        yield "git diff"
        yield "<submit/>"


def _is_module(path: str) -> bool:
    return path.endswith(".py") and not path.startswith("tests/")


def _write(path: str, text: str) -> str:
    return f"cat > {path} <<'END_OF_FILE'\n{text.rstrip()}\nEND_OF_FILE"


def _candidates(sources: Mapping[str, str], hints: str) -> list[tuple[str, int, int, str]]:
    """Single-mutation edits ``(path, start, end, text)``, those of functions that the hints name first."""
    ranked = []
    words = set(re.findall(r"\w+", hints))
    for path, source in sources.items():
        try:
            mutations = mutations_of(path, source)
        except SyntaxError:
            continue
        for mutation in mutations:
            named = mutation.function.rpartition(".")[2] in words
            ranked.append((not named, (path, mutation.start, mutation.end, mutation.replacement)))
    return [edit for _, edit in sorted(ranked, key=lambda pair: pair[0])]


def _split(candidates: list[tuple[str, int, int, str]]) -> tuple[list[Any], list[Any]]:
    """As many candidates as one action can carry, and the rest."""
    size, count = 0, 0
    while count < len(candidates) and size < _CANDIDATE_BYTES:
        size += len(json.dumps(candidates[count])) + 2
        count += 1
    return candidates[:count], candidates[count:]


#: Name to a function from a seed to a policy.
POLICIES: dict[str, Callable[[int], Policy]] = {
    "random": RandomToolUser,
    "loiterer": lambda seed: Loiterer(),
    "empty submit": lambda seed: EmptySubmit(),
    "honest fixer": lambda seed: HonestFixer(),
    "gold patch": lambda seed: GoldPatch(),
}
