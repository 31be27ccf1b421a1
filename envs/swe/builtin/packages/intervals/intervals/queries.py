"""Questions about plain collections of intervals, where overlaps matter."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from .interval import Interval
from .intervalset import IntervalSet


def merge(intervals: Iterable[Interval], tolerance: float = 0) -> list[Interval]:
    """Join intervals whose gap is at most ``tolerance`` and return them in ascending order.

    With the default of 0, overlapping and adjacent intervals are joined. A joined interval also
    covers the gaps inside it. Raises ValueError if ``tolerance`` is negative.
    """
    if tolerance < 0:
        raise ValueError("tolerance must not be negative")
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start - merged[-1].end <= tolerance:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def coverage(intervals: Iterable[Interval], window: Interval) -> float:
    """Return the share of ``window`` (0.0 to 1.0) covered by at least one interval."""
    inside = IntervalSet(intervals).intersection(IntervalSet([window]))
    return inside.measure / window.length


def depth_profile(intervals: Iterable[Interval]) -> list[tuple[Interval, int]]:
    """Return maximal stretches of equal depth as ``(stretch, depth)`` in ascending order.

    The depth of a point is the number of intervals that contain it. Stretches of depth 0 are
    left out, and adjacent stretches always have different depths.
    """
    changes: dict[float, int] = {}
    for interval in intervals:
        changes[interval.start] = changes.get(interval.start, 0) + 1
        changes[interval.end] = changes.get(interval.end, 0) - 1
    profile: list[tuple[Interval, int]] = []
    depth = 0
    points = sorted(point for point, change in changes.items() if change != 0)
    for left, right in pairwise(points):
        depth += changes[left]
        if depth > 0:
            profile.append((Interval(left, right), depth))
    return profile


def overlapping(intervals: Sequence[Interval], query: Interval, min_overlap: float = 0) -> list[int]:
    """Return the indices of the intervals that overlap ``query``, in input order.

    Only overlaps of a length of at least ``min_overlap`` count; with the default of 0 every
    overlap does. Intervals that are merely adjacent to the query are never reported.
    """
    found: list[int] = []
    for index, interval in enumerate(intervals):
        common = interval.intersect(query)
        if common is not None and common.length >= min_overlap:
            found.append(index)
    return found


def conflicts(intervals: Sequence[Interval], margin: float = 0) -> list[tuple[int, int]]:
    """Return the pairs of indices ``(i, j)`` with ``i < j`` that clash, in ascending order.

    Two intervals clash if they overlap, or if the gap between them is less than ``margin``
    (a gap of exactly ``margin`` is allowed). Raises ValueError if ``margin`` is negative.
    """
    if margin < 0:
        raise ValueError("margin must not be negative")
    pairs: list[tuple[int, int]] = []
    for i, left in enumerate(intervals):
        for j in range(i + 1, len(intervals)):
            right = intervals[j]
            if left.overlaps(right) or left.gap_to(right) < margin:
                pairs.append((i, j))
    return pairs
