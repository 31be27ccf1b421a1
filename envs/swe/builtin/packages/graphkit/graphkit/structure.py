"""Components, orderings, cycles and spanning trees."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from graphkit.graph import Edge, Graph, GraphError, Node
from graphkit.traverse import dfs_postorder, dfs_preorder


class DisjointSet:
    """A partition of fixed items into groups that can be merged."""

    def __init__(self, items: Iterable[Node]) -> None:
        """Start with every item of `items` in a group of its own."""
        self._parent = {item: item for item in items}
        self.groups = len(self._parent)

    def find(self, item: Node) -> Node:
        """The representative of the item's group; KeyError for an unknown item."""
        while self._parent[item] != item:
            item = self._parent[item]
        return item

    def union(self, a: Node, b: Node) -> bool:
        """Merge the groups of `a` and `b`, keeping a's representative.

        True if they were apart; False, changing nothing, if they were one group already.
        `groups` always holds the number of groups left.
        """
        root_a, root_b = self.find(a), self.find(b)
        if root_a == root_b:
            return False
        self._parent[root_b] = root_a
        self.groups -= 1
        return True


def connected_components(graph: Graph) -> list[list[Node]]:
    """The groups of nodes joined by edges, whichever way these point.

    Nodes in a group, and groups by their first node, are in the order of the graph.
    """
    sets = DisjointSet(graph.nodes())
    for u, v, _ in graph.edges():
        sets.union(u, v)
    groups: dict[Node, list[Node]] = {}
    for node in graph.nodes():
        groups.setdefault(sets.find(node), []).append(node)
    return list(groups.values())


def strongly_connected_components(graph: Graph) -> list[list[Node]]:
    """The largest groups of nodes that all reach each other along the edges.

    Nodes in a group are in the order of the graph. A group comes before every group it leads to.
    """
    finished: list[Node] = []
    left = graph.copy()
    for node in graph.nodes():
        if node in left:
            for done in dfs_postorder(left, node):
                finished.append(done)
                left.remove_node(done)
    backward = graph.reversed()
    components: list[list[Node]] = []
    for node in reversed(finished):
        if node in backward:
            members = dfs_preorder(backward, node)
            components.append([other for other in graph.nodes() if other in members])
            for member in members:
                backward.remove_node(member)
    return components


def topological_order(graph: Graph) -> list[Node]:
    """The nodes of a directed graph, each before every node it has an edge to.

    Of the nodes that could come next, the one added to the graph first does. An undirected
    graph, or one with a cycle, raises GraphError.
    """
    if not graph.directed:
        raise GraphError("only a directed graph has a topological order")
    nodes = graph.nodes()
    rank = {node: index for index, node in enumerate(nodes)}
    waiting = dict.fromkeys(nodes, 0)
    for _, v, _ in graph.edges():
        waiting[v] += 1
    ready = [rank[node] for node in nodes if waiting[node] == 0]
    order: list[Node] = []
    while ready:
        node = nodes[heappop(ready)]
        order.append(node)
        for other in graph.neighbors(node):
            waiting[other] -= 1
            if waiting[other] == 0:
                heappush(ready, rank[other])
    if len(order) < len(nodes):
        raise GraphError("the graph has a cycle")
    return order


def find_cycle(graph: Graph) -> list[Node] | None:
    """A cycle as the list of its nodes, first node repeated at the end; None if there is none.

    A self-loop is the cycle [node, node]. Going back and forth over one undirected edge is not
    a cycle. The search goes deep first, from the nodes in the order of the graph.
    """
    done: set[Node] = set()
    for root in graph.nodes():
        path = [root]
        stack = [iter(graph.neighbors(root))]
        while stack:
            for node in stack[-1]:
                if not graph.directed and path[-2:-1] == [node]:
                    continue
                if node in path:
                    return [*path[path.index(node) :], node]
                if node not in done:
                    path.append(node)
                    stack.append(iter(graph.neighbors(node)))
                    break
            else:
                done.add(path.pop())
                stack.pop()
    return None


def minimum_spanning_tree(graph: Graph) -> list[Edge]:
    """The edges of a cheapest tree that joins each connected component, lightest first.

    Edges of equal weight are taken in the order of `graph.edges()`; self-loops never are. A
    directed graph raises GraphError. Negative weights are fine.
    """
    if graph.directed:
        raise GraphError("a spanning tree needs an undirected graph")
    sets = DisjointSet(graph.nodes())
    tree: list[Edge] = []
    for edge in sorted(graph.edges(), key=lambda item: item[2]):
        if sets.union(edge[0], edge[1]):
            tree.append(edge)
    return tree
