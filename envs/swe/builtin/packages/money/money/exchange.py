"""Currency exchange at mid rates with a spread."""

from fractions import Fraction

from money.amount import Money
from money.currency import Currency, MoneyError
from money.rounding import Rounding, divide


class Exchange:
    """Mid rates between currencies, and conversions at a spread in the house's favour."""

    def __init__(self, spread_bps: int = 0) -> None:
        """Create an exchange without rates.

        ``spread_bps`` is taken off every converted amount, in hundredths of a percent. Raise
        MoneyError unless it is at least 0 and less than 10000.
        """
        if not 0 <= spread_bps < 10_000:
            raise MoneyError(f"bad spread {spread_bps}")
        self.spread_bps = spread_bps
        self._rates: dict[tuple[str, str], Fraction] = {}

    def set_rate(self, base: Currency, quote: Currency, rate: Fraction | int | str) -> None:
        """Say that one major unit of ``base`` is worth ``rate`` major units of ``quote``.

        This replaces an earlier rate of the pair in either direction. Raise MoneyError when
        the rate is not positive and when both currencies are the same.
        """
        value = Fraction(rate)
        if value <= 0:
            raise MoneyError("a rate must be positive")
        if base == quote:
            raise MoneyError("a rate needs two currencies")
        self._rates[base.code, quote.code] = value
        self._rates[quote.code, base.code] = 1 / value

    def mid(self, base: Currency, quote: Currency) -> Fraction:
        """Return the mid rate: 1 for the same currency, else the set or the inverted rate.

        Without a rate for the pair it is the product over one currency in between, the first
        such by code. Raise MoneyError when there is none either.
        """
        if base == quote:
            return Fraction(1)
        if (base.code, quote.code) in self._rates:
            return self._rates[base.code, quote.code]
        for first, middle in sorted(self._rates):
            if first == base.code and (middle, quote.code) in self._rates:
                return self._rates[first, middle] * self._rates[middle, quote.code]
        raise MoneyError(f"no rate from {base.code} to {quote.code}")

    def convert(self, money: Money, quote: Currency, mode: Rounding = Rounding.HALF_EVEN) -> Money:
        """Return what ``money`` buys in ``quote`` after the spread, rounded by ``mode``.

        Converting to the same currency returns ``money`` unchanged, without a spread. Raise
        MoneyError when the amount is negative and when there is no rate.
        """
        if money.minor < 0:
            raise MoneyError("cannot convert a negative amount")
        if money.currency == quote:
            return money
        rate = self.mid(money.currency, quote) * Fraction(10_000 - self.spread_bps, 10_000)
        exact = rate * money.minor * quote.scale / money.currency.scale
        return Money(divide(exact.numerator, exact.denominator, mode), quote)
