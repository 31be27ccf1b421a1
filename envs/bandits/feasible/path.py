"""The path set: a closed walk through a graph visits the arms that may be pulled."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import FeasibleSet, LinearDescription, describe_pulls
from telos.envs.bandits.feasible.walks.visits import (
    best_visit,
    edge_distances,
    maximal_visits,
    random_pulls,
    within_one,
)

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.walks.tables import WalkTables


class PathSet(FeasibleSet):
    """Pull at most ``budget`` of the nodes on one closed walk from the source (SEQUOIA, arXiv 2503.01919).

    The arms are the nodes of an undirected graph. A walk starts and ends at the source, takes at most ``max_length``
    edges and may use edges and nodes again; the source itself counts as visited even by the walk that stays there.
    The joint action is the pulled nodes. The walk is found, not chosen.

    The constraint is the real one: a node counts as visited only if the walk goes there along edges. The maximal sets
    of nodes that a walk can visit are listed once if they are few; with the list, everything is a matrix product.
    Else dynamic programming over a tree decomposition decides (`walks.search`), and on graphs too far from a tree a
    mixed-integer solver. All three are exact.

    Args:
        num_arms: J, the number of nodes.
        edges: Integers ``(E, 2)``, the pairs of joined nodes, each once and in either order.
        source: The node where the walk starts and ends.
        max_length: T >= 0, the largest number of edges of the walk.
        budget: B >= 0, the largest number of pulls.

    Raises:
        ValueError: if a node is not in 0..J-1, an edge is a loop or a repeat, or a number is negative.
    """

    COMPARISON_LIMIT = 2_000_000_000  # ours: of sets with sets while listing, a few seconds
    MAXIMAL_LIMIT = 20_000  # ours: the most maximal visits to compare, about 10 ms an oracle call
    TRANSITION_LIMIT = 2_000_000  # ours: between states of walks, a few seconds of preparation

    def __init__(self, num_arms: int, edges: ArrayLike, source: int, max_length: int, budget: int) -> None:
        self.num_arms = self.action_size = int(num_arms)
        self.num_levels = 2
        self.edges = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
        self.source, self.max_length, self.budget = int(source), int(max_length), int(budget)
        nodes = np.append(self.edges, self.source)
        if nodes.min() < 0 or nodes.max() >= self.num_arms:
            raise ValueError(f"edges and source must name nodes in 0..{self.num_arms - 1}")
        if len(np.unique(np.sort(self.edges, axis=1), axis=0)) < len(self.edges):
            raise ValueError("an edge is given twice; the graph is undirected, give each pair once")
        if (self.edges[:, 0] == self.edges[:, 1]).any():
            raise ValueError("an edge joins a node to itself; walks need no loops, leave them out")
        if self.max_length < 0 or self.budget < 0:
            raise ValueError(f"max_length and budget must be >= 0; got {max_length} and {budget}")
        self.neighbours: list[list[int]] = [[] for _ in range(self.num_arms)]
        for one, other in self.edges.tolist():
            self.neighbours[one].append(other)
            self.neighbours[other].append(one)
        # Twice along a spanning tree and every node in reach is visited: no walk needs to be longer.
        self._longest = min(self.max_length, 2 * (self.num_arms - 1))
        self.distances = edge_distances(self.neighbours, [self.source], self.num_arms + self.max_length)

    @functools.cached_property
    def visits(self) -> NDArray[np.bool_] | None:
        """Bool ``(K, J)``: the maximal sets of nodes that a walk can visit, or None if there is no list.

        With a short list the oracle is faster than with tables, with a long one it is slower.
        """
        short = self._list(self.COMPARISON_LIMIT // 100, self.MAXIMAL_LIMIT // 20)
        if short is not None or self.tables is not None:
            return short
        return self._list(self.COMPARISON_LIMIT, self.MAXIMAL_LIMIT)

    @functools.cached_property
    def _outside(self) -> NDArray[np.float32] | None:
        """``(J, K)``: 1 where a node is not in a visit, else 0; None if there is no list."""
        return None if self.visits is None else (~self.visits).T.astype(np.float32)

    def _list(self, comparison_limit: int, maximal_limit: int) -> NDArray[np.bool_] | None:
        """The maximal visits, or None if the list takes too long or is too long."""
        home = [self.source]
        listed = maximal_visits(self.neighbours, home, self._longest, home, comparison_limit)
        sets = None if listed is None else listed[self.source, self.source]
        return None if sets is None or len(sets) > maximal_limit else sets

    @functools.cached_property
    def tables(self) -> WalkTables | None:
        """The states of walks over a tree decomposition, or None if they would be too many."""
        from telos.envs.bandits.feasible.walks.decomposition import make_walk_tables

        return make_walk_tables(self.neighbours, self.source, self._longest, self.TRANSITION_LIMIT)

    def feasible_batch(self, actions: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which of the 0/1 joint actions ``(count, n)`` may be taken: bool ``(count,)``."""
        result = np.asarray(actions.sum(axis=1, dtype=np.int64) <= self.budget)
        if self.visits is None and self.tables is not None:
            from telos.envs.bandits.feasible.walks.tables import visitable

            result[result] = visitable(self.tables, actions[result], self._longest)
            return result
        if self._outside is None:
            solver, nothing = self.linear_constraints(), np.zeros((self.num_arms, 2))
            for row in np.flatnonzero(result):
                result[row] = solver.maximise(nothing, actions[row]) is not None
            return result
        return result & within_one(actions, self._outside)

    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        if action.sum(dtype=np.int64) > self.budget:
            return f"budget: {action.sum(dtype=np.int64)} nodes are pulled, but at most {self.budget} may be"
        return (
            f"path: no closed walk of at most {self.max_length} edges from node {self.source} visits all the pulled "
            f"nodes {np.flatnonzero(action).tolist()}"
        )

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random feasible joint actions: some of the nodes on random walks that are home in time."""
        width = max(map(len, self.neighbours)) + 1
        moves = np.full((self.num_arms, width), -1, dtype=np.int64)
        for node, neighbours in enumerate(self.neighbours):
            moves[node, : len(neighbours)] = neighbours
        # Waiting at the source is the only rest there is: it stands for a shorter walk and visits nothing new.
        moves[self.source, -1] = self.source
        rows = np.arange(count)
        place = np.full(count, self.source)
        visited = np.zeros((count, self.num_arms), dtype=bool)
        visited[:, self.source] = True
        for left in range(self.max_length - 1, -1, -1):
            options = moves[place]
            allowed = (options >= 0) & (self.distances[options] <= left)
            place = options[rows, np.where(allowed, rng.random(options.shape), -1.0).argmax(axis=1)]
            visited[rows, place] = True
        return random_pulls(rng, visited, self.budget).astype(np.int8)

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The best joint actions; see `FeasibleSet.linear_oracle`."""
        array = self._weights(weights)
        gains = (array[..., 1] - array[..., 0]).reshape(-1, self.num_arms)
        if self.visits is None and self.tables is not None:
            from telos.envs.bandits.feasible.walks.search import best_pulls

            return best_pulls(self.tables, gains, self._longest, self.budget).reshape(array.shape[:-1])
        if self.visits is None:
            return self._solve_each(array)
        pulls, _ = best_visit(self.visits, gains, self.budget)
        return pulls.reshape(array.shape[:-1])

    def linear_constraints(self) -> LinearDescription:
        """Edge multiplicities with even degrees, joined to the source by a flow.

        A closed walk of at most T edges is a connected multigraph of at most T edges with even degrees (Euler), and
        none needs an edge more than twice. Variables after the pulls and passives: each edge's multiplicity (0..2),
        half of each node's degree, and a flow along each direction of each edge that brings one unit from the source
        to every pulled node over edges of the walk. Edges away from the source that carry no flow only waste length.
        """
        from scipy import sparse

        num_arms, num_edges = self.num_arms, len(self.edges)
        edge = np.arange(num_edges)
        tails = sparse.csr_array((np.ones(num_edges), (self.edges[:, 0], edge)), shape=(num_arms, num_edges))
        heads = sparse.csr_array((np.ones(num_edges), (self.edges[:, 1], edge)), shape=(num_arms, num_edges))
        away = np.flatnonzero(np.arange(num_arms) != self.source)
        pulls = sparse.eye_array(num_arms, format="csr")
        inflow = sparse.hstack([heads - tails, tails - heads], format="csr")
        both = sparse.eye_array(num_edges)
        most = float(min(self.budget, num_arms))
        rows = sparse.block_array(
            [
                [np.ones((1, num_arms)), None, None, None],  # budget
                [None, np.ones((1, num_edges)), None, None],  # length
                [None, tails + heads, -2 * pulls, None],  # even degrees
                [pulls[away], None, -pulls[away], None],  # a pulled node is on the walk
                [-pulls[away], None, None, inflow[away]],  # and joined to the source
                [None, -most * sparse.vstack([both, both]), None, sparse.eye_array(2 * num_edges)],  # by the walk
            ]
        )
        free, zero = np.full(len(away), -np.inf), np.zeros(num_arms + len(away))
        return describe_pulls(
            num_arms,
            rows,
            lower=np.concatenate(
                [[-np.inf, -np.inf], zero[:num_arms], free, zero[num_arms:], [-np.inf] * 2 * num_edges]
            ),
            upper=np.concatenate([[self.budget, self.max_length], zero, zero[num_arms:], np.zeros(2 * num_edges)]),
            extra_upper=np.repeat([2.0, self.max_length // 2, most], [num_edges, num_arms, 2 * num_edges]),
            extra_integer=np.repeat([1, 0], [num_edges + num_arms, 2 * num_edges]),
        )

    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays."""
        return {
            "num_arms": np.array(self.num_arms),
            "edges": self.edges,
            "source": np.array(self.source),
            "max_length": np.array(self.max_length),
            "budget": np.array(self.budget),
        }
