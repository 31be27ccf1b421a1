import pytest
from graphkit import (
    Graph,
    GraphError,
    NoPathError,
    bfs_levels,
    bfs_order,
    dfs_postorder,
    dfs_preorder,
    dijkstra,
    fewest_hops,
    shortest_path,
)


def build(*edges, directed=True):
    graph = Graph(directed)
    for edge in edges:
        graph.add_edge(*edge)
    return graph


DIAMOND = (("a", "b", 1), ("a", "c", 4), ("b", "d", 6), ("c", "d", 1), ("d", "e", 1))


def test_bfs_levels_count_edges_from_start():
    assert bfs_levels(build(*DIAMOND), "a") == {"a": 0, "b": 1, "c": 1, "d": 2, "e": 3}


def test_bfs_max_depth_is_inclusive():
    assert bfs_levels(build(*DIAMOND), "a", max_depth=2) == {"a": 0, "b": 1, "c": 1, "d": 2}
    assert bfs_levels(build(*DIAMOND), "a", 0) == {"a": 0}


def test_bfs_negative_max_depth_or_unknown_start_raises():
    with pytest.raises(ValueError, match="negative"):
        bfs_levels(build(*DIAMOND), "a", max_depth=-1)
    with pytest.raises(GraphError):
        bfs_levels(build(*DIAMOND), "z", max_depth=0)


def test_bfs_order_goes_level_by_level():
    graph = build((1, 3), (1, 2), (3, 5), (2, 4), (5, 6))
    assert bfs_order(graph, 1) == [1, 3, 2, 5, 4, 6]


def test_fewest_hops_takes_real_edges_between_nodes_met_first():
    assert fewest_hops(build(*DIAMOND), "a", "e") == ["a", "b", "d", "e"]
    graph = build((1, 2), (1, 3), (3, 4), (4, 5))
    assert fewest_hops(graph, 1, 5) == [1, 3, 4, 5]


def test_path_from_a_node_to_itself_is_that_node():
    assert fewest_hops(build(*DIAMOND), "b", "b") == ["b"]
    assert shortest_path(build(*DIAMOND), "c", "c") == (0, ["c"])


@pytest.mark.parametrize("search", [fewest_hops, shortest_path], ids=["hops", "cost"])
def test_missing_path_and_unknown_start_raise(search):
    with pytest.raises(NoPathError, match="no path"):
        search(build(*DIAMOND), "e", "a")
    with pytest.raises(GraphError, match="no node"):
        search(build(*DIAMOND), "z", "a")


def test_dfs_preorder_goes_deep_in_neighbor_order():
    graph = build((1, 2), (1, 3), (2, 4), (4, 3), (3, 5), (3, 1))
    assert dfs_preorder(graph, 1) == [1, 2, 4, 3, 5]


def test_dfs_postorder_lists_a_node_after_its_targets():
    graph = build((1, 2), (1, 3), (2, 4), (3, 4), (4, 1))
    assert dfs_postorder(graph, 1) == [4, 2, 3, 1]


def test_dijkstra_costs_and_parents():
    costs, parents = dijkstra(build(*DIAMOND), "a")
    assert costs == {"a": 0, "b": 1, "c": 4, "d": 5, "e": 6}
    assert parents == {"a": None, "b": "a", "c": "a", "d": "c", "e": "d"}


def test_dijkstra_limit_is_inclusive():
    costs, _ = dijkstra(build(*DIAMOND), "a", limit=5)
    assert list(costs) == ["a", "b", "c", "d"]
    costs, _ = dijkstra(build(("a", "b", 0), ("b", "c", 1)), "a", limit=0)
    assert costs == {"a": 0, "b": 0}


def test_dijkstra_equal_costs_keep_the_first_parent():
    graph = build(("a", "y", 2), ("a", "x", 2), ("y", "z", 2), ("x", "z", 2))
    _, parents = dijkstra(graph, "a")
    assert parents["z"] == "y"
    assert list(parents) == ["a", "y", "x", "z"]


def test_dijkstra_ties_between_nodes_that_do_not_compare():
    costs, _ = dijkstra(build(("a", 1), ("a", "b"), ("a", None)), "a")
    assert list(costs) == ["a", 1, "b", None]


def test_dijkstra_refuses_negative_weights_anywhere():
    with pytest.raises(GraphError, match="negative"):
        dijkstra(build(("a", "b", 1), ("y", "z", -1)), "a")


def test_shortest_path_takes_the_cheaper_detour():
    graph = build(("a", "b", 2), ("b", "c", 2), ("a", "c", 9))
    assert shortest_path(graph, "a", "c") == (4, ["a", "b", "c"])


def test_shortest_path_uses_undirected_edges_backward():
    assert shortest_path(build(*DIAMOND, directed=False), "e", "a") == (6, ["e", "d", "c", "a"])
