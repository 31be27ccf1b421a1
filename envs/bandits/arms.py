"""The arms of a restless bandit as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.base import FeasibleSet


@dataclass(frozen=True, eq=False)
class Arms:
    """Independent Markov chains, one an arm, each driven by its own action level.

    Level 0 is always "passive": what the arm does when nobody acts on it.

    Attributes:
        transitions: Float64 ``(J, A, S, S)``, indexed ``[arm, level, state, next state]``; rows are probabilities.
        rewards: Float64 ``(J, A, S)``, the expected reward of taking the level in the state.

    Raises:
        ValueError: if a shape, a row sum (to 1e-9), a sign or a value that is not finite is wrong; it says where.
    """

    transitions: NDArray[np.float64]
    rewards: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transitions", np.ascontiguousarray(self.transitions, dtype=np.float64))
        object.__setattr__(self, "rewards", np.ascontiguousarray(self.rewards, dtype=np.float64))
        shape = self.transitions.shape
        if len(shape) != 4 or shape[2] != shape[3] or min(shape) < 1:
            raise ValueError(f"transitions must have shape (arms, levels, states, states), all >= 1; got {shape}")
        if self.rewards.shape != shape[:3]:
            raise ValueError(f"rewards must have shape {shape[:3]} to match transitions; got {self.rewards.shape}")
        if not np.isfinite(self.rewards).all():
            raise ValueError("rewards must be finite; replace the NaN or infinite entries")
        # A NaN fails neither test below on its own (comparisons with it are false), hence the negations.
        if not (self.transitions >= 0).all():
            raise ValueError("transitions must be probabilities; some are negative or NaN")
        wrong = ~(np.abs(self.transitions.sum(axis=3) - 1.0) <= 1e-9)
        if wrong.any():
            arm, level, state = (int(i) for i in np.argwhere(wrong)[0])
            total = self.transitions[arm, level, state].sum()
            raise ValueError(
                f"transitions[{arm}, {level}, {state}] sums to {total}; "
                f"normalise the rows to 1 ({int(wrong.sum())} of {wrong.size} rows are off by more than 1e-9)"
            )

    def check_fits(self, feasible_set: FeasibleSet) -> None:
        """Checks that a feasible set is for as many arms and levels.

        Raises:
            ValueError: if it is not.
        """
        if (self.num_arms, self.num_levels) != (feasible_set.num_arms, feasible_set.num_levels):
            raise ValueError(
                f"the arms ({self.num_arms} arms, {self.num_levels} levels) and the feasible set "
                f"({feasible_set.num_arms} arms, {feasible_set.num_levels} levels) must agree"
            )

    @property
    def num_arms(self) -> int:
        """J, the number of arms."""
        return int(self.transitions.shape[0])

    @property
    def num_levels(self) -> int:
        """A, the number of action levels of an arm, passive included."""
        return int(self.transitions.shape[1])

    @property
    def num_states(self) -> int:
        """S, the number of states of an arm."""
        return int(self.transitions.shape[2])
