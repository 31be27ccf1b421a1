"""Sweeps: every algorithm on every environment under every stack of reward wrappers with every seed.

* ``SweepArgs`` - what is run
* ``plan_runs`` - the runs, as command lines
* ``run_sweep`` - runs those that have not finished, some at a time
* ``Outcome`` - how a run ended; ``Running`` - one that has not

Each run is a process of its own. What the sweep knows of it is in ``<out>/sweep/<run>/``: ``status.json`` with the
command line, the run's folder, how it ended and with which exit status, and the output, ``stdout.txt`` and
``stderr.txt``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import tyro

import telos  # noqa: F401 - registers the environments
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.sweep_processes import Process, StartProcess, local_processes, ray_processes
from telos.wrappers.specs import parse_arguments, parse_stack
from telos.wrappers.terms import suggestion

__all__ = [
    "Outcome",
    "PlannedRun",
    "Running",
    "Status",
    "SweepArgs",
    "plan_runs",
    "read_object",
    "read_seeds",
    "run_sweep",
]

Status = Literal["finished", "failed", "stopped", "not begun"]

_BY_SWEEP = ("--env", "--env-arg", "--wrap", "--seed", "--out", "--label", "--resume")
_MULTI_AGENT = {"ippo", "mappo"}
"""Algorithms whose environments are not Gymnasium's, so that only their scripts can look for them."""
_SECONDS_BETWEEN_LOOKS = 0.1
_ASK_TO_STOP = (signal.SIGINT, signal.SIGTERM)
_STOPPED = (*(128 + number for number in _ASK_TO_STOP), *(-number for number in _ASK_TO_STOP))
"""Exit statuses of training scripts that were asked to stop."""


@dataclass(frozen=True)
class SweepArgs:
    """Trains every algorithm on every environment, under every stack of reward wrappers, with every seed.

    What stands behind `--` is for every training script: `telos sweep ppo --env DeepSea-v0 -- --total-steps 50000`. The
    same command line again leaves out what finished, and goes on with the rest.
    """

    algorithms: tyro.conf.Positional[tuple[str, ...]]
    """Algorithms, as `telos train` has them."""
    env: tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Environment, and behind it its arguments: --env DeepSea-v0 size=20; repeat it for more environments."""
    wrap: tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Stack of reward wrappers, innermost first: --wrap episodic clip; repeat it for more. An empty one is none."""
    seeds: str = "5"
    """How many seeds, from 1 on; or a range such as 6-10, or a list such as 3,7,11."""
    jobs: int = 1
    """Runs at a time. Each gets an equal share of the cores as threads."""
    label: str = ""
    """Name of this setting in comparisons, before the wrappers: for sweeps that differ in what stands behind `--`."""
    out: Path = Path("runs")
    """Folder of all runs."""
    compare: bool = True
    """Print the comparison of the finished runs at the end, as `telos compare` does."""
    ray: bool = False
    """Run on Ray: in the cluster of RAY_ADDRESS, or in one that is started here."""
    ray_gpus: float = 0.0
    """GPUs that each run asks Ray for, such as 0.5. Without any it sees none."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        algorithm: As `telos train` has it.
        env: The environment's id.
        env_arg: Its arguments, ``name=value`` each.
        wrap: Reward wrappers, the innermost first.
        seed: The seed.
        label: What comparisons group it by.
        arguments: Of ``telos train``.
        out: Folder of all runs.
    """

    algorithm: str
    env: str
    env_arg: tuple[str, ...]
    wrap: tuple[str, ...]
    seed: int
    label: str
    arguments: tuple[str, ...]
    out: Path

    @property
    def folder(self) -> Path:
        """Where the sweep keeps what it knows of the run; another one if any argument is another."""
        digest = hashlib.sha256(json.dumps(self.arguments).encode()).hexdigest()[:8]
        words = (self.label, self.env, *self.env_arg, f"seed{self.seed}", digest)
        return self.out / "sweep" / re.sub(r"[^\w.=,+-]+", "-", "-".join(words))

    @property
    def environment(self) -> str:
        """The environment and its arguments."""
        return " ".join((self.env, *self.env_arg))

    @property
    def command(self) -> str:
        """The same run by hand."""
        return shlex.join(("telos", "train", *self.arguments))

    def find_run(self, since: float = 0.0) -> Path | None:
        """The folder that the run's process wrote, by its ``args.json``.

        Args:
            since: When the process began, in seconds since the epoch; older ones are of other processes.
        """
        wanted: dict[str, Any] = {"algorithm": self.algorithm, "label": self.label, "env": self.env, "seed": self.seed}
        wanted |= {"env_arg": list(self.env_arg), "wrap": list(self.wrap)}
        for path in (self.out / self.env.replace(":", "-")).glob("*/args.json"):
            if path.stat().st_mtime >= since:
                found = read_object(path)
                if all(found.get(name) == value for name, value in wanted.items()):
                    return path.parent
        return None

    def finished_run(self) -> Path | None:
        """The folder of the run if an earlier sweep has finished it."""
        run = read_object(self.folder / "status.json").get("run")
        return Path(run) if run and read_object(Path(run) / "done.json").get("status") == "finished" else None


