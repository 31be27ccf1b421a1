"""The rules of the driver program once more, in plain Python with the mathematics library, for comparison."""

import math

import numpy as np
from plain_random import uniform

(CITY, PROPENSITY, RESPONSIVENESS, TILT, TIRING, DISCOURAGEMENT, ORDERS_CUE, RESPONSE_CUE, LEVEL, LUCK,
 RECOVERY) = range(11)  # fmt: skip


def city_means(position):
    """Propensity, responsiveness and tiring."""
    return 14 * (1 + 0.4 * position[0]), 4 * 2 ** position[1], 0.1 * 2 ** position[2]


def coupon_of(action, bounds=(5, 35), units=8, overreach=0.2):
    """Target, units of bonus, and widths beyond the bounds, of a continuous action."""
    beyond, inside = 0.0, []
    for value in np.asarray(action, np.float32).tolist():
        place = 0.5 + 0.5 * value * (1 + overreach)
        inside.append(min(max(place, 0), 1))
        beyond += abs(place - inside[-1])
    target = math.floor(bounds[0] + inside[0] * (bounds[1] - bounds[0]) + 0.5)
    return target, math.floor(inside[1] * units + 0.5), beyond


class PlainWorld:
    """A driver's days with coupons, or without."""

    def __init__(self, driver, level):
        self.driver, self.level = driver, level

    def work(self, usual, target, bonus, luck, u):
        """A day: orders, and whether the target was missed."""
        rest = self.level / 10
        mean = usual * (0.5 + 0.5 * rest)
        if target > mean and bonus * rest > 0:
            reach = math.sqrt(self.driver.responsiveness * rest * bonus)
            stretch = target - mean
            mean += stretch / (1 + (stretch / reach) ** 4)
        orders = math.floor(max(mean + math.sqrt(mean) * luck, 0) + 0.5)
        missed = bonus > 0 and orders < target
        level = self.level + 1 - self.driver.tiring * max(orders - usual, 0) - self.driver.discouragement * missed
        self.level = min(math.floor(max(level + u, 0)), 10)
        return orders, missed


class PlainDriver:
    """One driver at a time; ``observation`` is as by default."""

    def __init__(self, positions, budget=100, bonus_step=5, ratio=0.4, penalty=5, horizon=30, cue_std=(1.5, 1.0)):
        self.positions, self.budget, self.bonus_step, self.ratio = positions, budget, bonus_step, ratio
        self.penalty, self.horizon, self.cue_std = penalty, horizon, cue_std

    def u(self, purpose, index=0):
        return uniform(self.seed, self.episode, self.time, purpose, index)

    def normal(self, purpose):
        return math.sqrt(-2 * math.log(1 - self.u(purpose))) * math.cos(2 * math.pi * self.u(purpose, 1))

    def between(self, low, high, purpose):
        return low + (high - low) * self.u(purpose)

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        self.time, self.spend = 0, 0
        demand, response, fatigue = city_means(self.positions[int(self.u(CITY) * len(self.positions))])
        self.propensity = demand * self.between(0.5, 1.5, PROPENSITY)
        self.responsiveness = response * self.between(0.25, 1.75, RESPONSIVENESS)
        self.tiring = fatigue * self.between(0.5, 1.5, TIRING)
        self.tilt = self.between(-0.3, 0.3, TILT)
        self.discouragement = self.between(0.3, 1.2, DISCOURAGEMENT)
        self.cues = [
            self.propensity + self.cue_std[0] * self.normal(ORDERS_CUE),
            self.responsiveness + self.cue_std[1] * self.normal(RESPONSE_CUE),
        ]
        level = 6 + int(self.u(LEVEL) * 5)
        self.offered, self.unoffered = PlainWorld(self, level), PlainWorld(self, level)
        return self.observation(0, 0, 0, False)

    def observation(self, orders, target, bonus, met):
        angle = 2 * math.pi * (self.time % 7) / 7
        calendar = [math.cos(angle), math.sin(angle), self.time / self.horizon]
        return [*self.cues, *calendar, orders, target, bonus, float(met), self.spend / self.budget]

    def step(self, target, units, beyond=0.0):
        """Observation, terms, and whether the episode is over."""
        usual = self.propensity * (1 + self.tilt * math.cos(2 * math.pi * (self.time % 7) / 7))
        self.time += 1
        bonus = units * self.bonus_step
        if bonus == 0 or self.spend > self.budget:
            target = bonus = 0
        luck, u = self.normal(LUCK), self.u(RECOVERY)
        orders, missed = self.offered.work(usual, target, bonus, luck, u)
        baseline, _ = self.unoffered.work(usual, 0, 0, luck, u)
        paid = 0 if missed else bonus
        self.spend += paid
        terms = [20 * (orders - baseline), -paid / self.ratio, -20 * self.penalty * beyond]
        return self.observation(orders, target, bonus, bonus > 0 and not missed), terms, self.time == self.horizon
