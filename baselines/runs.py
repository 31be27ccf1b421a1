"""Reads the folders that training runs write.

* ``find_runs`` - the folders of runs under paths and patterns
* ``read_run`` - one of them
* ``group_runs`` - runs by environment and label
* ``common_curves`` - a metric of several runs at common steps
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FoundRuns", "RecordedRun", "Series", "Status", "common_curves", "find_runs", "group_runs", "read_run"]

Status = Literal["finished", "stopped", "unfinished"]
_ARGS, _LOG, _DONE, _SPEC = "args.json", "log.jsonl", "done.json", "env.json"
_NEEDED = {"env": str, "label": str, "seed": int}


@dataclass(frozen=True, eq=False)
class Series:
    """One metric over a run, linear between the steps at which it was logged.

    Attributes:
        steps: Environment steps, ``(p,)``, int64, increasing.
        values: ``(p,)``, float64.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def at(self, steps: ArrayLike) -> NDArray[np.float64]:
        """Values at other steps; before the first and after the last step, those there."""
        return np.asarray(np.interp(np.asarray(steps, np.float64), self.steps, self.values))

    def finite(self) -> Series:
        """The points that are finite."""
        there = np.isfinite(self.values)
        return Series(self.steps[there], self.values[there])

    def between(self, first: int, last: int) -> Series:
        """The part from a step to another."""
        inside = self.steps[(self.steps > first) & (self.steps < last)]
        steps = np.unique(np.concatenate([[first], inside, [last]]))
        return Series(steps, self.at(steps))

    def average(self) -> float:
        """The area under the curve over the steps that it spans."""
        if len(self.steps) == 1:
            return float(self.values[0])
        return float(np.trapezoid(self.values, self.steps) / (self.steps[-1] - self.steps[0]))


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """One training run.

    Attributes:
        path: Its folder.
        args: What ``args.json`` says: the script's arguments, label, version and machine.
        lines: What ``log.jsonl`` says, a whole line each.
        spec: The environment's specification from ``env.json``; empty if there is none.
        status: "unfinished" if there is no ``done.json``: the run was killed or still runs.
    """

    path: Path
    args: Mapping[str, Any]
    lines: tuple[Mapping[str, Any], ...]
    spec: Mapping[str, Any]
    status: Status

    @property
    def environment(self) -> str:
        """Id of the environment, and its arguments if it was given any: ``StepChain-v0 (length=20)``."""
        given = ", ".join(sorted(map(str, self.args.get("env_arg") or ())))
        return f"{self.args['env']} ({given})" if given else str(self.args["env"])

    @property
    def label(self) -> str:
        """The group that the run is compared as: algorithm and wrappers."""
        return str(self.args["label"])

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.args["seed"])

    @property
    def wrappers(self) -> tuple[str, ...]:
        """Reward wrappers of the training environment, the innermost first."""
        return tuple(map(str, self.args.get("wrap") or ()))

    @property
    def trained(self) -> bool:
        """Whether anything was trained: ``telos evaluate`` only plays, and its one score holds at every step."""
        return self.args.get("total_steps") != 0

    @property
    def step(self) -> int:
        """Environment steps at the last line of the log; 0 if it is empty."""
        return max((int(line["step"]) for line in self.lines), default=0)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all that was logged, in the order of their first appearance."""
        names = dict.fromkeys(name for line in self.lines for name in line)
        return tuple(name for name in names if name not in ("step", "time"))

    def series(self, metric: str) -> Series:
        """The lines that have a metric; empty if none has. Of two lines of one step, the later counts.

        What was not finite when it was logged, as a mean over no episodes, is NaN.
        """
        found = {line["step"]: line[metric] for line in self.lines if metric in line}
        steps = sorted(found)
        return Series(np.array(steps, np.int64), np.array([found[step] for step in steps], np.float64))


@dataclass(frozen=True)
class FoundRuns:
    """Folders of runs.

    Attributes:
        runs: The folders, sorted, each once.
        passed_over: What was named or matched and holds no run.
    """

    runs: tuple[Path, ...]
    passed_over: tuple[Path, ...]


def find_runs(paths: Sequence[str | Path]) -> FoundRuns:
    """Finds the runs under paths.

    Args:
        paths: Folders of runs, folders that hold such at any depth, files of a run (such as its ``log.jsonl``), or
            patterns of these such as ``runs/CartPole-v1/*``.

    Raises:
        ValueError: If a path does not exist, a pattern matches nothing, or there is no run at all.
    """
    runs: set[Path] = set()
    passed_over = []
    for path in (found for named in paths for found in _expand(str(named))):
        if path.name in (_ARGS, _LOG, _DONE, _SPEC):
            path = path.parent
        here = {each.parent for each in path.rglob(_ARGS)}
        runs |= here
        if not here:
            passed_over.append(path)
    if not runs:
        where = ", ".join(map(str, paths)) or "nowhere: no path was given"
        raise ValueError(
            f"there is no run in {where}. A run is a folder with {_ARGS} and {_LOG}; `telos train ppo --env "
            "CartPole-v1` writes one below runs/."
        )
    return FoundRuns(tuple(sorted(runs)), tuple(passed_over))


def read_run(path: str | Path) -> RecordedRun:
    """Reads a run. A last line of the log that is torn, as a killed run leaves it, is left out.

    Raises:
        ValueError: If the folder is no run, or one of its files is damaged.
    """
    folder = Path(path)
    if not (folder / _ARGS).is_file():
        raise ValueError(f"{folder} is no run: it has no {_ARGS}. Name the folder that a training script wrote.")
    args = _read_object(folder / _ARGS)
    for name, kind in _NEEDED.items():
        if not isinstance(args.get(name), kind):
            raise ValueError(
                f'{folder / _ARGS} has no "{name}" of type {kind.__name__}: it is not of a training run of Telos.'
            )
    spec = _read_object(folder / _SPEC) if (folder / _SPEC).is_file() else {}
    return RecordedRun(folder, args, _read_log(folder / _LOG), spec, _status(folder / _DONE))


def group_runs(runs: Iterable[RecordedRun]) -> dict[str, dict[str, list[RecordedRun]]]:
    """Environment to label to its runs; names sorted, runs by seed and path."""
    groups: dict[str, dict[str, list[RecordedRun]]] = {}
    for run in sorted(runs, key=lambda run: (run.environment, run.label, run.seed, run.path)):
        groups.setdefault(run.environment, {}).setdefault(run.label, []).append(run)
    return groups


def common_curves(series: Sequence[Series], points: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Brings runs to common steps: from the first to the last that all of them have.

    Returns:
        Steps ``(p,)``, at most ``points`` or if there are more evenly spaced ones, and values ``(n, p)``. If the runs
        have no step in common, p is 0.
    """
    first, last = max(each.steps[0] for each in series), min(each.steps[-1] for each in series)
    steps = np.unique(np.concatenate([each.steps for each in series])).astype(np.float64)
    steps = steps[(steps >= first) & (steps <= last)]
    if len(steps) > points:
        steps = np.linspace(first, last, points)
    return steps, np.array([each.at(steps) for each in series])


def _expand(named: str) -> list[Path]:
    """The path, or all that a pattern matches."""
    if os.path.exists(named):
        return [Path(named)]
    matches = [Path(match) for match in sorted(glob.glob(named, recursive=True))]
    if not matches:
        raise ValueError(f"{named} does not exist, and matches nothing as a pattern.")
    return matches


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); the run is damaged: remove it or train it again.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object; the run is damaged: remove it or train it again.")
    return found


def _read_log(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.is_file():
        return ()
    rows = [row for row in path.read_bytes().split(b"\n") if row.strip()]
    lines = []
    for number, row in enumerate(rows, start=1):
        try:
            line = json.loads(row)
            if not isinstance(line, dict) or not isinstance(line.get("step"), int):
                raise ValueError('no object with an integer "step"')
        except ValueError as error:
            if number == len(rows):
                break
            raise ValueError(
                f"line {number} of {path} is damaged ({error}); only the last line of a killed run may be. Mend or "
                "remove the line, or train the run again."
            ) from error
        lines.append(line)
    return tuple(lines)


def _status(path: Path) -> Status:
    """A ``done.json`` that was torn while it was written counts as none."""
    try:
        found = json.loads(path.read_bytes())["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return "unfinished"
    return "finished" if found == "finished" else "stopped"