@dataclass(frozen=True)
class Outcome:
    """How a run of a sweep ended.

    Attributes:
        planned: What was to be run.
        status: Of the run.
        exit_status: Of its process, negative for the signal that ended it; None if there was none.
        run: Its folder; None if there is none.
    """

    planned: PlannedRun
    status: Status
    exit_status: int | None = None
    run: Path | None = None

    def last_lines(self, count: int = 5) -> str:
        """The end of what the process said on standard error."""
        path = self.planned.folder / "stderr.txt"
        text = path.read_text(errors="replace") if path.is_file() else ""
        return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


@dataclass
class Running:
    """A run whose process has begun.

    Attributes:
        planned: What is run.
        process: Its process.
        began: When, in seconds since the epoch.
        run: Its folder, once ``look`` has found it.
    """

    planned: PlannedRun
    process: Process
    began: float = field(default_factory=time.time)
    run: Path | None = None

    def look(self) -> Path | None:
        """The run's folder, as soon as it is there."""
        # Clocks of file systems are coarse, and importing the script takes longer.
        self.run = self.run or self.planned.find_run(self.began - 0.1)
        return self.run


def read_seeds(text: str) -> list[int]:
    """Reads seeds: a count, ``first-last`` or a list with commas.

    Raises:
        InputError: If it is none of these.
    """
    if found := re.fullmatch(r"(\d+)-(\d+)", text):
        seeds = list(range(int(found[1]), int(found[2]) + 1))
    elif re.fullmatch(r"\d+", text):
        seeds = list(range(1, int(text) + 1))
    elif re.fullmatch(r"\d+(,\d+)*,?", text):
        seeds = list(dict.fromkeys(map(int, text.rstrip(",").split(","))))
    else:
        seeds = []
    if not seeds:
        raise InputError(f"--seeds {text!r} is neither a count such as 5, a range such as 6-10 nor a list such as 3,7")
    return seeds


def plan_runs(args: SweepArgs, further: Sequence[str], algorithms: Sequence[str]) -> list[PlannedRun]:
    """Lists the runs of a sweep, all settings with the first seed first, so that early results are of everything.

    Args:
        args: What is to be run.
        further: Arguments of every training script.
        algorithms: Names that ``telos train`` knows.

    Raises:
        InputError: If an algorithm, an environment, a wrapper or a number is wrong, or a further argument is one that
            the sweep gives.
    """
    if not args.algorithms or not args.env:
        raise InputError("a sweep needs at least one algorithm and one --env: telos sweep ppo --env CartPole-v1")
    for name in args.algorithms:
        if name not in algorithms:
            raise InputError(f"no algorithm {name!r}.{suggestion(name, algorithms)} There are: {', '.join(algorithms)}")
    if args.jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {args.jobs}")
    for text in further:
        given = text.partition("=")[0].replace("_", "-")
        if given in _BY_SWEEP:
            raise InputError(f"{given} is given by the sweep itself: put it (or --seeds) before the --")
    stacks = [tuple(spec for spec in stack if spec.strip()) for stack in args.wrap] or [()]
    with bad_input():
        for env_id, *env_arg in args.env:
            if not set(args.algorithms) <= _MULTI_AGENT:
                gym.spec(env_id)
            parse_arguments(env_arg)
        for stack in stacks:
            parse_stack(*stack)
    planned = [
        _plan_run(args, algorithm, env_id, tuple(env_arg), stack, seed, further)
        for seed in read_seeds(args.seeds)
        for env_id, *env_arg in args.env
        for algorithm in args.algorithms
        for stack in stacks
    ]
    return list(dict.fromkeys(planned))


