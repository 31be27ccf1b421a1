"""A clock that moves only when it is told to."""

from __future__ import annotations


class SimClock:
    """Simulated seconds, never going backward."""

    def __init__(self, start: float = 0) -> None:
        self._now = start

    @property
    def now(self) -> float:
        """The current time in seconds."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move on by `seconds` and return the new time; negative seconds raise ValueError."""
        if seconds < 0:
            raise ValueError("time cannot go backward")
        self._now += seconds
        return self._now

    def advance_to(self, when: float) -> float:
        """Move on to `when` and return it; a time in the past raises ValueError."""
        return self.advance(when - self._now)
