"""Arrays of a tabular environment: what all environments share, and what each has of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.tabular.mdp import Floats, TabularMDP

__all__ = ["Params", "State", "make_params", "new_state"]


class Params(NamedTuple):
    """S states, A actions, K outcomes, T reward terms; see :class:`telos.envs.tabular.mdp.TabularMDP`.

    Attributes:
        next_states: int64 ``(S, A, K)``.
        cumulative: float64 ``(S, A, K)``, cumulative probabilities of the outcomes.
        rewards: float64 ``(S, A, K, T)``.
        start_states: int64 ``(M,)``, the states that can be first.
        cumulative_start: float64 ``(M,)``, cumulative probabilities of these.
        terminal: bool ``(S,)``.
        horizon: int64 scalar array, steps of an episode; the largest int64 if there is no limit.
    """

    next_states: NDArray[np.int64]
    cumulative: Floats
    rewards: Floats
    start_states: NDArray[np.int64]
    cumulative_start: Floats
    terminal: NDArray[np.bool_]
    horizon: NDArray[np.int64]


class State(NamedTuple):
    """Of ``n`` environments.

    Attributes:
        state: int64 ``(n,)``, 0 to S - 1.
        time: int64 ``(n,)``, steps taken in the episode.
    """

    state: NDArray[np.int64]
    time: NDArray[np.int64]


def _cumulative(probabilities: Floats) -> Floats:
    """Cumulative probabilities, exactly 1 from the last possible entry on: rounding must leave no gap above it."""
    possible_after = np.flip(np.cumsum(np.flip(probabilities, -1), axis=-1), -1) - probabilities
    return np.ascontiguousarray(np.where(possible_after > 0, np.cumsum(probabilities, axis=-1), 1.0))


def make_params(mdp: TabularMDP) -> Params:
    """Builds the arrays."""
    (first,) = np.nonzero(mdp.start)
    horizon = np.iinfo(np.int64).max if mdp.horizon is None else mdp.horizon
    return Params(
        mdp.next_states,
        _cumulative(mdp.probabilities),
        np.ascontiguousarray(np.stack(list(mdp.outcome_rewards.values()), axis=3)),
        first.astype(np.int64),
        _cumulative(mdp.start[first]),
        mdp.terminal,
        np.array(horizon, np.int64),
    )


def new_state(num_envs: int) -> State:
    """Arrays for ``num_envs`` environments."""
    return State(np.zeros(num_envs, np.int64), np.zeros(num_envs, np.int64))
