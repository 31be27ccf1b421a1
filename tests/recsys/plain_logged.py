"""The rules of fitted users once more, with NumPy and plain lists, for comparison."""

import math

import numpy as np
from plain_random import uniform

USER, FEEDBACK, LEAVE, RETURN = range(4)


def probability(log_odds):
    return 1 / (1 + math.exp(-log_odds))


class PlainUser:
    """One user at a time, of a fit."""

    def __init__(self, fit, slate=1, days=7, weights=None):
        self.model, self.window, self.slate, self.days = fit.model, fit.window, slate, days
        self.names = [*fit.signals, "return_day"]
        self.weights = {fit.signals[0]: 1.0} if weights is None else weights
        self.factors, self.signals = self.model.factor_weights.shape

    def u(self, purpose, index=0):
        return uniform(self.seed, self.episode, self.time, purpose, index)

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        self.time = self.day = 0
        self.user = int(self.u(USER) * len(self.model.users))
        self.session, self.given = [], np.zeros(self.signals)
        self.last = np.zeros((self.slate, self.signals))
        return self.observation()

    def observation(self):
        categories = self.model.profiles.shape[1]
        recent = np.bincount(self.model.categories[self.session[-self.window :]], minlength=categories)
        rest = [min(len(self.session) / 100, 1), min(self.day / self.days, 1)]
        return np.concatenate([self.model.profiles[self.user], recent / self.window, self.last.ravel(), rest])

    def chances(self, item):
        """Of each signal, and the share of the window that is alike."""
        recent, model, d = self.session[-self.window :], self.model, self.factors
        share = sum(model.categories[other] == model.categories[item] for other in recent) / self.window
        users, items = model.users[self.user].astype(float), model.items[item].astype(float)
        odds = (
            model.base + model.boredom * share + users[d:] + items[d:] + (users[:d] * items[:d]) @ model.factor_weights
        )
        return [0.0 if item in recent else probability(x) for x in odds], share

    def step(self, slate):
        self.time += 1
        self.last[:] = 0
        terms, shown, left, away = dict.fromkeys(self.names, 0.0), 0, False, 0
        for place, item in enumerate(slate):
            chances, share = self.chances(item)
            model = self.model
            bucket = min(int(math.log2(len(self.session) + 1)), len(model.leave_base) - 1)
            leave = model.leave_base[bucket] + float(model.leave_users[self.user]) + model.leave_coefs[-1] * share
            for s, chance in enumerate(chances):
                if self.u(FEEDBACK, place * self.signals + s) < chance:
                    self.last[place, s] = 1
                    terms[self.names[s]] += self.weights.get(self.names[s], 0.0)
                    leave += model.leave_coefs[s]
            self.given += self.last[place]
            self.session.append(item)
            shown += 1
            left = self.u(LEAVE, place) < probability(leave)
            if left:
                break
        if left:
            hazards = self.model.return_base + float(self.model.return_users[self.user])
            hazards = hazards + self.model.return_coefs @ (self.given / len(self.session))
            stays = np.cumprod([1 - probability(x) for x in hazards])
            away = int((self.u(RETURN) < stays).sum())
            terms["return_day"] = self.weights.get("return_day", 0.0) * away
            self.day += away
            self.session, self.given = [], np.zeros(self.signals)
        info = {"shown": shown, "left": float(left), "return_day": away}
        return self.observation(), terms, self.day >= self.days, info
