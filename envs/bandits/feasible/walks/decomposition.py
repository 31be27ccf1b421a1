"""Closed walks as states over a tree decomposition of the graph.

A closed walk of at most T edges is a connected multigraph with even degrees and at most T edges (Euler), and none
needs an edge more than twice. Nodes are eliminated one after the other, the source last; what is known of the part of
the walk below an eliminated node is a state over the few nodes that it still touches: which of them the walk visits,
which have odd degree so far, and which are joined (dynamic programming over a tree decomposition: Cygan et al.,
Parameterized Algorithms, 2015, chapter 7). All that depends on the graph alone is done here, once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.feasible.walks.tables import WalkTables, shortest
from telos.envs.bandits.feasible.walks.visits import edge_distances

WIDEST = 10  # ours: neighbours of an eliminated node; 10 make more states than allowed
ORDERS = 5  # ours: elimination orders tried
BITS = 5  # of an integer, for what a state says of one node

Codes = NDArray[np.int64]
Scope = list[int]


def make_walk_tables(
    neighbours: Sequence[Sequence[int]], source: int, max_length: int, transition_limit: int
) -> WalkTables | None:
    """The states of closed walks from the source of at most ``max_length`` edges.

    Args:
        neighbours: For every node the nodes that an edge joins it to.
        source: The node where walks start and end.
        max_length: T >= 0.
        transition_limit: The most transitions to look at.

    Returns:
        The tables, or None if the graph is too far from a tree for them.
    """
    distances = edge_distances(neighbours, [source], max_length + 1)
    near = distances <= max_length // 2
    neighbours = [[other for other in others if near[node] and near[other]] for node, others in enumerate(neighbours)]
    orders = [_elimination(neighbours, source, np.random.default_rng(seed)) for seed in range(ORDERS)]
    feasible = [order for order in orders if order]
    if not feasible:
        return None
    order = min(feasible, key=lambda order: sum(5.0 ** len(bag) for _, bag in order))
    builder = _Builder(neighbours, transition_limit)
    try:
        builder.eliminate(order)
    except _TooManyError:
        return None
    return _fold(_prune(builder.tables(), max_length))


def _elimination(
    neighbours: Sequence[Sequence[int]], source: int, rng: np.random.Generator
) -> list[tuple[int, list[int]]]:
    """The nodes in reach, each with its neighbours when its turn comes: the next one adds the fewest edges.

    An eliminated node's neighbours become neighbours of each other. Ties are broken at random. Empty if too many
    nodes come together.
    """
    reached = [source]
    for node in reached:
        reached += [other for other in neighbours[node] if other not in reached]
    around = {node: set(neighbours[node]) for node in reached}
    order = []
    while len(around) > 1:
        tie = rng.random(len(neighbours))
        fills = {}
        for node, others in around.items():
            if node != source and len(others) <= WIDEST:
                missing = sum(len(others) - 1 - len(others & around[other]) for other in others)
                fills[node] = (missing, len(others), tie[node])
        if not fills:
            return []
        node = min(fills, key=lambda node: fills[node])
        others = around.pop(node)
        for other in others:
            around[other] |= others
            around[other] -= {other, node}
        order.append((node, sorted(others)))
    return [*order, (source, [])]


class _TooManyError(Exception):
    """There are more transitions than allowed."""


class _Builder:
    """Collects states and transitions. A state's code has a column for each node of its scope.

    The code is 0 for a node that the walk does not visit, else twice the number (from 1) of the first column that it
    is joined to, plus 1 if its degree is odd.
    """

    def __init__(self, neighbours: Sequence[Sequence[int]], limit: int) -> None:
        self.neighbours, self.limit = neighbours, limit
        self.none = len(neighbours)
        self.num_states, self.num_transitions = 1, 0
        self.columns: list[tuple[NDArray[np.int64], ...]] = []

    def eliminate(self, order: list[tuple[int, list[int]]]) -> None:
        """Make all states."""
        place = {node: index for index, (node, _) in enumerate(order)}
        below: dict[int, list[tuple[Scope, Codes, Codes]]] = {node: [] for node in place}
        for node, _ in order:
            parts = sorted(below[node], key=lambda part: len(part[0]))
            if parts:
                scope, codes, states = parts[0]
                for part in parts[1:]:
                    scope, codes, states = self.join(scope, codes, states, *part)
            else:
                scope, codes, states = [node], np.array([[0], [2]]), np.zeros(2, dtype=np.int64)
            for other in self.neighbours[node]:
                if place[other] > place[node]:
                    scope, codes, states = self.add_edges(scope, codes, states, node, other)
            scope, codes, states = self.forget(scope, codes, states, node, last=len(place) == place[node] + 1)
            if scope:
                below[min(scope, key=place.__getitem__)].append((scope, codes, states))

    def tables(self) -> WalkTables:
        """All transitions, sorted by the states that they make."""
        columns = [np.concatenate(parts) for parts in zip(*self.columns, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        made, left, right, length, node = (column[order].astype(np.int32) for column in columns)
        first = np.searchsorted(made, np.arange(self.num_states + 1)).astype(np.int32)
        return WalkTables(first, left, right, length, node, np.zeros(self.num_states, dtype=np.int32))

    def emit(
        self,
        codes: Codes,
        left: Codes,
        right: Codes | int = 0,
        length: Codes | int = 0,
        node: Codes | int | None = None,
    ) -> tuple[Codes, Codes]:
        """Add transitions to states of the codes; the different codes, and their states."""
        keys = (codes << BITS * np.arange(codes.shape[1])).sum(axis=1)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        node = self.none if node is None else node
        made = self.num_states + inverse
        self.reserve(len(made))
        self.columns.append((made, *(np.broadcast_to(column, made.shape) for column in (left, right, length, node))))
        states = self.num_states + np.arange(len(first))
        self.num_states += len(first)
        self.num_transitions += len(made)
        return codes[first], states

    def reserve(self, count: int) -> None:
        """Raise an error if so many more transitions are too many."""
        if self.num_transitions + count > self.limit:
            raise _TooManyError

    def join(
        self, scope: Scope, codes: Codes, states: Codes, other_scope: Scope, other_codes: Codes, other_states: Codes
    ) -> tuple[Scope, Codes, Codes]:
        """Put two parts together that agree on which of the nodes that they share are visited."""
        shared = [node for node in scope if node in other_scope]
        bits = 1 << np.arange(len(shared))
        visited = np.asarray((codes[:, [scope.index(node) for node in shared]] > 0) @ bits)
        other_visited = np.asarray((other_codes[:, [other_scope.index(node) for node in shared]] > 0) @ bits)
        counts = [np.bincount(masks, minlength=1 << len(shared)) for masks in (visited, other_visited)]
        self.reserve(int(counts[0] @ counts[1]))
        one, other = np.nonzero(visited[:, None] == other_visited)
        union = [*scope, *(node for node in other_scope if node not in scope)]
        joined = np.zeros((len(one), len(union), len(union)), dtype=bool)
        odd = np.zeros((len(one), len(union)), dtype=np.int64)
        for nodes, part in ((scope, codes[one]), (other_scope, other_codes[other])):
            columns = np.array([union.index(node) for node in nodes])
            joined[:, columns[:, None], columns] |= _joined(part)
            odd[:, columns] ^= part & 1
        for middle in range(len(union)):
            joined |= joined[:, :, middle, None] & joined[:, middle, None, :]
        return union, *self.emit(_encode(joined, odd), states[one], other_states[other])

    def add_edges(self, scope: Scope, codes: Codes, states: Codes, node: int, other: int) -> tuple[Scope, Codes, Codes]:
        """Take the edge never, once or twice; twice only where it joins what was not joined."""
        if other not in scope:
            scope = [*scope, other]
            new = np.repeat([0, 2 * len(scope)], len(codes))
            codes, states = np.column_stack([np.tile(codes, (2, 1)), new]), np.tile(states, 2)
        ends = [scope.index(node), scope.index(other)]
        usable = np.flatnonzero((codes[:, ends] > 0).all(axis=1))
        joined, odd = _joined(codes[usable]), codes[usable] & 1
        apart = ~joined[:, ends[0], ends[1]]
        either = np.asarray(joined[:, ends].any(axis=1))
        joined |= either[:, :, None] & either[:, None]
        twice = _encode(joined[apart], odd[apart])
        odd[:, ends] ^= 1
        lengths = np.repeat([0, 1, 2], [len(codes), len(usable), len(twice)])
        before = np.concatenate([states, states[usable], states[usable][apart]])
        return scope, *self.emit(np.concatenate([codes, _encode(joined, odd), twice]), before, length=lengths)

    def forget(self, scope: Scope, codes: Codes, states: Codes, node: int, last: bool) -> tuple[Scope, Codes, Codes]:
        """Be done with a node: not visited; or with even degree and, unless it is the last, joined to others."""
        column = scope.index(node)
        joined, own = _joined(codes), codes[:, column]
        visited = (own > 0) & (own % 2 == 0)
        if not last:
            visited &= joined[:, column].sum(axis=1) > 1
        kept = np.flatnonzero(visited | ((own == 0) & (not last)))
        joined = np.delete(np.delete(joined[kept], column, axis=1), column, axis=2)
        codes = _encode(joined, np.delete(codes[kept], column, axis=1) & 1)
        visits = np.where(visited[kept], node, self.none)
        return [other for other in scope if other != node], *self.emit(codes, states[kept], node=visits)


def _joined(codes: Codes) -> NDArray[np.bool_]:
    """Bool ``(count, k, k)``: which columns are visited and joined; a visited one is joined to itself."""
    parts = codes >> 1
    return np.asarray((parts[:, :, None] == parts[:, None]) & (parts > 0)[:, :, None])


def _encode(joined: NDArray[np.bool_], odd: NDArray[np.int64]) -> Codes:
    """The codes ``(count, k)`` of what is joined ``(count, k, k)`` and odd ``(count, k)``."""
    if not odd.shape[1]:
        return np.zeros(odd.shape, dtype=np.int64)
    return np.where(joined.any(axis=2), 2 * joined.argmax(axis=2) + 2 + odd, 0)


def _prune(tables: WalkTables, max_length: int) -> WalkTables:
    """Leave out what no walk in time goes through."""
    inside, rest = shortest(tables)
    made = np.repeat(np.arange(len(rest)), np.diff(tables.first))
    shortest_walk = inside[tables.left] + inside[tables.right] + tables.length + rest[made]
    return _select(tables._replace(rest=rest), made, shortest_walk <= max_length)


def _fold(tables: WalkTables) -> WalkTables:
    """Leave out the states that only take another one some edges further: what follows takes these edges."""
    number = np.diff(tables.first)
    step = tables.first[:-1]
    single = np.flatnonzero(number[:-1] == 1)
    single = single[(tables.right[step[single]] == 0) & (tables.node[step[single]] == tables.node.max())]
    before = np.arange(len(number), dtype=np.int32)
    length = np.zeros(len(number), dtype=np.int32)
    for state in single.tolist():
        left = tables.left[step[state]]
        before[state], length[state] = before[left], length[left] + tables.length[step[state]]
    made = np.repeat(np.arange(len(number)), number)
    folded = tables._replace(
        left=before[tables.left],
        right=before[tables.right],
        length=tables.length + length[tables.left] + length[tables.right],
    )
    return _select(folded, made, ~np.isin(made, single))


def _select(tables: WalkTables, made: NDArray[np.int64], kept: NDArray[np.bool_]) -> WalkTables:
    """The tables with some of the transitions, and the states that these make; ``made`` is the state of each."""
    states = np.unique(np.append(made[kept], 0))
    number = np.zeros(len(tables.rest), dtype=np.int32)
    number[states] = np.arange(len(states))
    first = np.searchsorted(number[made[kept]], np.arange(len(states) + 1)).astype(np.int32)
    left, right, length, node = (column[kept] for column in tables[1:5])
    return WalkTables(first, number[left], number[right], length, node, tables.rest[states])
