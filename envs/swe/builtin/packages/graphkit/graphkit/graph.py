"""The graph itself: nodes and weighted edges, in insertion order."""

from __future__ import annotations

from collections.abc import Hashable
from math import isnan

Node = Hashable
Edge = tuple[Node, Node, float]


class GraphError(ValueError):
    """An operation that the graph does not allow."""


class Graph:
    """A weighted graph with at most one edge from one node to another.

    Nodes are any hashable values. Nodes and neighbours keep the order in which they were added.
    In an undirected graph (the default) an edge can be used both ways. Self-loops are allowed.
    """

    def __init__(self, directed: bool = False) -> None:
        self.directed = directed
        self._adjacent: dict[Node, dict[Node, float]] = {}

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self._adjacent)

    def __contains__(self, node: Node) -> bool:
        """Whether `node` is in the graph."""
        return node in self._adjacent

    def add_node(self, node: Node) -> None:
        """Add `node`; a node that is there already keeps its place and its edges."""
        self._adjacent.setdefault(node, {})

    def add_edge(self, u: Node, v: Node, weight: float = 1) -> None:
        """Add the edge from `u` to `v`, or replace its weight; missing nodes are added, u first.

        A weight that is not a number (NaN) raises GraphError and changes nothing.
        """
        if isnan(weight):
            raise GraphError(f"edge {u!r} -> {v!r} has weight NaN")
        self.add_node(u)
        self.add_node(v)
        self._adjacent[u][v] = weight
        if not self.directed:
            self._adjacent[v][u] = weight

    def remove_edge(self, u: Node, v: Node) -> None:
        """Remove the edge from `u` to `v` (both ways if undirected); GraphError if there is none.

        The nodes stay.
        """
        if not self.has_edge(u, v):
            raise GraphError(f"no edge {u!r} -> {v!r}")
        del self._adjacent[u][v]
        if not self.directed and u != v:
            del self._adjacent[v][u]

    def remove_node(self, node: Node) -> None:
        """Remove `node` and every edge into or out of it; GraphError if it is not there."""
        self._require(node)
        del self._adjacent[node]
        for targets in self._adjacent.values():
            targets.pop(node, None)

    def nodes(self) -> list[Node]:
        """A new list of the nodes, oldest first."""
        return list(self._adjacent)

    def neighbors(self, node: Node) -> list[Node]:
        """A new list of the nodes that an edge from `node` leads to; GraphError if it is absent."""
        self._require(node)
        return list(self._adjacent[node])

    def has_edge(self, u: Node, v: Node) -> bool:
        """Whether an edge leads from `u` to `v`; False when either node is absent."""
        return v in self._adjacent.get(u, {})

    def weight(self, u: Node, v: Node) -> float:
        """The weight of the edge from `u` to `v`; GraphError if there is none."""
        if not self.has_edge(u, v):
            raise GraphError(f"no edge {u!r} -> {v!r}")
        return self._adjacent[u][v]

    def edges(self) -> list[Edge]:
        """Every edge once, as (u, v, weight), grouped by the older of its nodes.

        In an undirected graph `u` is the node that was added first.
        """
        found: list[Edge] = []
        passed: set[Node] = set()
        for u, targets in self._adjacent.items():
            for v, weight in targets.items():
                if self.directed or v not in passed:
                    found.append((u, v, weight))
            passed.add(u)
        return found

    def reversed(self) -> Graph:
        """A new graph with every edge turned round and the nodes in the same order."""
        turned = Graph(self.directed)
        for node in self._adjacent:
            turned.add_node(node)
        for u, v, weight in self.edges():
            turned.add_edge(v, u, weight)
        return turned

    def copy(self) -> Graph:
        """An independent copy: changing one graph leaves the other as it was."""
        twin = Graph(self.directed)
        twin._adjacent = {node: dict(targets) for node, targets in self._adjacent.items()}
        return twin

    def _require(self, node: Node) -> None:
        if node not in self._adjacent:
            raise GraphError(f"no node {node!r}")
