"""Sessions of recommenders with the exact probability of everything that was recommended.

* ``SessionLog`` - sessions as arrays
* ``log_sessions`` - plays a policy and keeps the sessions, in blocks
* ``logged_steps`` - what off-policy estimators need of it
* ``TrueValue``, ``true_value`` - what a policy is worth, as exactly as asked for
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from telos.baselines.logging_policies import SlatePolicy
from telos.baselines.ope_steps import LoggedSteps
from telos.baselines.training_envs import EVALUATION_SEED, training_seed
from telos.wrappers.infos import TERMS
from telos.wrappers.terms import REWARD

__all__ = ["SessionLog", "TrueValue", "log_sessions", "logged_steps", "true_value"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SessionLog:
    """E sessions with S steps in all, one behind the other.

    Attributes:
        observations: Before each step and after the last of each session, ``(S + E, ...)``.
        actions: Int64 ``(S,)``, or slates ``(S, slots)``.
        slots: The probability of each slot's item given those above it, float64 ``(S, slots)``.
        terms: Reward terms by name, float64 ``(S,)``.
        lengths: Steps of each session, int64 ``(E,)``.
        terminated: Whether the last step ended the session for good, bool ``(E,)``.
        truncated: Whether it cut it, bool ``(E,)``.
        seeds: Of each session, int64 ``(E,)``: ``env.reset(seed=...)`` and the same actions play it again.
    """

    observations: NDArray[Any]
    actions: Integers
    slots: Floats
    terms: Mapping[str, Floats]
    lengths: Integers
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    seeds: Integers

    def __len__(self) -> int:
        """The number of sessions, E."""
        return len(self.lengths)

    @property
    def propensities(self) -> Floats:
        """The probability of each action, of a slate the product of its slots, float64 ``(S,)``."""
        return np.asarray(self.slots.prod(axis=1))

    @property
    def rewards(self) -> Floats:
        """The sum of the terms, float64 ``(S,)``."""
        return np.asarray(np.sum(list(self.terms.values()), axis=0))

    @property
    def seen(self) -> NDArray[Any]:
        """The observation that each action was chosen for, ``(S, ...)``."""
        last = np.zeros(len(self.observations), np.bool_)
        last[np.cumsum(self.lengths + 1) - 1] = True
        return np.asarray(self.observations[~last])

    @property
    def times(self) -> Integers:
        """Steps since the session's start, int64 ``(S,)``."""
        starts = np.cumsum(self.lengths) - self.lengths
        return np.arange(int(self.lengths.sum())) - np.repeat(starts, self.lengths)

    def pick(self, sessions: slice) -> SessionLog:
        """Returns a stretch of the sessions."""
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        start, stop, _ = sessions.indices(len(self))
        rows = slice(ends[start], ends[stop])
        return SessionLog(
            self.observations[ends[start] + start : ends[stop] + stop],
            self.actions[rows],
            self.slots[rows],
            {name: values[rows] for name, values in self.terms.items()},
            self.lengths[sessions],
            self.terminated[sessions],
            self.truncated[sessions],
            self.seeds[sessions],
        )

    @staticmethod
    def joined(logs: Sequence[SessionLog]) -> SessionLog:
        """Returns the sessions of several logs, at least one."""
        if len(logs) == 1:
            return logs[0]
        terms = {name: np.concatenate([log.terms[name] for log in logs]) for name in logs[0].terms}
        of = {name: [getattr(log, name) for log in logs] for name in SessionLog.__dataclass_fields__ if name != "terms"}
        return SessionLog(terms=terms, **{name: np.concatenate(parts) for name, parts in of.items()})


class _Step(NamedTuple):
    """A step of the m environments that are in a session; ``after`` is their observations after it."""

    sessions: Integers
    times: Integers
    seen: NDArray[Any]
    actions: Integers
    slots: Floats
    terms: dict[str, Floats]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    after: NDArray[Any]


def _make(env_id: str, kwargs: Mapping[str, Any], num_envs: int) -> VectorEnv[Any, Any, Any]:
    given: dict[str, Any] = {"autoreset_mode": AutoresetMode.DISABLED.value, **kwargs}
    return gym.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **given)


