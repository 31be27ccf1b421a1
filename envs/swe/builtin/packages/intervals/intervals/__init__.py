"""Half-open intervals [start, end) and sets of them."""

from .interval import Interval
from .intervalset import IntervalSet
from .queries import conflicts, coverage, depth_profile, merge, overlapping

__all__ = [
    "Interval",
    "IntervalSet",
    "conflicts",
    "coverage",
    "depth_profile",
    "merge",
    "overlapping",
]
