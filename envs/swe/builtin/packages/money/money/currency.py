"""Currencies and a table of them."""

from collections.abc import Iterable
from dataclasses import dataclass


class MoneyError(ValueError):
    """An amount, a currency or a text is not acceptable."""


@dataclass(frozen=True)
class Currency:
    """A currency: code, number of decimal places and symbol.

    MoneyError is raised unless ``code`` is three capital ASCII letters and ``places`` is from
    0 to 4.
    """

    code: str
    places: int = 2
    symbol: str = ""

    def __post_init__(self) -> None:
        """Check the code and the number of places."""
        letters = self.code.isascii() and self.code.isalpha() and self.code.isupper()
        if len(self.code) != 3 or not letters:
            raise MoneyError(f"bad currency code {self.code!r}")
        if not 0 <= self.places <= 4:
            raise MoneyError(f"{self.code} has a bad number of places: {self.places}")

    @property
    def scale(self) -> int:
        """Return the number of minor units in one major unit."""
        return int(10**self.places)


class CurrencyTable:
    """Currencies by code."""

    def __init__(self, currencies: Iterable[Currency] = ()) -> None:
        """Create a table of ``currencies``; see add for what is refused."""
        self._by_code: dict[str, Currency] = {}
        for currency in currencies:
            self.add(currency)

    def add(self, currency: Currency) -> None:
        """Add a currency; raise MoneyError when its code is in the table already."""
        if currency.code in self._by_code:
            raise MoneyError(f"duplicate currency {currency.code}")
        self._by_code[currency.code] = currency

    def get(self, code: str) -> Currency:
        """Return a currency by its code in any letter case; raise MoneyError without one."""
        found = self._by_code.get(code.upper())
        if found is None:
            raise MoneyError(f"unknown currency {code!r}")
        return found

    def by_symbol(self, symbol: str) -> Currency:
        """Return the one currency with this symbol.

        Raise MoneyError when no currency has it, when several do, and when it is empty.
        """
        found = [item for item in self._by_code.values() if item.symbol == symbol]
        if not symbol or len(found) != 1:
            raise MoneyError(f"{len(found)} currencies have symbol {symbol!r}")
        return found[0]

    def codes(self) -> list[str]:
        """Return all codes, sorted."""
        return sorted(self._by_code)


def standard_table() -> CurrencyTable:
    """Return a new table of EUR, GBP, USD (2 places), JPY (0) and KWD (3, without symbol)."""
    return CurrencyTable(
        [
            Currency("EUR", 2, "€"),
            Currency("GBP", 2, "£"),
            Currency("USD", 2, "$"),
            Currency("JPY", 0, "¥"),
            Currency("KWD", 3),
        ]
    )