def _play(envs: VectorEnv[Any, Any, Any], policy: SlatePolicy, sessions: range, first_seed: int) -> Iterator[_Step]:
    """Plays sessions, each with its own seed; where one ends, the environment begins the next."""
    n, waiting = envs.num_envs, iter(sessions)
    playing, times = np.full(n, -1), np.zeros(n, np.int64)
    begins = np.ones(n, np.bool_)
    while True:
        rows = np.flatnonzero(begins)
        given = np.fromiter((session for _, session in zip(rows, waiting, strict=False)), np.int64)
        playing[rows], times[rows] = -1, 0
        playing[rows[: len(given)]] = given
        active = playing >= 0
        if not active.any():
            return
        # Environments without a session go on, unseen: all must step.
        seeds: Any = [None] * n
        for row, session in zip(rows.tolist(), playing[rows].tolist(), strict=True):
            seeds[row] = first_seed + max(session, sessions.start)
        observations, _ = envs.reset(seed=seeds, options=None if begins.all() else {"reset_mask": begins})
        while True:
            seen = observations[active]
            chosen, slots = policy.draw(observations, playing, times)
            observations, rewards, terminated, truncated, infos = envs.step(chosen)
            times += 1
            terms = infos.get(TERMS) or {REWARD: rewards}
            yield _Step(
                playing[active],
                times[active] - 1,
                seen,
                chosen[active],
                slots[active],
                {name: np.asarray(values[active], np.float64) for name, values in terms.items() if name[0] != "_"},
                terminated[active],
                truncated[active],
                observations[active],
            )
            begins = terminated | truncated
            if begins.any():
                break


def log_sessions(
    policy: SlatePolicy,
    env_id: str,
    kwargs: Mapping[str, Any] | None = None,
    *,
    episodes: int,
    num_envs: int = 8192,
    seed: int = 0,
    block: int = 65_536,
    show: Callable[[float], object] = lambda _: None,
) -> Iterator[SessionLog]:
    """Plays a policy, and hands out its sessions in blocks, in the order of their seeds.

    Session k has the seed ``training_seed(seed, episodes) + k`` and luck of its own: it is the same however many
    environments there are, and however large the blocks are.

    Args:
        policy: What recommends.
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        episodes: Sessions in all, at least 1.
        num_envs: Environments at a time, at most.
        seed: At least 0, of the sessions; the policy has its own. Seeds are never those of evaluations.
        block: Sessions of a block: as many are in memory.
        show: Is told the share that is done, in [0, 1].

    Yields:
        Blocks of sessions.

    Raises:
        ValueError: If a number is too small, or observations are no arrays.
        gymnasium.error.Error: If there is no such environment.
    """
    if min(episodes, num_envs, block) < 1 or seed < 0:
        raise ValueError("episodes, num_envs and block must be at least 1, and seed at least 0")
    first_seed = training_seed(seed, episodes)
    with closing(_make(env_id, dict(kwargs or {}), min(num_envs, episodes, block))) as envs:
        if not isinstance(envs.single_observation_space, spaces.Box):
            raise ValueError(f"only observations of a Box can be logged, and there are {envs.single_observation_space}")
        for start in range(0, episodes, block):
            sessions = range(start, min(start + block, episodes))
            steps, ended = [], 0
            for step in _play(envs, policy, sessions, first_seed):
                steps.append(step)
                ended += int((step.terminated | step.truncated).sum())
                show((start + ended) / episodes)
            yield _collect(steps, sessions, first_seed)


