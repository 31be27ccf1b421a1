"""The Duration value type: an exact, signed number of milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Milliseconds in each unit, largest unit first.
UNITS: dict[str, int] = {
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}


class DurationError(ValueError):
    """Raised for text that is not a duration and for impossible operations."""


def divide_half_up(numerator: int, denominator: int) -> int:
    """Divide two integers, neither negative, and round to the nearest (5 / 2 is 3)."""
    return (2 * numerator + denominator) // (2 * denominator)


@dataclass(frozen=True, order=True)
class Duration:
    """A signed span of time in whole milliseconds; hashable, and ordered by length."""

    ms: int = 0

    @classmethod
    def of(cls, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0, ms: int = 0) -> Duration:
        """Return the sum of the given amounts, each of which may be negative."""
        return cls((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + ms)

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.ms + other.ms)

    def __sub__(self, other: Duration) -> Duration:
        return Duration(self.ms - other.ms)

    def __neg__(self) -> Duration:
        return Duration(-self.ms)

    def __mul__(self, factor: int) -> Duration:
        return Duration(self.ms * factor)

    def __bool__(self) -> bool:
        return self.ms != 0

    @property
    def sign(self) -> str:
        """The text "-" if the duration is negative, otherwise the empty string."""
        return "-" if self.ms < 0 else ""

    def times(self, other: Duration) -> tuple[int, Duration]:
        """Return how many whole times `other` fits in this duration, and what is left.

        The count is floored, so the remainder has the sign of `other`.
        Raises DurationError if `other` is zero.
        """
        if not other:
            raise DurationError("cannot divide by a zero duration")
        count, left = divmod(self.ms, other.ms)
        return count, Duration(left)

    def round_to(self, step: Duration, mode: str = "half_up") -> Duration:
        """Round to a multiple of `step`.

        Modes: "down" is toward zero, "up" is away from zero, and "half_up" (the default)
        is to the nearest multiple with ties away from zero. A multiple of `step` is returned
        unchanged by every mode. Raises DurationError for another mode, or unless `step` is
        positive.
        """
        if step.ms <= 0:
            raise DurationError("step must be positive")
        size = abs(self.ms)
        if mode == "down":
            count = size // step.ms
        elif mode == "up":
            count = -(-size // step.ms)
        elif mode == "half_up":
            count = divide_half_up(size, step.ms)
        else:
            raise DurationError(f"unknown rounding mode: {mode!r}")
        rounded = Duration(count * step.ms)
        return -rounded if self.ms < 0 else rounded

    def parts(self, largest: str = "w") -> dict[str, int]:
        """Split the absolute value into amounts per unit, from `largest` down to "ms".

        The first amount is not limited (100 hours with largest="h" is {"h": 100, ...}).
        Raises DurationError if `largest` is not one of UNITS.
        """
        if largest not in UNITS:
            raise DurationError(f"unknown unit: {largest!r}")
        left = abs(self.ms)
        amounts: dict[str, int] = {}
        for unit, size in UNITS.items():
            if size <= UNITS[largest]:
                amounts[unit], left = divmod(left, size)
        return amounts

    def split(self, count: int) -> list[Duration]:
        """Split into `count` durations that add up to this one exactly.

        They differ by at most one millisecond and the longer ones (further from zero) come
        first. Raises DurationError if count < 1.
        """
        if count < 1:
            raise DurationError("count must be at least 1")
        base, extra = divmod(abs(self.ms), count)
        pieces = [Duration(base + 1 if i < extra else base) for i in range(count)]
        return [-piece for piece in pieces] if self.ms < 0 else pieces


def total(durations: Iterable[Duration]) -> Duration:
    """Return the sum of the durations; no durations add up to zero."""
    return Duration(sum(item.ms for item in durations))


def spread(start: Duration, stop: Duration, step: Duration) -> list[Duration]:
    """Return start, start + step, ... up to but not including `stop`.

    A negative step counts down. Raises DurationError if `step` is zero.
    """
    if not step:
        raise DurationError("step must not be zero")
    return [Duration(ms) for ms in range(start.ms, stop.ms, step.ms)]
