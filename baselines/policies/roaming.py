"""Policies for the path bandit whose vehicle stays out: what an arm is worth, and what a place is worth to end in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.roaming import RoamingSet
from telos.envs.bandits.roaming_bound import RoamingBound

__all__ = ["RoamingMyopic", "RoamingPrices", "RoamingRandom"]

Observation = dict[str, NDArray[Any]]


class RoamingRandom:
    """A random feasible action.

    Args:
        feasible_sets: The set of each position.
        seed: Seed of the draws.
    """

    def __init__(self, feasible_sets: Sequence[RoamingSet], seed: int = 0) -> None:
        self._sets, self._rng = feasible_sets, np.random.default_rng(seed)

    def __call__(self, observation: Observation, t: int) -> NDArray[np.int8]:
        """Actions ``(n, 2 J)`` for observations of arms and vehicle ``(n, J)``."""
        return np.stack([self._sets[place].sample(self._rng, 1)[0] for place in observation["vehicle"].argmax(axis=1)])


class RoamingPrices:
    """The best feasible action under the values that a bound gives to each arm's next state and to each position.

    Args:
        arms: Two-level arms.
        feasible_sets: The set of each position.
        bound: From :func:`~telos.envs.bandits.roaming_bound.roaming_bound`.
    """

    def __init__(self, arms: Arms, feasible_sets: Sequence[RoamingSet], bound: RoamingBound) -> None:
        self._sets = feasible_sets
        self._weights = arms.rewards + np.einsum("jast,hjt->hjas", arms.transitions, bound.values[1:])
        self._ends = bound.collected[1:]

    def __call__(self, observation: Observation, t: int) -> NDArray[np.int8]:
        """Actions ``(n, 2 J)`` for observations of arms and vehicle ``(n, J)``."""
        states, places = observation["arms"], observation["vehicle"].argmax(axis=1)
        count = states.shape[1]
        weights = np.zeros((len(states), 2 * count, 2))
        weights[:, :count] = self._weights[t][np.arange(count), :, states]
        weights[:, count:, 1] = self._ends[t]
        actions = np.empty((len(states), 2 * count), np.int8)
        for place in np.unique(places):
            rows = places == place
            # An end that is not named is the vehicle's own place and weighs nothing: others are weighed against it.
            weights[rows, count:, 1] -= self._ends[t, place]
            actions[rows] = self._sets[place].linear_oracle(weights[rows])
        return actions


class RoamingMyopic(RoamingPrices):
    """The feasible action with the best expected reward of the next step, wherever it ends.

    Args:
        arms: Two-level arms.
        feasible_sets: The set of each position.
        horizon: ``H``.
    """

    def __init__(self, arms: Arms, feasible_sets: Sequence[RoamingSet], horizon: int) -> None:
        steps, count = horizon + 1, arms.num_arms
        nothing = np.zeros((steps, count))
        super().__init__(
            arms, feasible_sets, RoamingBound(0.0, nothing[1:], np.zeros((steps, count, arms.num_states)), nothing)
        )
