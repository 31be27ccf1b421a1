"""Read-only reports: trial balance and account statement."""

from dataclasses import dataclass
from datetime import date, timedelta

from ledger.journal import Ledger, LedgerError


@dataclass(frozen=True)
class TrialBalance:
    """Rows of (account path, debit, credit), sorted by path, one side of each row being 0."""

    rows: tuple[tuple[str, int, int], ...]

    @property
    def total_debit(self) -> int:
        """Return the sum of the debit column."""
        return sum(row[1] for row in self.rows)

    @property
    def total_credit(self) -> int:
        """Return the sum of the credit column."""
        return sum(row[2] for row in self.rows)


@dataclass(frozen=True)
class StatementLine:
    """One movement: the entry, the change, and the balance after it."""

    number: int
    day: date
    memo: str
    change: int
    balance: int


@dataclass(frozen=True)
class Statement:
    """The movements of one account between an opening and a closing balance."""

    path: str
    opening: int
    lines: tuple[StatementLine, ...]

    @property
    def closing(self) -> int:
        """Return the balance after the last line, or the opening one without any lines."""
        return self.lines[-1].balance if self.lines else self.opening


def trial_balance(ledger: Ledger, as_of: date | None = None) -> TrialBalance:
    """Return the trial balance of all leaf accounts at the end of ``as_of``.

    Accounts with a zero balance are left out. An account whose debits exceed its credits has
    the difference in the debit column, else in the credit column, whatever its kind.
    """
    rows: list[tuple[str, int, int]] = []
    for account in ledger.chart.leaves():
        raw = ledger.balance(account.path, as_of) * account.kind.normal_sign
        if raw > 0:
            rows.append((account.path, raw, 0))
        elif raw < 0:
            rows.append((account.path, 0, -raw))
    return TrialBalance(tuple(rows))


def statement(ledger: Ledger, path: str, start: date, end: date) -> Statement:
    """Return the statement of ``path`` and its descendants from ``start`` to ``end`` inclusive.

    The opening balance is that at the end of the day before ``start``. Changes and balances
    are on the normal side of the account. Entries whose net change is zero give no line.
    Raise LedgerError when ``end`` is before ``start``.
    """
    if end < start:
        raise LedgerError("statement ends before it starts")
    accounts = ledger.chart.subtree(path)
    sign = ledger.chart.get(path).kind.normal_sign
    opening = ledger.balance(path, start - timedelta(days=1))
    running = opening
    lines: list[StatementLine] = []
    for entry in ledger.entries(start, end):
        change = entry.amount_on(accounts) * sign
        if change == 0:
            continue
        running += change
        lines.append(StatementLine(entry.number, entry.day, entry.memo, change, running))
    return Statement(path, opening, tuple(lines))
