"""Arrays of the driver program: what all drivers share, and what each has of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.spread import Spread
from telos.envs.recsys.driver.instances import Cities

__all__ = ["Drivers", "Floats", "Integers", "Params", "State", "new_state"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Params(NamedTuple):
    """Shared by all drivers. Scalar arrays unless a shape is given.

    Attributes:
        cities: Means of each city.
        propensity_factor: How propensities differ within a city, as a factor.
        responsiveness_factor: The same of responsiveness.
        tiring_factor: The same of tiring.
        tilt: How much more is done at the peak of the week, as a share.
        discouragement: Levels of energy that a missed target costs.
        week: Float64 ``(7, 2)``, cosine and sine of the weekly cycle, from the first day on.
        grid: Int64 ``(actions, 2)``, target and units of bonus of each action of the grid.
        target_bounds: Int64 ``(2,)``, orders: targets that the data have.
        max_units: Int64, units of the largest bonus that the data have.
        bonus_step: Float64, money of a unit.
        overreach: Float64, what ``Box`` actions cover beyond these bounds, as a share of their width.
        unit_gmv: Float64, gross value of an order.
        coupon_ratio: Float64, spend that a unit of gross value justifies.
        penalty: Float64, orders' worth that is lost for an action that is a width beyond the bounds.
        budget: Float64, money; a driver who was paid more gets no more coupons.
        cue_std: Float64 ``(2,)``, standard deviations of the cues, orders and responsiveness.
        horizon: Int64, days.
        observe_history: Bool, whether the cues are observed.
        observe_driver: Bool, whether what is hidden is.
    """

    cities: Cities
    propensity_factor: Spread
    responsiveness_factor: Spread
    tiring_factor: Spread
    tilt: Spread
    discouragement: Spread
    week: Floats
    grid: Integers
    target_bounds: Integers
    max_units: Integers
    bonus_step: Floats
    overreach: Floats
    unit_gmv: Floats
    coupon_ratio: Floats
    penalty: Floats
    budget: Floats
    cue_std: Floats
    horizon: Integers
    observe_history: NDArray[np.bool_]
    observe_driver: NDArray[np.bool_]


class State(NamedTuple):
    """Of ``n`` drivers, each array ``(n,)``.

    Attributes:
        propensity: Float64, orders a day when rested, without a coupon, on the week's average.
        responsiveness: Float64, squared orders a unit of money.
        tilt: Float64, share by which the peak of the week is above its average.
        tiring: Float64, levels that an order beyond the usual costs.
        discouragement: Float64, levels that a missed target costs.
        orders_cue: Float64, a noisy sight of the propensity.
        response_cue: Float64, a noisy sight of the responsiveness.
        level: Int8, energy, from 0 to ``LEVELS``.
        baseline_level: Int8, energy in the rollout without coupons.
        orders: Int16, finished on the last day; 0 at the start.
        baseline_orders: Int16, the same without coupons.
        paid: Int32, units of bonus paid so far.
        target: Int16, of the last day's coupon; 0 without one.
        units: Int16, of the last day's bonus; 0 without one.
        time: Int16, days that have passed.
        city: Int16, the driver's city.
    """

    propensity: Floats
    responsiveness: Floats
    tilt: Floats
    tiring: Floats
    discouragement: Floats
    orders_cue: Floats
    response_cue: Floats
    level: NDArray[np.int8]
    baseline_level: NDArray[np.int8]
    paid: NDArray[np.int32]
    orders: NDArray[np.int16]
    baseline_orders: NDArray[np.int16]
    target: NDArray[np.int16]
    units: NDArray[np.int16]
    time: NDArray[np.int16]
    city: NDArray[np.int16]


class Drivers(NamedTuple):
    """What is hidden of ``n`` drivers, and what they were paid; each array ``(n,)``, as in :class:`State`."""

    propensity: Floats
    responsiveness: Floats
    tilt: Floats
    tiring: Floats
    discouragement: Floats
    paid: NDArray[np.int32]
    level: NDArray[np.int8]
    baseline_level: NDArray[np.int8]
    baseline_orders: NDArray[np.int16]
    city: NDArray[np.int16]


def new_state(num_envs: int) -> State:
    """Arrays for ``num_envs`` drivers."""
    types: dict[str, Any] = dict.fromkeys(State._fields, np.float64)
    types["paid"] = np.int32
    types |= dict.fromkeys(("level", "baseline_level"), np.int8)
    types |= dict.fromkeys(("orders", "baseline_orders", "target", "units", "time", "city"), np.int16)
    return State(**{name: np.zeros(num_envs, dtype) for name, dtype in types.items()})
