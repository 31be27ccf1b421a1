"""Arm-steps a second of RestlessBandit-v0 against a loop over arms in Python, in turns within one process.

The loop does what published bandit code does: for each arm one draw from its row of the transition matrix with NumPy's
generator. Both play the same arms and actions.

    python benchmarks/bandit_throughput.py
"""

from __future__ import annotations

import json
import statistics
import time
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
from telos.envs.bandits.arms import Arms


class LoopBandit:
    """One bandit, arm by arm."""

    def __init__(self, arms: Arms, seed: int) -> None:
        self._transitions, self._rewards = arms.transitions, arms.rewards
        self._rng = np.random.default_rng(seed)
        self._states = self._rng.integers(arms.num_states, size=arms.num_arms)

    def step(self, levels: np.ndarray[Any, Any]) -> float:
        """Moves every arm; returns the reward."""
        reward = 0.0
        for j, level in enumerate(levels):
            state = self._states[j]
            reward += self._rewards[j, level, state]
            row = self._transitions[j, level, state]
            self._states[j] = self._rng.choice(len(row), p=row)
        return reward


def rate(step: Callable[[], object], arm_steps: int, seconds: float) -> float:
    """Arm-steps a second of a call that makes ``arm_steps`` of them."""
    calls, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        step()
        calls += 1
    return calls * arm_steps / spent


def main(
    num_arms: int = 1_000,
    num_envs: int = 256,
    rounds: int = 7,
    seconds: float = 1.0,
    out: Path = Path("benchmarks/results/bandit_throughput.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        num_arms: Arms of each environment.
        num_envs: Environments of the batch.
        rounds: How often each contender has its turn.
        seconds: Seconds of each turn.
        out: The JSON file.
    """
    budget = num_arms // 4
    levels = np.zeros(num_arms, np.int8)
    levels[:budget] = 1
    arguments = {"num_arms": num_arms, "budget": budget, "horizon": 10**9}
    single = gym.make("RestlessBandit-v0", **arguments)
    single.reset(seed=0)
    contenders: dict[str, tuple[Callable[[], object], int]] = {}
    loop = LoopBandit(single.unwrapped.family.arms, 0)
    contenders["Python loop over arms"] = (lambda: loop.step(levels), num_arms)
    contenders["Telos, one environment"] = (lambda: single.step(levels), num_arms)
    for threads in (1, None):
        envs = gym.make_vec("RestlessBandit-v0", num_envs=num_envs, num_threads=threads, **arguments)
        envs.reset(seed=0)
        actions = np.tile(levels, (num_envs, 1))
        name = f"Telos, {num_envs} environments, {'one thread' if threads else 'all cores'}"
        contenders[name] = (lambda envs=envs, actions=actions: envs.step(actions), num_arms * num_envs)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for step, _ in contenders.values():
        step()
    with progress_bar("throughput") as bar:
        for number in range(rounds):
            for name, (step, arm_steps) in contenders.items():
                rates[name].append(rate(step, arm_steps, seconds))
            bar.update("throughput", (number + 1) / rounds)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    base = medians["Python loop over arms"]
    table = Table("contender", "arm-steps/s", "ratio", box=box.SIMPLE, title=f"{num_arms} arms, medians of {rounds}")
    for name, value in medians.items():
        table.add_row(name, f"{value:.3g}", f"{value / base:.0f}")
    console = Console()
    console.print(table)
    record = {"telos": telos.__version__, "machine": describe_machine(), "arms": num_arms, "arm_steps_per_s": rates}
    record |= {"medians": medians, "ratios": {name: value / base for name, value in medians.items()}, "seed": 0}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
