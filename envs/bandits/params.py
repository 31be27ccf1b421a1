"""Arrays of a bandit: what all environments share, and what each has of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms

__all__ = [
    "INDEPENDENT",
    "ArmsAndFeatures",
    "ArmsAndVehicle",
    "ArmsFeaturesAndVehicle",
    "Interaction",
    "Params",
    "State",
    "make_params",
    "new_state",
]


class Interaction(NamedTuple):
    """How arms act on each other, and how their rewards add up; G groups of arms.

    Attributes:
        contagion: float64 scalar array: the chance that an arm, having moved, follows a neighbour by one state.
        neighbours: int32 ``(J, largest degree)``: each arm's neighbours, the first ``degrees[j]`` entries of its row.
        degrees: int64 ``(J,)``.
        groups: int64 ``(J,)``: the group of each arm, 0 to G - 1.
        reward_cap: float64 scalar array: the most that the arms of a group earn together in a step.
    """

    contagion: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    degrees: NDArray[np.int64]
    groups: NDArray[np.int64]
    reward_cap: NDArray[np.float64]


class Params(NamedTuple):
    """J arms, A action levels, S states; see :class:`telos.envs.bandits.arms.Arms`.

    Attributes:
        cumulative: float64 ``(J, A, S, S)``, cumulative transition probabilities over the next state.
        rewards: float64 ``(J, A, S)``, expected reward of a level in a state.
        next_rewards: float64 ``(J, S)``, reward of the state that is reached; used if ``pays_next`` is 1.
        cumulative_start: float64 ``(J, S)``, cumulative probabilities of the first state.
        pays_next: int64 scalar array: 1 if the reward is of the next state, 0 if it is the expected one.
        horizon: int64 scalar array, steps of an episode.
        interaction: See :class:`Interaction`.
        features: float32 ``(J, F)``, what an observation says about each arm; F is 0 if it says nothing.
        depot: int64 scalar array, where a vehicle is at first.
        values: float64 ``(H + 1, J, S)``, with ``collected`` a certified bound on the reward to go; empty without one.
        collected: float64 ``(H + 1, J or 1)``, the bound's part that depends on time and on a vehicle's position.
    """

    cumulative: NDArray[np.float64]
    rewards: NDArray[np.float64]
    next_rewards: NDArray[np.float64]
    cumulative_start: NDArray[np.float64]
    pays_next: NDArray[np.int64]
    horizon: NDArray[np.int64]
    interaction: Interaction
    features: NDArray[np.float32]
    depot: NDArray[np.int64]
    values: NDArray[np.float64]
    collected: NDArray[np.float64]


class State(NamedTuple):
    """Of ``n`` environments.

    Attributes:
        arms: int16 ``(n, J)``, the state of each arm, 0 to S - 1.
        time: int64 ``(n,)``, steps taken in the episode.
        before: int16 ``(n, J)``, scratch: the arms' states before a step, where arms interact.
        earned: float64 ``(n, G)``, scratch: what each group has earned in a step.
        position: int16 ``(n,)``, the node that the vehicle is in, where there is one that stays out.
    """

    arms: NDArray[np.int16]
    time: NDArray[np.int64]
    before: NDArray[np.int16]
    earned: NDArray[np.float64]
    position: NDArray[np.int16]


class ArmsAndFeatures(NamedTuple):
    """The observation with the instance in it.

    Attributes:
        arms: int16 ``(n, J)``.
        features: float32 ``(n, J, F)``.
    """

    arms: NDArray[np.int16]
    features: NDArray[np.float32]


class ArmsAndVehicle(NamedTuple):
    """The observation with a vehicle's position in it.

    Attributes:
        arms: int16 ``(n, J)``.
        vehicle: int8 ``(n, J)``, 1 in the place of the node that it is in.
    """

    arms: NDArray[np.int16]
    vehicle: NDArray[np.int8]


class ArmsFeaturesAndVehicle(NamedTuple):
    """The observation with both."""

    arms: NDArray[np.int16]
    features: NDArray[np.float32]
    vehicle: NDArray[np.int8]


#: Arms that do nothing to each other and whose rewards add up.
INDEPENDENT = Interaction(
    np.array(0.0), np.zeros((0, 0), np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64), np.array(np.inf)
)


def _cumulative(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    cumulative = np.cumsum(probabilities, axis=-1)
    # Rounding must not leave a gap above the last state.
    cumulative[..., -1] = 1.0
    return np.ascontiguousarray(cumulative)


def make_params(
    arms: Arms,
    start: NDArray[np.float64],
    horizon: int,
    next_rewards: NDArray[np.float64] | None = None,
    interaction: Interaction = INDEPENDENT,
    features: NDArray[np.float32] | None = None,
    depot: int = 0,
) -> Params:
    """Builds the arrays.

    Args:
        arms: The arms.
        start: Probabilities of the first states, float64 ``(J, S)``.
        horizon: Steps of an episode, at least 1.
        next_rewards: float64 ``(J, S)`` if the reward is that of the state which is reached, else None.
        interaction: How arms act on each other; needs ``next_rewards``.
        features: float32 ``(J, F)`` for the observation, or None.
        depot: Where a vehicle is at first.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, got {horizon}")
    count, states = arms.num_arms, arms.num_states
    if start.shape != (count, states) or (start < 0).any() or not np.allclose(start.sum(axis=1), 1.0, atol=1e-9):
        raise ValueError(f"start must hold {count} rows of {states} probabilities, got shape {start.shape}")
    return Params(
        _cumulative(arms.transitions),
        arms.rewards,
        np.zeros((count, states)) if next_rewards is None else np.ascontiguousarray(next_rewards, np.float64),
        _cumulative(start),
        np.array(next_rewards is not None, np.int64).reshape(()),
        np.array(horizon, np.int64),
        interaction,
        np.zeros((count, 0), np.float32) if features is None else features,
        np.array(depot, np.int64),
        np.zeros((0, 0, 0)),
        np.zeros((0, 0)),
    )


def new_state(num_envs: int, params: Params) -> State:
    """Arrays for ``num_envs`` environments."""
    count, interacting = params.rewards.shape[0], params.interaction.groups.size
    groups = params.interaction.groups.max(initial=-1) + 1
    return State(
        np.zeros((num_envs, count), np.int16),
        np.zeros(num_envs, np.int64),
        np.zeros((num_envs, interacting), np.int16),
        np.zeros((num_envs, groups)),
        np.zeros(num_envs, np.int16),
    )
