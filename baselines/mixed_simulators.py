"""Simulators between simulators.

* ``Simulator`` - one of a set: an environment's arguments, or a mixture of two
* ``MixedSimulators`` - two simulators side by side, seen as one in between
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from telos.baselines.training_envs import make_envs

__all__ = ["MixedSimulators", "Simulator"]


@dataclass(frozen=True)
class Simulator:
    """A simulator that can be made.

    Attributes:
        kwargs: The environment's arguments.
        other: Those of the simulator that it is mixed with; None if it is not.
        weight: Of the other, in [0, 1].
    """

    kwargs: dict[str, Any]
    other: dict[str, Any] | None = None
    weight: float = 0.0

    def make(self, env_id: str, users: int) -> VectorEnv[Any, Any, Any]:
        """Makes a vector environment of so many users."""
        envs = make_envs(env_id, self.kwargs, users, same_step=True)
        if self.other is None:
            return envs
        return MixedSimulators(envs, make_envs(env_id, self.other, users, same_step=True), self.weight)


class MixedSimulators(VectorWrapper[Any, Any, Any, Any, Any]):
    """Two simulators with the same users and actions; observations, rewards and reward terms are weighted means.

    Where what users do is linear in what differs between the simulators, this is a simulator in between. Users are the
    same if what is drawn depends on the seed alone, as in the environments of Telos.

    Args:
        first: Simulates users that reset themselves in the same step.
        second: Simulates as many.
        weight: Of the second simulator, in [0, 1].

    Source: ours.
    """

    def __init__(self, first: VectorEnv[Any, Any, Any], second: VectorEnv[Any, Any, Any], weight: float) -> None:
        super().__init__(first)
        self._second, self._weight = second, weight

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins all episodes in both."""
        first, infos = super().reset(seed=seed, options=options)
        return self._mixed(first, self._second.reset(seed=seed, options=options)[0]), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step in both.

        Raises:
            ValueError: If an episode ends in one and not in the other.
        """
        observations, rewards, terminated, truncated, infos = super().step(actions)
        others, other_rewards, *ends, other_infos = self._second.step(actions)
        if not (np.array_equal(terminated, ends[0]) and np.array_equal(truncated, ends[1])):
            raise ValueError("simulators whose episodes end at different times cannot be mixed")
        mixed = self._mixed(observations, others), self._mixed(rewards, other_rewards)
        return *mixed, terminated, truncated, self._mixed(infos, other_infos)

    def hidden_users(self) -> list[Any]:
        """What both know of their users, mixed in the same way."""
        both: list[Any] = [self.env, self._second]
        return [self._mixed(*values) for values in zip(*(envs.hidden_users() for envs in both), strict=True)]

    def close(self, **kwargs: Any) -> None:
        """Closes both."""
        super().close(**kwargs)
        self._second.close(**kwargs)

    def _mixed(self, first: Any, second: Any) -> Any:
        if isinstance(first, dict):
            return {key: self._mixed(value, second[key]) for key, value in first.items()}
        if not np.issubdtype(first.dtype, np.floating):
            return first
        return ((1.0 - self._weight) * first + self._weight * second).astype(first.dtype)
