"""Lists of the sets of nodes that walks can visit, for small graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

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
