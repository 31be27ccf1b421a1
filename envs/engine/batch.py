"""A batch of environments of one family: arrays, two kernels, and nothing of Gymnasium's interfaces."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from telos.envs.engine.arrays import arrays_on, mapped
from telos.envs.engine.episodes import Clock, Rules, WhenDone, begin_body, step_body
from telos.envs.engine.family import Family
from telos.envs.engine.kernels import Kernel
from telos.envs.engine.threads import default_threads

__all__ = ["Batch", "Snapshot", "Step", "View"]

UNLIMITED = np.iinfo(np.int64).max


class View(NamedTuple):
    """What there is to see of a batch.

    Attributes:
        observation: Array or named tuple of arrays; a tuple of texts, of tuples of them with several agents.
        action_mask: int8 ``(n, actions)``, 1 for an allowed one; None if the family has no masks.
    """

    observation: Any
    action_mask: Any


class Step(NamedTuple):
    """What a step returns: NumPy arrays, or PyTorch tensors on a GPU. First axis is the environment.

    With several agents, the second axis of every array is the agent.

    Attributes:
        view: After the step.
        final: With ``RESET_AT_ONCE``, the last views of episodes that ended, with anything elsewhere; otherwise None.
        rewards: float64 ``(n,)``, the sum of the terms.
        terms: float64 ``(n, number of terms)``.
        metrics: float64 ``(n, number of metrics)``.
        terminated: bool ``(n,)``; of an agent, in every step from its end on.
        truncated: bool ``(n,)``.
        acted: bool ``(n,)``, False where an episode began instead, and for agents that were done before.
    """

    view: View
    final: View | None
    rewards: Any
    terms: Any
    metrics: Any
    terminated: Any
    truncated: Any
    acted: Any


@dataclass(frozen=True)
class Snapshot:
    """An exact copy of a batch; see :meth:`Batch.clone`."""

    clock: Clock
    state: Any


class Batch:
    """Environments of one family, side by side.

    Args:
        family: The family.
        num_envs: Number of environments.
        max_episode_steps: Steps after which an episode is truncated, or None; the family may say fewer.
        num_threads: CPU threads at most; None takes every core that the process may use. Results do not depend on it.
        device: ``"cpu"`` or ``"cuda"``.
        keep_agents: Whether arrays have the axis of the agents. Without it, a multi-agent family must have one agent.

    Raises:
        ValueError: If a number is below 1, the family does not run on the device, or agents are too many or missing.
    """

    def __init__(
        self,
        family: Family,
        num_envs: int,
        max_episode_steps: int | None = None,
        num_threads: int | None = None,
        device: str = "cpu",
        keep_agents: bool = False,
    ) -> None:
        for name, value in {
            "num_envs": num_envs,
            "max_episode_steps": max_episode_steps,
            "num_threads": num_threads,
        }.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        _check_agents(family, keep_agents)
        if device not in family.devices:
            raise ValueError(
                f"{type(family).__name__} runs on {' and '.join(family.devices)}, not on device={device!r}; make it "
                "with one of those"
            )
        if family.text_observations and device != "cpu":
            raise ValueError(f"texts are made on the host, not on device={device!r}: use 'cpu', or other observations")
        self.arrays = arrays_on(device)
        self.family, self.size = family, num_envs
        limits = (max_episode_steps, family.max_episode_steps)
        self.max_steps = min((limit for limit in limits if limit is not None), default=UNLIMITED)
        self.threads = num_threads or default_threads()
        clock = Clock(
            np.zeros(num_envs, np.uint64),
            np.zeros(num_envs, np.uint64),
            np.zeros(num_envs, np.int64),
            np.ones((num_envs, *family.agent_shape), np.bool_),
        )
        asarray = self.arrays.asarray
        self.clock, self.state = mapped(asarray, clock), mapped(asarray, family.new_state(num_envs))
        self._params = mapped(asarray, family.params)
        self._hides_agent = bool(family.agents) and not keep_agents
        self._device = device
        self._prepare()

    def _prepare(self) -> None:
        """Makes what a process makes for itself: kernels, and what they see of the arrays."""
        self._begin, self._step = _kernels(Rules.of(self.family), self._device)
        self._shared = tuple(mapped(self.arrays.kernel_view, part) for part in (self.clock, self.state, self._params))

    def __getstate__(self) -> dict[str, Any]:
        """All but what every process makes for itself."""
        own = ("_begin", "_step", "_shared", "arrays")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the batch with this process's kernels."""
        vars(self).update(state)
        self.arrays = arrays_on(self._device)
        self._prepare()

    @property
    def over(self) -> Any:
        """Which episodes are over, bool ``(n,)``."""
        return self.of_environments(self.clock.over)

    def of_environments(self, done: Any) -> Any:
        """Whether all agents are done, ``(n,)`` of ``(n, agents)``; the flags as they are without that axis."""
        return done.all(-1) if done.ndim == 2 else done

    def reset(self, rows: Any, seeds: Any) -> View:
        """Begins an episode in some environments; returns what there is to see of all.

        Args:
            rows: Which, bool ``(n,)``.
            seeds: New seeds of all environments, uint64 ``(n,)``, used in ``rows``; None goes on to each one's next
                episode.
        """
        arrays = self.arrays
        view = self._new_view(arrays.empty)
        clock, state, params = self._shared
        given = clock.seed if seeds is None else arrays.kernel_view(arrays.asarray(seeds))
        rows = arrays.kernel_view(arrays.asarray(rows))
        arguments = (rows, seeds is not None, given, clock, state, params, self._seen(view))
        self._begin(self.size, arguments, self.threads, self.family.work)
        return self._in_words(self._without_agent(view) if self._hides_agent else view)

    def step(self, actions: Any, when_done: WhenDone) -> Step:
        """Takes a step in every environment.

        Raises:
            ValueError: If an action is invalid.
        """
        if self.family.text_observations and when_done is WhenDone.RESET_AT_ONCE:
            # Last texts are made before the states are gone.
            step, over = self._take_step(actions, WhenDone.NOTHING), self.over
            return step._replace(view=self.reset(over, None), final=step.view) if over.any() else step
        return self._take_step(actions, when_done)

    def _take_step(self, actions: Any, when_done: WhenDone) -> Step:
        family, arrays, shape = self.family, self.arrays, self.clock.over.shape
        actions = arrays.asarray(actions)
        if tuple(actions.shape[:1]) != (self.size,):
            raise ValueError(
                f"actions must have shape ({self.size}, ...), one for each environment; got {tuple(actions.shape)}"
            )
        if self._hides_agent:
            actions = actions[:, None]
        actions = family.check_actions(actions, self.state)
        zeros, see = arrays.zeros, arrays.kernel_view
        view = self._new_view(arrays.empty)
        final = self._new_view(zeros) if when_done is WhenDone.RESET_AT_ONCE else None
        rewards = zeros(shape, np.float64)
        terms = zeros((*shape, len(family.terms)), np.float64)
        metrics = zeros((*shape, len(family.metrics)), np.float64)
        terminated, truncated, acted = zeros(shape, np.bool_), zeros(shape, np.bool_), zeros(shape, np.bool_)
        seen = self._seen(view)
        last = seen if final is None else self._seen(final)
        arguments = (
            *(see(actions), *self._shared, int(when_done), self.max_steps, seen, last),
            *(see(rewards), see(terms), see(metrics), see(terminated), see(truncated), see(acted)),
        )
        self._step(self.size, arguments, self.threads, family.work)
        step = Step(view, final, rewards, terms, metrics, terminated, truncated, acted)
        step = self._without_agent(step) if self._hides_agent else step
        return step._replace(view=self._in_words(step.view))

    def _new_view(self, make: Callable[..., Any]) -> View:
        return View(self.family.new_observation(self.size, make), self.family.new_action_mask(self.size, make))

    def _seen(self, view: View) -> Any:
        """A view as kernels take it."""
        see = self.arrays.kernel_view
        observation = mapped(see, view.observation)
        return observation if view.action_mask is None else (observation, see(view.action_mask))

    def _without_agent(self, part: Any) -> Any:
        """Arrays with one agent, without its axis."""
        return mapped(lambda array: None if array is None else array[:, 0], part)

    def _in_words(self, view: View) -> View:
        """A view with texts, if these are the family's observations."""
        if not self.family.text_observations:
            return view
        return view._replace(observation=tuple(self._texts(row) for row in range(self.size)))

    def _texts(self, row: int) -> Any:
        """The text of an environment, or those of its agents."""
        describe, state = self.family.describe_row, self.state
        if self.clock.over.ndim == 1 or self._hides_agent:
            return describe(state, row, 0)
        return tuple(describe(state, row, agent) for agent in range(len(self.family.agents)))

    def whole_states(self) -> Any:
        """What the family's ``state_rule`` writes, ``(n, ...)``.

        Raises:
            NotImplementedError: If it has none.
        """
        rule, space = self.family.state_rule, self.family.state_space
        if rule is None or space is None:
            raise NotImplementedError(f"{type(self.family).__name__} has no state for centralised critics")
        whole = self.arrays.empty((self.size, *space.shape), space.dtype)
        arguments = (*self._shared[1:], self.arrays.kernel_view(whole))
        _state_kernel(rule, self._device)(self.size, arguments, self.threads, int(np.prod(space.shape)))
        return whole

    def clone(self) -> Snapshot:
        """An exact copy of every environment, random numbers included."""
        return Snapshot(copy.deepcopy(self.clock), copy.deepcopy(self.state))

    def restore(self, snapshot: Snapshot) -> None:
        """Goes back to a copy, which stays valid.

        Raises:
            ValueError: If the copy is of a batch of another size, family or device.
        """
        pairs = list(zip((*self.clock, *self.state), (*snapshot.clock, *snapshot.state), strict=True))
        for own, kept in pairs:
            if own.shape != kept.shape or own.dtype != kept.dtype:
                raise ValueError(
                    f"the snapshot holds {kept.dtype} arrays of shape {tuple(kept.shape)} where this environment has "
                    f"{own.dtype} {tuple(own.shape)}; restore it into an environment made with the same arguments"
                )
        for own, kept in pairs:
            own[...] = kept


def _check_agents(family: Family, keep_agents: bool) -> None:
    name, count = type(family).__name__, len(family.agents)
    if keep_agents and not count:
        raise ValueError(f"{name} declares no agents: make it as a Gymnasium environment")
    if not keep_agents and count > 1:
        raise ValueError(f"{name} has {count} agents: make its parallel environment, or make it with one agent")


@cache
def _kernels(rules: Rules, device: str) -> tuple[Kernel, Kernel]:
    """The two kernels of a family, made once a process."""
    reset, step = (f"{function.__module__}.{function.__qualname__}" for function in rules.functions[:2])
    folder = rules.folders[0]
    return (
        Kernel(begin_body(rules), folder, f"the rule {reset} ({rules.mark})", device),
        Kernel(step_body(rules), folder, f"the rule {step} ({rules.mark})", device),
    )


@cache
def _state_kernel(rule: Callable[..., None], device: str) -> Kernel:
    """The kernel of a rule for whole states, made once a process."""
    folder = Path(rule.__code__.co_filename).parent
    return Kernel(rule, folder, f"the rule {rule.__module__}.{rule.__qualname__}", device)
