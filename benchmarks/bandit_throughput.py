"""Arm-steps a second of RestlessBandit-v0 against a loop over arms in Python, in turns within one process.

The loop does what published bandit code does: for each arm one draw from its row of the transition matrix with NumPy's
generator. Both play the same arms and actions.

    python benchmarks/bandit_throughput.py
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from throughput import Contender, compare

import telos  # noqa: F401 - registers the environments
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
    loop = LoopBandit(single.unwrapped.family.arms, 0)
    contenders = {
        "Python loop over arms": Contender(lambda: loop.step(levels), num_arms),
        "Telos, one environment": Contender(lambda: single.step(levels), num_arms),
    }
    for threads in (1, None):
        envs = gym.make_vec("RestlessBandit-v0", num_envs=num_envs, num_threads=threads, **arguments)
        envs.reset(seed=0)
        actions = np.tile(levels, (num_envs, 1))
        name = f"Telos, {num_envs} environments, {'one thread' if threads else 'all cores'}"
        contenders[name] = Contender(partial(envs.step, actions), num_arms * num_envs)
    compare(contenders, "arm-steps", rounds, seconds, out, {"arms": num_arms})


if __name__ == "__main__":
    tyro.cli(main)
