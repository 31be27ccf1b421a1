"""Cron expressions: five fields, and the minutes at which they fire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SEARCH_YEARS = 8


class CronError(ValueError):
    """A cron expression that is malformed or never fires."""


def parse_field(text: str, low: int, high: int, names: Sequence[str] = ()) -> tuple[int, ...]:
    """The values of one cron field, ascending and without repeats.

    The field is a comma-separated list of parts: `*`, `n`, `n-m`, each optionally with a step
    `/s`; `n/s` means from n to `high`. Ranges include both ends. Numbers may be replaced by
    `names`, in any case, of which the first stands for `low`. Raises CronError for an empty
    part, a value outside low..high, a range that runs backward, or a step below 1.
    """
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = last = _value(first_text, low, high, names)
            if dash:
                last = _value(last_text, low, high, names)
            elif slash:
                last = high
        step = _number(step_text) if slash else 1
        if step < 1 or last < first:
            raise CronError(f"bad step or range in {part!r}")
        values.update(range(first, last + 1, step))
    return tuple(sorted(values))


def _value(text: str, low: int, high: int, names: Sequence[str]) -> int:
    if text.lower() in names:
        return low + names.index(text.lower())
    value = _number(text)
    if value < low or value > high:
        raise CronError(f"{text!r} is not within {low}-{high}")
    return value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise CronError(f"{text!r} is not a number")
    return int(text)


class CronSchedule:
    """The minutes picked out by `minute hour day month weekday`.

    Weekdays are 0 (Sunday) to 6, with 7 for Sunday too; months and weekdays may be named by
    three letters. `@hourly`, `@daily`, `@weekly` (Sunday), `@monthly` and `@yearly` stand for
    the start of each such period. When both day and weekday are restricted (neither is `*`), a
    date that fits either of them fires; otherwise it must fit both. Anything else raises
    CronError.
    """

    def __init__(self, expression: str) -> None:
        fields = ALIASES.get(expression, expression).split()
        if len(fields) != 5:
            raise CronError(f"expected 5 fields, got {len(fields)}")
        minute, hour, day, month, weekday = fields
        self.minutes = parse_field(minute, 0, 59)
        self.hours = parse_field(hour, 0, 23)
        self.days = parse_field(day, 1, 31)
        self.months = parse_field(month, 1, 12, MONTHS)
        self.weekdays = tuple(sorted({n % 7 for n in parse_field(weekday, 0, 7, WEEKDAYS)}))
        self._either = day != "*" and weekday != "*"

    def matches(self, moment: datetime) -> bool:
        """Whether the schedule fires in the minute of `moment`, whatever its seconds."""
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and self._day_matches(moment)
        )

    def _day_matches(self, moment: datetime) -> bool:
        by_day = moment.day in self.days
        by_weekday = moment.isoweekday() % 7 in self.weekdays
        if self._either:
            return by_day or by_weekday
        return by_day and by_weekday

    def next_after(self, moment: datetime) -> datetime:
        """The first firing minute strictly after `moment`, with zero seconds.

        The time zone of `moment` is kept. Raises CronError when nothing fires up to the end of
        the eighth year after the year of `moment`.
        """
        when = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        while when.year <= moment.year + SEARCH_YEARS:
            if when.month not in self.months or not self._day_matches(when):
                when = when.replace(hour=0, minute=0) + timedelta(days=1)
            elif when.hour not in self.hours:
                when = when.replace(minute=0) + timedelta(hours=1)
            elif when.minute not in self.minutes:
                when += timedelta(minutes=1)
            else:
                return when
        raise CronError("the schedule never fires")

    def upcoming(self, moment: datetime, count: int) -> list[datetime]:
        """The next `count` firing minutes strictly after `moment`; ValueError if count < 0."""
        if count < 0:
            raise ValueError("count must not be negative")
        found: list[datetime] = []
        for _ in range(count):
            moment = self.next_after(moment)
            found.append(moment)
        return found

    def between(self, start: datetime, end: datetime) -> list[datetime]:
        """The firing minutes after `start` and up to `end`: start excluded, end included.

        Empty when `end` is not after `start`. Raises CronError as `next_after` does.
        """
        found: list[datetime] = []
        when = self.next_after(start)
        while when <= end:
            found.append(when)
            when = self.next_after(when)
        return found
