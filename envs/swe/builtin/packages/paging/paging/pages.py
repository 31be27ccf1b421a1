"""Numbered pages and the links between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Page:
    """One page of a longer list, an immutable value.

    It is page ``number`` of ``pages``, counted from 1. ``start`` is the number of items on
    earlier pages, ``total`` that of all items.
    """

    items: list[Any]
    number: int
    pages: int
    start: int
    total: int

    @property
    def previous(self) -> int | None:
        """Number of the page before, None on the first page."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """Number of the page after, None on the last page."""
        return self.number + 1 if self.number < self.pages else None

    def summary(self) -> str:
        """Return a text like "11-20 of 45" with 1-based positions, "0 of 0" without items."""
        if not self.items:
            return f"0 of {self.total}"
        return f"{self.start + 1}-{self.start + len(self.items)} of {self.total}"


def count_pages(total: int, per_page: int, orphans: int = 0) -> int:
    """Return how many pages ``total`` items fill; at least 1, even for no items.

    A last page of at most ``orphans`` items is not made: its items go on the page before, if
    there is one. Raises ValueError if ``total`` is negative, ``per_page`` is less than 1, or
    ``orphans`` is negative or not less than ``per_page``.
    """
    if total < 0 or per_page < 1:
        raise ValueError("total must be at least 0 and per_page at least 1")
    if not 0 <= orphans < per_page:
        raise ValueError("orphans must be at least 0 and less than per_page")
    return max(1, -(-(total - orphans) // per_page))


def paginate(
    items: Sequence[Any],
    number: int = 1,
    per_page: int = 20,
    *,
    orphans: int = 0,
    clamp: bool = False,
) -> Page:
    """Return page ``number`` of ``items``; its ``items`` are a new list.

    Pages have ``per_page`` items; the last has what is left, or with ``orphans`` up to that many
    more (see ``count_pages``, whose errors apply). A number below 1 or above the page count
    raises ValueError; with ``clamp`` the nearest valid number is used instead.
    """
    pages = count_pages(len(items), per_page, orphans)
    if clamp:
        number = min(max(number, 1), pages)
    if not 1 <= number <= pages:
        raise ValueError(f"page {number} is outside 1..{pages}")
    start = (number - 1) * per_page
    stop = start + per_page if number < pages else len(items)
    return Page(list(items[start:stop]), number, pages, start, len(items))


def page_links(number: int, pages: int, *, around: int = 2, edges: int = 1) -> list[int | None]:
    """Return the page numbers to link to from page ``number``, ascending, None for a gap.

    Shown are the ``edges`` first and last pages, and those at most ``around`` away from
    ``number``. A gap that would hide only a single page shows that page instead. Raises
    ValueError unless ``1 <= number <= pages`` and neither ``around`` nor ``edges`` is negative.
    """
    if not 1 <= number <= pages:
        raise ValueError(f"page {number} is outside 1..{pages}")
    if around < 0 or edges < 0:
        raise ValueError("around and edges must not be negative")
    links: list[int | None] = []
    shown = 0
    for page in range(1, pages + 1):
        near = abs(page - number) <= around
        if not near and edges < page <= pages - edges:
            continue
        hidden = page - shown - 1
        if hidden > 0:
            links.append(page - 1 if hidden == 1 else None)
        links.append(page)
        shown = page
    hidden = pages - shown
    if hidden > 0:
        links.append(pages if hidden == 1 else None)
    return links
