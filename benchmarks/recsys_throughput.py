"""User-steps a second of LTSRec-v0 against RecSim's long-term satisfaction, in turns within one process.

RecSim 0.2.4 has the environment that Sim2Rec's derives from. It imports TensorFlow and Dopamine, for agents and logs;
empty modules stand in for both here, and nothing of its environment is changed. Both sides reset their users when an
episode ends, and have 30 items.

    pip install --no-deps --target /tmp/peer recsim==0.2.4 gym==0.26.2 gym-notices gin-config absl-py six cloudpickle
    python benchmarks/recsys_throughput.py --peer /tmp/peer
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar

PEER = "RecSim 0.2.4, one user"
ITEMS = 30
_STAND_INS = ("tensorflow", "tensorflow.compat", "tensorflow.compat.v1")
_STAND_INS += ("dopamine", "dopamine.discrete_domains", "dopamine.discrete_domains.checkpointer", "gin.tf")


def recsim_step(folder: Path) -> Callable[[], object]:
    """One step of RecSim's environment, with a reset where an episode ends.

    Raises:
        SystemExit: If the folder does not have RecSim.
    """
    sys.path.insert(0, str(folder))
    try:
        gin = importlib.import_module("gin")
        for name in _STAND_INS:
            module = types.ModuleType(name)
            module.__path__ = []
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
        sys.modules["gin.tf"].configurable = gin.configurable  # type: ignore[attr-defined]
        peer = importlib.import_module("recsim.environments.long_term_satisfaction")
    except ImportError as error:
        raise SystemExit(f"--peer {folder} does not have RecSim ({error}): {__doc__}") from error
    finally:
        sys.path.remove(str(folder))
    env = peer.create_environment({"slate_size": 1, "num_candidates": ITEMS, "resample_documents": False})
    slates = [[int(item)] for item in np.random.default_rng(0).integers(ITEMS, size=1000)]
    count = 0
    env.reset()

    def step() -> None:
        nonlocal count
        _, _, done, _ = env.step(slates[count % 1000])
        count += 1
        if done:
            env.reset()

    return step


def telos_step() -> Callable[[], object]:
    """One step of one environment as ``gym.make`` gives it, with a reset where an episode ends."""
    env = gym.make("LTSRec-v0", split="test")
    items = np.random.default_rng(0).integers(ITEMS, size=1000).tolist()
    count = 0
    env.reset(seed=0)

    def step() -> None:
        nonlocal count
        _, _, over, _, _ = env.step(items[count % 1000])
        count += 1
        if over:
            env.reset()

    return step


def telos_batch_step(num_envs: int, threads: int | None) -> Callable[[], object]:
    """One step of many users, who are reset by the environment."""
    envs = gym.make_vec("LTSRec-v0", num_envs=num_envs, split="test", num_threads=threads)
    items = np.random.default_rng(0).integers(ITEMS, size=num_envs)
    envs.reset(seed=0)
    return lambda: envs.step(items)


def turn(step: Callable[[], object], users: int, seconds: float) -> tuple[float, float]:
    """User-steps a second, and CPU nanoseconds a user-step, of a call that steps so many users."""
    calls, started, used = 0, time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - started) < seconds:
        step()
        calls += 1
    return calls * users / spent, (time.process_time() - used) / (calls * users) * 1e9


def _peak_bytes(num_envs: int, answer: Any) -> None:
    """Sends by how much an environment of so many users raises the peak of this process's memory."""
    telos_batch_step(1, 1)()
    before = _peak()
    step = telos_batch_step(num_envs, None)
    for _ in range(3):
        step()
    answer.send(_peak() - before)


def _peak() -> int:
    """This process's peak of memory, in bytes; getrusage would count what its parent had."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) * 1024


def peak_bytes(num_envs: int) -> int:
    """Memory of an environment of so many users, what its steps return included."""
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
    sizes: tuple[int, ...] = (1_000, 10_000, 65_536, 1_000_000),
    rounds: int = 7,
    seconds: float = 1.0,
    out: Path = Path("benchmarks/results/recsys_throughput.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        peer: The folder with RecSim, see above.
        sizes: Users of the batches.
        rounds: How often each contender has its turn.
        seconds: Seconds of each turn.
        out: The JSON file.
    """
    contenders: dict[str, tuple[Callable[[], object], int]] = {PEER: (recsim_step(peer), 1)}
    contenders["Telos, one user"] = (telos_step(), 1)
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
    table = Table("contender", "user-steps/s", "ratio", "CPU ns a step", box=box.SIMPLE, title=f"medians of {rounds}")
    for name, value in medians.items():
        table.add_row(name, f"{value:.3g}", f"{ratios[name]:.1f}", f"{cpu[name]:.0f}")
    memory = {str(size): peak_bytes(size) for size in (max(sizes),)}
    console = Console()
    console.print(table)
    console.print("  ".join(f"{int(size):,} users: {count / 1e9:.2f} GB" for size, count in memory.items()))
    record = {"telos": telos.__version__, "machine": describe_machine(), "user_steps_per_s": rates, "medians": medians}
    record |= {"ratios": ratios, "cpu_ns_per_user_step": cpu, "peak_bytes": memory, "seed": 0}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
