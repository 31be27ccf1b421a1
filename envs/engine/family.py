"""What a family of simulated environments tells the engine: spaces, arrays, and three rules."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import DTypeLike

from telos.envs.engine.arrays import extremes, is_integer, on_host

__all__ = ["Family"]


class Family(abc.ABC):
    """One family, configured. Subclasses are written once and get every face.

    Constructor arguments of the subclass are the arguments of ``gym.make``. What stands here as an attribute may be set
    by the class or, where it depends on the arguments, by the constructor; rules may be, too.

    A family with several ``agents`` has them as the second axis of its actions, observations, terms and metrics:
    ``(n, agents, ...)``. All agents have the same spaces. An agent that is done stays so until the episode ends, which
    is when all are; it earns nothing more, and its action is not to be used.

    Attributes:
        arguments: What a face made it with.
        terms: Names of the reward terms, in the order of ``terms[i]`` in the step rule. The reward is their sum.
        metrics: Names of further float64 numbers that a step reports in ``info``.
        agents: Names of the agents, of a multi-agent family.
        observation_space: Of one environment or agent: a ``Box``, ``Discrete``, ``MultiDiscrete`` or ``MultiBinary``,
            or a ``Dict`` of them.
        observation_type: For a ``Dict``, a ``NamedTuple`` class whose fields are its keys.
        action_space: Of one environment or agent: ``Discrete``, ``MultiDiscrete`` or ``MultiBinary``.
        params: Named tuple of arrays that all environments share and no rule writes to.
        max_episode_steps: Steps after which an episode is truncated, or None; faces can be made with fewer.
        text_observations: Whether observations are texts, which ``describe_row`` makes on the host; ``observe_rule``
            is not used then.
        state_space: Of what ``state_rule`` writes, if there is one.
        render_modes: What ``render_row`` can make. With ``"human"``, there must be ``"rgb_array"``, too: the faces show
            it in a window.
        work: Elementary operations of one step of one environment, about.
        devices: Where it runs. A family whose own ``check_actions`` takes NumPy's arrays only says ``("cpu",)``.
    """

    arguments: Mapping[str, Any]
    terms: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    observation_type: Callable[..., Any] | None = None
    render_modes: ClassVar[tuple[str, ...]] = ()
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")

    agents: tuple[str, ...] = ()
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    params: Any
    max_episode_steps: int | None = None
    text_observations: bool = False
    state_space: spaces.Box | None = None
    work: int = 1

    #: ``(i, key, state, params)``: begins an episode of environment ``i``.
    reset_rule: Callable[..., None]
    #: ``(i, key, actions, state, params, terms, metrics) -> terminated``: one step. With agents, ``(i, key, actions,
    #: state, params, terms, metrics, terminated)``: writes ``terms[i, agent, term]`` and so on, and sets
    #: ``terminated[i, agent]``, which is already True for those that are done.
    step_rule: Callable[..., Any]
    #: ``(i, state, params, observation)``: writes row ``i`` of the observation, ``observation[i, agent]`` with agents.
    observe_rule: Callable[..., None]
    #: ``(i, state, params, mask)``, if there is one: sets ``mask[i, action]`` (``mask[i, agent, action]``), int8, to 1
    #: for the actions of a ``Discrete`` space that are allowed, and 0; it becomes ``info["action_mask"]``.
    action_mask_rule: Callable[..., None] | None = None
    #: ``(i, state, params, whole)``, if there is one: writes ``whole[i]``, all there is to know of environment ``i``,
    #: for the training of centralised critics.
    state_rule: Callable[..., None] | None = None

    @abc.abstractmethod
    def new_state(self, num_envs: int) -> Any:
        """A named tuple of NumPy arrays whose first axis is the environment."""

    def new_observation(self, num_envs: int, make: Callable[[tuple[int, ...], DTypeLike], Any] = np.empty) -> Any:
        """Arrays for a batch of observations: one, or a named tuple of them; ``make(shape, dtype)`` makes each."""

        def array(space: spaces.Space[Any]) -> Any:
            return make((num_envs, *self.agent_shape, *(space.shape or ())), np.dtype(space.dtype))

        if self.text_observations:
            return make((num_envs, *self.agent_shape, 0), np.uint8)
        if self.observation_type is None:
            return array(self.observation_space)
        assert isinstance(self.observation_space, spaces.Dict)
        return self.observation_type(**{name: array(space) for name, space in self.observation_space.items()})

    def new_action_mask(self, num_envs: int, make: Callable[[tuple[int, ...], DTypeLike], Any] = np.empty) -> Any:
        """An int8 array for the masks of a batch, or None if the family has no rule for them."""
        if self.action_mask_rule is None:
            return None
        if not isinstance(self.action_space, spaces.Discrete):
            raise TypeError(f"action masks are for Discrete actions, not {self.action_space}")
        return make((num_envs, *self.agent_shape, int(self.action_space.n)), np.int8)

    @property
    def agent_shape(self) -> tuple[int, ...]:
        """The axes between the environment's and those of the space: one for the agents, or none."""
        return (len(self.agents),) if self.agents else ()

    @cached_property
    def action_bounds(self) -> tuple[Any, Any]:
        """Smallest and largest integer of an action: of all entries alike, int, or arrays with one for each."""
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            low, high = np.asarray(space.start), np.asarray(space.start + space.n - 1)
        elif isinstance(space, spaces.MultiDiscrete):
            low, high = space.start, space.start + space.nvec - 1
        elif isinstance(space, spaces.MultiBinary):
            low, high = np.zeros(space.shape, np.int64), np.ones(space.shape, np.int64)
        else:
            raise TypeError(f"the engine takes Discrete, MultiDiscrete and MultiBinary actions, not {space}")
        if low.size and low.min() == low.max() and high.min() == high.max():
            return int(low.min()), int(high.min())
        return low, high

    def check_actions(self, actions: Any, state: Any) -> Any:
        """Returns a batch of actions in the form that the step rule takes; ``state`` is the batch's, not to be changed.

        Args:
            actions: ``(n, ...)``, NumPy array or PyTorch tensor.
            state: Named tuple of such arrays.

        Raises:
            ValueError: If one is invalid; the message says which and why.
        """
        space = self.action_space
        shape = (*self.agent_shape, *(space.shape or ()))
        if tuple(actions.shape[1:]) != shape:
            raise ValueError(f"actions must have shape {('num_envs', *shape)}, got {tuple(actions.shape)}")
        if not is_integer(actions):
            raise ValueError(
                f"actions must be integers, got dtype {actions.dtype}; try actions.astype(np.int64), or "
                "actions.to(torch.int64) of a tensor"
            )
        low, high = self.action_bounds
        alike = isinstance(low, int)
        least, most = extremes(actions, None if alike else 0)
        if (least < low or most > high) if alike else ((least < low) | (most > high)).any():
            given = on_host(actions)
            wrong = ((given < low) | (given > high)).reshape(len(given), -1).any(axis=1)
            row = int(np.argmax(wrong))
            raise ValueError(f"the action of environment {row} is not in {space}: {given[row]}")
        return actions

    def describe_row(self, state: Any, row: int, agent: int) -> str:
        """The observation of one agent of one environment, with ``text_observations``; ``state`` is on the host."""
        raise NotImplementedError

    def render_row(self, state: Any, row: int, mode: str) -> Any:
        """Renders one environment of the batch, in any mode but ``"human"``; ``state`` is on the host."""
        raise NotImplementedError
