"""Policies for any environment: random and constant actions.

* ``RandomActions`` - a random allowed action
* ``ConstantAction`` - always the same one
* ``random_policy``, ``constant_policy`` - these for an environment
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from telos.baselines.action_heads import action_head

__all__ = ["ConstantAction", "RandomActions", "constant_policy", "random_policy"]


class RandomActions:
    """Uniform over the actions that the ``action_mask`` of the observation or the info allows, all where there is none.

    Of an unbounded ``Box``, Gymnasium's own distribution.

    Args:
        space: Of one action.
        seed: Of the draws.
    """

    def __init__(self, space: spaces.Space[Any], seed: int = 0) -> None:
        self._space, self._seed = space, seed
        self._batch: spaces.Space[Any] | None = None
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``."""
        mask = observations.get("action_mask") if isinstance(observations, dict) else None
        mask = infos.get("action_mask") if mask is None else mask
        if mask is not None:
            head = action_head(self._space)
            allowed = torch.as_tensor(np.asarray(mask)).reshape(len(begins), -1) != 0
            drawn = head.sample(torch.zeros(allowed.shape), allowed, self._generator)
            return head.to_env(drawn).numpy()
        if self._batch is None:
            self._batch = batch_space(self._space, len(begins))
            self._batch.seed(self._seed)
        return self._batch.sample()


class ConstantAction:
    """Always the same action.

    Args:
        action: As the space has it.
    """

    def __init__(self, action: NDArray[Any]) -> None:
        self._action = action

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``."""
        return np.repeat(self._action[None], len(begins), axis=0)


def random_policy(env: gym.Env[Any, Any], seed: int) -> RandomActions:
    """Random allowed actions."""
    return RandomActions(env.action_space, seed)


def constant_policy(env: gym.Env[Any, Any], seed: int, action: Any = None) -> ConstantAction:
    """Always the given action.

    Raises:
        ValueError: If there is none, the space does not hold it, or it is not feasible in the first state.
    """
    space = env.action_space
    if not isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box)):
        raise ValueError(f"constant needs Discrete, MultiDiscrete, MultiBinary or Box actions, and there are {space}")
    if action is None:
        raise ValueError("constant needs an action, such as --policy-arg action=1")
    given = np.asarray(action)
    fits = given.dtype.kind in "biuf" and given.shape == space.shape
    chosen = given.astype(space.dtype) if fits else given
    exact = isinstance(space, spaces.Box) or np.array_equal(chosen, given)
    if fits and exact and hasattr(env.unwrapped, "feasible_set"):
        env.reset(seed=seed)
        if why := env.unwrapped.feasible_set.violation(chosen):
            raise ValueError(f"action={action} is not feasible: {why}")
    if not (fits and exact and space.contains(chosen[()] if isinstance(space, spaces.Discrete) else chosen)):
        raise ValueError(f"action={action} is not in {space}")
    return ConstantAction(chosen)
