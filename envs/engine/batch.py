"""A batch of environments of one family: arrays, two kernels, and nothing of Gymnasium's interfaces."""

from __future__ import annotations

import copy
import enum
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.family import Family
from telos.envs.engine.kernels import Kernel
from telos.envs.engine.random import episode_key, step_key
from telos.envs.engine.rules import rule
from telos.envs.engine.threads import default_threads

__all__ = ["Batch", "Snapshot", "Step", "WhenDone"]

UNLIMITED = np.iinfo(np.int64).max


class WhenDone(enum.IntEnum):
    """What a step does about an environment whose episode is over."""

    NOTHING = 0
    RESET_IN_NEXT_STEP = 1
    RESET_AT_ONCE = 2


class Clock(NamedTuple):
    """Where each environment is in its sequence of random numbers; all arrays have shape ``(num_envs,)``."""

    seed: NDArray[np.uint64]
    episode: NDArray[np.uint64]
    step: NDArray[np.int64]
    over: NDArray[np.bool_]


@dataclass(frozen=True)
class Step:
    """What a step returns; first axis is the environment.

    Attributes:
        observation: Array or named tuple of arrays.
        rewards: float64 ``(n,)``, the sum of the terms.
        terms: float64 ``(n, number of terms)``.
        metrics: float64 ``(n, number of metrics)``.
        terminated: bool ``(n,)``.
        truncated: bool ``(n,)``.
        began: bool ``(n,)``, environments that began an episode instead of taking the action.
        final_observation: With ``RESET_AT_ONCE``, the last observations of the episodes that ended, else None.
    """

    observation: Any
    rewards: NDArray[np.float64]
    terms: NDArray[np.float64]
    metrics: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    began: NDArray[np.bool_]
    final_observation: Any


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
        max_episode_steps: Steps after which an episode is truncated, or None.
        num_threads: CPU threads at most; None takes every core that the process may use. Results do not depend on it.
        device: ``"cpu"`` or ``"cuda"``.
    """

    def __init__(
        self,
        family: Family,
        num_envs: int,
        max_episode_steps: int | None = None,
        num_threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        for name, value in {
            "num_envs": num_envs,
            "max_episode_steps": max_episode_steps,
            "num_threads": num_threads,
        }.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.family, self.size = family, num_envs
        self.max_steps = UNLIMITED if max_episode_steps is None else max_episode_steps
        self.threads = num_threads or default_threads()
        self.clock = Clock(
            np.zeros(num_envs, np.uint64),
            np.zeros(num_envs, np.uint64),
            np.zeros(num_envs, np.int64),
            np.ones(num_envs, np.bool_),
        )
        self.state = family.new_state(num_envs)
        self._device = device
        self._begin, self._step = _kernels(type(family), device)

    def __getstate__(self) -> dict[str, Any]:
        """All but the kernels, which every process makes for itself."""
        return {name: value for name, value in vars(self).items() if name not in ("_begin", "_step")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the batch with this process's kernels."""
        vars(self).update(state)
        self._begin, self._step = _kernels(type(self.family), self._device)

    def reset(self, rows: NDArray[np.bool_], seeds: NDArray[np.uint64] | None) -> Any:
        """Begins an episode in some environments; returns the observations of all.

        Args:
            rows: Which, bool ``(n,)``.
            seeds: New seeds of all environments, uint64 ``(n,)``, used in ``rows``; None goes on to each one's next
                episode.
        """
        if seeds is None:
            self.clock.episode[rows] += np.uint64(1)
        else:
            self.clock.seed[rows] = seeds[rows]
            self.clock.episode[rows] = 0
        observation = self.family.new_observation(self.size)
        arguments = (rows, self.clock, self.state, self.family.params, observation)
        self._begin(self.size, arguments, self.threads, self.family.work)
        return observation

    def step(self, actions: NDArray[Any], when_done: WhenDone) -> Step:
        """Takes a step in every environment; ``actions`` has passed :meth:`Family.check_actions`."""
        family, size = self.family, self.size
        observation = family.new_observation(size)
        final = family.new_observation(size) if when_done is WhenDone.RESET_AT_ONCE else observation
        step = Step(
            observation,
            np.zeros(size),
            np.zeros((size, len(family.terms))),
            np.zeros((size, len(family.metrics))),
            np.zeros(size, np.bool_),
            np.zeros(size, np.bool_),
            np.zeros(size, np.bool_),
            final,
        )
        arguments = (
            *(actions, self.clock, self.state, family.params, int(when_done), self.max_steps, observation, final),
            *(step.rewards, step.terms, step.metrics, step.terminated, step.truncated, step.began),
        )
        self._step(size, arguments, self.threads, family.work)
        return step

    def clone(self) -> Snapshot:
        """An exact copy of every environment, random numbers included."""
        return Snapshot(copy.deepcopy(self.clock), copy.deepcopy(self.state))

    def restore(self, snapshot: Snapshot) -> None:
        """Goes back to a copy, which stays valid.

        Raises:
            ValueError: If the copy is of a batch of another size or family.
        """
        for own, kept in zip((*self.clock, *self.state), (*snapshot.clock, *snapshot.state), strict=True):
            if own.shape != kept.shape or own.dtype != kept.dtype:
                raise ValueError(
                    f"the snapshot holds arrays of shape {kept.shape} where this environment has {own.shape}; restore "
                    "it into an environment made with the same arguments"
                )
        for own, kept in zip((*self.clock, *self.state), (*snapshot.clock, *snapshot.state), strict=True):
            own[...] = kept


