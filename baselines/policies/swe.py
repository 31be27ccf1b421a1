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
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from telos.envs.swe.repairs import (
    REPRODUCTION,
    Edit,
    candidate_repairs,
    reproduction_of,
    save_reproduction,
    try_repairs,
)
from telos.envs.swe.tasks import Task

__all__ = ["POLICIES", "EmptySubmit", "GoldPatch", "HonestFixer", "Loiterer", "Policy", "RandomToolUser"]

Observation = Mapping[str, Any]
# What a single action can carry, with room for the script around the candidates.
_CANDIDATE_BYTES = 120_000


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
        reproduction = reproduction_of(statement)
        yield '<view path="."/>'
        modules = [line for line in self._observation["output"].splitlines() if _is_module(line)]
        indented = "".join(f"    {line}\n" if line else "\n" for line in reproduction.splitlines())
        yield save_reproduction(reproduction)
        yield _write("tests/test_reported.py", f"def test_reported_behaviour():\n{indented or '    pass'}\n")
        yield f"PYTHONPATH=. timeout 10 python3 {REPRODUCTION}"
        trace = self._observation["output"]
        yield "python3 -m pytest -q --deselect tests/test_reported.py"
        sources: dict[str, str] = {}
        for path in modules:
            yield f"cat {path}"
            if self._observation["exit_code"][0] == 0 and "bytes omitted" not in self._observation["output"]:
                sources[path] = self._observation["output"]
        candidates = candidate_repairs(sources, statement + trace)
        while candidates:
            batch, candidates = _split(candidates)
            yield try_repairs(batch)
            if "repaired" in self._observation["output"]:
                break
        yield "git diff"
        yield "<submit/>"


def _is_module(path: str) -> bool:
    return path.endswith(".py") and not path.startswith("tests/")


def _write(path: str, text: str) -> str:
    return f"cat > {path} <<'END_OF_FILE'\n{text.rstrip()}\nEND_OF_FILE"


def _split(candidates: list[Edit]) -> tuple[list[Edit], list[Edit]]:
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
