from datetime import date

import pytest
from stockroom import (
    Layer,
    Method,
    ReorderRule,
    StockError,
    Stockroom,
    Suggestion,
    suggest_orders,
)

D1, D2, D3 = (date(2024, 5, day) for day in (1, 2, 3))


def make_room(method=Method.FIFO):
    room = Stockroom(method)
    room.receive("nut", "main", 3, 10)
    room.receive("nut", "main", 4, 20)
    room.receive("nut", "shop", 2, 50)
    room.receive("bolt", "main", 6, 1)
    return room


def test_on_hand_by_place_and_in_total():
    room = make_room()
    assert room.on_hand("nut", "main") == 7
    assert room.on_hand("nut") == 9
    assert room.on_hand("gear") == 0


def test_available_deducts_active_reservations():
    room = make_room()
    room.reserve("nut", "main", 5, D1, days=1)
    assert room.available("nut", "main", D2) == 2
    assert room.available("nut", "main", D3) == 7


def test_available_is_never_negative():
    room = make_room()
    room.book.add("nut", "shop", 5, D1)
    assert room.available("nut", "shop", D1) == 0


def test_reserve_up_to_the_available_units():
    room = make_room()
    assert room.reserve("nut", "main", 7, D1).expires == date(2024, 5, 8)
    with pytest.raises(StockError, match="only 0 of nut"):
        room.reserve("nut", "main", 1, D1)


def test_issue_returns_the_cost():
    assert make_room().issue("nut", "main", 4, D1) == 50
    assert make_room(Method.LIFO).issue("nut", "main", 5, D1) == 90


def test_issue_leaves_reserved_units_alone():
    room = make_room()
    room.reserve("nut", "main", 5, D1)
    with pytest.raises(StockError, match="only 2 of nut"):
        room.issue("nut", "main", 3, D1)
    assert room.issue("nut", "main", 2, D1) == 20
    with pytest.raises(StockError, match="only 0 of gear"):
        make_room().issue("gear", "main", 1, D1)


def test_fulfil_takes_the_whole_reservation():
    room = make_room()
    number = room.reserve("nut", "main", 4, D1).number
    assert room.fulfil(number, D1) == 50
    assert room.on_hand("nut", "main") == room.available("nut", "main", D1) == 3


def test_fulfil_a_part_keeps_the_rest_reserved():
    room = make_room()
    number = room.reserve("nut", "main", 4, D1).number
    assert room.fulfil(number, D1, 3) == 30
    assert room.available("nut", "main", D1) == 3
    with pytest.raises(StockError, match="cannot take 0 of 1"):
        room.fulfil(number, D1, 0)


@pytest.mark.parametrize(
    ("method", "moved"),
    [(Method.FIFO, [Layer(3, 10), Layer(2, 20)]), (Method.LIFO, [Layer(1, 10), Layer(4, 20)])],
    ids=["fifo", "lifo"],
)
def test_transfer_moves_layers_in_order_of_receipt(method, moved):
    room = make_room(method)
    room.transfer("nut", "main", "yard", 5, D1)
    assert room.layers("nut", "yard") == moved
    assert room.on_hand("nut", "main") == 2


def test_transfer_adds_to_the_target():
    room = make_room()
    room.transfer("nut", "main", "shop", 1, D1)
    assert room.layers("nut", "shop") == [Layer(2, 50), Layer(1, 10)]


def test_transfer_refusals():
    room = make_room()
    room.reserve("nut", "main", 6, D1)
    with pytest.raises(StockError, match="same place"):
        room.transfer("nut", "main", "main", 1, D1)
    with pytest.raises(StockError, match="only 1 of nut"):
        room.transfer("nut", "main", "shop", 2, D1)
    room.transfer("nut", "main", "shop", 1, D1)


def test_valuation_sums_places_in_order_of_sku():
    room = make_room()
    room.receive("axle", "main", 1, 9)
    room.issue("axle", "main", 1, D1)
    assert list(room.valuation().items()) == [("bolt", 6), ("nut", 210)]


def test_fulfil_without_stock_keeps_the_reservation():
    room = make_room()
    number = room.book.add("nut", "shop", 3, D1).number
    with pytest.raises(StockError, match="fewer than 3"):
        room.fulfil(number, D1)
    assert room.book.get(number).quantity == 3
    assert room.fulfil(number, D1, 2) == 100


@pytest.mark.parametrize(("position", "quantity"), [(6, 0), (5, 16), (4, 16), (3, 20), (0, 20), (-1, 24)])
def test_reorder_quantity_in_packs(position, quantity):
    assert ReorderRule("nut", "main", 5, 20, pack=4).quantity_for(position) == quantity


def test_reorder_pack_defaults_to_single_units():
    assert ReorderRule("nut", "main", 0, 1).quantity_for(0) == 1
    assert ReorderRule("nut", "main", 2, 9).quantity_for(2) == 7


@pytest.mark.parametrize(
    ("point", "target", "pack", "message"),
    [(-1, 5, 1, "negative"), (5, 5, 1, "above"), (5, 4, 1, "above"), (5, 6, 0, "at least 1")],
    ids=["point", "equal", "below", "pack"],
)
def test_reorder_rule_refuses_bad_numbers(point, target, pack, message):
    with pytest.raises(StockError, match=message):
        ReorderRule("nut", "main", point, target, pack)


def test_suggestions_are_sorted_and_skip_satisfied_rules():
    rules = [
        ReorderRule("nut", "shop", 2, 5),
        ReorderRule("nut", "main", 7, 8),
        ReorderRule("bolt", "main", 5, 9),
        ReorderRule("axle", "main", 0, 2),
    ]
    assert suggest_orders(make_room(), rules, D1) == [
        Suggestion("axle", "main", 2),
        Suggestion("nut", "main", 1),
        Suggestion("nut", "shop", 3),
    ]


def test_suggestions_count_available_units_not_units_on_hand():
    room = make_room()
    room.reserve("nut", "main", 4, D1, days=0)
    rules = [ReorderRule("nut", "main", 3, 10)]
    assert suggest_orders(room, rules, D1) == [Suggestion("nut", "main", 7)]
    assert suggest_orders(room, rules, D2) == []


def test_suggestions_count_units_on_order_at_the_same_place():
    rules = [ReorderRule("nut", "main", 8, 20)]
    on_order = {("nut", "main"): 1, ("nut", "shop"): 50}
    assert suggest_orders(make_room(), rules, D1, on_order) == [Suggestion("nut", "main", 12)]
    on_order["nut", "main"] = 2
    assert suggest_orders(make_room(), rules, D1, on_order) == []
