"""From a rule and a start day to dates."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import MAXYEAR, date, timedelta

from recurrence.rule import Freq, MonthEnd, NthWeekday, Rule


def occurrences(rule: Rule, start: date) -> Iterator[date]:
    """Yield the days of ``rule`` from ``start`` on, ascending, each once.

    Periods are counted from the one that holds ``start``; weeks begin on Monday. Days before
    ``start`` are left out, and ``start`` itself is yielded only if the rule selects it. Parts
    that the rule leaves open come from ``start``: the weekday of a weekly rule, the day of a
    monthly or yearly one, the month of a yearly one. It ends with the rule's ``count`` (days
    before ``start`` do not count) or ``until`` (inclusive), at the latest with the year 9999.
    """
    yielded = 0
    for day in _candidates(rule, start):
        if day < start:
            continue
        if rule.until is not None and day > rule.until:
            return
        yield day
        yielded += 1
        if yielded == rule.count:
            return


def _candidates(rule: Rule, start: date) -> Iterator[date]:
    """Yield all days of the periods of a rule in order, some of them before ``start``."""
    if rule.freq is Freq.DAILY:
        return _daily(rule, start)
    if rule.freq is Freq.WEEKLY:
        return _weekly(rule, start)
    return _by_month(rule, start)


def _daily(rule: Rule, start: date) -> Iterator[date]:
    """Yield every ``interval``-th day that falls on one of the rule's weekdays, if any."""
    for offset in range(0, (date.max - start).days + 1, rule.interval):
        day = start + timedelta(days=offset)
        if not rule.weekdays or day.weekday() in rule.weekdays:
            yield day


def _weekly(rule: Rule, start: date) -> Iterator[date]:
    """Yield the weekdays of every ``interval``-th week."""
    weekdays = rule.weekdays or (start.weekday(),)
    last = date.max.toordinal()
    for monday in range(start.toordinal() - start.weekday(), last + 1, 7 * rule.interval):
        for weekday in weekdays:
            if monday + weekday <= last:
                yield date.fromordinal(monday + weekday)


def _by_month(rule: Rule, start: date) -> Iterator[date]:
    """Yield the days of every ``interval``-th month, or of the months of such years."""
    if rule.freq is Freq.MONTHLY:
        first = start.year * 12 + start.month - 1
        for index in range(first, (MAXYEAR + 1) * 12, rule.interval):
            yield from _days_in_month(rule, start.day, index // 12, index % 12 + 1)
        return
    for year in range(start.year, MAXYEAR + 1, rule.interval):
        for month in rule.months or (start.month,):
            yield from _days_in_month(rule, start.day, year, month)


def _days_in_month(rule: Rule, default_day: int, year: int, month: int) -> list[date]:
    """Return the days that a rule selects in one month, sorted."""
    length = monthrange(year, month)[1]
    wanted = rule.month_days
    if not wanted and not rule.nth:
        wanted = (default_day,)
    days: set[int] = set()
    for day in wanted:
        if day < 0:
            day = length + 1 + day
        elif day > length and rule.month_end is MonthEnd.CLAMP:
            day = length
        days.add(day)
    days.update(_nth_day(nth, year, month) for nth in rule.nth)
    return [date(year, month, day) for day in sorted(days) if 1 <= day <= length]


def _nth_day(nth: NthWeekday, year: int, month: int) -> int:
    """Return the day of the month of an nth weekday, out of range when there is none."""
    first_weekday, length = monthrange(year, month)
    first = 1 + (nth.weekday - first_weekday) % 7
    if nth.n > 0:
        return first + 7 * (nth.n - 1)
    last = first + 7 * ((length - first) // 7)
    return last + 7 * (nth.n + 1)
