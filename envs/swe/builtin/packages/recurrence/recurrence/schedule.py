"""A rule with a start day, exclusions and extra days."""

from collections.abc import Iterable, Iterator
from datetime import date
from heapq import merge
from itertools import islice

from recurrence.expand import occurrences
from recurrence.rule import Rule, RuleError


class Schedule:
    """The days of a rule from a start on, less ``excluded`` and plus ``extra`` days.

    An excluded day uses up one of the rule's ``count``. Extra days are not bound by the start,
    the ``count`` or ``until``; a day that is both extra and excluded is excluded.
    """

    def __init__(
        self,
        rule: Rule,
        start: date,
        excluded: Iterable[date] = (),
        extra: Iterable[date] = (),
    ) -> None:
        """Create a schedule over copies of ``excluded`` and ``extra``."""
        self.rule = rule
        self.start = start
        self._excluded = set(excluded)
        self._extra = set(extra)

    def __iter__(self) -> Iterator[date]:
        """Yield all days of the schedule, ascending, each once; possibly very many."""
        previous: date | None = None
        for day in merge(sorted(self._extra), occurrences(self.rule, self.start)):
            if day != previous and day not in self._excluded:
                yield day
            previous = day

    def exclude(self, day: date) -> None:
        """Exclude one more day; excluding it again changes nothing."""
        self._excluded.add(day)

    def include(self, day: date) -> None:
        """Undo the exclusion of a day, or add it as an extra day when it is not excluded."""
        if day in self._excluded:
            self._excluded.discard(day)
        else:
            self._extra.add(day)

    def take(self, number: int) -> list[date]:
        """Return the first ``number`` days, fewer when the schedule ends.

        Raise RuleError when ``number`` is negative.
        """
        if number < 0:
            raise RuleError("cannot take a negative number of days")
        return list(islice(self, number))

    def between(self, first: date, last: date) -> list[date]:
        """Return the days from ``first`` to ``last``, both inclusive.

        Raise RuleError when ``last`` is before ``first``.
        """
        if last < first:
            raise RuleError("the range ends before it begins")
        found: list[date] = []
        for day in self:
            if day > last:
                break
            if day >= first:
                found.append(day)
        return found

    def includes(self, day: date) -> bool:
        """Return whether ``day`` is in the schedule."""
        return self.between(day, day) == [day]

    def next_after(self, day: date, inclusive: bool = False) -> date | None:
        """Return the first day after ``day`` (or ``day`` itself if ``inclusive``), or None."""
        for candidate in self:
            if candidate > day or (inclusive and candidate == day):
                return candidate
        return None

    def last_before(self, day: date) -> date | None:
        """Return the last day of the schedule before ``day``, or None."""
        latest: date | None = None
        for candidate in self:
            if candidate >= day:
                break
            latest = candidate
        return latest
