"""Cost layers: what each unit in stock was bought for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum


class StockError(ValueError):
    """A movement or a definition is not possible."""


class Method(Enum):
    """Which layer is issued first: the oldest (FIFO) or the newest (LIFO)."""

    FIFO = "fifo"
    LIFO = "lifo"


@dataclass(frozen=True)
class Layer:
    """A quantity of units that share one unit cost in minor units."""

    quantity: int
    unit_cost: int

    @property
    def value(self) -> int:
        """Return the quantity times the unit cost."""
        return self.quantity * self.unit_cost


class CostLayers:
    """The layers of one article at one place, in order of receipt."""

    def __init__(self, method: Method = Method.FIFO, layers: Iterable[Layer] = ()) -> None:
        """Create a stack that holds a copy of ``layers``, oldest first."""
        self.method = method
        self._layers: list[Layer] = list(layers)

    @property
    def layers(self) -> list[Layer]:
        """Return the layers, oldest first, as a list of the caller's own."""
        return list(self._layers)

    @property
    def quantity(self) -> int:
        """Return the number of units in all layers."""
        return sum(layer.quantity for layer in self._layers)

    @property
    def value(self) -> int:
        """Return the total cost of all layers."""
        return sum(layer.value for layer in self._layers)

    def receive(self, quantity: int, unit_cost: int) -> None:
        """Add units as the newest layer; an equal cost is merged into the newest layer.

        Raise StockError when ``quantity`` is not positive or ``unit_cost`` is negative.
        """
        if quantity <= 0:
            raise StockError("received quantity must be positive")
        if unit_cost < 0:
            raise StockError("unit cost must not be negative")
        if self._layers and self._layers[-1].unit_cost == unit_cost:
            merged = self._layers[-1].quantity + quantity
            self._layers[-1] = Layer(merged, unit_cost)
        else:
            self._layers.append(Layer(quantity, unit_cost))

    def issue(self, quantity: int) -> list[Layer]:
        """Remove ``quantity`` units and return them as picks, in the order they were taken.

        FIFO takes from the oldest layer on, LIFO from the newest on; a layer that is used up
        disappears. Raise StockError, and remove nothing, when ``quantity`` is not positive or
        greater than the units held.
        """
        if quantity <= 0:
            raise StockError("issued quantity must be positive")
        if quantity > self.quantity:
            raise StockError(f"cannot issue {quantity} of {self.quantity}")
        picks: list[Layer] = []
        index = 0 if self.method is Method.FIFO else -1
        while quantity > 0:
            layer = self._layers[index]
            taken = min(quantity, layer.quantity)
            picks.append(replace(layer, quantity=taken))
            quantity -= taken
            if taken == layer.quantity:
                del self._layers[index]
            else:
                self._layers[index] = replace(layer, quantity=layer.quantity - taken)
        return picks

    def average_cost(self) -> int:
        """Return the mean unit cost rounded half up, or 0 without stock."""
        units = self.quantity
        if units == 0:
            return 0
        return (2 * self.value + units) // (2 * units)
