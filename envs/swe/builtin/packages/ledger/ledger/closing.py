"""Operations that undo entries or end a period."""

from datetime import date

from ledger.accounts import AccountType
from ledger.journal import Entry, Ledger, LedgerError, Posting


def reverse(ledger: Ledger, number: int, day: date, memo: str | None = None) -> Entry:
    """Post the opposite of entry ``number`` on ``day`` and return the new entry.

    The memo defaults to ``Reversal of #NUMBER``. Raise LedgerError when there is no such
    entry, when ``day`` is before the day of that entry, when it was reversed already, and
    when it is itself a reversal.
    """
    original = ledger.entry(number)
    if day < original.day:
        raise LedgerError("a reversal cannot precede its entry")
    if original.reverses is not None:
        raise LedgerError("a reversal cannot be reversed")
    if any(entry.reverses == number for entry in ledger.entries()):
        raise LedgerError(f"entry {number} was reversed already")
    opposite = [Posting(line.account, -line.amount) for line in original.postings]
    text = f"Reversal of #{number}" if memo is None else memo
    return ledger.post(day, text, opposite, reverses=number)


def close_period(ledger: Ledger, end: date, retained: str) -> Entry | None:
    """Zero all income and expense accounts at ``end`` and lock the ledger through ``end``.

    The net result is moved to ``retained``, which must be an equity account. The closing
    entry, memo ``Close ENDDATE``, is dated ``end``; its lines follow account path order with
    the ``retained`` line last, that line being left out when the net result is zero. Without
    any balance to close only the lock is set and None is returned. Entries after ``end`` are
    not touched. Raise LedgerError when ``retained`` is of another kind, or when ``end`` is
    locked already.
    """
    if ledger.chart.get(retained).kind is not AccountType.EQUITY:
        raise LedgerError(f"{retained!r} is not an equity account")
    if ledger.locked_through is not None and end <= ledger.locked_through:
        raise LedgerError(f"the period to {end} is closed already")
    lines: list[Posting] = []
    for account in ledger.chart.leaves():
        if not account.kind.is_temporary:
            continue
        raw = ledger.balance(account.path, end) * account.kind.normal_sign
        if raw != 0:
            lines.append(Posting(account.path, -raw))
    entry = None
    if lines:
        net = sum(line.amount for line in lines)
        if net != 0:
            lines.append(Posting(retained, -net))
        entry = ledger.post(end, f"Close {end}", lines)
    ledger.lock(end)
    return entry
