"""Cheapest paths."""

from __future__ import annotations

from heapq import heappop, heappush

from graphkit.graph import Graph, GraphError, Node


class NoPathError(LookupError):
    """The goal cannot be reached from the start."""


def dijkstra(
    graph: Graph, source: Node, limit: float | None = None
) -> tuple[dict[Node, float], dict[Node, Node | None]]:
    """The cost of the cheapest path from `source` to each node in reach, and each one's parent.

    Both dicts list the nodes from cheapest to dearest; the parent of `source` is None. Of
    equally cheap parents the one found first wins. With `limit`, nodes that cost more than it
    are left out. A negative weight anywhere in the graph, or an unknown source, raises GraphError.
    """
    if any(weight < 0 for _, _, weight in graph.edges()):
        raise GraphError("dijkstra needs weights that are not negative")
    costs: dict[Node, float] = {}
    parents: dict[Node, Node | None] = {}
    pushed = 0
    heap: list[tuple[float, int, Node, Node | None]] = [(0, pushed, source, None)]
    while heap:
        cost, _, node, parent = heappop(heap)
        if node in costs:
            continue
        costs[node] = cost
        parents[node] = parent
        for other in graph.neighbors(node):
            total = cost + graph.weight(node, other)
            if limit is None or total <= limit:
                pushed += 1
                heappush(heap, (total, pushed, other, node))
    return costs, parents


def shortest_path(graph: Graph, source: Node, goal: Node) -> tuple[float, list[Node]]:
    """The cheapest cost from `source` to `goal` and its path, both ends included.

    `(0, [source])` when they are the same node. Raises NoPathError when there is no path, and
    GraphError as `dijkstra` does.
    """
    costs, parents = dijkstra(graph, source)
    if goal not in costs:
        raise NoPathError(f"no path from {source!r} to {goal!r}")
    path: list[Node] = []
    step: Node | None = goal
    while step is not None:
        path.append(step)
        step = parents[step]
    path.reverse()
    return costs[goal], path
