"""References for the driver program: the optimum, constant coupons, myopia and chance, all of them exact.

Targets are whole orders, bonuses whole units, and energy has whole levels. So what a driver will do depends on the
level, the units that were paid and the day alone, and dynamic programming over these needs no interpolation. The orders
of a day are summed one by one; what is left out has a probability below 1e-8. The rollout without coupons does not
depend on the policy: its mean is subtracted at the end.

The optimum and myopia know what is hidden of the driver, the level included; no policy that has to find it out can
expect more than the optimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.engine.kernels import Kernel
from telos.envs.engine.rules import rule
from telos.envs.engine.threads import default_threads
from telos.envs.recsys.driver.family import DriverProgram
from telos.envs.recsys.driver.params import Drivers, Floats, Integers
from telos.envs.recsys.driver.rules import LEVELS, level_change, mean_orders, usual_orders

__all__ = ["ReferenceReturns", "Solution", "references_of", "solve"]

_TAIL = 6.0  # standard deviations; what is beyond has a probability below 2e-9
_DAYS = 7


@dataclass(frozen=True, eq=False)
class Solution:
    """Exact expected returns of n drivers, and the policies that have them.

    A policy is a coupon's number in :meth:`DriverProgram.coupons` for each driver, day, units paid and level.

    Attributes:
        optimum: Float64 ``(n,)``.
        myopic: Float64 ``(n,)``, of the coupon with the largest expected reward of the day.
        random: Float64 ``(n,)``, of uniformly random actions.
        constants: Float64 ``(n, coupons)``, of each coupon on all days; the first, none, returns 0.
        optimal_coupons: Int16 ``(n, T, paid, LEVELS + 1)``.
        myopic_coupons: Int16, the same.
    """

    optimum: Floats
    myopic: Floats
    random: Floats
    constants: Floats
    optimal_coupons: NDArray[np.int16]
    myopic_coupons: NDArray[np.int16]

    def chosen(self, coupons: NDArray[np.int16], day: int, drivers: Drivers) -> Integers:
        """The coupons' numbers of a policy for drivers as they are now, int64 ``(n,)``."""
        paid = np.minimum(drivers.paid, coupons.shape[2] - 1)
        return np.asarray(coupons[np.arange(len(paid)), day, paid, drivers.level], np.int64)


@dataclass(frozen=True)
class ReferenceReturns:
    """Mean returns of an episode over the drivers that were given.

    Attributes:
        random: Uniformly random actions.
        most: The largest target with the largest bonus, every day.
        myopic: The coupon of the largest expected reward of the day, knowing the driver.
        best_constant: One coupon for all drivers and days.
        best_constant_coupon: That coupon's target, in orders, and bonus, in money.
        best_driver_constant: The best coupon of each driver for all days.
        optimum: The best coupons of each driver, day, spend and energy.
        optimum_error: Standard error of the optimum, over drivers.
    """

    random: float
    most: float
    myopic: float
    best_constant: float
    best_constant_coupon: tuple[int, float]
    best_driver_constant: float
    optimum: float
    optimum_error: float

    def score(self, mean_return: float) -> float:
        """A mean return on the scale on which no coupons have 0 and the optimum has 1."""
        return mean_return / self.optimum


@rule
def _at_least(orders: Any, mean: Any) -> Any:
    """The probability of at least so many orders; see ``finished_orders``."""
    if orders <= 0:
        return 1.0
    return 0.5 * math.erfc((orders - 0.5 - mean) / math.sqrt(2.0 * mean))


@rule
def _tabulate(i: Any, drivers: Any, params: Any, coupons: Any, following: Any, gains: Any) -> None:
    """Of driver ``i``, for each day of the week, level and coupon: what follows.

    Writes the probabilities of the next levels with the bonus unpaid and paid, ``following[day, level, coupon, paid,
    next]``, and the expected reward, but for the penalty and what is finished without coupons.
    """
    for day in range(_DAYS):
        usual = usual_orders(drivers.propensity[i], drivers.tilt[i], params.week[day, 0])
        for level in range(LEVELS + 1):
            for coupon in range(coupons.shape[0]):
                target, bonus = coupons[coupon, 0], coupons[coupon, 1] * params.bonus_step[()]
                mean = mean_orders(usual, level, drivers.responsiveness[i], target, bonus)
                reach = _TAIL * math.sqrt(mean)
                first = max(int(mean - reach), 0)
                at_least, expected, met = _at_least(first, mean), 0.0, 0.0
                following[day, level, coupon] = 0.0
                for orders in range(first, int(mean + reach) + 2):
                    more = _at_least(orders + 1, mean)
                    share, at_least = at_least - more, more
                    paid = int(orders >= target)
                    expected += share * orders
                    met += share * paid
                    missed = paid == 0
                    change = level_change(orders, usual, drivers.tiring[i], missed, drivers.discouragement[i])
                    after = max(level + change, 0.0)
                    low = int(after)
                    following[day, level, coupon, paid, min(low, LEVELS)] += share * (low + 1 - after)
                    following[day, level, coupon, paid, min(low + 1, LEVELS)] += share * (after - low)
                gains[day, level, coupon] = params.unit_gmv[()] * expected - met * bonus / params.coupon_ratio[()]


@rule
def _continued(following: Any, level: Any, unpaid: Any, paid: Any) -> Any:
    """The expected value of the next day, where ``unpaid`` and ``paid`` have those of each level."""
    value = 0.0
    for after in range(min(level + 2, LEVELS + 1)):  # no more than a level is recovered
        value += following[0, after] * unpaid[after] + following[1, after] * paid[after]
    return value


