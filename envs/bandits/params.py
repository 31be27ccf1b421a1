"""Arrays of a bandit: what all environments share, and what each has of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms

__all__ = ["Params", "State", "make_params", "new_state"]


class Params(NamedTuple):
    """J arms, A action levels, S states; see :class:`telos.envs.bandits.arms.Arms`.

    Attributes:
        cumulative: float64 ``(J, A, S, S)``, cumulative transition probabilities over the next state.
        rewards: float64 ``(J, A, S)``, expected reward of a level in a state.
        next_rewards: float64 ``(J, S)``, reward of the state that is reached; used if ``pays_next`` is 1.
        cumulative_start: float64 ``(J, S)``, cumulative probabilities of the first state.
        pays_next: int64 scalar array: 1 if the reward is of the next state, 0 if it is the expected one.
        horizon: int64 scalar array, steps of an episode.
    """

    cumulative: NDArray[np.float64]
    rewards: NDArray[np.float64]
    next_rewards: NDArray[np.float64]
    cumulative_start: NDArray[np.float64]
    pays_next: NDArray[np.int64]
    horizon: NDArray[np.int64]


class State(NamedTuple):
    """Of ``n`` environments.

    Attributes:
        arms: int16 ``(n, J)``, the state of each arm, 0 to S - 1.
        time: int64 ``(n,)``, steps taken in the episode.
    """

    arms: NDArray[np.int16]
    time: NDArray[np.int64]


def _cumulative(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    cumulative = np.cumsum(probabilities, axis=-1)
    # Rounding must not leave a gap above the last state.
    cumulative[..., -1] = 1.0
    return np.ascontiguousarray(cumulative)


def make_params(
    arms: Arms, start: NDArray[np.float64], horizon: int, next_rewards: NDArray[np.float64] | None = None
) -> Params:
    """Builds the arrays.

    Args:
        arms: The arms.
        start: Probabilities of the first states, float64 ``(J, S)``.
        horizon: Steps of an episode, at least 1.
        next_rewards: float64 ``(J, S)`` if the reward is that of the state which is reached, else None.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, got {horizon}")
    shape = (arms.num_arms, arms.num_states)
    if start.shape != shape or (start < 0).any() or not np.allclose(start.sum(axis=1), 1.0, atol=1e-9):
        raise ValueError(f"start must hold {shape[0]} rows of {shape[1]} probabilities, got shape {start.shape}")
    return Params(
        _cumulative(arms.transitions),
        arms.rewards,
        np.zeros(shape) if next_rewards is None else np.ascontiguousarray(next_rewards, np.float64),
        _cumulative(start),
        np.array(next_rewards is not None, np.int64).reshape(()),
        np.array(horizon, np.int64),
    )


def new_state(num_envs: int, params: Any) -> State:
    """Arrays for ``num_envs`` environments."""
    return State(np.zeros((num_envs, params.rewards.shape[0]), np.int16), np.zeros(num_envs, np.int64))
