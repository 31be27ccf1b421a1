"""User-steps a second of SlateRec-v0 against SARDINE, in turns within one process.

SARDINE is `naver/sardine`, on PyPI `sardine-rec` (`sardine` is something else there). Both sides show slates of 10 of
1,000 items with 10 topics to users who get bored and are influenced, and reset them when an episode ends; slates are
random. In SlateRec-v0 users leave early then, so that it resets users about seven times as often.

    pip install --no-deps --target /tmp/peer sardine-rec==1.0.8
    python benchmarks/slate_throughput.py --peer /tmp/peer
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from recsys_throughput import turn
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar

PEER = "SARDINE 1.0.8, one user"
PEER_ID = "sardine/SlateTopK-BoredInf-v0"
ITEMS, PLACES = 1_000, 10


def single_step(env: gym.Env[Any, Any]) -> Callable[[], object]:
    """One step of one environment, with a reset where an episode ends."""
    slates = np.random.default_rng(0).integers(ITEMS, size=(1_000, PLACES))
    count = 0
    env.reset(seed=0)

    def step() -> None:
        nonlocal count
        _, _, over, _, _ = env.step(slates[count % 1_000])
        count += 1
        if over:
            env.reset()

    return step


def sardine_step(folder: Path) -> Callable[[], object]:
    """One step of SARDINE's environment.

    Raises:
        SystemExit: If the folder does not have SARDINE.
    """
    sys.path.insert(0, str(folder))
    try:
        importlib.import_module("sardine")
        env = gym.make(PEER_ID)
    except (ImportError, gym.error.Error) as error:
        raise SystemExit(f"--peer {folder} does not have SARDINE ({error}): {__doc__}") from error
    finally:
        sys.path.remove(str(folder))
    # As for Telos below: neither side pays for Gymnasium's checks.
    return single_step(env.unwrapped)


def telos_batch_step(num_envs: int, threads: int | None) -> Callable[[], object]:
    """One step of many users, who are reset by the environment."""
    envs = gym.make_vec("SlateRec-v0", num_envs=num_envs, num_threads=threads)
    slates = np.random.default_rng(0).integers(ITEMS, size=(num_envs, PLACES))
    envs.reset(seed=0)
    return lambda: envs.step(slates)


def _peak() -> int:
    """This process's peak of memory, in bytes; getrusage would count what its parent had."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) * 1024


def _peak_bytes(num_envs: int, answer: Any) -> None:
    """Sends by how much an environment of so many users, and their actions, raise the peak of this process's memory."""
    telos_batch_step(1, 1)()
    before = _peak()
    step = telos_batch_step(num_envs, None)
    for _ in range(3):
        step()
    answer.send(_peak() - before)


def peak_bytes(num_envs: int) -> int:
    """Memory of an environment of so many users, their actions and what its steps return."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_peak_bytes, args=(num_envs, there))
    process.start()
    there.close()
    try:
        return int(here.recv())
    finally:
        process.join()


def main(
    peer: Path,
    sizes: tuple[int, ...] = (1_000, 65_536, 1_000_000),
    rounds: int = 7,
    seconds: float = 1.0,
    out: Path = Path("benchmarks/results/slate_throughput.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        peer: The folder with SARDINE, see above.
        sizes: Users of the batches.
        rounds: How often each contender has its turn.
        seconds: Seconds of each turn.
        out: The JSON file.
    """
    contenders: dict[str, tuple[Callable[[], object], int]] = {PEER: (sardine_step(peer), 1)}
    contenders["Telos, one user"] = (single_step(gym.make("SlateRec-v0").unwrapped), 1)
    for size in sizes:
        for threads, name in ((1, "one thread"), (None, "all cores")):
            contenders[f"Telos, {size:,} users, {name}"] = (telos_batch_step(size, threads), size)
    for step, _ in contenders.values():
        step()
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    with progress_bar("throughput") as bar:
        for number in range(rounds):
            for name, (step, users) in contenders.items():
                turns[name].append(turn(step, users, seconds))
            bar.update("throughput", (number + 1) / rounds)
    rates = {name: [rate for rate, _ in values] for name, values in turns.items()}
    medians = {name: statistics.median(values) for name, values in rates.items()}
    cpu = {name: statistics.median(ns for _, ns in values) for name, values in turns.items()}
    ratios = {name: value / medians[PEER] for name, value in medians.items()}
    cpu_ratios = {name: cpu[PEER] / value for name, value in cpu.items()}
    columns = ("contender", "user-steps/s", "ratio", "CPU ns a step", "ratio")
    table = Table(*columns, box=box.SIMPLE, title=f"medians of {rounds}")
    for name, value in medians.items():
        numbers = (f"{value:.3g}", f"{ratios[name]:.1f}", f"{cpu[name]:.0f}", f"{cpu_ratios[name]:.1f}")
        table.add_row(name, *numbers)
    memory = {str(max(sizes)): peak_bytes(max(sizes))}
    console = Console()
    console.print(table)
    console.print("  ".join(f"{int(size):,} users: {count / 1e9:.2f} GB" for size, count in memory.items()))
    record = {"telos": telos.__version__, "machine": describe_machine(), "user_steps_per_s": rates, "medians": medians}
    record |= {"ratios": ratios, "cpu_ns_per_user_step": cpu, "cpu_ratios": cpu_ratios, "peak_bytes": memory, "seed": 0}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
