"""The journal: validated, balanced entries in a chart of accounts."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from ledger.accounts import Chart


class LedgerError(ValueError):
    """An entry or a query breaks a rule of the ledger."""


@dataclass(frozen=True)
class Posting:
    """A signed amount in minor units on one account: debits positive, credits negative."""

    account: str
    amount: int


@dataclass(frozen=True)
class Entry:
    """A numbered, dated, balanced set of postings.

    ``reverses`` is the number of the entry that this one undoes, or None.
    """

    number: int
    day: date
    memo: str
    postings: tuple[Posting, ...]
    reverses: int | None = None

    def amount_on(self, accounts: Collection[str]) -> int:
        """Return the sum of this entry's postings on any of ``accounts``."""
        return sum(posting.amount for posting in self.postings if posting.account in accounts)


class Ledger:
    """An append-only journal over a chart of accounts."""

    def __init__(self, chart: Chart) -> None:
        """Create an empty, unlocked ledger over ``chart``, which may still grow."""
        self.chart = chart
        self.locked_through: date | None = None
        self._entries: list[Entry] = []

    def post(
        self,
        day: date,
        memo: str,
        postings: Iterable[Posting],
        reverses: int | None = None,
    ) -> Entry:
        """Append an entry and return it; entries are numbered 1, 2, 3, ...

        LedgerError is raised, and nothing is stored, when ``day`` is on or before
        ``locked_through``, when there are fewer than two postings, when an amount is zero,
        when an account has children, and when the amounts do not sum to zero. An unknown
        account raises ChartError. Later changes to the passed iterable have no effect.
        """
        lines = tuple(postings)
        if self.locked_through is not None and day <= self.locked_through:
            raise LedgerError(f"{day} is in a closed period")
        if len(lines) < 2:
            raise LedgerError("an entry needs at least two postings")
        for line in lines:
            if line.amount == 0:
                raise LedgerError(f"zero posting on {line.account!r}")
            if not self.chart.is_leaf(line.account):
                raise LedgerError(f"{line.account!r} is not a leaf account")
        difference = sum(line.amount for line in lines)
        if difference != 0:
            raise LedgerError(f"entry is out of balance by {difference}")
        entry = Entry(len(self._entries) + 1, day, memo, lines, reverses)
        self._entries.append(entry)
        return entry

    def transfer(self, day: date, memo: str, debit: str, credit: str, amount: int) -> Entry:
        """Post ``amount`` from the ``credit`` account to the ``debit`` account.

        Raise LedgerError when ``amount`` is not positive or both accounts are the same.
        """
        if amount <= 0:
            raise LedgerError("a transfer needs a positive amount")
        if debit == credit:
            raise LedgerError("a transfer needs two different accounts")
        return self.post(day, memo, [Posting(debit, amount), Posting(credit, -amount)])

    def lock(self, through: date) -> None:
        """Close all days up to and including ``through``; an earlier date changes nothing."""
        self.locked_through = max(through, self.locked_through or through)

    def entry(self, number: int) -> Entry:
        """Return the entry with that number; raise LedgerError when there is none."""
        if not 1 <= number <= len(self._entries):
            raise LedgerError(f"no entry number {number}")
        return self._entries[number - 1]

    def entries(self, start: date | None = None, end: date | None = None) -> list[Entry]:
        """Return the entries from ``start`` to ``end``, both inclusive, None being open.

        They are ordered by day, and by number within a day. The list is the caller's own.
        """
        chosen = [
            entry
            for entry in self._entries
            if (start is None or entry.day >= start) and (end is None or entry.day <= end)
        ]
        return sorted(chosen, key=lambda entry: (entry.day, entry.number))

    def balance(self, path: str, as_of: date | None = None) -> int:
        """Return the balance of ``path`` with all its descendants, on its normal side.

        A debit balance is positive for assets and expenses, a credit balance for all other
        kinds. Entries after ``as_of`` are left out; None counts all entries.
        """
        accounts = self.chart.subtree(path)
        total = sum(entry.amount_on(accounts) for entry in self.entries(end=as_of))
        return total * self.chart.get(path).kind.normal_sign
