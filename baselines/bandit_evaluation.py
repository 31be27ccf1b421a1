"""Plays a bandit policy in the real environment, many episodes side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from telos.baselines.policies.bandits import BanditPolicy

__all__ = ["Score", "evaluate_policy"]


@dataclass(frozen=True)
class Score:
    """Expected reward per step, as the paper reports it.

    Attributes:
        mean: Mean over episodes and steps of the expected reward given state and action.
        error: Standard error over episodes.
    """

    mean: float
    error: float


def evaluate_policy(envs: VectorEnv[Any, Any, Any], policy: BanditPolicy, horizon: int, seed: int) -> Score:
    """Plays one episode in every environment; equal seeds give different policies the same luck.

    Args:
        envs: Bandit environments. The score is of the ``expected_reward`` in their infos, of the reward where that is
            missing.
        policy: The policy.
        horizon: Steps of an episode.
        seed: Seed of the episodes.

    Raises:
        ValueError: If environments reset in the same step, which hides the last reward in ``final_info``.
    """
    if envs.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP:
        raise ValueError("evaluation needs the end of an episode: gym.make_vec(..., autoreset_mode='NextStep')")
    states, _ = envs.reset(seed=seed)
    total = np.zeros(envs.num_envs)
    for t in range(horizon):
        states, rewards, _, _, infos = envs.step(policy(states, t))
        total += infos.get("expected_reward", rewards)
    per_step = total / horizon
    return Score(float(per_step.mean()), float(per_step.std(ddof=1) / np.sqrt(envs.num_envs)))
