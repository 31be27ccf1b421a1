"""Breadth-first and depth-first walks. Neighbours are taken in the order they were added."""

from __future__ import annotations

from collections import deque

from graphkit.graph import Graph, Node
from graphkit.paths import NoPathError


def bfs_levels(graph: Graph, start: Node, max_depth: int | None = None) -> dict[Node, int]:
    """The fewest edges from `start` to each node within reach, nearest first (start is 0).

    With `max_depth`, nodes more than that many edges away are left out; a negative one raises
    ValueError. An unknown start raises GraphError.
    """
    if max_depth is not None and max_depth < 0:
        raise ValueError("max_depth must not be negative")
    levels: dict[Node, int] = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        neighbors = graph.neighbors(node)
        if levels[node] == max_depth:
            continue
        for other in neighbors:
            if other not in levels:
                levels[other] = levels[node] + 1
                queue.append(other)
    return levels


def bfs_order(graph: Graph, start: Node) -> list[Node]:
    """The nodes that `start` reaches, itself included, in breadth-first order."""
    return list(bfs_levels(graph, start))


def fewest_hops(graph: Graph, start: Node, goal: Node) -> list[Node]:
    """A path from `start` to `goal` with the fewest edges, both ends included.

    Of equally short paths, the one whose nodes were met first wins. `[start]` when they are the
    same node. Raises NoPathError when `goal` cannot be reached.
    """
    levels = bfs_levels(graph, start)
    if goal not in levels:
        raise NoPathError(f"no path from {start!r} to {goal!r}")
    path = [goal]
    while path[-1] != start:
        node = path[-1]
        path.append(next(near for near in levels if levels[near] == levels[node] - 1 and graph.has_edge(near, node)))
    path.reverse()
    return path


def dfs_preorder(graph: Graph, start: Node) -> list[Node]:
    """The nodes that `start` reaches, each listed when it is first met, going deep first."""
    seen: list[Node] = []
    stack = [start]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.append(node)
        stack.extend(reversed(graph.neighbors(node)))
    return seen


def dfs_postorder(graph: Graph, start: Node) -> list[Node]:
    """The nodes that `start` reaches, each listed once all that it leads to is listed."""
    seen = {start}
    order: list[Node] = []
    stack = [(start, iter(graph.neighbors(start)))]
    while stack:
        node, pending = stack[-1]
        for other in pending:
            if other not in seen:
                seen.add(other)
                stack.append((other, iter(graph.neighbors(other))))
                break
        else:
            order.append(node)
            stack.pop()
    return order
