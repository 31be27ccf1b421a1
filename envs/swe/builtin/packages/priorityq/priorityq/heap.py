"""A binary heap whose entries can be found, changed and removed by key."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any


class PriorityQueue:
    """A queue of distinct keys, each with a priority.

    With ``order="min"`` (the default) the lowest priority comes out first, with ``order="max"``
    the highest. Keys of equal priority come out in the order in which they arrived. The
    constructor pushes an iterable of ``(key, priority)`` pairs; ValueError for any other order.
    """

    def __init__(self, items: Iterable[tuple[Hashable, Any]] = (), *, order: str = "min") -> None:
        if order not in ("min", "max"):
            raise ValueError(f"order must be min or max, not {order!r}")
        self._order = order
        self._heap: list[Hashable] = []
        self._slots: dict[Hashable, int] = {}
        self._entries: dict[Hashable, tuple[Any, int]] = {}
        self._arrivals = 0
        for key, priority in items:
            self.push(key, priority)

    @property
    def order(self) -> str:
        """Either "min" or "max"."""
        return self._order

    def __len__(self) -> int:
        """Number of keys in the queue."""
        return len(self._heap)

    def __contains__(self, key: Hashable) -> bool:
        """Whether ``key`` is queued."""
        return key in self._entries

    def priority(self, key: Hashable) -> Any:
        """Return the priority of ``key``; KeyError if it is not queued."""
        return self._entries[key][0]

    def push(self, key: Hashable, priority: Any) -> None:
        """Add ``key`` behind all keys of equal priority; KeyError if it is queued already."""
        if key in self._entries:
            raise KeyError(f"already queued: {key!r}")
        self._entries[key] = (priority, self._arrivals)
        self._arrivals += 1
        self._heap.append(key)
        self._slots[key] = len(self._heap) - 1
        self._rise(len(self._heap) - 1)

    def peek(self) -> tuple[Hashable, Any]:
        """Return the first ``(key, priority)`` and leave it queued; IndexError if empty."""
        if not self._heap:
            raise IndexError("the queue is empty")
        key = self._heap[0]
        return key, self.priority(key)

    def pop(self) -> tuple[Hashable, Any]:
        """Remove and return the first ``(key, priority)``; IndexError if empty."""
        key, priority = self.peek()
        self.remove(key)
        return key, priority

    def remove(self, key: Hashable) -> Any:
        """Take ``key`` out of the queue and return its priority; KeyError if not queued."""
        priority = self.priority(key)
        slot = self._slots.pop(key)
        last = self._heap.pop()
        if last != key:
            self._heap[slot] = last
            self._slots[last] = slot
            self._settle(slot)
        del self._entries[key]
        return priority

    def update(self, key: Hashable, priority: Any, *, requeue: bool = False) -> Any:
        """Change the priority of ``key`` and return the old one; KeyError if not queued.

        The key keeps its place of arrival among equal priorities, unless ``requeue`` is True,
        which makes it the latest arrival.
        """
        old, arrival = self._entries[key]
        if requeue:
            arrival = self._arrivals
            self._arrivals += 1
        self._entries[key] = (priority, arrival)
        self._settle(self._slots[key])
        return old

    def push_or_improve(self, key: Hashable, priority: Any) -> bool:
        """Push ``key``, or update it if ``priority`` puts it strictly further ahead.

        Returns whether the queue changed. A priority equal to or worse than the queued one
        changes nothing.
        """
        if key not in self._entries:
            self.push(key, priority)
            return True
        if not self._ahead(priority, self.priority(key)):
            return False
        self.update(key, priority)
        return True

    def drain(self, limit: int | None = None) -> Iterator[tuple[Hashable, Any]]:
        """Pop and yield ``(key, priority)`` pairs, first one first, at most ``limit`` of them.

        Without a limit the queue is emptied. Keys are popped only as the iterator is advanced.
        """
        taken = 0
        while self._heap and (limit is None or taken < limit):
            yield self.pop()
            taken += 1

    def ordered(self) -> list[tuple[Hashable, Any]]:
        """Return all ``(key, priority)`` pairs in the order of popping, without popping them."""
        return list(self.copy().drain())

    def copy(self) -> "PriorityQueue":
        """Return an independent queue with the same keys, priorities and arrival order."""
        result = PriorityQueue(order=self._order)
        result._heap = list(self._heap)
        result._slots = dict(self._slots)
        result._entries = dict(self._entries)
        result._arrivals = self._arrivals
        return result

    def _ahead(self, first: Any, second: Any) -> bool:
        return first < second if self._order == "min" else first > second

    def _before(self, first: int, second: int) -> bool:
        first_priority, first_arrival = self._entries[self._heap[first]]
        second_priority, second_arrival = self._entries[self._heap[second]]
        if first_priority == second_priority:
            return first_arrival < second_arrival
        return self._ahead(first_priority, second_priority)

    def _swap(self, first: int, second: int) -> None:
        heap = self._heap
        heap[first], heap[second] = heap[second], heap[first]
        self._slots[heap[first]] = first
        self._slots[heap[second]] = second

    def _settle(self, slot: int) -> None:
        self._sink(self._rise(slot))

    def _rise(self, slot: int) -> int:
        while slot > 0:
            parent = (slot - 1) // 2
            if not self._before(slot, parent):
                break
            self._swap(slot, parent)
            slot = parent
        return slot

    def _sink(self, slot: int) -> None:
        while True:
            best = slot
            for child in (2 * slot + 1, 2 * slot + 2):
                if child < len(self._heap) and self._before(child, best):
                    best = child
            if best == slot:
                return
            self._swap(slot, best)
            slot = best
