"""Sets in which arms of the same type can replace each other: what counts is how many of each type are pulled."""

from __future__ import annotations

import abc
import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import FeasibleSet, batches


class ExchangeableSet(FeasibleSet):
    """A set that holds every subset of its members and in which arms of the same type can replace each other.

    Feasibility then depends on how many arms of each type are pulled, and there are few such counts. The best set
    pulls the best arms of every type, so the oracle sorts the arms within their types and compares the maximal
    counts with one matrix product. With too many counts it falls back on the mixed-integer solver.

    Attributes:
        types: Int64 ``(J,)``, each arm's type in 0..K-1.
        type_sizes: Int64 ``(K,)``, the number of arms of each type.
        listable: Whether counts are tested fast enough to list the feasible ones.
    """

    COUNT_LIMIT = 250_000  # ours: the most count vectors to look at, below half a second of work
    MAXIMAL_LIMIT = 100_000  # ours: the most maximal count vectors to compare, a few milliseconds an oracle call

    def __init__(self, types: NDArray[np.int64]) -> None:
        self.num_arms = self.action_size = types.size
        self.num_levels = 2
        self.types = types
        self.type_sizes = np.bincount(types)
        self.listable = True
        # Products of floats are fast and, at these sizes, exact.
        self._one_hot = (types[:, None] == np.arange(self.type_sizes.size)).astype(np.float32)

    @abc.abstractmethod
    def _counts_feasible(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which numbers of pulled arms of each type ``(count, K)`` are feasible: bool ``(count,)``."""

    def feasible_batch(self, actions: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which of the 0/1 joint actions ``(count, n)`` may be taken: bool ``(count,)``."""
        return self._counts_feasible((actions @ self._one_hot).astype(np.int64))

    @functools.cached_property
    def maximal_counts(self) -> NDArray[np.int64] | None:
        """The feasible counts ``(M, K)`` to which no arm can be added, or None if they are too many."""
        if not self.listable:
            return None
        counts = np.zeros((1, self.type_sizes.size), dtype=np.int64)
        for kind, size in enumerate(self.type_sizes):
            parts = [counts]
            while len(parts) <= size and len(parts[-1]):
                more = parts[-1].copy()
                more[:, kind] += 1
                parts.append(more[self._counts_feasible(more)])
                if sum(map(len, parts)) > self.COUNT_LIMIT:
                    return None
            counts = np.concatenate(parts)
        maximal = np.ones(len(counts), dtype=bool)
        for kind, size in enumerate(self.type_sizes):
            open_rows = np.flatnonzero(maximal & (counts[:, kind] < size))
            more = counts[open_rows]
            more[:, kind] += 1
            maximal[open_rows] = ~self._counts_feasible(more)
        counts = counts[maximal]
        return counts if len(counts) <= self.MAXIMAL_LIMIT else None

    @functools.cached_property
    def _unary(self) -> NDArray[np.float64] | None:
        """Float64 ``(J, M)``: 1 if the maximal count takes the arm in that place of the order by type and gain."""
        if self.maximal_counts is None:
            return None
        rank = np.concatenate([np.arange(size) for size in self.type_sizes])
        taken = self.maximal_counts[:, np.sort(self.types)] > rank
        return np.ascontiguousarray(taken.T, dtype=np.float64)

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The best joint actions; see `FeasibleSet.linear_oracle`."""
        array = self._weights(weights)
        unary = self._unary
        if unary is None:
            return self._solve_each(array)
        gains = (array[..., 1] - array[..., 0]).reshape(-1, self.num_arms)
        order = np.lexsort((-gains, np.broadcast_to(self.types, gains.shape)), axis=-1)
        worth = np.maximum(np.take_along_axis(gains, order, axis=1), 0.0)
        best = np.concatenate([(worth[rows] @ unary).argmax(axis=1) for rows in batches(len(worth), unary.shape[1])])
        actions = np.zeros(gains.shape, dtype=np.int8)
        np.put_along_axis(actions, order, (unary.T[best] > 0) & (worth > 0), axis=1)
        return actions.reshape(array.shape[:-1])
