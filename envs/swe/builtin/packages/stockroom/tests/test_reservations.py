from datetime import date

import pytest
from stockroom import ReservationBook, StockError

D1, D2, D3, D9 = (date(2024, 5, day) for day in (1, 2, 3, 9))


def book_of_two():
    book = ReservationBook()
    book.add("nut", "main", 5, D1, days=1)
    book.add("nut", "main", 3, D1, days=2)
    return book


def test_add_numbers_and_dates():
    book = book_of_two()
    assert (book.get(1).number, book.get(1).expires) == (1, D2)
    assert (book.get(2).number, book.get(2).expires) == (2, D3)


def test_default_term_is_seven_days():
    assert ReservationBook().add("nut", "main", 1, D2).expires == D9


def test_active_through_the_last_day():
    claim = book_of_two().get(1)
    assert claim.active_on(D1)
    assert claim.active_on(D2)
    assert not claim.active_on(D3)


def test_zero_days_hold_for_today_only():
    claim = ReservationBook().add("nut", "main", 1, D1, days=0)
    assert claim.active_on(D1)
    assert not claim.active_on(D2)


def test_add_refuses_bad_numbers():
    book = ReservationBook()
    with pytest.raises(StockError, match="positive"):
        book.add("nut", "main", 0, D1)
    with pytest.raises(StockError, match="before it starts"):
        book.add("nut", "main", 1, D1, days=-1)
    assert book.add("nut", "main", 1, D1).number == 1


def test_cancel_removes_and_numbers_are_not_reused():
    book = book_of_two()
    assert book.cancel(2).quantity == 3
    with pytest.raises(StockError, match="no open reservation 2"):
        book.get(2)
    assert book.add("nut", "main", 1, D1).number == 3
    with pytest.raises(StockError, match="no open reservation 7"):
        book_of_two().cancel(7)


def test_consume_part_keeps_the_rest():
    book = book_of_two()
    assert book.consume(1, 2, D2).quantity == 3
    assert book.get(1).quantity == 3


def test_consume_all_removes_it():
    book = book_of_two()
    assert book.consume(1, 5, D1).quantity == 0
    with pytest.raises(StockError, match="no open"):
        book.get(1)


@pytest.mark.parametrize("quantity", [0, 6, -1])
def test_consume_bounds(quantity):
    book = book_of_two()
    with pytest.raises(StockError, match=f"cannot take {quantity} of 5"):
        book.consume(1, quantity, D1)


def test_consume_expired():
    with pytest.raises(StockError, match="expired on 2024-05-02"):
        book_of_two().consume(1, 1, D3)


def test_held_counts_active_claims_of_the_sku_and_place():
    book = book_of_two()
    book.add("nut", "shop", 100, D1)
    book.add("bolt", "main", 1000, D1)
    assert [book.held("nut", "main", day) for day in (D1, D2, D3, D9)] == [8, 8, 3, 0]


def test_purge_removes_only_expired_claims():
    book = book_of_two()
    assert book.purge(D2) == []
    assert book.purge(D3) == [1]
    assert book.get(2).quantity == 3
    with pytest.raises(StockError, match="no open reservation 1"):
        book.get(1)
