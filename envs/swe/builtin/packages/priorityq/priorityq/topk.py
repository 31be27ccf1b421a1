"""The k best values of a stream."""

from bisect import insort_right
from collections.abc import Callable, Iterable
from typing import Any


class TopK:
    """Keep the ``k`` largest values seen, or the smallest with ``largest=False``.

    Values are compared by the number ``key(value)``, by themselves if no key is given. Among
    equals the ones added first are ranked first and kept. Raises ValueError if ``k`` is below 1.
    """

    def __init__(self, k: int, *, key: Callable[[Any], Any] | None = None, largest: bool = True) -> None:
        if k < 1:
            raise ValueError("k must be at least 1")
        self._k = k
        self._key = key
        self._largest = largest
        self._ranked: list[Any] = []
        self._seen = 0

    def __len__(self) -> int:
        """Number of values kept so far, at most ``k``."""
        return len(self._ranked)

    @property
    def seen(self) -> int:
        """Number of values that were added, kept or not."""
        return self._seen

    def _rank(self, value: Any) -> Any:
        score = value if self._key is None else self._key(value)
        return -score if self._largest else score

    def add(self, value: Any) -> bool:
        """Offer ``value`` and return whether it is kept.

        When ``k`` values are kept already, the new one must beat the worst of them, which is
        then dropped; a value equal to the worst is not kept.
        """
        self._seen += 1
        if len(self._ranked) == self._k:
            if self._rank(value) >= self._rank(self._ranked[-1]):
                return False
            self._ranked.pop()
        insort_right(self._ranked, value, key=self._rank)
        return True

    def extend(self, values: Iterable[Any]) -> int:
        """Add each of ``values`` and return how many were kept at the moment they were added."""
        return sum(self.add(value) for value in values)

    def threshold(self) -> Any:
        """Return the worst kept value, which the next one must beat; None while not full."""
        if len(self._ranked) < self._k:
            return None
        return self._ranked[-1]

    def result(self) -> list[Any]:
        """Return the kept values in a new list, best first."""
        return list(self._ranked)
