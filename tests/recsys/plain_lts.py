"""The rules of long-term satisfaction once more, in plain Python with the mathematics library, for comparison."""

import math

from plain_random import uniform

GROUP, DISCOUNT, SENSITIVITY, KALE, CUE, START, ENGAGEMENT, INNOVATION = range(8)


class PlainUser:
    """One user at a time; ``observation`` is ``[cue, click, engagement]``."""

    def __init__(
        self,
        groups=(6, 7, 8, 9, 19, 20, 21),
        kale=(4.0, 4.0),
        discount=None,
        sensitivity=None,
        start=(0.5, 0.5),
        stds=(0.01, 0.01),
        cue_std=3.0,
        innovation_std=0.0,
        items=30,
        horizon=140,
    ):
        self.groups, self.kale, self.discount, self.sensitivity, self.start = groups, kale, discount, sensitivity, start
        self.stds, self.cue_std, self.innovation_std, self.items, self.horizon = (
            *(stds, cue_std, innovation_std, items),
            horizon,
        )

    def u(self, purpose, index=0):
        return uniform(self.seed, self.episode, self.time, purpose, index)

    def normal(self, purpose):
        return math.sqrt(-2 * math.log(1 - self.u(purpose))) * math.cos(2 * math.pi * self.u(purpose, 1))

    def drawn(self, bounds, purpose):
        if bounds is None:
            return math.log(1.01 + (2.6 - 1.01) * self.u(purpose))
        return bounds[0] + (bounds[1] - bounds[0]) * self.u(purpose)

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        self.time = 0
        self.choc_mean = self.groups[int(self.u(GROUP) * len(self.groups))]
        self.kale_mean = min(max(self.drawn(self.kale, KALE), 0), 100)
        self.gamma, self.slope = self.drawn(self.discount, DISCOUNT), self.drawn(self.sensitivity, SENSITIVITY)
        self.cue = self.choc_mean + self.cue_std * self.normal(CUE)
        self.exposure = self.drawn(self.start, START) / (1 - self.gamma)
        return [self.cue, 0, 0]

    @property
    def satisfaction(self):
        return 1 / (1 + math.exp(-self.slope * self.exposure))

    def step(self, item):
        self.time += 1
        c = item / self.items
        loc = (c * self.choc_mean + (1 - c) * self.kale_mean) * self.satisfaction
        engagement = loc + (c * self.stds[0] + (1 - c) * self.stds[1]) * self.normal(ENGAGEMENT)
        self.exposure = self.gamma * self.exposure - 2 * (c - 0.5)
        if self.innovation_std:
            self.exposure += self.innovation_std * self.normal(INNOVATION)
        return [self.cue, 1, min(max(engagement, 0), 100)], engagement, self.time == self.horizon