@rule
def _solve(
    i: Any,
    drivers: Any,
    params: Any,
    coupons: Any,
    weights: Any,
    returns: Any,
    constants: Any,
    optimal: Any,
    myopic: Any,
) -> None:
    """Back over the days of driver ``i``. Writes ``returns[i]`` of the optimum, myopia and chance, and the rest."""
    number, last = coupons.shape[0], optimal.shape[2] - 1
    following = np.empty((_DAYS, LEVELS + 1, number, 2, LEVELS + 1))
    gains = np.empty((_DAYS, LEVELS + 1, number))
    _tabulate(i, drivers, params, coupons, following, gains)
    # Rows of values: of the optimum, of myopia, of chance, and of each coupon; two days of them.
    values = np.zeros((2, 3 + number, last + 1, LEVELS + 1))
    for time in range(params.horizon[()] - 1, -1, -1):
        day, old, new = time % _DAYS, values[(time + 1) % 2], values[time % 2]
        for level in range(LEVELS + 1):
            without = gains[day, level, 0] + _continued(following[day, level, 0], level, old[3, 0], old[3, 0])
            greedy = np.argmax(gains[day, level])
            for paid in range(last + 1):
                if paid * params.bonus_step[()] > params.budget[()]:
                    new[:, paid, level] = without
                    optimal[i, time, paid, level], myopic[i, time, paid, level] = 0, 0
                    continue
                best, best_coupon, chance = -math.inf, 0, 0.0
                for coupon in range(number):
                    units = coupons[coupon, 1]
                    gain, chances, then = (
                        gains[day, level, coupon],
                        following[day, level, coupon],
                        min(paid + units, last),
                    )
                    value = gain + _continued(chances, level, old[0, paid], old[0, then])
                    if value > best:
                        best, best_coupon = value, coupon
                    chance += weights[coupon] * (gain + _continued(chances, level, old[2, paid], old[2, then]))
                    if coupon == greedy:
                        new[1, paid, level] = gain + _continued(chances, level, old[1, paid], old[1, then])
                    # One coupon alone pays multiples of its bonus only.
                    if paid == 0 or (units > 0 and paid % units == 0):
                        row = 3 + coupon
                        new[row, paid, level] = gain + _continued(chances, level, old[row, paid], old[row, then])
                new[0, paid, level], new[2, paid, level] = best, chance
                optimal[i, time, paid, level], myopic[i, time, paid, level] = best_coupon, greedy
    first = values[0, :, 0, drivers.level[i]]
    returns[i] = first[:3] - first[3]
    constants[i] = first[3:] - first[3]


_SOLVER = Kernel(_solve, Path(__file__).parent, "the solver of telos.envs.recsys.driver.optimum", allocates=True)


def solve(family: DriverProgram, drivers: Drivers) -> Solution:
    """Solves drivers as they are at the start; about a tenth of a second each.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        drivers: ``env.unwrapped.hidden_drivers()`` right after a reset.
    """
    params, coupons = family.params, family.coupons()
    weights, penalty = _random_coupons(family)
    days, units = int(params.horizon), int(params.max_units)
    last = min(int(params.budget / params.bonus_step) + 2, days * units)  # all that is beyond the budget is alike
    count, shape = len(drivers.level), (days, last + 1, LEVELS + 1)
    returns, constants = np.zeros((count, 3)), np.zeros((count, len(coupons)))
    optimal, myopic = (np.zeros((count, *shape), np.int16) for _ in range(2))
    arguments = (drivers, params, coupons, weights, returns, constants, optimal, myopic)
    _SOLVER(count, arguments, default_threads(), math.prod(shape) * len(coupons) * 2 * LEVELS)
    optimum, greedy, random = returns.T
    return Solution(optimum, greedy, random - days * penalty, constants, optimal, myopic)


def references_of(family: DriverProgram, solution: Solution) -> ReferenceReturns:
    """Means over the drivers of a solution; ``family`` is that which was solved."""
    means = solution.constants.mean(axis=0)
    target, units = family.coupons()[means.argmax()]
    return ReferenceReturns(
        random=float(solution.random.mean()),
        most=float(means[-1]),
        myopic=float(solution.myopic.mean()),
        best_constant=float(means.max()),
        best_constant_coupon=(int(target), float(units * family.params.bonus_step)),
        best_driver_constant=float(solution.constants.max(axis=1).mean()),
        optimum=float(solution.optimum.mean()),
        optimum_error=float(solution.optimum.std() / np.sqrt(len(solution.optimum))),
    )


def _random_coupons(family: DriverProgram) -> tuple[Floats, float]:
    """The probability of each coupon under uniformly random actions, and their mean penalty a day."""
    coupons, params = family.coupons(), family.params
    if isinstance(family.action_space, spaces.Discrete):
        return np.full(len(coupons), 1.0 / len(coupons)), 0.0
    (low, high), most = params.target_bounds, int(params.max_units)
    targets, units = _rounded(int(high - low), params.overreach), _rounded(most, params.overreach)
    weights = np.concatenate([units[:1], np.outer(targets, units[1:]).ravel()])
    # On each of the two axes, a share of the width that is uniform up to half the overreach, on both sides.
    beyond = 2.0 * (params.overreach / 2.0) ** 2 / (1.0 + params.overreach)
    return weights, float(params.unit_gmv * params.penalty * beyond)


def _rounded(largest: int, overreach: Floats) -> Floats:
    """Probabilities of 0 to ``largest`` when a uniform position is clipped, scaled and rounded."""
    if largest == 0:
        return np.ones(1)
    inner = (np.arange(largest) + 0.5) / largest
    below = (inner + overreach / 2.0) / (1.0 + overreach)
    return np.diff(np.concatenate([[0.0], below, [1.0]]))
