"""Small caches with explicit clocks: LRU, TTL and a memoize decorator."""

from .lru import LRUCache
from .memo import freeze, memoize
from .stats import CacheStats
from .ttl import ManualClock, TTLCache

__all__ = ["CacheStats", "LRUCache", "ManualClock", "TTLCache", "freeze", "memoize"]