_made: dict[tuple[type[Family], str], tuple[Kernel, Kernel]] = {}


def _kernels(family: type[Family], device: str) -> tuple[Kernel, Kernel]:
    """The two kernels of a family, made once a process."""
    if (family, device) not in _made:
        folder = Path(sys.modules[family.__module__].__file__ or ".").parent
        name = f"{family.__module__}.{family.__qualname__}"
        _made[family, device] = (
            Kernel(_begin_body(family), folder, f"the reset of {name}", device),
            Kernel(_step_body(family), folder, f"the step of {name}", device),
        )
    return _made[family, device]


def _begin_body(family: type[Family]) -> Any:
    reset_rule, observe_rule = family.reset_rule, family.observe_rule

    @rule
    def begin(i, rows, clock, state, params, observation):
        if rows[i]:
            clock.step[i] = 0
            clock.over[i] = False
            reset_rule(i, step_key(episode_key(clock.seed[i], clock.episode[i]), 0), state, params)
        observe_rule(i, state, params, observation)

    return begin


def _step_body(family: type[Family]) -> Any:
    reset_rule, step_rule, observe_rule = family.reset_rule, family.step_rule, family.observe_rule
    number_of_terms = len(family.terms)
    in_next_step, at_once = int(WhenDone.RESET_IN_NEXT_STEP), int(WhenDone.RESET_AT_ONCE)

    @rule
    def step(
        i,
        actions,
        clock,
        state,
        params,
        when_done,
        max_steps,
        observation,
        final,
        rewards,
        terms,
        metrics,
        terminated,
        truncated,
        began,
    ):
        if clock.over[i] and when_done == in_next_step:
            began[i] = True
        else:
            clock.step[i] += 1
            key = step_key(episode_key(clock.seed[i], clock.episode[i]), clock.step[i])
            terminated[i] = step_rule(i, key, actions, state, params, terms, metrics)
            truncated[i] = not terminated[i] and clock.step[i] >= max_steps
            clock.over[i] = terminated[i] or truncated[i]
            reward = 0.0
            for term in range(number_of_terms):
                reward += terms[i, term]
            rewards[i] = reward
            if clock.over[i] and when_done == at_once:
                observe_rule(i, state, params, final)
        if began[i] or (clock.over[i] and when_done == at_once):
            clock.episode[i] += np.uint64(1)
            clock.step[i] = 0
            clock.over[i] = False
            reset_rule(i, step_key(episode_key(clock.seed[i], clock.episode[i]), 0), state, params)
        observe_rule(i, state, params, observation)

    return step
