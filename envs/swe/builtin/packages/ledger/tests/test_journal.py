from datetime import date

import pytest
from ledger import AccountType, Chart, ChartError, Ledger, LedgerError, Posting

JAN1, JAN2, JAN3 = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)


def make_ledger():
    chart = Chart()
    chart.add("assets", AccountType.ASSET)
    chart.add("assets:cash")
    chart.add("assets:bank")
    chart.add("sales", AccountType.INCOME)
    return Ledger(chart)


def test_post_returns_the_numbered_entry():
    ledger = make_ledger()
    ledger.transfer(JAN1, "one", "assets:cash", "sales", 5)
    entry = ledger.post(JAN2, "two", [Posting("assets:bank", 7), Posting("sales", -7)])
    assert (entry.number, entry.day, entry.memo, entry.reverses) == (2, JAN2, "two", None)
    assert entry.postings == (Posting("assets:bank", 7), Posting("sales", -7))


def test_post_does_not_alias_the_passed_list():
    ledger = make_ledger()
    lines = [Posting("assets:cash", 3), Posting("sales", -3)]
    entry = ledger.post(JAN1, "x", lines)
    lines.clear()
    assert len(entry.postings) == 2
    assert ledger.balance("sales") == 3


def test_unbalanced_entry_is_refused_and_not_stored():
    ledger = make_ledger()
    with pytest.raises(LedgerError, match="out of balance by 1"):
        ledger.post(JAN1, "x", [Posting("assets:cash", 4), Posting("sales", -3)])
    assert ledger.entries() == []


def test_single_or_no_posting_is_refused():
    for lines in ([], [Posting("sales", 0)]):
        with pytest.raises(LedgerError, match="at least two"):
            make_ledger().post(JAN1, "x", lines)


def test_zero_posting_is_refused():
    lines = [Posting("assets:cash", 0), Posting("sales", 0)]
    with pytest.raises(LedgerError, match="zero posting on 'assets:cash'"):
        make_ledger().post(JAN1, "x", lines)


def test_posting_on_an_account_with_children_is_refused():
    with pytest.raises(LedgerError, match="not a leaf"):
        make_ledger().transfer(JAN1, "x", "assets", "sales", 1)
    with pytest.raises(ChartError, match="unknown account"):
        make_ledger().transfer(JAN1, "x", "assets:gold", "sales", 1)


def test_transfer_debits_and_credits():
    entry = make_ledger().transfer(JAN1, "x", debit="assets:cash", credit="sales", amount=1)
    assert entry.postings == (Posting("assets:cash", 1), Posting("sales", -1))


@pytest.mark.parametrize("amount", [0, -5])
def test_transfer_needs_a_positive_amount(amount):
    with pytest.raises(LedgerError, match="positive"):
        make_ledger().transfer(JAN1, "x", "assets:cash", "sales", amount)
    with pytest.raises(LedgerError, match="two different"):
        make_ledger().transfer(JAN1, "x", "sales", "sales", 5)


def test_lock_refuses_the_locked_day_and_allows_the_next():
    ledger = make_ledger()
    ledger.lock(JAN2)
    with pytest.raises(LedgerError, match="closed period"):
        ledger.transfer(JAN2, "x", "assets:cash", "sales", 5)
    assert ledger.transfer(JAN3, "x", "assets:cash", "sales", 5).number == 1


def test_lock_never_moves_back():
    ledger = make_ledger()
    assert ledger.locked_through is None
    ledger.lock(JAN2)
    ledger.lock(JAN1)
    assert ledger.locked_through == JAN2
    ledger.lock(JAN3)
    assert ledger.locked_through == JAN3


def test_entry_lookup_bounds():
    ledger = make_ledger()
    first = ledger.transfer(JAN1, "a", "assets:cash", "sales", 5)
    last = ledger.transfer(JAN1, "b", "assets:cash", "sales", 6)
    assert ledger.entry(1) is first
    assert ledger.entry(2) is last
    for number in (0, 3, -1):
        with pytest.raises(LedgerError, match="no entry number"):
            ledger.entry(number)


def test_entries_are_ordered_by_day_then_number():
    ledger = make_ledger()
    for day in (JAN2, JAN1, JAN2, JAN1):
        ledger.transfer(day, "x", "assets:cash", "sales", 1)
    assert [entry.number for entry in ledger.entries()] == [2, 4, 1, 3]


def test_entries_range_is_inclusive_on_both_sides():
    ledger = make_ledger()
    for day in (JAN1, JAN2, JAN3):
        ledger.transfer(day, "x", "assets:cash", "sales", 1)
    assert [e.number for e in ledger.entries(JAN2, JAN2)] == [2]
    assert [e.number for e in ledger.entries(start=JAN2)] == [2, 3]
    assert [e.number for e in ledger.entries(end=JAN2)] == [1, 2]


def test_balance_is_on_the_normal_side_and_includes_descendants():
    ledger = make_ledger()
    ledger.transfer(JAN1, "x", "assets:cash", "sales", 10)
    ledger.transfer(JAN1, "x", "assets:bank", "assets:cash", 4)
    assert ledger.balance("assets:cash") == 6
    assert ledger.balance("assets") == 10
    assert ledger.balance("sales") == 10
    ledger.transfer(JAN2, "x", "assets:cash", "sales", 5)
    assert ledger.balance("sales", JAN1) == 10
    assert ledger.balance("sales", JAN2) == 15
