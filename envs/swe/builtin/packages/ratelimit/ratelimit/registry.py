"""One limiter per key, made on demand."""

from collections.abc import Callable

from ratelimit.base import Clock, Decision, Limiter, RateLimitError


class LimiterRegistry:
    """Limiters by key, with a cap on their number and removal of idle ones."""

    def __init__(self, factory: Callable[[], Limiter], clock: Clock, max_keys: int = 1000) -> None:
        """Create an empty registry whose limiters come from ``factory``.

        Raise RateLimitError when ``max_keys`` is less than 1.
        """
        if max_keys < 1:
            raise RateLimitError("max_keys must be at least 1")
        self.max_keys = max_keys
        self._factory = factory
        self._clock = clock
        self._special: dict[str, Callable[[], Limiter]] = {}
        self._limiters: dict[str, Limiter] = {}
        self._used: dict[str, float] = {}

    def override(self, key: str, factory: Callable[[], Limiter]) -> None:
        """Use ``factory`` for ``key`` from now on; an existing limiter of it is dropped."""
        self._special[key] = factory
        self.drop(key)

    def acquire(self, key: str, cost: int = 1) -> Decision:
        """Ask the limiter of ``key`` for ``cost`` units; this counts as a use of the key.

        The limiter is made at the first use. When that would exceed ``max_keys``, the key
        whose last use is longest ago is dropped first (of several, the one used first in
        order of calls).
        """
        limiter = self._limiters.pop(key, None)
        if limiter is None:
            if len(self._limiters) >= self.max_keys:
                self.drop(next(iter(self._limiters)))
            limiter = self._special.get(key, self._factory)()
        self._limiters[key] = limiter
        self._used[key] = self._clock()
        return limiter.acquire(cost)

    def check(self, key: str, cost: int = 1) -> Decision:
        """Say what acquire would, without taking units, using the key, or storing a limiter."""
        limiter = self._limiters.get(key)
        if limiter is None:
            limiter = self._special.get(key, self._factory)()
        return limiter.check(cost)

    def drop(self, key: str) -> bool:
        """Forget the limiter of ``key``; return whether there was one."""
        self._used.pop(key, None)
        return self._limiters.pop(key, None) is not None

    def sweep(self, idle: float) -> list[str]:
        """Drop the keys last used ``idle`` seconds ago or longer; return them sorted."""
        now = self._clock()
        stale = sorted(key for key, used in self._used.items() if now - used >= idle)
        for key in stale:
            self.drop(key)
        return stale

    def keys(self) -> list[str]:
        """Return the keys that have a limiter, the least recently used first."""
        return list(self._limiters)
