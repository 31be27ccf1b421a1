"""A least-recently-used cache whose capacity is a total weight."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from .stats import CacheStats


class LRUCache:
    """Keep the most recently used entries within a total weight of ``maxsize``.

    ``sizeof(value)`` gives the weight of an entry; without it every entry weighs 1, so that
    ``maxsize`` is a number of entries. ``on_evict(key, value)`` is called for each entry that is
    dropped to make room, and not for entries that are deleted or overwritten.

    Raises ValueError if ``maxsize`` is less than 1.
    """

    def __init__(
        self,
        maxsize: int = 128,
        *,
        sizeof: Callable[[Any], int] | None = None,
        on_evict: Callable[[Hashable, Any], None] | None = None,
    ) -> None:
        if maxsize < 1:
            raise ValueError("maxsize must be at least 1")
        self._maxsize = maxsize
        self._sizeof = sizeof
        self._on_evict = on_evict
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._total = 0
        self.stats = CacheStats()

    @property
    def maxsize(self) -> int:
        """The largest total weight the cache may hold."""
        return self._maxsize

    @property
    def total_size(self) -> int:
        """The sum of the weights of the stored entries."""
        return self._total

    def __len__(self) -> int:
        """Number of stored entries (not their weight)."""
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        """Whether ``key`` is stored; changes neither the order nor the statistics."""
        return key in self._entries

    def keys(self) -> list[Hashable]:
        """Return the keys in a new list, least recently used first."""
        return list(self._entries)

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of ``key`` and make it the most recently used entry.

        Counts one hit, or one miss when the key is absent and ``default`` is returned.
        """
        if key not in self._entries:
            self.stats.misses += 1
            return default
        self.stats.hits += 1
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def peek(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of ``key`` or ``default``; order and statistics stay as they are."""
        if key not in self._entries:
            return default
        return self._entries[key][0]

    def put(self, key: Hashable, value: Any) -> list[Hashable]:
        """Store ``value`` as the most recently used entry and return the evicted keys.

        Least recently used entries are evicted, oldest first, only while the total weight is
        over ``maxsize``. A key that is already there is overwritten, its old weight released
        first. Raises ValueError, leaving the cache as it was, if the weight is negative or
        greater than ``maxsize``.
        """
        weight = 1 if self._sizeof is None else self._sizeof(value)
        if weight < 0:
            raise ValueError("weight must not be negative")
        if weight > self._maxsize:
            raise ValueError("value is larger than the cache")
        self.delete(key)
        self._entries[key] = (value, weight)
        self._total += weight
        return self._shrink()

    def delete(self, key: Hashable) -> bool:
        """Remove ``key`` and return True, or return False if it is not stored."""
        if key not in self._entries:
            return False
        _, weight = self._entries.pop(key)
        self._total -= weight
        return True

    def _shrink(self) -> list[Hashable]:
        evicted: list[Hashable] = []
        while self._total > self._maxsize:
            key, (value, weight) = self._entries.popitem(last=False)
            self._total -= weight
            self.stats.evictions += 1
            evicted.append(key)
            if self._on_evict is not None:
                self._on_evict(key, value)
        return evicted
