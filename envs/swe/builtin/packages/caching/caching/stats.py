"""Counters shared by every cache in the package."""

from dataclasses import dataclass, replace


@dataclass
class CacheStats:
    """Mutable counters; every counter starts at zero."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    expirations: int = 0

    @property
    def requests(self) -> int:
        """Number of counted look-ups: hits plus misses."""
        return self.hits + self.misses

    @property
    def hit_rate(self) -> float:
        """Hits divided by requests, or 0.0 when there was no request yet."""
        if self.requests == 0:
            return 0.0
        return self.hits / self.requests

    def snapshot(self) -> "CacheStats":
        """Return an independent copy that later activity does not change."""
        return replace(self)
