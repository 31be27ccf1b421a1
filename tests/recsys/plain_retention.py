"""The rules of retention once more, one user in plain Python, for comparison."""

import math

from plain_random import uniform

TASTE, AVERSION, START, CLICK, LIKE, ROUNDING, CONTINUE, CHURN, RETURN = range(9)


class PlainUser:
    """Arguments are those of ``gym.make``."""

    def __init__(
        self,
        slate_size=5,
        taste=(2.4, 1.2, 0.7, 0.4, 0.3),
        clickbait_levels=3,
        base_rates=(0.2, 0.04, 0.006),
        clickbait_effect=(0.75, -0.2, -0.5),
        satisfaction_effect=0.3,
        aversion=(0.5, 1.0),
        memory=0.9,
        initial_satisfaction=0.5,
        continue_probability=(0.6, 0.8),
        return_probability=(0.02, 0.8),
        churn_probability=(0.1, 0.0),
        requests=5,
        horizon=30,
        satisfaction_levels=50,
        recent_discount=0.9,
        click_weight=1.0,
        retention_weight=1.0,
    ):
        vars(self).update({name: value for name, value in locals().items() if name != "self"})
        self.liking = [t * len(taste) / sum(taste) for t in taste]

    def u(self, purpose, index=0):
        return uniform(self.seed, self.episode, 0, purpose, index)

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        topics = len(self.taste)
        self.order = []  # ranks by topic
        for topic in range(topics):
            other = int(self.u(TASTE, topic) * (topic + 1))
            self.order.append(topic)
            self.order[topic], self.order[other] = self.order[other], topic
        low, high = self.aversion
        self.dislike = low + (high - low) * self.u(AVERSION)
        self.level = math.floor(self.initial_satisfaction * self.satisfaction_levels + self.u(START))
        self.day, self.position, self.away, self.sessions = 0, 0, 0, 1
        self.feedback = [0, 0, 0]
        self.shown, self.clicked = [0.0] * topics, [0.0] * topics
        return self.observation()

    def observation(self):
        return [
            self.day / self.horizon,
            self.away / self.horizon,
            self.position / self.requests,
            self.sessions / (self.day + 1),
            *(count / self.slate_size for count in self.feedback),
            *self.shown,
            *self.clicked,
        ]

    def at(self, bounds):
        s = self.level / self.satisfaction_levels
        return (1 - s) * bounds[0] + s * bounds[1]

    def probabilities(self, item):
        """Of click, long view and like of an item."""
        topic, level = divmod(item, self.clickbait_levels)
        c = level / (self.clickbait_levels - 1)
        mood = 1 + self.satisfaction_effect * (self.level / self.satisfaction_levels - self.initial_satisfaction)
        return [
            rate * self.liking[self.order[topic]] * (1 + effect * (2 * c - 1)) * mood
            for rate, effect in zip(self.base_rates, self.clickbait_effect, strict=True)
        ]

    def step(self, slate):
        request = self.day * self.requests + self.position
        k = self.slate_size
        self.shown = [self.recent_discount * x for x in self.shown]
        self.clicked = [self.recent_discount * x for x in self.clicked]
        self.feedback, content = [0, 0, 0], 0.0
        for slot, item in enumerate(slate):
            topic, level = divmod(item, self.clickbait_levels)
            harm = (level / (self.clickbait_levels - 1)) ** 2
            content += self.liking[self.order[topic]] / self.liking[0] * (1 - self.dislike * harm) / k
            click, long_view, like = self.probabilities(item)
            self.shown[topic] += 1 / k
            u, v = self.u(CLICK, request * k + slot), self.u(LIKE, request * k + slot)
            if u < click:
                self.clicked[topic] += 1 / k
                self.feedback = [
                    n + f for n, f in zip(self.feedback, (1, u < long_view, v < like / click), strict=True)
                ]
        moved = self.memory * self.level + (1 - self.memory) * self.satisfaction_levels * content
        self.level = min(math.floor(moved + self.u(ROUNDING, request)), self.satisfaction_levels)
        terms = {"click": self.click_weight * self.feedback[0] / k, "retention": 0.0}
        self.position += 1
        goes_on = self.u(CONTINUE, request) < self.at(self.continue_probability)
        if self.position == self.requests or not goes_on:
            self.end_session(terms)
        return self.observation(), terms, self.day == self.horizon

    def end_session(self, terms):
        self.position = 0
        left = self.u(CHURN, self.day) < self.at(self.churn_probability)
        days = [d for d in range(self.day + 1, self.horizon) if self.u(RETURN, d) < self.at(self.return_probability)]
        following = self.horizon if left or not days else days[0]
        self.away, self.day = following - self.day, following
        if following < self.horizon:
            self.sessions += 1
            terms["retention"] = self.retention_weight
