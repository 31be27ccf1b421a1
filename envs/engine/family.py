"""What a family of simulated environments tells the engine: spaces, arrays, and three rules."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

__all__ = ["Family"]


class Family(abc.ABC):
    """One family, configured. Subclasses are written once and get every face.

    Constructor arguments of the subclass are the arguments of ``gym.make``.

    Attributes:
        terms: Names of the reward terms, in the order of ``terms[i]`` in the step rule. The reward is their sum.
        metrics: Names of further float64 numbers that a step reports in ``info``.
        observation_space: Of one environment: a ``Box``, ``MultiDiscrete`` or ``MultiBinary``, or a ``Dict`` of them.
        observation_type: For a ``Dict``, a ``NamedTuple`` class whose fields are its keys.
        action_space: Of one environment.
        params: Named tuple of arrays that all environments share and no rule writes to.
        work: Elementary operations of one step of one environment, about.
    """

    terms: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[str, ...]] = ()
    observation_type: ClassVar[Callable[..., Any] | None] = None
    render_modes: ClassVar[tuple[str, ...]] = ()

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    params: Any
    work: int = 1

    #: ``(i, key, state, params)``: begins an episode of environment ``i``.
    reset_rule: ClassVar[Callable[..., None]]
    #: ``(i, key, actions, state, params, terms, metrics) -> terminated``: one step.
    step_rule: ClassVar[Callable[..., bool]]
    #: ``(i, state, params, observation)``: writes row ``i`` of the observation.
    observe_rule: ClassVar[Callable[..., None]]

    @abc.abstractmethod
    def new_state(self, num_envs: int) -> Any:
        """A named tuple of arrays whose first axis is the environment."""

    def new_observation(self, num_envs: int) -> Any:
        """Arrays for a batch of observations: one, or a named tuple of them."""
        if self.observation_type is None:
            return _empty(self.observation_space, num_envs)
        assert isinstance(self.observation_space, spaces.Dict)
        return self.observation_type(
            **{name: _empty(space, num_envs) for name, space in self.observation_space.items()}
        )

    def check_actions(self, actions: NDArray[Any], state: Any) -> NDArray[Any]:
        """Returns a batch of actions in the form that the step rule takes; ``state`` is the batch's, not to be changed.

        Raises:
            ValueError: If one is invalid; the message says which and why.
        """
        space = self.action_space
        if actions.shape[1:] != (space.shape or ()):
            raise ValueError(f"actions must have shape (num_envs, *{space.shape}), got {actions.shape}")
        if actions.dtype.kind not in "biu":
            raise ValueError(f"actions must be integers, got dtype {actions.dtype}; try actions.astype(np.int64)")
        low, high = _bounds(space)
        if actions.size and (np.any(actions.min(axis=0) < low) or np.any(actions.max(axis=0) > high)):
            wrong = ((actions < low) | (actions > high)).reshape(len(actions), -1).any(axis=1)
            row = int(np.argmax(wrong))
            raise ValueError(f"the action of environment {row} is not in {space}: {actions[row]}")
        return actions

    def render_row(self, state: Any, row: int, mode: str) -> Any:
        """Renders one environment of the batch."""
        raise NotImplementedError


def _bounds(space: spaces.Space[Any]) -> tuple[Any, Any]:
    """Smallest and largest integer of each entry of an action."""
    if isinstance(space, spaces.Discrete):
        return space.start, space.start + space.n - 1
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return 0, 1
    raise TypeError(f"the engine takes Discrete, MultiDiscrete and MultiBinary actions, not {space}")


def _empty(space: spaces.Space[Any], num_envs: int) -> NDArray[Any]:
    return np.empty((num_envs, *(space.shape or ())), space.dtype)
