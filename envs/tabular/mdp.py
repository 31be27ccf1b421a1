"""A finite Markov decision process as arrays, its rewards in named terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Floats", "TabularMDP"]

Floats: TypeAlias = NDArray[np.float64]
_ROUNDING = 1e-9  # ours: how far probabilities may be from adding up to 1


@dataclass(frozen=True, eq=False)
class TabularMDP:
    """A Markov decision process with S states and A actions; each pair of them has K outcomes.

    Outcomes are sparse: a large process is small if few states can follow each. Two outcomes of a pair may lead to the
    same state with different rewards. A pair with fewer outcomes than K has some of probability 0.

    Attributes:
        next_states: Int64 ``(S, A, K)``.
        probabilities: Float64 ``(S, A, K)``.
        outcome_rewards: Term name to float64 ``(S, A, K)``.
        start: Float64 ``(S,)``, probabilities of the first state; 0 for terminal ones.
        terminal: Bool ``(S,)``: episodes end on reaching them. Their outcomes are replaced: they stay and pay nothing.
        horizon: Steps of an episode, or None for no limit. It is part of the problem, and not of the state.

    Raises:
        ValueError: If shapes, states or probabilities are wrong; the message says which.
    """

    next_states: NDArray[np.int64]
    probabilities: Floats
    outcome_rewards: dict[str, Floats]
    start: Floats
    terminal: NDArray[np.bool_]
    horizon: int | None = None

    def __post_init__(self) -> None:
        next_states = np.array(self.next_states, np.int64)
        probabilities = np.array(self.probabilities, np.float64)
        start, terminal = np.array(self.start, np.float64), np.array(self.terminal, np.bool_)
        states, shape = len(next_states), next_states.shape
        if next_states.ndim != 3 or not next_states.size or next_states.min() < 0 or next_states.max() >= states:
            raise ValueError(f"next_states must be numbers of states, 0 to S - 1, of shape (S, A, K); got {shape}")
        if not self.outcome_rewards:
            raise ValueError("outcome_rewards needs at least one term")
        rewards = {name: np.array(values, np.float64) for name, values in self.outcome_rewards.items()}
        for name, values in {"probabilities": probabilities, **rewards}.items():
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite, of the shape of next_states, {shape}; got {values.shape}")
        for name, values in {"probabilities": probabilities, "start": start}.items():
            if (values < 0).any() or not np.allclose(values.sum(axis=-1), 1.0, rtol=0, atol=_ROUNDING):
                raise ValueError(f"{name} must be at least 0 and add up to 1 along their last axis")
        if start.shape != (states,) or terminal.shape != (states,) or start[terminal].any():
            raise ValueError(f"start and terminal must have shape ({states},), and no episode may start in its end")
        if self.horizon is not None and self.horizon < 1:
            raise ValueError(f"horizon must be at least 1 step, or None; got {self.horizon}")
        next_states[terminal] = np.flatnonzero(terminal)[:, None, None]
        probabilities[terminal] = np.arange(shape[2]) == 0
        for values in rewards.values():
            values[terminal] = 0.0
        checked = {"next_states": next_states, "probabilities": probabilities, "outcome_rewards": rewards}
        for name, value in {**checked, "start": start, "terminal": terminal}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_arrays(
        cls,
        transitions: ArrayLike,
        rewards: Mapping[str, ArrayLike],
        start: ArrayLike,
        terminal: ArrayLike | None = None,
        horizon: int | None = None,
    ) -> TabularMDP:
        """Makes one of dense arrays.

        Args:
            transitions: Float ``(S, A, S)``.
            rewards: Term name to float ``(S, A, S)``, or ``(S, A)`` if it does not depend on the next state.
            start: Float ``(S,)``.
            terminal: Bool ``(S,)``; None for no terminal state.
            horizon: Steps of an episode, or None.

        Raises:
            ValueError: If shapes or probabilities are wrong.
        """
        dense = np.asarray(transitions, np.float64)
        if dense.ndim != 3 or dense.shape[0] != dense.shape[2]:
            raise ValueError(f"transitions must have shape (S, A, S), got {dense.shape}")
        most = int((dense > 0).sum(axis=2).max())
        # Stable, so that the successors of a pair are in the order of their numbers.
        likely = np.sort(np.argsort(dense <= 0, axis=2, kind="stable")[:, :, :most], axis=2)
        paid = {}
        for name, values in rewards.items():
            given = np.asarray(values, np.float64)
            full = np.broadcast_to(given[:, :, None] if given.ndim == 2 else given, dense.shape)
            paid[name] = np.take_along_axis(full, likely, axis=2)
        ends = np.zeros(len(dense), np.bool_) if terminal is None else np.asarray(terminal, np.bool_)
        probabilities = np.take_along_axis(dense, likely, axis=2)
        return cls(likely.astype(np.int64), probabilities, paid, np.asarray(start, np.float64), ends, horizon)

    @property
    def num_states(self) -> int:
        """S."""
        return len(self.next_states)

    @property
    def num_actions(self) -> int:
        """A."""
        return int(self.next_states.shape[1])

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the reward terms; the reward is their sum."""
        return tuple(self.outcome_rewards)

    @cached_property
    def transitions(self) -> Floats:
        """Dense transition probabilities, float64 ``(S, A, S)``."""
        return self._dense(self.probabilities)

    @cached_property
    def rewards(self) -> dict[str, Floats]:
        """Term name to float64 ``(S, A, S)``: expected reward of a transition, 0 for impossible ones."""
        likely = self.transitions > 0
        return {
            name: np.divide(
                self._dense(self.probabilities * values),
                self.transitions,
                out=np.zeros_like(self.transitions),
                where=likely,
            )
            for name, values in self.outcome_rewards.items()
        }

    def reward(self, weights: Mapping[str, float] | None = None) -> Floats:
        """Weighted sum of the terms by transition, float64 ``(S, A, S)``.

        Args:
            weights: Factor of each term; 1 for those not listed.
        """
        return self._weighed(self.rewards, weights)

    def expected_reward(self, weights: Mapping[str, float] | None = None) -> Floats:
        """Expected weighted sum of the terms in a step, float64 ``(S, A)``.

        Args:
            weights: Factor of each term; 1 for those not listed.
        """
        return np.asarray((self.probabilities * self._weighed(self.outcome_rewards, weights)).sum(axis=2))

    def _weighed(self, rewards: Mapping[str, Floats], weights: Mapping[str, float] | None) -> Floats:
        factors = dict(weights or {})
        if unknown := factors.keys() - rewards.keys():
            raise ValueError(f"there is no reward term {sorted(unknown)[0]!r}: the terms are {list(rewards)}")
        return np.asarray(sum(factors.get(name, 1.0) * values for name, values in rewards.items()))

    def _dense(self, values: Floats) -> Floats:
        dense = np.zeros((self.num_states, self.num_actions, self.num_states))
        state, action = np.ogrid[: self.num_states, : self.num_actions]
        np.add.at(dense, (state[:, :, None], action[:, :, None], self.next_states), values)
        return dense