def _collect(steps: list[_Step], sessions: range, first_seed: int) -> SessionLog:
    """Puts steps, of many sessions at a time, in the order of sessions."""
    number = len(sessions)
    lengths, terminated, truncated = np.zeros(number, np.int64), np.zeros(number, np.bool_), np.zeros(number, np.bool_)
    for step in steps:
        over = step.terminated | step.truncated
        ending = step.sessions[over] - sessions.start
        lengths[ending] = step.times[over] + 1
        terminated[ending], truncated[ending] = step.terminated[over], step.truncated[over]
    starts, total, like = np.cumsum(lengths) - lengths, int(lengths.sum()), steps[0]
    observations = np.empty((total + number, *like.seen.shape[1:]), like.seen.dtype)
    actions = np.empty((total, *like.actions.shape[1:]), np.int64)
    slots = np.empty((total, like.slots.shape[1]))
    terms = {name: np.empty(total) for name in like.terms}
    for step in steps:
        session = step.sessions - sessions.start
        rows, over = starts[session] + step.times, step.terminated | step.truncated
        # Each earlier session has one observation more than it has steps.
        observations[rows + session] = step.seen
        observations[(rows + session)[over] + 1] = step.after[over]
        actions[rows], slots[rows] = step.actions, step.slots
        for name, values in terms.items():
            values[rows] = step.terms[name]
    seeds = first_seed + np.arange(sessions.start, sessions.stop)
    return SessionLog(observations, actions, slots, terms, lengths, terminated, truncated, seeds)


@dataclass(frozen=True)
class TrueValue:
    """The mean return of a policy over many sessions.

    Attributes:
        value: The mean.
        standard_error: Of the mean.
        sessions: How many were played.
        gamma: The discount of a step.
    """

    value: float
    standard_error: float
    sessions: int
    gamma: float

    @property
    def relative_error(self) -> float:
        """Half of a 95 % interval, as a share of the value."""
        return 1.96 * self.standard_error / abs(self.value) if self.value else math.inf


def true_value(
    policy: SlatePolicy,
    env_id: str,
    kwargs: Mapping[str, Any] | None = None,
    *,
    precision: float = 1e-3,
    least: int = 10_000,
    most: int = 10_000_000,
    num_envs: int = 8192,
    seed: int = 0,
    gamma: float = 1.0,
    show: Callable[[float], object] = lambda _: None,
) -> TrueValue:
    """Plays a policy until its mean return is known.

    Args:
        policy: What recommends.
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        precision: Half of the 95 % interval that is wanted, as a share of the value.
        least: Sessions to play at least.
        most: Sessions after which to give up: the answer says how exact it is.
        num_envs: Environments at a time, at most.
        seed: Of the sessions, which are never those of training or of logs.
        gamma: Discount of a step.
        show: Is told the share that is done, in [0, 1], by the present guess.

    Raises:
        ValueError: If ``precision``, ``least`` or ``most`` is too small.
        gymnasium.error.Error: If there is no such environment.
    """
    if not precision > 0.0 or not 2 <= least <= most:
        raise ValueError(f"precision must be above 0, and 2 <= least <= most, got {precision}, {least} and {most}")
    first_seed, block = EVALUATION_SEED + training_seed(seed, most), max(least, num_envs)
    number, mean, squares = 0, 0.0, 0.0
    with closing(_make(env_id, dict(kwargs or {}), min(num_envs, most))) as envs:
        while number < most:
            sessions = range(number, min(number + block, most))
            returns = np.zeros(len(sessions))
            for step in _play(envs, policy, sessions, first_seed):
                paid = np.sum(list(step.terms.values()), axis=0)
                returns[step.sessions - sessions.start] += paid * gamma**step.times
            # Chan, Golub and LeVeque (1983): moments of parts joined.
            change, both = float(returns.mean()) - mean, number + len(returns)
            squares += float(returns.var()) * len(returns) + change**2 * number * len(returns) / both
            mean, number = mean + change * len(returns) / both, both
            found = TrueValue(mean, math.sqrt(squares / (number - 1) / number), number, gamma)
            if found.relative_error <= precision:
                break
            show(min((precision / found.relative_error) ** 2, 1.0))
    return found


def logged_steps(log: SessionLog, target: SlatePolicy, gamma: float = 1.0) -> LoggedSteps:
    """What the estimators of ``telos.baselines.ope`` need to say what another policy would earn.

    Args:
        log: Sessions, at least one.
        target: The other policy; of it only the probabilities of what was logged are taken.
        gamma: Discount of a step.

    Raises:
        ValueError: If actions are not the target policy's, or the log is not sound, see ``LoggedSteps``.
    """
    wanted = target.propensities(log.seen, log.actions).prod(axis=1)
    return LoggedSteps(log.rewards, log.lengths, log.propensities, wanted, gamma)
