"""The Money value: a whole number of minor units of one currency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from money.currency import Currency, MoneyError
from money.rounding import Rounding, divide


@dataclass(frozen=True)
class Money:
    """``minor`` minor units (such as cents) of ``currency``; any sign."""

    minor: int
    currency: Currency

    def __add__(self, other: "Money") -> "Money":
        """Return the sum; raise MoneyError when the currencies differ."""
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Return the difference; raise MoneyError when the currencies differ."""
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        """Return the opposite amount."""
        return Money(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        """Return whether this is less; raise MoneyError when the currencies differ."""
        return self.minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        """Return whether this is less or equal; raise MoneyError when currencies differ."""
        return self.minor <= self._same(other)

    def times(self, factor: int | Fraction, mode: Rounding = Rounding.HALF_EVEN) -> "Money":
        """Return this amount times an exact factor, rounded to minor units."""
        exact = Fraction(factor) * self.minor
        return Money(divide(exact.numerator, exact.denominator, mode), self.currency)

    def percent(self, percent: int | Fraction, mode: Rounding = Rounding.HALF_UP) -> "Money":
        """Return ``percent`` hundredths of this amount, rounded (HALF_UP unless told)."""
        return self.times(Fraction(percent) / 100, mode)

    def allocate(self, ratios: Sequence[int]) -> "list[Money]":
        """Divide this amount by ``ratios`` into parts that sum to it exactly.

        Every part is first truncated towards zero; the minor units left over go one each to
        the parts with the greatest truncated remainder, the earlier part first on a tie. A
        part with ratio 0 is always 0. Raise MoneyError when a ratio is negative and when the
        ratios sum to zero, as they do when there are none.
        """
        if any(ratio < 0 for ratio in ratios):
            raise MoneyError("a ratio must not be negative")
        whole = sum(ratios)
        if whole == 0:
            raise MoneyError("the ratios must not sum to zero")
        size = abs(self.minor)
        parts = [size * ratio // whole for ratio in ratios]
        order = sorted(range(len(ratios)), key=lambda i: -(size * ratios[i] % whole))
        for index in order[: size - sum(parts)]:
            parts[index] += 1
        return [Money(part if self.minor > 0 else -part, self.currency) for part in parts]

    def split(self, count: int) -> "list[Money]":
        """Divide this amount into ``count`` parts that differ by at most one minor unit.

        The greater parts (in magnitude) come first. Raise MoneyError when ``count`` is less
        than 1.
        """
        if count < 1:
            raise MoneyError("cannot split into fewer than one part")
        return self.allocate([1] * count)

    def _same(self, other: "Money") -> int:
        """Return the minor units of ``other``, which must have the same currency."""
        if other.currency != self.currency:
            raise MoneyError(f"{self.currency.code} does not match {other.currency.code}")
        return other.minor


def total(amounts: Iterable[Money], currency: Currency) -> Money:
    """Return the sum of ``amounts``, zero ``currency`` when there are none.

    Raise MoneyError when an amount has another currency.
    """
    result = Money(0, currency)
    for amount in amounts:
        result += amount
    return result
