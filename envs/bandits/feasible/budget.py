"""The textbook's set: a budget for what the arms' levels cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import FeasibleSet, LinearDescription, batches, describe_pulls


class BudgetSet(FeasibleSet):
    """The levels of all arms may cost at most the budget (Whittle 1988, with "at most" for "exactly").

    A joint action is the vector of the arms' levels itself.

    Args:
        num_arms: J >= 1.
        budget: B >= 0.
        level_costs: Integers ``(A,)``, the cost of each level, 0 for level 0; by default at most B arms are active.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(self, num_arms: int, budget: int, level_costs: ArrayLike = (0, 1)) -> None:
        self.level_costs = np.asarray(level_costs, dtype=np.int64)
        if num_arms < 1 or budget < 0:
            raise ValueError(f"need num_arms >= 1 and budget >= 0; got {num_arms} and {budget}")
        if self.level_costs.ndim != 1 or self.level_costs.size < 2:
            raise ValueError(f"level_costs must hold the cost of two levels or more; got {level_costs!r}")
        if self.level_costs[0] != 0 or (self.level_costs < 0).any():
            raise ValueError(
                f"level_costs must not be negative, the first (passive) 0; got {self.level_costs.tolist()}"
            )
        self.num_arms = self.action_size = int(num_arms)
        self.num_levels = self.action_levels = self.level_costs.size
        self.budget = int(budget)
        self._level_is_cost = np.array_equal(self.level_costs, np.arange(self.num_levels))

    def levels(self, actions: Any) -> Any:
        """The actions themselves."""
        return actions if hasattr(actions, "shape") else np.asarray(actions)

    def _costs(self, levels: Any) -> Any:
        """What each arm's level costs. By comparison, not lookup: that works alike for arrays and tensors."""
        if self._level_is_cost:
            return levels
        return sum(int(cost) * (levels == level) for level, cost in enumerate(self.level_costs))

    def feasible_batch(self, actions: Any) -> Any:
        """Which of the joint actions ``(count, J)``, array or tensor, may be taken: bool ``(count,)``."""
        return self._costs(actions).sum(axis=1) <= self.budget

    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        spent = self._costs(action).sum()
        return f"budget: the levels cost {spent}, but at most {self.budget} may be spent"

    def _cut(self, actions: Any, budget: int | NDArray[np.int64]) -> Any:
        """Sets arms to passive from where the budget is used up, in the order of the arms."""
        return actions * (self._costs(actions).cumsum(axis=1) <= budget)

    def project(self, actions: Any) -> Any:
        """Arms that come first keep their levels for as long as the budget lasts; takes arrays and tensors."""
        return self._cut(actions, self.budget)

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random joint actions, int8 ``(count, J)``: random levels in random order until a random sum is spent."""
        dearest = self.num_arms * int(self.level_costs.max())
        budget = rng.integers(min(self.budget, dearest) + 1, size=(count, 1))
        levels = rng.integers(self.num_levels, size=(count, self.num_arms), dtype=np.int8)
        return np.asarray(rng.permuted(self._cut(levels, budget), axis=1))

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The best joint actions; see `FeasibleSet.linear_oracle`.

        Linear time in J for two levels; for more, dynamic programming over the budget.
        """
        array = self._weights(weights)
        gains = (array - array[..., :1]).reshape(-1, self.num_arms, self.num_levels)
        best = self._largest(gains[..., 1]) if self.num_levels == 2 else self._knapsack(gains)
        return best.reshape(array.shape[:-1])

    def _largest(self, gains: NDArray[np.float64]) -> NDArray[np.int8]:
        """The arms with the largest positive gains ``(n, J)``, as many as the budget allows."""
        cost = int(self.level_costs[1])
        count = self.num_arms if cost == 0 else min(self.budget // cost, self.num_arms)
        actions = np.zeros(gains.shape, dtype=np.int8)
        if count == self.num_arms:
            actions[gains > 0] = 1
        elif count > 0:
            chosen = np.argpartition(-gains, count - 1, axis=-1)[..., :count]
            np.put_along_axis(actions, chosen, np.take_along_axis(gains, chosen, axis=-1) > 0, axis=-1)
        return actions

    def _knapsack(self, gains: NDArray[np.float64]) -> NDArray[np.int8]:
        """Multiple-choice knapsack for gains ``(n, J, A)``, over what is left to spend."""
        budget = min(self.budget, self.num_arms * int(self.level_costs.max()))
        actions = np.zeros(gains.shape[:2], dtype=np.int8)
        for rows in batches(len(gains), self.num_arms * (budget + 1)):
            part = gains[rows]
            value = np.zeros((len(part), budget + 1))
            choices = np.zeros((self.num_arms, *value.shape), dtype=np.int8)
            for arm in range(self.num_arms):
                before, value = value, value.copy()
                for level in np.flatnonzero(self.level_costs <= budget)[1:]:
                    left = budget + 1 - self.level_costs[level]
                    worth = before[:, :left] + part[:, arm, level, None]
                    tail = value[:, -left:]
                    choices[arm, :, -left:][worth > tail] = level
                    np.maximum(tail, worth, out=tail)
            rest, places = np.full(len(part), budget), np.arange(len(part))
            for arm in range(self.num_arms - 1, -1, -1):
                level = choices[arm, places, rest]
                actions[rows, arm] = level
                rest -= self.level_costs[level]
        return actions

    def linear_constraints(self) -> LinearDescription:
        """One row for the budget; for more than two levels, a 0/1 variable for each arm's level.

        Variables: the joint action, then the passives, then each arm's other levels where there are several.
        """
        from scipy import sparse

        count, costs = self.num_arms, self.level_costs[1:]
        if len(costs) == 1:
            rows = sparse.csr_array(np.full((1, count), float(costs[0])))
            return describe_pulls(count, rows, [-np.inf], [self.budget], [], extra_integer=False)
        each = sparse.eye_array(count)
        matrix = sparse.block_array(
            [
                [each, None, sparse.kron(each, -np.arange(1.0, len(costs) + 1)[None])],  # an action is its level
                [None, each, sparse.kron(each, np.ones((1, len(costs))))],  # one level an arm
                [None, None, np.tile(costs, count)[None].astype(float)],  # budget
            ],
            format="csr",
        )
        columns = 2 * count + np.arange(count * len(costs)).reshape(count, -1)
        ones, zeros = np.ones(count), np.zeros(count)
        return LinearDescription(
            matrix=matrix,
            lower=np.concatenate([zeros, ones, [-np.inf]]),
            upper=np.concatenate([zeros, ones, [self.budget]]),
            variable_lower=np.zeros(matrix.shape[1]),
            variable_upper=np.concatenate([ones * len(costs), ones, np.ones(columns.size)]),
            integrality=np.concatenate([zeros, zeros, np.ones(columns.size)]).astype(np.uint8),
            action_columns=np.arange(count),
            level_columns=np.column_stack([count + np.arange(count), columns]),
        )

    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays."""
        return {
            "num_arms": np.array(self.num_arms),
            "budget": np.array(self.budget),
            "level_costs": self.level_costs,
        }
