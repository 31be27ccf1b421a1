from datetime import date

import pytest
from ledger import (
    AccountType,
    Chart,
    ChartError,
    Ledger,
    LedgerError,
    Posting,
    StatementLine,
    TrialBalance,
    close_period,
    reverse,
    statement,
    trial_balance,
)

D1, D2, D3, D4 = (date(2024, 3, day) for day in (1, 2, 3, 4))


def make_ledger():
    chart = Chart()
    chart.add("cash", AccountType.ASSET)
    chart.add("debt", AccountType.LIABILITY)
    chart.add("profit", AccountType.EQUITY)
    chart.add("rent", AccountType.EXPENSE)
    chart.add("sales", AccountType.INCOME)
    return Ledger(chart)


def busy_ledger():
    ledger = make_ledger()
    ledger.transfer(D1, "loan", "cash", "debt", 100)
    ledger.transfer(D2, "sale", "cash", "sales", 50)
    ledger.transfer(D3, "rent", "rent", "cash", 70)
    return ledger


def test_trial_balance_rows_and_totals():
    report = trial_balance(busy_ledger())
    assert report.rows == (("cash", 80, 0), ("debt", 0, 100), ("rent", 70, 0), ("sales", 0, 50))
    assert report.total_debit == report.total_credit == 150
    odd = TrialBalance((("a", 1, 0), ("b", 4, 0), ("c", 0, 2)))
    assert (odd.total_debit, odd.total_credit) == (5, 2)
    report = trial_balance(busy_ledger(), D2)
    assert report.rows == (("cash", 150, 0), ("debt", 0, 100), ("sales", 0, 50))


def test_trial_balance_puts_an_overdrawn_asset_on_the_credit_side():
    ledger = make_ledger()
    ledger.transfer(D1, "x", "debt", "cash", 1)
    assert trial_balance(ledger).rows == (("cash", 0, 1), ("debt", 1, 0))


def test_statement_running_balance():
    result = statement(busy_ledger(), "cash", D2, D3)
    assert result.opening == 100
    assert result.lines == (
        StatementLine(2, D2, "sale", 50, 150),
        StatementLine(3, D3, "rent", -70, 80),
    )
    assert result.path == "cash"
    assert result.closing == 80


def test_statement_opening_and_normal_side():
    assert statement(busy_ledger(), "cash", D1, D3).closing == 80
    assert statement(busy_ledger(), "cash", D1, D1).opening == 0
    assert statement(busy_ledger(), "cash", D1, D1).closing == 100
    assert statement(busy_ledger(), "cash", D3, D3).opening == 150
    result = statement(busy_ledger(), "sales", D1, D4)
    assert [(line.change, line.balance) for line in result.lines] == [(50, 50)]


def test_statement_without_movement_closes_at_the_opening():
    result = statement(busy_ledger(), "cash", D4, D4)
    assert result.lines == ()
    assert result.closing == result.opening == 80


def test_statement_skips_entries_without_net_change():
    ledger = busy_ledger()
    ledger.post(D3, "wash", [Posting("cash", 5), Posting("cash", -5)])
    ledger.transfer(D4, "tip", "cash", "sales", 1)
    lines = statement(ledger, "cash", D3, D4).lines
    assert [(line.number, line.balance) for line in lines] == [(3, 80), (5, 81)]


def test_statement_refuses_a_backward_range():
    with pytest.raises(LedgerError, match="ends before"):
        statement(busy_ledger(), "cash", D2, D1)


def test_reverse_posts_the_opposite():
    ledger = busy_ledger()
    entry = reverse(ledger, 2, D4)
    assert entry.postings == (Posting("cash", -50), Posting("sales", 50))
    assert (entry.day, entry.memo, entry.reverses) == (D4, "Reversal of #2", 2)
    assert ledger.balance("sales") == 0


def test_reverse_on_the_same_day_with_a_memo():
    entry = reverse(busy_ledger(), 2, D2, "typo")
    assert (entry.day, entry.memo) == (D2, "typo")
    assert reverse(busy_ledger(), 2, D2, "").memo == ""


def test_reverse_before_the_entry_is_refused():
    with pytest.raises(LedgerError, match="precede"):
        reverse(busy_ledger(), 2, D1)


def test_reverse_twice_is_refused():
    ledger = busy_ledger()
    reverse(ledger, 2, D3)
    with pytest.raises(LedgerError, match="reversed already"):
        reverse(ledger, 2, D3)
    assert reverse(ledger, 1, D3).reverses == 1


def test_reverse_a_reversal_is_refused():
    ledger = busy_ledger()
    number = reverse(ledger, 1, D3).number
    with pytest.raises(LedgerError, match="cannot be reversed"):
        reverse(ledger, number, D3)


def test_close_moves_a_loss_to_retained():
    ledger = busy_ledger()
    entry = close_period(ledger, D3, "profit")
    assert entry.postings == (Posting("rent", -70), Posting("sales", 50), Posting("profit", 20))
    assert (entry.day, entry.memo) == (D3, "Close 2024-03-03")
    assert ledger.balance("profit") == -20
    assert ledger.locked_through == D3


def test_close_leaves_later_entries_open():
    ledger = busy_ledger()
    entry = close_period(ledger, D2, "profit")
    assert entry.postings == (Posting("sales", 50), Posting("profit", -50))
    assert ledger.balance("rent") == 70


def test_close_without_balances_only_locks():
    ledger = make_ledger()
    assert close_period(ledger, D1, "profit") is None
    assert ledger.entries() == []
    assert ledger.locked_through == D1


def test_close_with_zero_net_has_no_retained_line():
    ledger = make_ledger()
    ledger.transfer(D1, "x", "rent", "sales", 9)
    entry = close_period(ledger, D1, "profit")
    assert entry.postings == (Posting("rent", -9), Posting("sales", 9))


@pytest.mark.parametrize("day", [D2, D3], ids=["earlier", "same"])
def test_close_of_a_locked_day_is_refused(day):
    ledger = busy_ledger()
    ledger.lock(D3)
    with pytest.raises(LedgerError, match="closed already"):
        close_period(ledger, day, "profit")
    assert close_period(ledger, D4, "profit").day == D4


@pytest.mark.parametrize("path", ["cash", "sales", "debt"])
def test_close_into_another_kind_is_refused(path):
    with pytest.raises(LedgerError, match="not an equity"):
        close_period(busy_ledger(), D3, path)
    with pytest.raises(ChartError, match="unknown account"):
        close_period(busy_ledger(), D3, "nope")
