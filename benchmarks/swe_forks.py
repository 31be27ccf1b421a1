"""How long SWEDocker-v0 takes to copy an episode.

Snapshot, restore, fork and shadow grade, with sandboxes waiting in the pool. A command runs before each of them, or the
copy at hand would do.

python benchmarks/swe_forks.py --rounds 100 --out benchmarks/results/swe_forks.json
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import telos  # noqa: F401 - registers the environments
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar

#: The pool holds enough for the eight forks, and has time to make new ones and to remove the old.
FORKS, WARM, PAUSE, LONGEST_WAIT = 8, 9, 0.7, 60.0
COMMAND = "echo change >>README.md; export PLACE=here"


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - started)


def settle(env: gym.Env[object, str]) -> None:
    """Waits until the pool is full and what was dropped is gone."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not env._pool.full and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(PAUSE)


def time_copies(sandbox: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each call, each round in another built-in task."""
    env = gym.make("SWEDocker-v0", sandbox=sandbox, warm=WARM).unwrapped
    names = ("snapshot", "restore", "fork", f"{FORKS}_forks", "shadow_grade")
    times: dict[str, list[float]] = {name: [] for name in names}
    with progress_bar(f"copies ({sandbox})") as bar:
        for number in range(rounds):
            env.reset(options={"task": env.task_ids[number * len(env.task_ids) // rounds]})
            kept: list[str] = []
            forks: list[gym.Env[object, str]] = []
            calls = (
                lambda kept=kept: kept.append(env.snapshot()),
                lambda kept=kept: env.restore(kept[0]),
                lambda forks=forks: forks.extend(env.fork()),
                lambda forks=forks: forks.extend(env.fork(FORKS)),
                env.shadow_grade,
            )
            for name, call in zip(names, calls, strict=True):
                env.step(COMMAND)
                settle(env)
                times[name].append(timed(call))
            for fork in forks:
                fork.close()
            env.drop_snapshot(kept[0])
            bar.update("copies", number / rounds)
    env.close()
    return times


def main(rounds: int = 50, out: Path | None = None) -> None:
    """Times copies of episodes in both sandboxes.

    Args:
        rounds: Episodes in each sandbox.
        out: JSON file for the results.
    """
    table = Table("sandbox", "call", "p50 ms", "p95 ms", "n")
    results: dict[str, dict[str, dict[str, float]]] = {}
    for sandbox in ("docker", "bubblewrap"):
        results[sandbox] = {}
        for name, values in time_copies(sandbox, rounds).items():
            p50, p95 = np.percentile(values, [50, 95])
            results[sandbox][name] = {"n": len(values), "p50_ms": float(p50), "p95_ms": float(p95)}
            table.add_row(sandbox, name, f"{p50:.1f}", f"{p95:.1f}", str(len(values)))
    Console().print(table)
    if out is not None:
        out.write_text(json.dumps({"machine": describe_machine(), "copies": results}, indent=1) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
