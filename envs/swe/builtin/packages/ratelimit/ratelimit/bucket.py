"""The token bucket."""

from math import floor

from ratelimit.base import Clock, Limiter, RateLimitError


class TokenBucket(Limiter):
    """A bucket of at most ``capacity`` tokens, filled at ``rate`` tokens per second."""

    def __init__(self, capacity: int, rate: float, clock: Clock, initial: float | None = None) -> None:
        """Create a bucket that holds ``initial`` tokens now, or is full when that is None.

        Raise RateLimitError when ``capacity`` is less than 1, when ``rate`` is not positive,
        and when ``initial`` is not from 0 to ``capacity``.
        """
        if capacity < 1:
            raise RateLimitError("capacity must be at least 1")
        if rate <= 0:
            raise RateLimitError("rate must be positive")
        tokens = capacity if initial is None else initial
        if not 0 <= tokens <= capacity:
            raise RateLimitError("initial tokens must be from 0 to capacity")
        self.capacity = capacity
        self.rate = rate
        self._clock = clock
        self._tokens = float(tokens)
        self._updated = clock()

    def available(self) -> int:
        """Return the whole tokens in the bucket; a part of a token does not count."""
        self._refill()
        return floor(self._tokens)

    def wait_for(self, cost: int) -> float | None:
        """Return the seconds until ``cost`` tokens are there; None above the capacity."""
        if cost > self.capacity:
            return None
        self._refill()
        return max(0.0, (cost - self._tokens) / self.rate)

    def consume(self, cost: int) -> None:
        """Remove ``cost`` tokens."""
        self._refill()
        self._tokens -= cost

    def _refill(self) -> None:
        """Add the tokens since the last call; a clock that went back adds none."""
        now = self._clock()
        if now > self._updated:
            gained = (now - self._updated) * self.rate
            self._tokens = min(self.capacity, self._tokens + gained)
            self._updated = now
