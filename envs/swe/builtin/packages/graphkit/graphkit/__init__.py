"""Graphs over hashable nodes: traversal, shortest paths and structure."""

from graphkit.graph import Graph, GraphError
from graphkit.paths import NoPathError, dijkstra, shortest_path
from graphkit.structure import (
    DisjointSet,
    connected_components,
    find_cycle,
    minimum_spanning_tree,
    strongly_connected_components,
    topological_order,
)
from graphkit.traverse import bfs_levels, bfs_order, dfs_postorder, dfs_preorder, fewest_hops

__all__ = [
    "DisjointSet",
    "Graph",
    "GraphError",
    "NoPathError",
    "bfs_levels",
    "bfs_order",
    "connected_components",
    "dfs_postorder",
    "dfs_preorder",
    "dijkstra",
    "fewest_hops",
    "find_cycle",
    "minimum_spanning_tree",
    "shortest_path",
    "strongly_connected_components",
    "topological_order",
]
