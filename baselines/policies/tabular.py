"""Policies of environments that have an exact table, from the table.

* ``TabularPolicy`` - plays a table of actions
* ``optimal``, ``myopic`` - such tables
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.tabular.family import TabularFamily
from telos.envs.tabular.optimum import finite_horizon_optimum, policy_iteration

__all__ = ["TabularPolicy", "myopic", "optimal"]


class TabularPolicy:
    """Plays a table of actions by state, or by time and state.

    It counts the steps itself, so that it also plays tables by time where the time is not observed.

    Args:
        family: What it plays; it says how a state is observed.
        actions: Integers ``(S,)``, or ``(H, S)``.
    """

    def __init__(self, family: TabularFamily, actions: NDArray[np.int64]) -> None:
        self._space, self._states = family.observation_space, family.mdp.num_states
        self._actions = actions.reshape(-1, self._states)
        self._time = np.zeros(0, np.int64)

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``."""
        if len(self._time) != len(begins):
            self._time = np.zeros(len(begins), np.int64)
        self._time = np.where(begins, 0, self._time + 1)
        # The action of a step that only resets does not matter.
        return self._actions[np.minimum(self._time, len(self._actions) - 1), self._state(np.asarray(observations))]

    def _state(self, observations: NDArray[Any]) -> NDArray[np.int64]:
        if isinstance(self._space, spaces.Discrete):
            return observations.astype(np.int64)
        if isinstance(self._space, spaces.MultiDiscrete):
            return observations[:, 0].astype(np.int64)
        return np.asarray(observations[:, : self._states].argmax(axis=1), np.int64)


def optimal(env: gym.Env[Any, Any], seed: int, discount: float | None = None) -> TabularPolicy:
    """The optimum of the environment's own reward, exactly.

    Args:
        env: The environment.
        seed: Not used.
        discount: Of later rewards: by default 1 where there is a horizon, and where there is none 0.99, which is ours.

    Raises:
        ValueError: If the discount is out of range.
    """
    family: TabularFamily = env.unwrapped.family  # type: ignore[attr-defined]
    if family.mdp.horizon is None:
        return TabularPolicy(family, policy_iteration(family.mdp, 0.99 if discount is None else discount).policy)
    return TabularPolicy(family, finite_horizon_optimum(family.mdp, 1.0 if discount is None else discount).policy)


def myopic(env: gym.Env[Any, Any], seed: int) -> TabularPolicy:
    """The action with the largest expected reward of the next step, the first of equally good ones."""
    family: TabularFamily = env.unwrapped.family  # type: ignore[attr-defined]
    return TabularPolicy(family, np.asarray(family.mdp.expected_reward(None).argmax(axis=1), np.int64))
