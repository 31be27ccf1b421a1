"""The dynamics of the driver program: coupons make drivers work more, and tire and discourage them. All ours."""

from __future__ import annotations

import math
from typing import Any

from telos.envs.engine.random import integer, standard_normal, uniform
from telos.envs.engine.rules import rule
from telos.envs.engine.spread import draw

__all__ = [
    "LEVELS",
    "finished_orders",
    "level_change",
    "mean_orders",
    "observe_driver",
    "reset_driver",
    "step_grid",
    "step_position",
    "usual_orders",
]

CITY, PROPENSITY, RESPONSIVENESS, TILT, TIRING, DISCOURAGEMENT, ORDERS_CUE, RESPONSE_CUE = range(8)
FIRST_LEVEL, LUCK, RECOVERY = range(8, 11)

LEVELS = 10  # energy of a rested driver
LEAST_FIRST_LEVEL = 6
EXHAUSTED_SHARE = 0.5  # of the usual orders, at energy 0
RECOVERED = 1.0  # levels a day


@rule
def usual_orders(propensity: Any, tilt: Any, week: Any) -> Any:
    """Mean orders of a rested driver on a day of the week, without a coupon."""
    return propensity * (1.0 + tilt * week)


@rule
def mean_orders(usual: Any, level: Any, responsiveness: Any, target: Any, bonus: Any) -> Any:
    """Mean orders with a coupon, of which ``bonus = 0`` is none.

    With ``rest = level / LEVELS``, the driver covers the share ``1 / (1 + (d / reach) ** 4)`` of the stretch d from
    what the energy allows to the target, ``reach = sqrt(responsiveness * rest * bonus)``: nearly all of what is within
    reach, and next to nothing of what is far beyond.
    """
    rest = level / LEVELS
    able = usual * (EXHAUSTED_SHARE + (1.0 - EXHAUSTED_SHARE) * rest)
    stretch = max(target - able, 0.0)
    squared_reach = responsiveness * rest * bonus
    if squared_reach <= 0.0:
        return able
    hardness = stretch * stretch / squared_reach
    return able + stretch / (1.0 + hardness * hardness)


@rule
def finished_orders(mean, luck):
    """Orders of a day, int: the mean and ``luck`` times its square root, rounded, not below 0.

    Increasing in the mean: of two rollouts with equal luck, the one with the larger mean never has fewer orders.
    """
    return int(max(mean + math.sqrt(mean) * luck, 0.0) + 0.5)


@rule
def level_change(orders: Any, usual: Any, tiring: Any, missed: Any, discouragement: Any) -> Any:
    """How many levels of energy a day gives or takes."""
    change = RECOVERED - tiring * max(orders - usual, 0.0)
    return change - discouragement if missed else change


@rule
def _next_level(level, change, u):
    """Whole levels, rounded up or down by the uniform draw ``u`` so that the mean is kept."""
    return min(int(max(level + change + u, 0.0)), LEVELS)


@rule
def reset_driver(i, key, state, params):
    """Draws a driver of a city."""
    city = integer(key, CITY, 0, params.cities.propensity.shape[0])
    state.city[i] = city
    factor = draw(params.propensity_factor, uniform(key, PROPENSITY, 0))
    state.propensity[i] = params.cities.propensity[city] * factor
    factor = draw(params.responsiveness_factor, uniform(key, RESPONSIVENESS, 0))
    state.responsiveness[i] = params.cities.responsiveness[city] * factor
    state.tiring[i] = params.cities.tiring[city] * draw(params.tiring_factor, uniform(key, TIRING, 0))
    state.tilt[i] = draw(params.tilt, uniform(key, TILT, 0))
    state.discouragement[i] = draw(params.discouragement, uniform(key, DISCOURAGEMENT, 0))
    state.orders_cue[i] = state.propensity[i] + params.cue_std[0] * standard_normal(key, ORDERS_CUE, 0)
    state.response_cue[i] = state.responsiveness[i] + params.cue_std[1] * standard_normal(key, RESPONSE_CUE, 0)
    state.level[i] = LEAST_FIRST_LEVEL + integer(key, FIRST_LEVEL, 0, LEVELS - LEAST_FIRST_LEVEL + 1)
    state.baseline_level[i] = state.level[i]
    state.orders[i] = 0
    state.baseline_orders[i] = 0
    state.target[i] = 0
    state.units[i] = 0
    state.paid[i] = 0
    state.time[i] = 0


