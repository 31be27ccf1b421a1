"""The stockroom: articles at places, with their layers and reservations."""

from datetime import date

from stockroom.layers import CostLayers, Layer, Method, StockError
from stockroom.reservations import Reservation, ReservationBook


class Stockroom:
    """Stock of many articles at many places under one costing method."""

    def __init__(self, method: Method = Method.FIFO) -> None:
        """Create an empty stockroom."""
        self.method = method
        self.book = ReservationBook()
        self._stock: dict[tuple[str, str], CostLayers] = {}

    def layers(self, sku: str, place: str) -> list[Layer]:
        """Return the layers of ``sku`` at ``place``, oldest first; empty when unknown."""
        return self._at(sku, place).layers

    def on_hand(self, sku: str, place: str | None = None) -> int:
        """Return the units of ``sku`` at ``place``, or at all places when it is None."""
        return sum(
            stack.quantity for (other, where), stack in self._stock.items() if other == sku and place in (None, where)
        )

    def available(self, sku: str, place: str, today: date) -> int:
        """Return the units at ``place`` less those under active reservations, never below 0."""
        return max(0, self.on_hand(sku, place) - self.book.held(sku, place, today))

    def receive(self, sku: str, place: str, quantity: int, unit_cost: int) -> None:
        """Add units at a cost; see CostLayers.receive for the errors."""
        stack = self._at(sku, place)
        stack.receive(quantity, unit_cost)
        self._stock[sku, place] = stack

    def reserve(self, sku: str, place: str, quantity: int, today: date, days: int = 7) -> Reservation:
        """Reserve available units through ``days`` days after ``today``.

        Raise StockError when fewer than ``quantity`` units are available, and for the reasons
        of ReservationBook.add.
        """
        if quantity > self.available(sku, place, today):
            raise StockError(f"only {self.available(sku, place, today)} of {sku} available")
        return self.book.add(sku, place, quantity, today, days)

    def issue(self, sku: str, place: str, quantity: int, today: date) -> int:
        """Take unreserved units out of stock and return their total cost.

        Raise StockError when fewer are available or ``quantity`` is not positive.
        """
        if quantity > self.available(sku, place, today):
            raise StockError(f"only {self.available(sku, place, today)} of {sku} available")
        return sum(pick.value for pick in self._at(sku, place).issue(quantity))

    def fulfil(self, number: int, today: date, quantity: int | None = None) -> int:
        """Issue units of a reservation and return their total cost.

        ``quantity`` None takes all of it; a part leaves the rest reserved. Raise StockError,
        and change nothing, when fewer units are on hand and for the reasons of
        ReservationBook.consume.
        """
        claim = self.book.get(number)
        wanted = claim.quantity if quantity is None else quantity
        if wanted > self.on_hand(claim.sku, claim.place):
            raise StockError(f"fewer than {wanted} of {claim.sku} on hand")
        self.book.consume(number, wanted, today)
        return sum(pick.value for pick in self._at(claim.sku, claim.place).issue(wanted))

    def transfer(self, sku: str, source: str, target: str, quantity: int, today: date) -> None:
        """Move unreserved units with their costs; they become the newest layers of ``target``.

        The costing method picks the units, and they arrive in the order of their receipt.
        Raise StockError when both places are the same, when fewer units are available, and
        when ``quantity`` is not positive.
        """
        if source == target:
            raise StockError("source and target are the same place")
        if quantity > self.available(sku, source, today):
            raise StockError(f"only {self.available(sku, source, today)} of {sku} available")
        picks = self._at(sku, source).issue(quantity)
        if self.method is Method.LIFO:
            picks.reverse()
        for pick in picks:
            self.receive(sku, target, pick.quantity, pick.unit_cost)

    def valuation(self) -> dict[str, int]:
        """Return the value of each article with stock, over all places, in order of sku."""
        totals: dict[str, int] = {}
        for (sku, _), stack in sorted(self._stock.items(), key=lambda item: item[0]):
            if stack.quantity > 0:
                totals[sku] = totals.get(sku, 0) + stack.value
        return totals

    def _at(self, sku: str, place: str) -> CostLayers:
        """Return the stack of ``sku`` at ``place``, or a new, unattached one."""
        return self._stock.get((sku, place)) or CostLayers(self.method)
