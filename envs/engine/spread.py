"""How a number differs between environments, or between the users of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.rules import rule

__all__ = ["Spread", "draw", "make_spread"]

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """How a number differs between users: uniform between two bounds, or the logarithm of such a draw.

    Attributes:
        low: Float64 scalar array.
        high: Float64 scalar array, at least ``low``.
        logarithmic: Bool scalar array.
    """

    low: Floats
    high: Floats
    logarithmic: NDArray[np.bool_]

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest number that can be drawn."""
        low, high = float(self.low), float(self.high)
        return (float(np.log(low)), float(np.log(high))) if self.logarithmic else (low, high)

    def quantile(self, u: Floats) -> Floats:
        """The numbers below which shares ``u`` of all users are; any shape."""
        value = self.low + (self.high - self.low) * u
        return np.asarray(np.log(value) if self.logarithmic else value)


@rule
def draw(spread, u):
    """The number below which a share ``u`` is: for a uniform draw, a draw of the spread."""
    value = spread.low[()] + (spread.high[()] - spread.low[()]) * u
    return math.log(value) if spread.logarithmic[()] else value


def make_spread(bounds: Sequence[float], logarithmic: bool = False) -> Spread:
    """A spread from its two bounds; of logarithmic ones, before the logarithm."""
    low, high = bounds
    return Spread(np.array(low, np.float64), np.array(high, np.float64), np.array(logarithmic))
