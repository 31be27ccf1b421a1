"""The path set of a vehicle that does not go home: a walk from where it is to where it will be in the next step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import FeasibleSet, LinearDescription, batches, describe_pulls
from telos.envs.bandits.feasible.path import PathSet
from telos.envs.bandits.feasible.walks.visits import best_visit, maximal_visits, random_pulls, within_one


class RoamingSet(FeasibleSet):
    """Pull at most ``budget`` of the nodes on one walk from ``start``, and name the node where it ends.

    A joint action has ``2 J`` entries, and each counts as an arm with two levels: the first J are the pulls, the others
    the end of the walk, of which at most one is 1. If none is, the walk ends where it began.

    All maximal sets of visited nodes are listed, for every end.

    Args:
        num_nodes: J.
        edges: Integers ``(E, 2)``, the pairs of joined nodes.
        start: Where the walk begins.
        max_length: T >= 0, the largest number of edges of the walk.
        budget: B >= 0, the largest number of pulls.

    Raises:
        ValueError: If there are too many sets to list, or more than 64 nodes in reach.
    """

    def __init__(self, num_nodes: int, edges: ArrayLike, start: int, max_length: int, budget: int) -> None:
        # The closed walks of a path set have the same graph, and its constructor's checks.
        graph = PathSet(num_nodes, edges, start, max_length, budget)
        self.num_nodes, self.edges, self.start = graph.num_arms, graph.edges, graph.source
        self.max_length, self.budget = graph.max_length, graph.budget
        self.num_arms = self.action_size = 2 * self.num_nodes
        self.num_levels = 2
        listed = maximal_visits(graph.neighbours, [self.start], self.max_length)
        if listed is None:
            raise ValueError(f"too many walks of {max_length} edges to list; use a smaller budget or fewer arms")
        # Bool (K, J), the maximal visits, and int64 (K,), the ends of their walks.
        self.visits = np.concatenate(list(listed.values()))
        self.ends = np.repeat([end for _, end in listed], [len(visits) for visits in listed.values()])
        # Float32 (2 J, K), over the entries of an action: 1 where a walk does not allow it.
        allowed = np.concatenate([self.visits, np.eye(self.num_nodes, dtype=bool)[self.ends]], axis=1)
        self._outside = (~allowed).T.astype(np.float32)

    def _complete(self, actions: NDArray[np.integer]) -> NDArray[np.float32]:
        """The actions ``(count, 2 J)`` with the end that goes without saying."""
        full = actions.astype(np.float32)
        full[:, self.num_nodes + self.start] += full[:, self.num_nodes :].sum(axis=1) == 0
        return full

    def feasible_batch(self, actions: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which of the joint actions ``(count, 2 J)`` may be taken: bool ``(count,)``."""
        result = np.asarray(actions[:, : self.num_nodes].sum(axis=1, dtype=np.int64) <= self.budget)
        return result & within_one(self._complete(actions), self._outside)

    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        pulled, ends = (np.flatnonzero(part).tolist() for part in np.split(action, 2))
        if len(pulled) > self.budget:
            return f"budget: {len(pulled)} nodes are pulled, but at most {self.budget} may be"
        if len(ends) > 1:
            return f"end: the walk cannot end in each of the nodes {ends}; set one of the last {self.num_nodes} entries"
        return (
            f"path: no walk of at most {self.max_length} edges from node {self.start} to node "
            f"{(ends or [self.start])[0]} visits all the pulled nodes {pulled}"
        )

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random joint actions: a random end, a random walk of the listed ones, and some of its nodes."""
        ends = np.unique(self.ends)[rng.integers(len(np.unique(self.ends)), size=count)]
        keys = np.where(self.ends == ends[:, None], rng.random((count, len(self.ends))), -1.0)
        visited = self.visits[keys.argmax(axis=1)]
        pulls = random_pulls(rng, visited, self.budget)
        named = np.eye(self.num_nodes, dtype=bool)[ends]
        named[:, self.start] &= rng.random(count) < 0.5
        return np.concatenate([pulls, named], axis=1).astype(np.int8)

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The best joint actions; see `FeasibleSet.linear_oracle`. The end is always named."""
        array = self._weights(weights)
        gains = (array[..., 1] - array[..., 0]).reshape(-1, self.num_arms)
        pulling, ending = gains[:, : self.num_nodes], gains[:, self.num_nodes :]
        # Not naming the start as the end is as feasible, and worth nothing.
        named = ending[:, self.start] > 0
        ending[:, self.start] *= named
        actions = np.zeros(gains.shape, dtype=np.int8)
        for rows in batches(len(gains), self.visits.size):
            bonus = ending[rows][:, self.ends]
            actions[rows, : self.num_nodes], walk = best_visit(self.visits, pulling[rows], self.budget, bonus)
            ends = self.ends[walk]
            actions[np.arange(len(gains))[rows], self.num_nodes + ends] = (ends != self.start) | named[rows]
        return actions.reshape(array.shape[:-1])

    def linear_constraints(self) -> LinearDescription:
        """Which listed walk is taken, as 0/1 variables: an action holds no more than the walk visits, and its end."""
        from scipy import sparse

        size, walks = self.num_arms, len(self.visits)
        stays = np.zeros((1, size))
        stays[0, self.num_nodes :] = 1.0
        elsewhere = (self.ends != self.start).astype(np.float64)[None]
        rows = sparse.block_array(
            [
                [np.concatenate([np.ones((1, self.num_nodes)), np.zeros((1, self.num_nodes))], axis=1), None],  # budget
                [sparse.eye_array(size), self._outside - 1.0],  # no more than the walk allows
                [None, np.ones((1, walks))],  # one walk
                [-stays, elsewhere],  # an end elsewhere is named
            ],
            format="csr",
        )
        free = np.full(size + 1, -np.inf)
        return describe_pulls(
            size,
            rows,
            lower=np.concatenate([free, [1.0, -np.inf]]),
            upper=np.concatenate([[self.budget], np.zeros(size), [1.0, 0.0]]),
            extra_upper=np.ones(walks),
            extra_integer=True,
        )

    @property
    def growth_order(self) -> Sequence[int]:
        """Ends before pulls: a pull may be possible on the way to an end only."""
        return [*range(self.num_nodes, self.num_arms), *range(self.num_nodes)]

    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays."""
        return {
            "num_nodes": np.array(self.num_nodes),
            "edges": self.edges,
            "start": np.array(self.start),
            "max_length": np.array(self.max_length),
            "budget": np.array(self.budget),
        }


def roaming_sets(path_set: PathSet, max_length: int) -> list[RoamingSet]:
    """A set for every node that the vehicle may be in, on the graph of a path set and with its budget."""
    count, edges = path_set.num_arms, path_set.edges
    return [RoamingSet(count, edges, node, max_length, path_set.budget) for node in range(count)]
