"""A cache whose entries expire, with time supplied by the caller."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from .stats import CacheStats


class ManualClock:
    """A clock that moves only when told to; calling it returns the current time."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> float:
        """Move forward and return the new time; ValueError if ``seconds`` is negative."""
        if seconds < 0:
            raise ValueError("time cannot go backwards")
        self._now += seconds
        return self._now


@dataclass
class _Entry:
    value: Any
    lifetime: float
    deadline: float


class TTLCache:
    """Entries live for ``ttl`` seconds of ``clock()``; at most ``maxsize`` live entries.

    An entry stored at time t with lifetime d is live while ``clock() < t + d`` and expired from
    ``t + d`` on. With ``sliding=True`` each successful ``get`` restarts the entry's lifetime.
    Raises ValueError if ``ttl`` is not positive or ``maxsize`` is less than 1.
    """

    def __init__(
        self,
        ttl: float,
        clock: Callable[[], float],
        *,
        maxsize: int = 128,
        sliding: bool = False,
    ) -> None:
        if ttl <= 0:
            raise ValueError("ttl must be positive")
        if maxsize < 1:
            raise ValueError("maxsize must be at least 1")
        self._ttl = ttl
        self._clock = clock
        self._maxsize = maxsize
        self._sliding = sliding
        self._entries: dict[Hashable, _Entry] = {}
        self.stats = CacheStats()

    def __len__(self) -> int:
        """Number of live entries; expired ones are not counted, and not removed either."""
        now = self._clock()
        return sum(1 for entry in self._entries.values() if now < entry.deadline)

    def __contains__(self, key: Hashable) -> bool:
        """Whether ``key`` is stored and live; does not touch the statistics."""
        return key in self._entries and self._clock() < self._entries[key].deadline

    def put(self, key: Hashable, value: Any, ttl: float | None = None) -> list[Hashable]:
        """Store ``value`` for ``ttl`` seconds (the cache's ttl by default); return evicted keys.

        Expired entries are purged first. If a new key still finds the cache full, the live entry
        with the earliest deadline is evicted (the one stored first among equals). Overwriting a
        live key evicts nothing. Raises ValueError if ``ttl`` is given and not positive.
        """
        lifetime = self._ttl if ttl is None else ttl
        if lifetime <= 0:
            raise ValueError("ttl must be positive")
        self.purge()
        evicted: list[Hashable] = []
        if key not in self._entries and len(self._entries) >= self._maxsize:
            victim = min(self._entries, key=lambda each: self._entries[each].deadline)
            del self._entries[victim]
            self.stats.evictions += 1
            evicted.append(victim)
        self._entries[key] = _Entry(value, lifetime, self._clock() + lifetime)
        return evicted

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the live value of ``key`` (one hit) or ``default`` (one miss).

        An entry found expired is removed, which counts one expiration as well as the miss. In a
        sliding cache a hit restarts the lifetime the entry was stored with.
        """
        if key not in self._entries:
            self.stats.misses += 1
            return default
        entry = self._entries[key]
        if self._clock() >= entry.deadline:
            del self._entries[key]
            self.stats.expirations += 1
            self.stats.misses += 1
            return default
        self.stats.hits += 1
        if self._sliding:
            entry.deadline = self._clock() + entry.lifetime
        return entry.value

    def remaining(self, key: Hashable) -> float:
        """Return the seconds until ``key`` expires, 0.0 if it is expired or not stored."""
        if key not in self._entries:
            return 0.0
        return max(0.0, self._entries[key].deadline - self._clock())

    def delete(self, key: Hashable) -> bool:
        """Remove ``key``; return True only if it was live. An expired entry is removed too."""
        live = key in self
        self._entries.pop(key, None)
        return live

    def purge(self) -> list[Hashable]:
        """Remove all expired entries, counting expirations; return their keys as first stored."""
        now = self._clock()
        expired = [key for key, entry in self._entries.items() if entry.deadline <= now]
        for key in expired:
            del self._entries[key]
        self.stats.expirations += len(expired)
        return expired
