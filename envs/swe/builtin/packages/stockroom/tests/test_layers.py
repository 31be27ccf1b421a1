import pytest
from stockroom import CostLayers, Layer, Method, StockError


def stack(method=Method.FIFO):
    return CostLayers(method, [Layer(3, 10), Layer(2, 20), Layer(4, 30)])


def test_new_stack_is_empty_and_fifo():
    empty = CostLayers()
    assert empty.method is Method.FIFO
    assert (empty.quantity, empty.value, empty.layers) == (0, 0, [])


def test_quantity_and_value_sum_all_layers():
    assert stack().quantity == 9
    assert stack().value == 190


def test_layers_are_copied_on_the_way_in_and_out():
    given = [Layer(1, 1)]
    layers = CostLayers(Method.FIFO, given)
    given.append(Layer(5, 5))
    layers.receive(2, 2)
    assert layers.layers == [Layer(1, 1), Layer(2, 2)]
    assert given == [Layer(1, 1), Layer(5, 5)]
    layers.layers.clear()
    assert layers.quantity == 3


def test_receive_appends_the_newest_layer():
    layers = stack()
    layers.receive(5, 20)
    assert layers.layers == [Layer(3, 10), Layer(2, 20), Layer(4, 30), Layer(5, 20)]


def test_receive_merges_an_equal_cost_into_the_newest_layer():
    layers = stack()
    layers.receive(5, 30)
    assert layers.layers == [Layer(3, 10), Layer(2, 20), Layer(9, 30)]


@pytest.mark.parametrize("quantity", [0, -1])
def test_receive_needs_a_positive_quantity(quantity):
    with pytest.raises(StockError, match="received quantity"):
        stack().receive(quantity, 5)


def test_receive_allows_free_goods_but_no_negative_cost():
    layers = CostLayers()
    layers.receive(1, 0)
    assert layers.layers == [Layer(1, 0)]
    with pytest.raises(StockError, match="negative"):
        layers.receive(1, -1)


def test_fifo_takes_the_oldest_first():
    layers = stack()
    assert layers.issue(4) == [Layer(3, 10), Layer(1, 20)]
    assert layers.layers == [Layer(1, 20), Layer(4, 30)]


def test_lifo_takes_the_newest_first():
    layers = stack(Method.LIFO)
    assert layers.issue(5) == [Layer(4, 30), Layer(1, 20)]
    assert layers.layers == [Layer(3, 10), Layer(1, 20)]


def test_issue_of_a_whole_layer_removes_it():
    layers = stack()
    assert layers.issue(3) == [Layer(3, 10)]
    assert layers.layers == [Layer(2, 20), Layer(4, 30)]


def test_issue_everything_leaves_nothing():
    layers = stack(Method.LIFO)
    assert sum(pick.value for pick in layers.issue(9)) == 190
    assert layers.layers == []


def test_issue_too_much_removes_nothing():
    layers = stack()
    with pytest.raises(StockError, match="cannot issue 10 of 9"):
        layers.issue(10)
    assert layers.quantity == 9


@pytest.mark.parametrize("quantity", [0, -2])
def test_issue_needs_a_positive_quantity(quantity):
    with pytest.raises(StockError, match="issued quantity"):
        stack().issue(quantity)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], 0),
        ([Layer(1, 10), Layer(1, 11)], 11),
        ([Layer(2, 10), Layer(1, 11)], 10),
        ([Layer(1, 10), Layer(2, 11)], 11),
        ([Layer(7, 1)], 1),
    ],
    ids=["empty", "half_up", "down", "up", "exact"],
)
def test_average_cost_rounds_half_up(layers, expected):
    assert CostLayers(Method.FIFO, layers).average_cost() == expected