def _plan_run(
    args: SweepArgs,
    algorithm: str,
    env_id: str,
    env_arg: tuple[str, ...],
    wrap: tuple[str, ...],
    seed: int,
    further: Sequence[str],
) -> PlannedRun:
    # The second is what a training script itself makes of wrappers.
    label = "+".join((args.label, *wrap)) if args.label else ""
    arguments = [algorithm, "--env", env_id]
    arguments += [text for each in env_arg for text in ("--env-arg", each)]
    arguments += [text for each in wrap for text in ("--wrap", each)]
    arguments += ["--label", label] if label else []
    arguments += ["--seed", str(seed), "--out", str(args.out), "--resume", "auto", *further]
    grouped_by = f"{algorithm} {label or '+'.join(wrap)}".strip()
    return PlannedRun(algorithm, env_id, env_arg, wrap, seed, grouped_by, tuple(arguments), args.out)


def run_sweep(
    args: SweepArgs, planned: Sequence[PlannedRun], show: Callable[[Sequence[Running], Sequence[Outcome]], None]
) -> tuple[list[Outcome], int]:
    """Runs what has not finished, at most ``args.jobs`` at a time, until all ended or a signal asks to stop.

    SIGINT and SIGTERM ask all processes to save and leave; a second one ends them at once.

    Args:
        args: See ``SweepArgs``.
        planned: The runs.
        show: Called with what runs and what ended, several times a second.

    Returns:
        How each run ended, as planned; and the number of the signal that asked to stop, 0 if none did.

    Raises:
        InputError: If there is no Ray to run on.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // args.jobs)
    ended = {each: Outcome(each, "finished", None, run) for each in planned if (run := each.finished_run())}
    waiting = [each for each in planned if each not in ended]
    running: list[Running] = []
    told = 0
    processes = ray_processes(threads, args.ray_gpus) if args.ray else local_processes(threads)
    with processes as start, _signals() as signals:
        try:
            while running or (waiting and not signals):
                while waiting and len(running) < args.jobs and not signals:
                    running.append(_begin(waiting.pop(0), start))
                for each in list(running):
                    if (exit_status := each.process.poll()) is not None:
                        running.remove(each)
                        ended[each.planned] = _end(each, exit_status, asked=bool(signals))
                show(running, list(ended.values()))
                if len(signals) > told:
                    told = len(signals)
                    for each in running:
                        each.process.stop() if told == 1 else each.process.kill()
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        finally:
            # Whatever happened, nothing is left running.
            for each in running:
                each.process.kill()
        return [ended.get(each, Outcome(each, "not begun")) for each in planned], signals[0] if signals else 0


def _begin(planned: PlannedRun, start: StartProcess) -> Running:
    planned.folder.mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-m", "telos.baselines.cli", "train", *planned.arguments)
    return Running(planned, start(command, planned.folder))


def _end(running: Running, exit_status: int, asked: bool) -> Outcome:
    """How a process ended, which is also written down; ``asked`` if all were asked to stop."""
    run = running.look()
    done = None if run is None else read_object(run / "done.json").get("status")
    status: Status = "failed"
    if exit_status == 0 and done == "finished":
        status = "finished"
    elif exit_status in _STOPPED or (asked and exit_status < 0):
        status = "stopped"
    planned = running.planned
    facts = {"command": planned.command, "run": run and str(run), "status": status, "exit_status": exit_status}
    draft = planned.folder / ".draft-status.json"
    draft.write_text(json.dumps(facts, indent=1))
    draft.replace(planned.folder / "status.json")
    return Outcome(planned, status, exit_status, run)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list of the SIGINT and SIGTERM that have come; they do nothing else meanwhile."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _ASK_TO_STOP}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def read_object(path: Path) -> Mapping[str, Any]:
    """Reads a JSON object; an empty one if there is none or it was torn."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
