"""Reservations that hold stock until a day, inclusive."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from stockroom.layers import StockError


@dataclass(frozen=True)
class Reservation:
    """A claim on ``quantity`` units of ``sku`` at ``place``, in force through ``expires``."""

    number: int
    sku: str
    place: str
    quantity: int
    expires: date

    def active_on(self, today: date) -> bool:
        """Return whether the claim still holds: its last day is included."""
        return today <= self.expires


class ReservationBook:
    """Numbered reservations."""

    def __init__(self) -> None:
        """Create an empty book."""
        self._open: dict[int, Reservation] = {}
        self._next = 1

    def add(self, sku: str, place: str, quantity: int, today: date, days: int = 7) -> Reservation:
        """Store a reservation that expires ``days`` days after ``today`` and return it.

        Numbers run 1, 2, 3, ... and are never used again. With ``days=0`` it holds for
        ``today`` only. Raise StockError when ``quantity`` is not positive or ``days`` negative.
        """
        if quantity <= 0:
            raise StockError("reserved quantity must be positive")
        if days < 0:
            raise StockError("a reservation cannot end before it starts")
        expires = today + timedelta(days=days)
        reservation = Reservation(self._next, sku, place, quantity, expires)
        self._open[self._next] = reservation
        self._next += 1
        return reservation

    def get(self, number: int) -> Reservation:
        """Return an open reservation, expired or not; raise StockError when there is none."""
        if number not in self._open:
            raise StockError(f"no open reservation {number}")
        return self._open[number]

    def cancel(self, number: int) -> Reservation:
        """Remove and return an open reservation; raise StockError when there is none."""
        reservation = self.get(number)
        del self._open[number]
        return reservation

    def consume(self, number: int, quantity: int, today: date) -> Reservation:
        """Use ``quantity`` units of a reservation and return what is left of it.

        A reservation that is used up is removed. Raise StockError when there is none, when it
        has expired, and when ``quantity`` is not positive or more than it holds.
        """
        reservation = self.get(number)
        if not reservation.active_on(today):
            raise StockError(f"reservation {number} expired on {reservation.expires}")
        if not 0 < quantity <= reservation.quantity:
            raise StockError(f"cannot take {quantity} of {reservation.quantity} reserved")
        rest = replace(reservation, quantity=reservation.quantity - quantity)
        self._open[number] = rest
        if rest.quantity == 0:
            del self._open[number]
        return rest

    def held(self, sku: str, place: str, today: date) -> int:
        """Return the units of ``sku`` at ``place`` under reservations active on ``today``."""
        return sum(
            reservation.quantity
            for reservation in self._open.values()
            if (reservation.sku, reservation.place) == (sku, place) and reservation.active_on(today)
        )

    def purge(self, today: date) -> list[int]:
        """Remove all reservations expired on ``today``; return their numbers, ascending."""
        expired = [n for n, claim in self._open.items() if not claim.active_on(today)]
        for number in expired:
            del self._open[number]
        return expired
