"""Lists of the sets of nodes that walks can visit, for small graphs, and what is read off them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.feasible.base import batches

WORD = 64  # nodes in reach that fit into the bits of an integer
BLOCK = 256  # ours: sets to compare with at once, few enough for the cache


def edge_distances(neighbours: Sequence[Sequence[int]], starts: Iterable[int], unreachable: int) -> NDArray[np.int64]:
    """Edges from the nearest start to every node, int64 ``(J,)``; ``unreachable`` where there is no way."""
    queue = list(starts)
    distances = np.full(len(neighbours), unreachable, dtype=np.int64)
    distances[queue] = 0
    for node in queue:
        for neighbour in neighbours[node]:
            if distances[neighbour] > distances[node] + 1:
                distances[neighbour] = distances[node] + 1
                queue.append(neighbour)
    return distances


def maximal_visits(
    neighbours: Sequence[Sequence[int]],
    starts: Iterable[int],
    max_length: int,
    ends: Iterable[int] | None = None,
    comparison_limit: int = 2_000_000_000,
) -> dict[tuple[int, int], NDArray[np.bool_]] | None:
    """The maximal sets of nodes that a walk of at most ``max_length`` edges from one node to another can visit.

    Walks may use edges and nodes again; the nodes at both ends count as visited. After each edge only the maximal
    visited sets at every place are followed further: a smaller set at the same place with the same edges left can do
    nothing that the larger one cannot. Walks home from one node: ``starts=[node], ends=[node]``.

    Args:
        neighbours: For each of the J nodes the nodes that an edge joins it to; edges go both ways.
        starts: The nodes v where walks may start.
        max_length: T >= 0.
        ends: The nodes w where walks may end; None for all.
        comparison_limit: The most comparisons of sets with sets; 2e9 (ours) are a few seconds.

    Returns:
        For each pair (v, w) that a walk joins, bool ``(K, J)``: the maximal sets, largest first. None if there would be
        more comparisons, or more than 64 nodes are in reach of a start.

    Raises:
        ValueError: if ``max_length`` is negative.
    """
    if max_length < 0:
        raise ValueError(f"max_length must be >= 0; got {max_length}")
    never = len(neighbours) + max_length + 1
    to_end = edge_distances(neighbours, range(len(neighbours)) if ends is None else ends, never)
    result = {}
    comparisons = 0
    for start in starts:
        near = np.flatnonzero(edge_distances(neighbours, [start], never) + to_end <= max_length)
        if near.size > WORD:
            return None
        bit = {node: np.uint64(1 << index) for index, node in enumerate(near.tolist())}
        layer = {start: np.array([bit[start]])} if start in bit else {}
        # A shorter walk goes back and forth once more and visits no less, unless there is nowhere to go.
        arrived = {node: [sets] for node, sets in layer.items() if to_end[node] == 0}
        for left in range(max_length - 1, -1, -1):
            following: dict[int, NDArray[np.uint64]] = {}
            for node in near[to_end[near] <= left].tolist():
                sources = [layer[place] for place in neighbours[node] if place in layer]
                if sources:
                    following[node], work = _maximal(np.concatenate(sources) | bit[node])
                    comparisons += work
            if comparisons > comparison_limit:
                return None
            layer = following
            if left < 2:
                for node, sets in layer.items():
                    if to_end[node] == 0:
                        arrived.setdefault(node, []).append(sets)
        for node, parts in arrived.items():
            sets, work = _maximal(np.concatenate(parts))
            comparisons += work
            members = np.zeros((len(sets), len(neighbours)), dtype=bool)
            members[:, near] = sets[:, None] >> np.arange(near.size, dtype=np.uint64) & np.uint64(1)
            result[start, node] = members
    return result


def _maximal(sets: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], int]:
    """The sets, as bits, that no other contains, largest first; and about how many comparisons that took."""
    sets = np.unique(sets)
    sizes = np.bitwise_count(sets)
    kept, comparisons = sets[:0], 0
    for size in range(int(sizes.max()), 0, -1):
        group = sets[sizes == size]
        # Large sets first and in blocks: most of what is contained is so early and need not be looked at again.
        for start in range(0, len(kept), BLOCK):
            outside = ~kept[start : start + BLOCK]
            comparisons += group.size * outside.size
            group = group[((group[:, None] & outside) != 0).all(axis=1)]
        kept = np.concatenate([kept, group])
    return kept, comparisons


def within_one(actions: NDArray[np.generic], outside: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which actions hold nothing but entries of one of the listed sets.

    Args:
        actions: 0/1 numbers ``(count, n)``.
        outside: Float32 ``(n, K)``: 1 where the entry is not in the set, else 0.

    Returns:
        Bool ``(count,)``.
    """
    result = np.zeros(len(actions), dtype=bool)
    for rows in batches(len(actions), outside.shape[1]):
        result[rows] = (actions[rows].astype(np.float32, copy=False) @ outside == 0).any(axis=1)
    return result


def random_pulls(rng: np.random.Generator, visited: NDArray[np.bool_], budget: int) -> NDArray[np.bool_]:
    """Random ones of the visited nodes, bool ``(count, J)``: a uniform number up to the budget, or all."""
    keys = np.where(visited, rng.random(visited.shape), 2.0)
    size = rng.integers(min(budget, visited.shape[1]) + 1, size=len(visited))
    rank = np.argsort(np.argsort(keys, axis=1), axis=1)
    return visited & (rank < size[:, None])


def best_visit(
    visits: NDArray[np.bool_], gains: NDArray[np.float64], budget: int, bonus: NDArray[np.float64] | float = 0.0
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The pulls of greatest gain among at most ``budget`` of the nodes of one visit.

    Args:
        visits: Bool ``(K, J)``, the nodes of each.
        gains: Float64 ``(count, J)``; nodes of gain <= 0 are not pulled.
        budget: The largest number of pulls.
        bonus: Float64 ``(count, K)``, what a visit is worth besides, or 0 for nothing.

    Returns:
        The pulls, int8 ``(count, J)``, and the number of the visit, int64 ``(count,)``.
    """
    order = np.argsort(-gains, axis=1)
    worth = np.maximum(np.take_along_axis(gains, order, axis=1), 0.0)
    # Nodes that no row wants sort behind the others and can be left out.
    wanted = max(1, int((worth > 0).sum(axis=1).max(initial=0)))
    order, worth = order[:, :wanted], worth[:, :wanted]
    bonus = np.broadcast_to(bonus, (len(gains), len(visits)))
    pulls, best = np.zeros(gains.shape, dtype=np.int8), np.zeros(len(gains), dtype=np.int64)
    for rows in batches(len(gains), len(visits) * wanted):
        members = visits.T[order[rows]]  # (batch, wanted, K): is the node in that place of the order visited?
        pulled = members & (np.cumsum(members, axis=1, dtype=np.int16) <= budget)
        best[rows] = (np.matmul(worth[rows, None], pulled)[:, 0] + bonus[rows]).argmax(axis=1)
        chosen = np.take_along_axis(pulled, best[rows, None, None], axis=2)[..., 0] & (worth[rows] > 0)
        np.put_along_axis(pulls[rows], order[rows], chosen, axis=1)
    return pulls, best
