"""A transform that pays for everything it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from telos.wrappers import RewardTransform, env_face, vector_face


def number(obs):
    """Reads one number a row out of any of the test environment's observations."""
    if isinstance(obs, dict):
        return number(obs["a"]) + number(obs["b"][0]) + 7 * number(obs["b"][1])
    if isinstance(obs, tuple):
        return np.array([float(text) for text in obs])
    obs = np.asarray(obs, float)
    return obs.sum(axis=1) if obs.ndim == 2 else obs


@dataclass(eq=False, repr=False)
class ProbeRewardTransform(RewardTransform):
    """Pays a function of everything that a transition holds.

    Args:
        scale: Factor.
    """

    timing: ClassVar = "causal"
    invariance: ClassVar = "none"
    observes: ClassVar = True
    state: ClassVar = ("count",)

    scale: float = 1.0

    def begin(self, num_envs):
        super().begin(num_envs)
        self.count = np.zeros(num_envs)

    def reset(self, mask):
        self.count[mask] = 0

    def update(self, step):
        self.count += step.active
        extra = number(step.next_obs) - 0.5 * number(step.obs) + np.asarray(step.action) + 100 * self.count
        return {**step.terms, "probe": self.scale * np.where(step.active, extra + 1000 * step.terminated, 0)}


ProbeReward = env_face(ProbeRewardTransform, __name__)
VectorProbeReward = vector_face(ProbeRewardTransform, __name__, "VectorProbeReward")
