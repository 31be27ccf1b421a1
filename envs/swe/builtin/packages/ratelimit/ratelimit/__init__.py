"""Rate limiters that read time only from a clock they are given."""

from ratelimit.base import Clock, Decision, Limiter, RateLimitError
from ratelimit.bucket import TokenBucket
from ratelimit.composite import CompositeLimit
from ratelimit.registry import LimiterRegistry
from ratelimit.windows import FixedWindow, SlidingWindow

__all__ = [
    "Clock",
    "CompositeLimit",
    "Decision",
    "FixedWindow",
    "Limiter",
    "LimiterRegistry",
    "RateLimitError",
    "SlidingWindow",
    "TokenBucket",
]
