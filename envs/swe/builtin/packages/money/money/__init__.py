"""Exact money in minor units: rounding, allocation, text and exchange."""

from money.amount import Money, total
from money.currency import Currency, CurrencyTable, MoneyError, standard_table
from money.exchange import Exchange
from money.rounding import Rounding, divide
from money.text import format_money, parse_money

__all__ = [
    "Currency",
    "CurrencyTable",
    "Exchange",
    "Money",
    "MoneyError",
    "Rounding",
    "divide",
    "format_money",
    "parse_money",
    "standard_table",
    "total",
]
