"""Reorder points: what to buy, given the stock that can still be promised."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from stockroom.layers import StockError
from stockroom.room import Stockroom


@dataclass(frozen=True)
class ReorderRule:
    """Order ``sku`` for ``place`` up to ``target`` once stock is at or below ``point``.

    Orders are whole multiples of ``pack``. StockError is raised when ``point`` is negative,
    when ``target`` is not above ``point``, and when ``pack`` is less than 1.
    """

    sku: str
    place: str
    point: int
    target: int
    pack: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.point < 0:
            raise StockError("reorder point must not be negative")
        if self.target <= self.point:
            raise StockError("target must be above the reorder point")
        if self.pack < 1:
            raise StockError("pack must be at least 1")

    def quantity_for(self, position: int) -> int:
        """Return the units to order at a stock ``position``: 0 when it is above the point.

        Otherwise it is the smallest multiple of ``pack`` that reaches the target.
        """
        if position > self.point:
            return 0
        packs = -(-(self.target - position) // self.pack)
        return packs * self.pack


@dataclass(frozen=True)
class Suggestion:
    """An order to place."""

    sku: str
    place: str
    quantity: int


def suggest_orders(
    room: Stockroom,
    rules: Iterable[ReorderRule],
    today: date,
    on_order: Mapping[tuple[str, str], int] | None = None,
) -> list[Suggestion]:
    """Return the orders that ``rules`` ask for, sorted by sku and then place.

    The position of an article is its available units on ``today`` plus the units in
    ``on_order`` under (sku, place). Rules that ask for nothing give no suggestion.
    """
    pending = on_order or {}
    found: list[Suggestion] = []
    for rule in rules:
        position = room.available(rule.sku, rule.place, today)
        position += pending.get((rule.sku, rule.place), 0)
        quantity = rule.quantity_for(position)
        if quantity > 0:
            found.append(Suggestion(rule.sku, rule.place, quantity))
    return sorted(found, key=lambda item: (item.sku, item.place))
