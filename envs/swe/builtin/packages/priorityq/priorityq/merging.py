"""Merging of sorted sources."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from .heap import PriorityQueue


def kway_merge(
    sources: Sequence[Iterable[Any]],
    *,
    key: Callable[[Any], Any] | None = None,
    reverse: bool = False,
    unique: bool = False,
) -> Iterator[Any]:
    """Lazily merge sorted sources into one sorted stream.

    Sources are ascending by ``key`` (the item itself by default), or descending with
    ``reverse=True``. Items of equal key come out by source, lower index first. With ``unique``
    only the first of several items with equal keys is yielded. Raises ValueError on reaching an
    item that is out of order in its source.
    """
    iterators = [iter(source) for source in sources]
    queue = PriorityQueue(order="max" if reverse else "min")
    heads: dict[int, Any] = {}

    def refill(index: int) -> None:
        for item in iterators[index]:
            score = item if key is None else key(item)
            heads[index] = item
            queue.push(index, (score, -index if reverse else index))
            return

    for index in range(len(iterators)):
        refill(index)
    yielded: list[Any] = []
    while queue:
        index, (score, _) = queue.pop()
        if not unique or yielded != [score]:
            yield heads[index]
        yielded = [score]
        refill(index)
        if index in queue:
            following, _ = queue.priority(index)
            if following > score if reverse else following < score:
                raise ValueError(f"source {index} is not sorted")


def merge_groups(
    sources: Sequence[Iterable[Any]],
    *,
    key: Callable[[Any], Any] | None = None,
    min_size: int = 1,
) -> Iterator[tuple[Any, list[Any]]]:
    """Merge ascending sources and yield ``(key, items)`` for each run of equal keys.

    Items within a group are ordered by source. Groups of fewer than ``min_size`` items are left
    out. Raises ValueError if ``min_size`` is less than 1 or a source is found to be unsorted.
    """
    if min_size < 1:
        raise ValueError("min_size must be at least 1")
    merged = kway_merge(sources, key=key)
    for score, group in groupby(merged, key=key):
        items = list(group)
        if len(items) >= min_size:
            yield score, items
