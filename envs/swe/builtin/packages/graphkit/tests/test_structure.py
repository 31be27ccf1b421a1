import pytest
from graphkit import (
    DisjointSet,
    Graph,
    GraphError,
    connected_components,
    find_cycle,
    minimum_spanning_tree,
    strongly_connected_components,
    topological_order,
)


def build(*edges, directed=True, nodes=()):
    graph = Graph(directed)
    for node in nodes:
        graph.add_node(node)
    for edge in edges:
        graph.add_edge(*edge)
    return graph


def test_union_reports_whether_it_merged():
    sets = DisjointSet("abc")
    assert sets.groups == 3
    assert sets.union("a", "b") is True
    assert sets.union("b", "a") is False
    assert sets.groups == 2


def test_union_keeps_the_first_representative():
    sets = DisjointSet("abcd")
    sets.union("b", "a")
    sets.union("c", "a")
    assert [sets.find(item) for item in "abcd"] == ["c", "c", "c", "d"]
    with pytest.raises(KeyError):
        sets.find("z")


def test_components_ignore_edge_direction():
    graph = build((1, 2), (3, 2), (5, 4), nodes=[6])
    assert connected_components(graph) == [[6], [1, 2, 3], [5, 4]]


def test_strong_components_group_cycles():
    graph = build((1, 2), (2, 3), (3, 1), (3, 4), (4, 5), (5, 4))
    assert strongly_connected_components(graph) == [[1, 2, 3], [4, 5]]
    graph = build(("c", "b"), ("b", "a"), nodes=["a", "b", "c"])
    assert strongly_connected_components(graph) == [["c"], ["b"], ["a"]]


def test_topological_order_prefers_older_nodes():
    graph = build((5, 1), (4, 2), nodes=[1, 2, 3, 4, 5])
    assert topological_order(graph) == [3, 4, 2, 5, 1]


def test_topological_order_refuses_cycles():
    with pytest.raises(GraphError, match="cycle"):
        topological_order(build((1, 2), (2, 3), (3, 2)))


def test_find_cycle_starts_and_ends_on_the_same_node():
    graph = build((1, 2), (2, 3), (3, 4), (4, 2))
    assert find_cycle(graph) == [2, 3, 4, 2]
    assert find_cycle(build((1, 2), (3, 4), (4, 3))) == [3, 4, 3]


def test_find_cycle_is_none_for_a_directed_diamond():
    assert find_cycle(build((1, 2), (1, 3), (2, 4), (3, 4))) is None


def test_find_cycle_in_undirected_graphs():
    assert find_cycle(build((1, 2), (2, 3), directed=False)) is None
    assert find_cycle(build((1, 2), (2, 3), (3, 1), directed=False)) == [1, 2, 3, 1]


def test_find_cycle_sees_a_self_loop():
    assert find_cycle(build((1, 2), (2, 2))) == [2, 2]
    assert find_cycle(build((1, 1), directed=False)) == [1, 1]


def test_find_cycle_backtracks_out_of_dead_ends():
    assert find_cycle(build((1, 2), (2, 3), (1, 4), (4, 1))) == [1, 4, 1]


def test_spanning_tree_takes_the_lightest_edges():
    graph = build(("a", "b", 4), ("b", "c", 1), ("a", "c", 2), ("c", "d", 7), directed=False)
    assert minimum_spanning_tree(graph) == [("b", "c", 1), ("a", "c", 2), ("c", "d", 7)]
    graph = build((1, 2), (2, 3), (1, 3), directed=False)
    assert minimum_spanning_tree(graph) == [(1, 2, 1), (1, 3, 1)]


def test_spanning_tree_joins_each_component():
    graph = build((1, 2, -3), (3, 4, 2), (5, 5, -9), directed=False)
    assert minimum_spanning_tree(graph) == [(1, 2, -3), (3, 4, 2)]


def test_wrong_kind_of_graph_is_refused():
    with pytest.raises(GraphError, match="directed"):
        topological_order(Graph())
    with pytest.raises(GraphError, match="undirected"):
        minimum_spanning_tree(Graph(directed=True))