@rule
def _work(i, key, target, units, beyond, state, params, terms):
    """A day with a coupon and one without, under the same luck."""
    if units == 0 or state.paid[i] * params.bonus_step[()] > params.budget[()]:
        target, units = 0, 0
    luck, u = standard_normal(key, LUCK, 0), uniform(key, RECOVERY, 0)
    usual = usual_orders(state.propensity[i], state.tilt[i], params.week[state.time[i] % 7, 0])
    bonus = units * params.bonus_step[()]
    orders = finished_orders(mean_orders(usual, state.level[i], state.responsiveness[i], target, bonus), luck)
    missed = orders < target
    change = level_change(orders, usual, state.tiring[i], missed, state.discouragement[i])
    state.level[i] = _next_level(state.level[i], change, u)
    baseline = finished_orders(mean_orders(usual, state.baseline_level[i], 0.0, 0, 0.0), luck)
    change = level_change(baseline, usual, state.tiring[i], False, 0.0)
    state.baseline_level[i] = _next_level(state.baseline_level[i], change, u)
    earned = 0 if missed else units
    state.paid[i] += earned
    state.orders[i], state.baseline_orders[i] = orders, baseline
    state.target[i], state.units[i] = target, units
    state.time[i] += 1
    terms[i, 0] = params.unit_gmv[()] * (orders - baseline)
    terms[i, 1] = -earned * params.bonus_step[()] / params.coupon_ratio[()]
    terms[i, 2] = -params.unit_gmv[()] * params.penalty[()] * beyond
    return state.time[i] >= params.horizon[()]


@rule
def step_grid(i, key, actions, state, params, terms, metrics):
    """Offers coupon ``actions[i]`` of the grid. Terms: orders, spend, penalty."""
    coupon = actions[i]
    return _work(i, key, params.grid[coupon, 0], params.grid[coupon, 1], 0.0, state, params, terms)


@rule
def _position(action, params):
    """Where between the bounds of the data, 0 and 1, or how far beyond."""
    return 0.5 + 0.5 * float(action) * (1.0 + params.overreach[()])


@rule
def step_position(i, key, actions, state, params, terms, metrics):
    """Offers the coupon at position ``actions[i]`` of target and bonus. Terms: orders, spend, penalty."""
    first, second = _position(actions[i, 0], params), _position(actions[i, 1], params)
    inside, within = min(max(first, 0.0), 1.0), min(max(second, 0.0), 1.0)
    low, high = params.target_bounds[0], params.target_bounds[1]
    target = int(low + inside * (high - low) + 0.5)
    units = int(within * params.max_units[()] + 0.5)
    return _work(i, key, target, units, abs(first - inside) + abs(second - within), state, params, terms)


@rule
def observe_driver(i, state, params, observation):
    """Writes the cues, what is hidden, the calendar, and the last day, as far as observed."""
    column = 0
    if params.observe_history[()]:
        observation[i, 0] = state.orders_cue[i]
        observation[i, 1] = state.response_cue[i]
        column += 2
    if params.observe_driver[()]:
        observation[i, column] = state.propensity[i]
        observation[i, column + 1] = state.responsiveness[i]
        observation[i, column + 2] = state.tilt[i]
        observation[i, column + 3] = state.tiring[i]
        observation[i, column + 4] = state.discouragement[i]
        observation[i, column + 5] = state.level[i] / LEVELS
        column += 6
    day = state.time[i] % 7
    observation[i, column] = params.week[day, 0]
    observation[i, column + 1] = params.week[day, 1]
    observation[i, column + 2] = state.time[i] / params.horizon[()]
    observation[i, column + 3] = state.orders[i]
    observation[i, column + 4] = state.target[i]
    observation[i, column + 5] = state.units[i] * params.bonus_step[()]
    met = state.units[i] > 0 and state.orders[i] >= state.target[i]
    observation[i, column + 6] = 1.0 if met else 0.0
    observation[i, column + 7] = state.paid[i] * params.bonus_step[()] / params.budget[()]
