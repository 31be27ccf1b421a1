"""What all limiters share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


class RateLimitError(ValueError):
    """A limiter was configured or asked wrongly."""


@dataclass(frozen=True)
class Decision:
    """The answer of a limiter.

    ``remaining`` is the whole units that could still be taken afterwards. ``retry_after`` is
    the number of seconds to wait until the same request can succeed: 0.0 when it is allowed,
    and None when it never can.
    """

    allowed: bool
    remaining: int
    retry_after: float | None


class Limiter(ABC):
    """A limit on the units taken over time."""

    @abstractmethod
    def available(self) -> int:
        """Return the whole units that can be taken right now."""

    @abstractmethod
    def wait_for(self, cost: int) -> float | None:
        """Return the seconds until ``cost`` units can be taken: 0.0 for now, None for never."""

    @abstractmethod
    def consume(self, cost: int) -> None:
        """Take ``cost`` units that are known to be available."""

    def check(self, cost: int = 1) -> Decision:
        """Decide about ``cost`` units without taking them.

        Raise RateLimitError when ``cost`` is less than 1.
        """
        if cost < 1:
            raise RateLimitError(f"bad cost {cost}")
        wait = self.wait_for(cost)
        if wait == 0:
            return Decision(True, self.available() - cost, 0.0)
        return Decision(False, self.available(), wait)

    def acquire(self, cost: int = 1) -> Decision:
        """Take ``cost`` units if they are available, else take nothing; see check."""
        decision = self.check(cost)
        if decision.allowed:
            self.consume(cost)
        return decision
