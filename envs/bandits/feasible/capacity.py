"""The capacity set: workers with capacities, a multiple knapsack."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import LinearDescription, describe_pulls
from telos.envs.bandits.feasible.exchangeable import ExchangeableSet


class CapacitySet(ExchangeableSet):
    """Each pulled arm is served by one worker, within the workers' capacities (SEQUOIA, arXiv 2503.01919).

    A worker serves arms of total cost at most the worker's capacity. There is no other limit on the number of pulls.
    The joint action is the pulls; who serves whom is found, not chosen.

    Arms of equal cost can replace each other, so a table of the feasible counts of every cost, built worker by
    worker, decides feasibility. Where costs are so varied that the table would be too large, each test is a small
    mixed-integer program.

    Args:
        costs: Positive integers ``(J,)``, the capacity that an arm takes up.
        capacities: Non-negative integers ``(W,)``, the workers' capacities in the same unit.

    Raises:
        ValueError: if a shape, a sign or an integer is wrong.
    """

    TABLE_WORK_LIMIT = 2_000_000_000  # ours: byte operations to build the table, about two seconds

    def __init__(self, costs: ArrayLike, capacities: ArrayLike) -> None:
        self.costs = _integers(costs, "costs", 1)
        self.capacities = _integers(capacities, "capacities", 0)
        self._kinds, types = np.unique(self.costs, return_inverse=True)
        super().__init__(types.reshape(-1).astype(np.int64))
        table = self._build_table()
        self.listable = table is not None
        if table is not None:
            # One index into a flat table is found faster than one for each axis.
            self._table, self._strides = table.reshape(-1), np.array(table.strides) // table.itemsize

    def _build_table(self) -> NDArray[np.bool_] | None:
        """Bool, one axis a cost, indexed by the number of pulled arms of that cost: can they be served?"""
        shape = tuple(int(size) + 1 for size in self.type_sizes)
        cells = float(np.prod(np.array(shape, dtype=np.float64)))
        work = 0.0
        packings = {}
        for capacity in np.unique(self.capacities):
            most = np.minimum(capacity // self._kinds, self.type_sizes)
            if cells * float(np.prod(most + 1.0)) > self.TABLE_WORK_LIMIT:
                return None
            counts = itertools.product(*(range(int(limit) + 1) for limit in most))
            packings[int(capacity)] = [count for count in counts if np.dot(count, self._kinds) <= capacity]
            work += cells * len(packings[int(capacity)]) * int((self.capacities == capacity).sum())
        if work > self.TABLE_WORK_LIMIT:
            return None
        table = np.zeros(shape, dtype=bool)
        table[(0,) * len(shape)] = True
        for worker in self.capacities:
            before = table.copy()
            for packing in packings[int(worker)]:
                moved = tuple(slice(number, None) for number in packing)
                fits = tuple(slice(0, size - number) for size, number in zip(shape, packing, strict=True))
                table[moved] |= before[fits]
        return table

    def _counts_feasible(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not self.listable:
            return np.array([self._packs(count) for count in counts], dtype=bool)
        return np.asarray(self._table[counts @ self._strides])

    def _packs(self, count: NDArray[np.int64]) -> bool:
        """The same test without the table."""
        if (count * self._kinds).sum() > self.capacities.sum():
            return False
        rank = np.arange(self.num_arms) - np.searchsorted(np.sort(self.types), np.sort(self.types))
        action = np.zeros(self.num_arms, dtype=np.int8)
        action[np.argsort(self.types, kind="stable")] = rank < count[np.sort(self.types)]
        return self.linear_constraints().maximise(np.zeros((self.num_arms, 2)), action) is not None

    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        total, room = int(action @ self.costs), int(self.capacities.sum())
        if total > room:
            return f"capacity: the pulled arms cost {total} together, but the workers' capacities sum to {room}"
        return (
            f"capacity: no assignment serves arms of costs {sorted(self.costs[action > 0].tolist())} within the "
            f"workers' capacities {sorted(self.capacities.tolist())}, although their sum would do"
        )

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random feasible joint actions: arms in random order, each to a random worker with room for it."""
        actions = np.zeros((count, self.num_arms), dtype=np.int8)
        rows = np.arange(count)
        room = np.tile(self.capacities, (count, 1))
        # No more arms than this fit, by the cheapest costs against the capacities together.
        largest = int((np.cumsum(np.sort(self.costs)) <= self.capacities.sum()).sum())
        missing = rng.integers(0, largest + 1, size=count)
        for arm in np.argsort(rng.random((count, self.num_arms)), axis=1).T:
            fits = room >= self.costs[arm][:, None]
            worker = np.where(fits, rng.random(room.shape), -1.0).argmax(axis=1)
            added = fits.any(axis=1) & (missing > 0)
            actions[rows[added], arm[added]] = 1
            room[rows[added], worker[added]] -= self.costs[arm[added]]
            missing -= added
        return actions

    def linear_constraints(self) -> LinearDescription:
        """A binary variable for each worker and arm that fits; see `FeasibleSet.linear_constraints`."""
        from scipy import sparse

        num_arms, num_workers = self.num_arms, self.capacities.size
        worker, arm = np.nonzero(self.costs[None] <= self.capacities[:, None])
        pairs = np.arange(arm.size)
        serve = sparse.csr_array((np.ones(arm.size), (arm, pairs)), shape=(num_arms, arm.size))
        loads = sparse.csr_array((self.costs[arm].astype(float), (worker, pairs)), shape=(num_workers, arm.size))
        rows = sparse.block_array([[-sparse.eye_array(num_arms), serve], [None, loads]])
        lower = np.concatenate([np.zeros(num_arms), np.full(num_workers, -np.inf)])
        upper = np.concatenate([np.zeros(num_arms), self.capacities])
        return describe_pulls(num_arms, rows, lower, upper, np.ones(arm.size), extra_integer=True)

    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays."""
        return {"costs": self.costs, "capacities": self.capacities}


def _integers(values: ArrayLike, name: str, smallest: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or not array.size or not np.equal(np.mod(array, 1), 0).all() or array.min() < smallest:
        raise ValueError(f"{name} must be a list of integers >= {smallest}; choose a unit in which they are")
    return array.astype(np.int64)
