"""The textbook's set: at most B arms active."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import ENUMERATION_LIMIT, FeasibleSet, LinearDescription, describe_pulls


class BudgetSet(FeasibleSet):
    """At most ``budget`` of ``num_arms`` arms active in a step (Whittle 1988, with "at most" for "exactly").

    Args:
        num_arms: J >= 1.
        budget: B in 0..J.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(self, num_arms: int, budget: int) -> None:
        if num_arms < 1 or not 0 <= budget <= num_arms:
            raise ValueError(f"need num_arms >= 1 and 0 <= budget <= num_arms; got {num_arms} and {budget}")
        self.num_arms = self.action_size = int(num_arms)
        self.num_levels = 2
        self.budget = int(budget)

    def feasible_batch(self, actions: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which of the 0/1 joint actions ``(count, n)`` may be taken: bool ``(count,)``."""
        return np.asarray(actions.sum(axis=1, dtype=np.int64) <= self.budget)

    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        return f"budget: {action.sum(dtype=np.int64)} arms are active, but at most {self.budget} may be"

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random feasible joint actions, int8 ``(count, J)``: a uniform size, then a uniform set of that size."""
        keys = rng.random((count, self.num_arms))
        size = rng.integers(0, self.budget + 1, size=count)
        # The size-th smallest key cuts each row; sorting costs more than the draw only by a logarithm.
        cut = np.take_along_axis(np.sort(keys, axis=1), np.maximum(size - 1, 0)[:, None], axis=1)
        return np.asarray((keys <= cut) & (size > 0)[:, None], dtype=np.int8)

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The B largest positive gains of each row; see `FeasibleSet.linear_oracle`. Linear time in J."""
        array = self._weights(weights)
        gains = array[..., 1] - array[..., 0]
        actions = np.zeros(gains.shape, dtype=np.int8)
        if self.budget == self.num_arms:
            actions[gains > 0] = 1
        elif self.budget > 0:
            chosen = np.argpartition(-gains, self.budget - 1, axis=-1)[..., : self.budget]
            np.put_along_axis(actions, chosen, np.take_along_axis(gains, chosen, axis=-1) > 0, axis=-1)
        return actions

    def linear_constraints(self) -> LinearDescription:
        """One row: the pulls sum to at most B; see `FeasibleSet.linear_constraints`."""
        from scipy import sparse

        rows = sparse.csr_array(np.ones((1, self.num_arms)))
        return describe_pulls(self.num_arms, rows, [-np.inf], [self.budget], [], extra_integer=False)

    def enumerate(self, limit: int = ENUMERATION_LIMIT) -> NDArray[np.int8]:
        """Every feasible joint action; see `FeasibleSet.enumerate`."""
        number = 0
        for size in range(self.budget + 1):
            number += math.comb(self.num_arms, size)
            if number > limit:
                raise ValueError(f"more than {limit} feasible actions; use linear_oracle(), which needs no list")
        return self._grow(limit)

    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays."""
        return {"num_arms": np.array(self.num_arms), "budget": np.array(self.budget)}
