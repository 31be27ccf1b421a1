"""One half-open interval."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Interval:
    """The points x with ``start <= x < end``; ValueError unless ``start < end``.

    Intervals are immutable, hashable and ordered by start, then by end.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"empty interval: [{self.start}, {self.end})")

    @property
    def length(self) -> float:
        """``end - start``, always positive."""
        return self.end - self.start

    def __contains__(self, point: float) -> bool:
        """Whether ``point`` lies inside: the start does, the end does not."""
        return self.start <= point < self.end

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two share at least one point; adjacent intervals do not."""
        return self.start < other.end and other.start < self.end

    def touches(self, other: "Interval") -> bool:
        """Whether the two overlap or are adjacent, so that their union is one interval."""
        return self.start <= other.end and other.start <= self.end

    def intersect(self, other: "Interval") -> "Interval | None":
        """Return the shared part, or None when they do not overlap."""
        if not self.overlaps(other):
            return None
        return Interval(max(self.start, other.start), min(self.end, other.end))

    def gap_to(self, other: "Interval") -> float:
        """Return the distance between the two, 0 when they overlap or are adjacent."""
        return max(0, other.start - self.end, self.start - other.end)

    def split(self, point: float) -> "tuple[Interval, ...]":
        """Cut at ``point``: two parts if it is strictly inside, else just this interval."""
        if self.start < point < self.end:
            return (Interval(self.start, point), Interval(point, self.end))
        return (self,)
