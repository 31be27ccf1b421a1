"""Cities: the target, and the simulators that training has in its place. All numbers are ours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DISCOURAGEMENT",
    "PROPENSITY_FACTOR",
    "RESPONSIVENESS_FACTOR",
    "TILT",
    "TIRING_FACTOR",
    "Cities",
    "training_positions",
    "weekly_cycle",
]

Floats = NDArray[np.float64]

# Bounds of the uniform draws by which drivers of a city differ; factors are of the city's mean.
PROPENSITY_FACTOR = (0.5, 1.5)
RESPONSIVENESS_FACTOR = (0.25, 1.75)
TIRING_FACTOR = (0.5, 1.5)
TILT = (-0.3, 0.3)
DISCOURAGEMENT = (0.3, 1.2)

_AXES = 3


class Cities(NamedTuple):
    """Means over the drivers of each city; float64 ``(cities,)`` each.

    Attributes:
        propensity: Orders a day of a rested driver without a coupon.
        responsiveness: Squared orders a unit of money, see :func:`telos.envs.recsys.driver.rules.mean_orders`.
        tiring: Levels of energy that an order beyond the usual costs.
    """

    propensity: Floats
    responsiveness: Floats
    tiring: Floats

    @classmethod
    def at(cls, positions: Floats) -> Cities:
        """The cities at positions in [-1, 1], float64 ``(cities, 3)``; the target is at the origin."""
        demand, response, fatigue = positions.T
        return cls(14.0 * (1.0 + 0.4 * demand), 4.0 * 2.0**response, 0.1 * 2.0**fatigue)


def training_positions(cities: int, gap: float, city_seed: int) -> Floats:
    """Positions of training cities, float64 ``(cities, 3)``: uniform in the cube, further from the target than the gap.

    Raises:
        ValueError: If there is to be no city, or the gap is not in [0, 1).
    """
    if cities < 1 or not 0.0 <= gap < 1.0:
        raise ValueError(f"cities must be at least 1 and gap in [0, 1), got cities={cities} and gap={gap}")
    rng, found = np.random.default_rng(city_seed), np.empty((0, _AXES))
    while len(found) < cities:
        drawn = rng.uniform(-1.0, 1.0, (cities, _AXES))
        found = np.concatenate([found, drawn[np.linalg.norm(drawn, axis=1) > gap]])
    return found[:cities]


def weekly_cycle() -> Floats:
    """Cosine and sine of the day of the week, float64 ``(7, 2)``; the first day is the peak."""
    angles = 2.0 * np.pi * np.arange(7) / 7.0
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
