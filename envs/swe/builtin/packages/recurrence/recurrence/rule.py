"""What a recurrence is made of."""

from dataclasses import dataclass
from datetime import date
from enum import Enum


class RuleError(ValueError):
    """A rule or a query about it makes no sense."""


class Freq(Enum):
    """The unit in which a rule repeats."""

    DAILY = "day"
    WEEKLY = "week"
    MONTHLY = "month"
    YEARLY = "year"


class MonthEnd(Enum):
    """What happens to a day that a month does not have: left out, or moved to the last day."""

    SKIP = "skip"
    CLAMP = "clamp"


@dataclass(frozen=True)
class NthWeekday:
    """The ``n``-th ``weekday`` of a month; -1 is the last one, -2 the one before.

    Weekdays are 0 (Monday) to 6 (Sunday). RuleError is raised unless ``n`` is from 1 to 5 or
    from -5 to -1.
    """

    n: int
    weekday: int

    def __post_init__(self) -> None:
        """Check both numbers."""
        if not 1 <= abs(self.n) <= 5:
            raise RuleError(f"bad ordinal {self.n}")
        _check_range("weekday", (self.weekday,), 0, 6)


@dataclass(frozen=True)
class Rule:
    """A recurrence without a start day.

    - ``interval``: every that many days, weeks, months or years.
    - ``weekdays`` (DAILY and WEEKLY): only these weekdays, 0 being Monday.
    - ``month_days`` (MONTHLY and YEARLY): these days of the month; -1 is the last day.
    - ``nth`` (MONTHLY and YEARLY): these weekdays of the month, beside any ``month_days``.
    - ``months`` (YEARLY): the months, 1 to 12.
    - ``month_end``: what becomes of a positive month day beyond the end of the month.
    - ``count`` and ``until``: at most that many occurrences, none after that day.

    RuleError is raised for numbers out of range, for a part that the frequency does not use,
    and for ``count`` together with ``until``. Sequences are stored as sorted tuples without
    repeats, except ``nth``, which keeps its order.
    """

    freq: Freq
    interval: int = 1
    weekdays: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    nth: tuple[NthWeekday, ...] = ()
    months: tuple[int, ...] = ()
    month_end: MonthEnd = MonthEnd.SKIP
    count: int | None = None
    until: date | None = None

    def __post_init__(self) -> None:
        """Normalise the sequences and check everything."""
        for name in ("weekdays", "month_days", "months"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        object.__setattr__(self, "nth", tuple(self.nth))
        if self.interval < 1:
            raise RuleError("interval must be at least 1")
        if self.count is not None and self.count < 1:
            raise RuleError("count must be at least 1")
        if self.count is not None and self.until is not None:
            raise RuleError("count and until exclude each other")
        _check_range("weekday", self.weekdays, 0, 6)
        _check_range("month", self.months, 1, 12)
        _check_range("month day", tuple(abs(day) for day in self.month_days), 1, 31)
        by_month = self.freq in (Freq.MONTHLY, Freq.YEARLY)
        if self.weekdays and by_month:
            raise RuleError("weekdays need a daily or weekly rule")
        if (self.month_days or self.nth) and not by_month:
            raise RuleError("days of the month need a monthly or yearly rule")
        if self.months and self.freq is not Freq.YEARLY:
            raise RuleError("months need a yearly rule")


def _check_range(what: str, numbers: tuple[int, ...], low: int, high: int) -> None:
    """Raise RuleError unless all ``numbers`` are from ``low`` to ``high``."""
    for number in numbers:
        if not low <= number <= high:
            raise RuleError(f"bad {what} {number}")
