"""Sets of points stored as disjoint half-open intervals."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from .interval import Interval


class IntervalSet:
    """A mutable set of points, kept as sorted, disjoint, non-adjacent intervals.

    The constructor takes any iterable of Interval objects, in any order and overlapping or not.
    Two sets are equal when they contain the same points. ``union``, ``intersection``,
    ``difference``, ``symmetric_difference`` and ``gaps`` return new sets and leave their operands
    alone; ``add`` and ``discard`` change the set in place.
    """

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._parts: list[Interval] = []
        for interval in sorted(intervals):
            self._append(interval)

    def _append(self, interval: Interval) -> None:
        if self._parts and interval.start <= self._parts[-1].end:
            last = self._parts.pop()
            interval = Interval(last.start, max(last.end, interval.end))
        self._parts.append(interval)

    def __len__(self) -> int:
        """Number of disjoint intervals."""
        return len(self._parts)

    def __iter__(self) -> Iterator[Interval]:
        """Iterate over the disjoint intervals in ascending order."""
        return iter(tuple(self._parts))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntervalSet):
            return NotImplemented
        return self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, point: float) -> bool:
        """Whether ``point`` lies in one of the intervals."""
        return self.find(point) is not None

    def find(self, point: float) -> Interval | None:
        """Return the interval that contains ``point``, or None."""
        index = bisect_right(self._parts, point, key=lambda part: part.start)
        if index == 0 or point >= self._parts[index - 1].end:
            return None
        return self._parts[index - 1]

    def covers(self, interval: Interval) -> bool:
        """Whether every point of ``interval`` is in the set."""
        part = self.find(interval.start)
        return part is not None and interval.end <= part.end

    def copy(self) -> "IntervalSet":
        """Return an independent set of the same points."""
        return IntervalSet(self._parts)

    @property
    def measure(self) -> float:
        """Total length of the intervals, 0 for an empty set."""
        return sum(part.length for part in self._parts)

    @property
    def span(self) -> Interval | None:
        """The smallest single interval that contains the set, None for an empty set."""
        if not self._parts:
            return None
        return Interval(self._parts[0].start, self._parts[-1].end)

    def add(self, interval: Interval) -> None:
        """Add the points of ``interval``, joining whatever it overlaps or is adjacent to."""
        parts = sorted([*self._parts, interval])
        self._parts = []
        for part in parts:
            self._append(part)

    def discard(self, interval: Interval) -> float:
        """Remove the points of ``interval`` and return the total length taken away."""
        before = self.measure
        kept: list[Interval] = []
        for part in self._parts:
            if not part.overlaps(interval):
                kept.append(part)
                continue
            if part.start < interval.start:
                kept.append(Interval(part.start, interval.start))
            if interval.end < part.end:
                kept.append(Interval(interval.end, part.end))
        self._parts = kept
        return before - self.measure

    def union(self, *others: "IntervalSet") -> "IntervalSet":
        """Return the points that are in this set or in any of ``others``."""
        result = self.copy()
        for other in others:
            for part in other:
                result.add(part)
        return result

    def intersection(self, other: "IntervalSet") -> "IntervalSet":
        """Return the points that are in both sets."""
        result = IntervalSet()
        i = j = 0
        while i < len(self._parts) and j < len(other._parts):
            left, right = self._parts[i], other._parts[j]
            common = left.intersect(right)
            if common is not None:
                result._append(common)
            if left.end < right.end:
                i += 1
            else:
                j += 1
        return result

    def difference(self, other: "IntervalSet") -> "IntervalSet":
        """Return the points that are in this set and not in ``other``."""
        result = self.copy()
        for part in other:
            result.discard(part)
        return result

    def symmetric_difference(self, other: "IntervalSet") -> "IntervalSet":
        """Return the points that are in exactly one of the two sets."""
        return self.difference(other).union(other.difference(self))

    def gaps(self, window: Interval | None = None) -> "IntervalSet":
        """Return the points of ``window`` that are not in the set.

        Without a window the span is used, giving only the gaps between intervals; an empty set
        without a window has no gaps.
        """
        frame = self.span if window is None else window
        if frame is None:
            return IntervalSet()
        return IntervalSet([frame]).difference(self)

    def shifted(self, delta: float) -> "IntervalSet":
        """Return a new set with every point moved by ``delta``."""
        return IntervalSet(Interval(part.start + delta, part.end + delta) for part in self)
