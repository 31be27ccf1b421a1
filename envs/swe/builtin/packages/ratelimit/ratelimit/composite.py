"""Several limits that must all allow a request."""

from collections.abc import Iterable

from ratelimit.base import Limiter, RateLimitError


class CompositeLimit(Limiter):
    """A limit that allows what every one of its parts allows.

    Nothing is taken from any part unless all of them allow the request.
    """

    def __init__(self, parts: Iterable[Limiter]) -> None:
        """Create the limit over a copy of ``parts``; RateLimitError when there are none."""
        self.parts = tuple(parts)
        if not self.parts:
            raise RateLimitError("a composite needs at least one limit")

    def available(self) -> int:
        """Return the units available from the strictest part."""
        return min(part.available() for part in self.parts)

    def wait_for(self, cost: int) -> float | None:
        """Return the longest wait of all parts, or None when one of them says never."""
        waits: list[float] = []
        for part in self.parts:
            wait = part.wait_for(cost)
            if wait is None:
                return None
            waits.append(wait)
        return max(waits)

    def consume(self, cost: int) -> None:
        """Take ``cost`` units from every part."""
        for part in self.parts:
            part.consume(cost)

    def blocking(self, cost: int = 1) -> list[int]:
        """Return the positions of the parts that refuse ``cost`` units now, ascending."""
        return [i for i, part in enumerate(self.parts) if not part.check(cost).allowed]
