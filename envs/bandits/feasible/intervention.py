"""The intervention set: each action reaches several arms, and an arm responds to how many reach it."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import ENUMERATION_LIMIT, FeasibleSet, LinearDescription, batches
from telos.envs.bandits.feasible.budget import BudgetSet


@dataclass(frozen=True, eq=False)
class _Portfolio:
    """All ways to act on one part of the arms at one price, as rows."""

    cost: int
    actions: NDArray[np.int8]  # (rows, N)
    levels: NDArray[np.int64]  # (rows, number of the part's arms)


class InterventionSet(FeasibleSet):
    """At most ``budget`` of N interventions, each acting on several arms at once (SEQUOIA, arXiv 2503.01919).

    The joint action chooses interventions; an arm's level is the number of chosen ones connected to it.

    The oracle uses two facts. Interventions connected to the same arms can replace each other, so only how many are
    chosen matters. And arms and interventions fall into parts that no connection joins: the best choice within each
    part at each price is found by listing, and a knapsack over the parts shares out the budget. Where a part is too
    large to list, the mixed-integer solver takes over.

    Args:
        connections: Bool ``(J, N)``: whether the intervention acts on the arm.
        budget: B >= 0, the largest number of chosen interventions.

    Raises:
        ValueError: if the connections are not a matrix or the budget is negative.
    """

    LIST_LIMIT = 2_000_000  # ours: rows x arms of a part's list, about 10 ms an oracle call

    def __init__(self, connections: ArrayLike, budget: int) -> None:
        self.connections = np.asarray(connections, dtype=bool)
        self.budget = int(budget)
        if self.connections.ndim != 2 or not self.connections.size:
            raise ValueError(f"connections must have shape (arms, interventions); got {self.connections.shape}")
        if self.budget < 0:
            raise ValueError(f"budget must be >= 0; got {budget}")
        self.num_arms, self.action_size = self.connections.shape
        self.degrees = self.connections.sum(axis=1)
        self.num_levels = int(self.degrees.max()) + 1
        self._choices = BudgetSet(self.action_size, min(self.budget, self.action_size))

    def levels(self, actions: ArrayLike) -> NDArray[np.int64]:
        """Each arm's number of chosen interventions: ``(..., n)`` to int64 ``(..., J)``."""
        # Products of floats are fast and, at these sizes, exact.
        counts = np.asarray(actions, dtype=np.float64) @ self.connections.T
        return np.asarray(counts, dtype=np.int64)

    def feasible_batch(self, actions: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which of the 0/1 joint actions ``(count, n)`` may be taken: bool ``(count,)``."""
        return np.asarray(self._choices.feasible_batch(actions))

    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        return f"budget: {int(action.sum())} interventions are chosen, but at most {self.budget} may be"

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random feasible joint actions: a uniform number of interventions, then a uniform choice."""
        return self._choices.sample(rng, count)

    @functools.cached_property
    def _classes(self) -> list[NDArray[np.int64]]:
        """The interventions that act on something, grouped by what they act on."""
        columns, kind = np.unique(self.connections, axis=1, return_inverse=True)
        return [np.flatnonzero(kind.reshape(-1) == k) for k in range(columns.shape[1]) if columns[:, k].any()]

    @functools.cached_property
    def _parts(self) -> list[tuple[NDArray[np.int64], list[_Portfolio]]] | None:
        """For each part its arms and portfolios by price (from 1), or None if a part is too large to list."""
        parts = []
        for classes in self._connected_classes():
            reached = self.connections[:, [group[0] for group in classes]]
            arms = np.flatnonzero(reached.any(axis=1))
            number = np.prod([group.size + 1.0 for group in classes])
            if number * arms.size > self.LIST_LIMIT:
                return None
            counts = np.array(list(itertools.product(*(range(group.size + 1) for group in classes))))
            cost = counts.sum(axis=1)
            portfolios = []
            for price in range(1, min(self.budget, int(cost.max())) + 1):
                rows = counts[cost == price]
                actions = np.zeros((len(rows), self.action_size), dtype=np.int8)
                for group, chosen in zip(classes, rows.T, strict=True):
                    actions[:, group] = np.arange(group.size) < chosen[:, None]
                portfolios.append(_Portfolio(price, actions, self.levels(actions)[:, arms]))
            parts.append((arms, portfolios))
        return parts

    def _connected_classes(self) -> list[list[NDArray[np.int64]]]:
        """The classes of interventions, those that share arms (directly or through others) together."""
        groups: list[tuple[NDArray[np.bool_], list[NDArray[np.int64]]]] = []
        for members in self._classes:
            reach, joined, apart = self.connections[:, members[0]], [members], []
            for group in groups:
                if (group[0] & reach).any():
                    reach, joined = reach | group[0], group[1] + joined
                else:
                    apart.append(group)
            groups = [*apart, (reach, joined)]
        return [group[1] for group in groups]

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The best joint actions; see `FeasibleSet.linear_oracle`."""
        array = self._weights(weights)
        if self._parts is None:
            return self._solve_each(array)
        gains = (array - array[..., :1]).reshape(-1, self.num_arms, self.num_levels)
        largest = max((p.levels.size for _, portfolios in self._parts for p in portfolios), default=1)
        actions = np.concatenate([self._knapsack(gains[rows]) for rows in batches(len(gains), largest)])
        return actions.reshape(*array.shape[:-2], self.action_size)

    def _knapsack(self, gains: NDArray[np.float64]) -> NDArray[np.int8]:
        """Share the budget out among the parts: gains ``(count, J, A)`` over level 0 to actions ``(count, n)``."""
        everyone = np.arange(len(gains))
        best = np.zeros((len(gains), self.budget + 1))  # [row, money spent at most] over the parts so far
        paid, picks = [], []
        for arms, portfolios in self._parts or []:
            grown, price_paid = best.copy(), np.zeros(best.shape, dtype=np.int64)
            pick = np.zeros((len(gains), len(portfolios) + 1), dtype=np.int64)
            for portfolio in portfolios:
                worth = gains[:, arms, portfolio.levels].sum(axis=2)
                pick[:, portfolio.cost] = row = worth.argmax(axis=1)
                offer = best[:, : best.shape[1] - portfolio.cost] + worth[everyone, row][:, None]
                better = offer > grown[:, portfolio.cost :]
                grown[:, portfolio.cost :][better] = offer[better]
                price_paid[:, portfolio.cost :][better] = portfolio.cost
            best = grown
            paid.append(price_paid)
            picks.append(pick)
        actions = np.zeros((len(gains), self.action_size), dtype=np.int8)
        money = np.full(len(gains), self.budget)
        for (_, portfolios), price_paid, pick in reversed(list(zip(self._parts or [], paid, picks, strict=True))):
            price = price_paid[everyone, money]
            for portfolio in portfolios:
                buyers = np.flatnonzero(price == portfolio.cost)
                actions[buyers] |= portfolio.actions[pick[buyers, portfolio.cost]]
            money -= price
        return actions

    def linear_constraints(self) -> LinearDescription:
        """Binary variables for interventions and levels; see `FeasibleSet.linear_constraints`."""
        from scipy import sparse

        num_arms, num_levels, num_actions = self.num_arms, self.num_levels, self.action_size
        steps = np.arange(num_levels, dtype=np.float64)[None]
        matrix = sparse.block_array(
            [
                [np.ones((1, num_actions)), None],
                [None, sparse.kron(sparse.eye_array(num_arms), np.ones((1, num_levels)))],
                [-self.connections.astype(np.float64), sparse.kron(sparse.eye_array(num_arms), steps)],
            ],
            format="csr",
        )
        one, zero = np.ones(num_arms), np.zeros(num_arms)
        reachable = np.arange(num_levels) <= self.degrees[:, None]
        columns = num_actions + np.arange(num_arms * num_levels)
        size = num_actions + columns.size
        return LinearDescription(
            matrix=matrix,
            lower=np.concatenate([[-np.inf], one, zero]),
            upper=np.concatenate([[self.budget], one, zero]),
            variable_lower=np.zeros(size),
            variable_upper=np.concatenate([np.ones(num_actions), reachable.reshape(-1).astype(np.float64)]),
            integrality=np.ones(size, dtype=np.uint8),
            action_columns=np.arange(num_actions),
            level_columns=columns.reshape(num_arms, num_levels),
        )

    def enumerate(self, limit: int = ENUMERATION_LIMIT) -> NDArray[np.int8]:
        """One feasible joint action for every level vector that can be reached; see `FeasibleSet.enumerate`."""
        rows = np.zeros((1, self.action_size), dtype=np.int8)
        for members in self._classes:
            chosen = np.arange(members.size) < np.arange(members.size + 1)[:, None]
            rows = np.repeat(rows, len(chosen), axis=0)
            rows[:, members] = np.tile(chosen, (len(rows) // len(chosen), 1))
            rows = rows[self.feasible_batch(rows)]
            if len(rows) > limit:
                raise ValueError(f"more than {limit} feasible actions; use linear_oracle(), which needs no list")
        _, first = np.unique(self.levels(rows), axis=0, return_index=True)
        return rows[first]

    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays."""
        return {"connections": self.connections, "budget": np.array(self.budget)}
