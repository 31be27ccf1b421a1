"""The matching set: workers visit arms in time slots."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import LinearDescription, describe_pulls
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.feasible.exchangeable import ExchangeableSet

PAIRS_PER_PULL = 2
MAX_SLOTS = 12  # ours: the test looks at all sets of slots


class MatchingSet(ExchangeableSet):
    """Workers and arms meet in time slots; a pull takes two meetings (the SEQUOIA paper, arXiv 2503.01919).

    A worker who is available in a slot can serve one arm then: this is a (worker, slot) pair. A pulled arm needs
    exactly two different pairs, both in slots in which the arm is available. They may share the slot (two workers at
    once) or the worker (the same worker twice), as in the paper's mixed-integer program. At most ``budget`` arms are
    pulled. The joint action is the pulls.

    Who serves whom need not be searched for: by Hall's theorem a set of pulls can be served exactly if, for every set
    U of slots, the pulled arms that are available only within U number at most half the pairs in U.

    Args:
        arm_slots: Bool ``(J, S)``: the slots in which each arm is available.
        worker_slots: Bool ``(W, S)``: the slots in which each worker is available.
        budget: B >= 0, the largest number of pulls.

    Raises:
        ValueError: if shapes disagree, the budget is negative or there are more than 12 slots.
    """

    def __init__(self, arm_slots: ArrayLike, worker_slots: ArrayLike, budget: int) -> None:
        self.arm_slots = np.asarray(arm_slots, dtype=bool)
        self.worker_slots = np.asarray(worker_slots, dtype=bool)
        self.budget = int(budget)
        if self.arm_slots.ndim != 2 or self.worker_slots.ndim != 2 or not self.arm_slots.size:
            raise ValueError("arm_slots must have shape (arms, slots) and worker_slots (workers, slots), not empty")
        num_slots = self.arm_slots.shape[1]
        if self.worker_slots.shape[1] != num_slots or num_slots > MAX_SLOTS:
            raise ValueError(
                f"arm_slots and worker_slots must have the same number of slots, at most {MAX_SLOTS}; "
                f"got {num_slots} and {self.worker_slots.shape[1]}"
            )
        if self.budget < 0:
            raise ValueError(f"budget must be >= 0; got {budget}")
        kinds, types = np.unique(self.arm_slots, axis=0, return_inverse=True)
        super().__init__(types.reshape(-1).astype(np.int64))
        slot_sets = (np.arange(1 << num_slots)[:, None] >> np.arange(num_slots)) & 1
        # within[u, k]: arms of type k are available in no slot outside the set u.
        within = ~(kinds[None] & ~slot_sets.astype(bool)[:, None]).any(axis=2)
        room = (slot_sets @ self.worker_slots.sum(axis=0)) // PAIRS_PER_PULL
        binding = within @ self.type_sizes > room
        self._slot_sets = slot_sets[binding].astype(bool)
        self._within = np.concatenate([within[binding], np.ones((1, len(kinds)), dtype=bool)]).astype(np.float64)
        self._room = np.append(room[binding], self.budget)

    def _counts_feasible(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((counts @ self._within.T <= self._room).all(axis=1))

    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        used = self._within @ np.bincount(self.types, weights=action, minlength=self.type_sizes.size)
        if used[-1] > self.budget:
            return f"budget: {int(used[-1])} arms are pulled, but at most {self.budget} may be"
        row = int(np.argmax(used > self._room))
        slots = np.flatnonzero(self._slot_sets[row])
        pairs = int(self.worker_slots[:, slots].sum())
        return (
            f"matching: {int(used[row])} pulled arms are available only in slots {slots.tolist()} and need "
            f"{PAIRS_PER_PULL * int(used[row])} (worker, slot) pairs there, but only {pairs} exist"
        )

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random feasible joint actions; see `FeasibleSet.sample`."""
        return self._sample_greedily(rng, count, min(self.budget, self.num_arms))

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The best joint actions; see `FeasibleSet.linear_oracle`."""
        array = self._weights(weights)
        if self.maximal_counts is not None:
            return super().linear_oracle(array)
        # Slots are rarely short when there are many workers: the best set under the budget alone is then the answer.
        best = BudgetSet(self.num_arms, min(self.budget, self.num_arms)).linear_oracle(array)
        short = ~self.feasible_batch(best.reshape(-1, self.num_arms)).reshape(array.shape[:-2])
        best[short] = self._solve_each(array[short])
        return best

    def linear_constraints(self) -> LinearDescription:
        """One row for each set of slots that can be too small, and the budget.

        Halves of pairs are rounded down, so the relaxation is tighter than one with explicit meetings.
        """
        from scipy import sparse

        rows = sparse.csr_array(self._within[:, self.types])
        lower = np.full(self._room.size, -np.inf)
        return describe_pulls(self.num_arms, rows, lower, self._room, [], extra_integer=False)

    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays."""
        return {
            "arm_slots": self.arm_slots,
            "worker_slots": self.worker_slots,
            "budget": np.array(self.budget),
        }
