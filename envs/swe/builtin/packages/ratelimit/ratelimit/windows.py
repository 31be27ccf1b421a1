"""Limits per window of time, fixed or sliding."""

from math import floor

from ratelimit.base import Clock, Limiter, RateLimitError


def _check_window(limit: int, window: float) -> None:
    """Raise RateLimitError unless ``limit`` is at least 1 and ``window`` positive."""
    if limit < 1:
        raise RateLimitError("limit must be at least 1")
    if window <= 0:
        raise RateLimitError("window must be positive")


class FixedWindow(Limiter):
    """At most ``limit`` units in each window of ``window`` seconds.

    Windows start at ``origin`` plus whole multiples of ``window`` (also before ``origin``); a
    window includes its start and excludes its end.
    """

    def __init__(self, limit: int, window: float, clock: Clock, origin: float = 0.0) -> None:
        """Create an unused limit; RateLimitError for a limit below 1 or a window not above 0."""
        _check_window(limit, window)
        self.limit = limit
        self.window = window
        self.origin = origin
        self._clock = clock
        self._index = self._current()
        self._used = 0

    def available(self) -> int:
        """Return the units left in the current window."""
        self._roll()
        return self.limit - self._used

    def wait_for(self, cost: int) -> float | None:
        """Return 0.0 when ``cost`` fits, else the seconds to the next window; None over limit."""
        if cost > self.limit:
            return None
        if cost <= self.available():
            return 0.0
        return self.origin + (self._index + 1) * self.window - self._clock()

    def consume(self, cost: int) -> None:
        """Count ``cost`` units in the current window."""
        self._roll()
        self._used += cost

    def _current(self) -> int:
        """Return the number of the window that the clock is in."""
        return floor((self._clock() - self.origin) / self.window)

    def _roll(self) -> None:
        """Reset the count when a later window has begun; an earlier one changes nothing."""
        index = self._current()
        if index > self._index:
            self._index = index
            self._used = 0


class SlidingWindow(Limiter):
    """At most ``limit`` units in any ``window`` seconds.

    Units taken at time t count until, and not including, t + ``window``.
    """

    def __init__(self, limit: int, window: float, clock: Clock) -> None:
        """Create an unused limit; RateLimitError for a limit below 1 or a window not above 0."""
        _check_window(limit, window)
        self.limit = limit
        self.window = window
        self._clock = clock
        self._taken: list[tuple[float, int]] = []

    def available(self) -> int:
        """Return the units that still fit into the window that ends now."""
        self._forget()
        return self.limit - sum(cost for _, cost in self._taken)

    def wait_for(self, cost: int) -> float | None:
        """Return the seconds until enough earlier units have left the window.

        That is 0.0 when ``cost`` fits now, and None when it is above the limit.
        """
        if cost > self.limit:
            return None
        free = self.available()
        wait = 0.0
        for taken_at, taken in self._taken:
            if free >= cost:
                break
            free += taken
            wait = taken_at + self.window - self._clock()
        return wait

    def consume(self, cost: int) -> None:
        """Record ``cost`` units as taken now."""
        self._taken.append((self._clock(), cost))

    def history(self) -> list[tuple[float, int]]:
        """Return (time, units) of what still counts, oldest first, in a list of your own."""
        self._forget()
        return list(self._taken)

    def _forget(self) -> None:
        """Drop what has left the window."""
        horizon = self._clock() - self.window
        self._taken = [item for item in self._taken if item[0] > horizon]
