"""A small double-entry ledger: accounts, journal, reports and period close."""

from ledger.accounts import Account, AccountType, Chart, ChartError
from ledger.closing import close_period, reverse
from ledger.journal import Entry, Ledger, LedgerError, Posting
from ledger.reports import Statement, StatementLine, TrialBalance, statement, trial_balance

__all__ = [
    "Account",
    "AccountType",
    "Chart",
    "ChartError",
    "Entry",
    "Ledger",
    "LedgerError",
    "Posting",
    "Statement",
    "StatementLine",
    "TrialBalance",
    "close_period",
    "reverse",
    "statement",
    "trial_balance",
]
