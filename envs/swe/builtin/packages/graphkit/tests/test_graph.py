import pytest
from graphkit import Graph, GraphError


def triangle(directed=False):
    graph = Graph(directed)
    graph.add_edge("a", "b", 2)
    graph.add_edge("c", "a", 5)
    graph.add_edge("b", "c", 3)
    return graph


def test_graph_is_undirected_with_weight_one_by_default():
    graph = Graph()
    graph.add_edge("a", "b")
    assert graph.directed is False
    assert graph.weight("a", "b") == graph.weight("b", "a") == 1
    assert len(graph) == 2


def test_nodes_keep_insertion_order_with_u_before_v():
    graph = Graph()
    graph.add_node("z")
    graph.add_edge("m", "b")
    graph.add_edge("b", "a")
    assert graph.nodes() == ["z", "m", "b", "a"]


def test_adding_a_node_again_keeps_its_edges():
    graph = triangle()
    graph.add_node("a")
    assert graph.nodes() == ["a", "b", "c"]
    assert graph.neighbors("a") == ["b", "c"]


def test_adding_an_edge_again_replaces_its_weight():
    graph = triangle()
    graph.add_edge("b", "a", 7)
    assert graph.weight("a", "b") == 7
    assert len(graph.edges()) == 3


def test_nan_weight_is_refused_and_changes_nothing():
    graph = Graph()
    with pytest.raises(GraphError, match="NaN"):
        graph.add_edge("a", "b", float("nan"))
    assert graph.nodes() == []


def test_undirected_edges_are_listed_once_from_the_older_node():
    graph = triangle()
    graph.add_edge("b", "b", 1)
    assert graph.edges() == [("a", "b", 2), ("a", "c", 5), ("b", "c", 3), ("b", "b", 1)]


def test_directed_edges_are_all_listed():
    graph = triangle(directed=True)
    graph.add_edge("b", "a", 9)
    assert graph.edges() == [("a", "b", 2), ("b", "c", 3), ("b", "a", 9), ("c", "a", 5)]


def test_remove_edge_takes_both_ways_of_an_undirected_edge():
    graph = triangle()
    graph.remove_edge("b", "a")
    assert not graph.has_edge("a", "b")
    assert not graph.has_edge("b", "a")
    assert len(graph) == 3


def test_remove_edge_takes_a_self_loop():
    graph = Graph()
    graph.add_edge("a", "a")
    graph.remove_edge("a", "a")
    assert graph.neighbors("a") == []


def test_remove_edge_leaves_the_opposite_directed_edge():
    graph = triangle(directed=True)
    graph.add_edge("b", "a")
    graph.remove_edge("a", "b")
    assert graph.has_edge("b", "a")
    assert not graph.has_edge("a", "b")


def test_remove_node_takes_its_edges_along():
    graph = triangle(directed=True)
    graph.add_node("d")
    graph.remove_node("a")
    assert graph.nodes() == ["b", "c", "d"]
    assert graph.edges() == [("b", "c", 3)]


def test_reversed_turns_edges_and_keeps_node_order():
    turned = triangle(directed=True).reversed()
    assert turned.directed
    assert turned.nodes() == ["a", "b", "c"]
    assert sorted(turned.edges()) == [("a", "c", 5), ("b", "a", 2), ("c", "b", 3)]


def test_copy_is_equal_and_independent():
    graph = triangle()
    twin = graph.copy()
    assert twin.edges() == graph.edges()
    twin.remove_node("a")
    graph.add_edge("a", "e")
    assert "a" in graph
    assert "e" not in twin


def test_node_and_neighbor_lists_are_copies():
    graph = triangle()
    graph.nodes().clear()
    graph.neighbors("a").clear()
    assert graph.nodes() == ["a", "b", "c"]
    assert graph.neighbors("a") == ["b", "c"]


def test_missing_nodes_and_edges_raise():
    graph = triangle(directed=True)
    assert not graph.has_edge("x", "a")
    with pytest.raises(GraphError, match="no edge"):
        graph.remove_edge("b", "a")
    with pytest.raises(GraphError, match="no edge"):
        graph.weight("b", "a")
    with pytest.raises(GraphError, match="no node"):
        graph.remove_node("z")
    with pytest.raises(GraphError, match="no node"):
        graph.neighbors("z")
