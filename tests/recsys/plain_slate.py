"""The rules of slates once more, with NumPy and plain lists, for comparison."""

import numpy as np
from plain_random import uniform

LIKED_TOPICS, TOPIC_CHOICE, TASTE, PATIENCE, CLICK = range(5)


def entropy(topics):
    """Of a list of topics, in nats."""
    shares = np.unique(topics, return_counts=True)[1] / max(len(topics), 1)
    return float(-(shares * np.log(shares)).sum())


class PlainSlates:
    """One user at a time, with a catalogue from outside: topics ``(N, T)``, quality ``(N,)``, popularity ``(T,)``."""

    def __init__(
        self,
        topics,
        quality,
        popularity,
        slate_size=10,
        horizon=100,
        user_topics=(3, 5),
        discount=0.85,
        offset=0.65,
        slope=100.0,
        inertia=0.95,
        bored_of_all=False,
        threshold=5,
        steps=5,
        memory=10,
        patience=(10.0, 30.0),
        wanted=2.0,
        recovery=0.5,
        cost=20.0,
    ):
        self.topics, self.quality, self.popularity = topics.astype(float), quality.astype(float), popularity
        self.slate_size, self.horizon, self.user_topics, self.discount = slate_size, horizon, user_topics, discount
        self.offset, self.slope, self.inertia, self.bored_of_all = offset, slope, inertia, bored_of_all
        self.threshold, self.steps, self.memory = threshold, steps, memory
        self.bounds, self.wanted, self.recovery, self.cost = patience, wanted, recovery, cost
        self.main = topics.argmax(axis=1)

    def u(self, purpose, index=0):
        return uniform(self.seed, self.episode, self.time, purpose, index)

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        self.time = 0
        number, (least, most) = len(self.popularity), self.user_topics
        arrivals = [-np.log(1 - self.u(TOPIC_CHOICE, t)) / self.popularity[t] for t in range(number)]
        liked = np.argsort(arrivals)[: least + int(self.u(LIKED_TOPICS) * (most - least + 1))]
        taste = np.zeros(number)
        taste[liked] = [1 - self.u(TASTE, int(t)) for t in liked]
        self.taste = taste / np.linalg.norm(taste)
        self.full = self.patience = self.bounds[0] + (self.bounds[1] - self.bounds[0]) * self.u(PATIENCE)
        self.bored = np.zeros(number, int)
        self.recent, self.all = [], []  # (step, topic); topic
        self.looks = np.zeros(number)
        return self.observation(np.zeros(self.slate_size))

    def observation(self, clicked):
        number = len(self.popularity)
        recent = np.bincount([t for _, t in self.recent], minlength=number)
        clicks = np.bincount(np.array(self.all, int), minlength=number)
        rate = np.divide(clicks, self.looks, out=np.zeros(number), where=self.looks > 0)
        share = self.looks / max(self.looks.sum(), 1e-300)
        parts = clicked, np.minimum(recent / self.threshold, 1), np.minimum(rate, 1), share, [self.time / self.horizon]
        return np.concatenate(parts)

    def step(self, slate):
        interest = np.where(self.bored > 0, 0.0, self.taste)
        if self.bored_of_all and (self.bored > 0).any():
            interest[:] = 0.0
        self.time += 1
        chosen, clicked = [], np.zeros(self.slate_size)
        for place, item in enumerate(slate):
            if item in slate[:place]:
                continue
            look = self.discount**place
            self.looks[self.main[item]] += look
            score = self.topics[item] @ interest + self.quality[item]
            if self.u(CLICK, place) < look / (1 + np.exp(-self.slope * (score - self.offset))):
                chosen.append(item)
                clicked[place] = 1
        if chosen:
            self.taste = self.inertia * self.taste + (1 - self.inertia) * self.topics[chosen].mean(axis=0)
            self.taste /= np.linalg.norm(self.taste)
        self.recent = (self.recent + [(self.time - 1, self.main[item]) for item in chosen])[-self.memory :]
        self.recent = [(step, topic) for step, topic in self.recent if step >= self.time - self.steps]
        self.all += [self.main[item] for item in chosen]
        counts = np.bincount([t for _, t in self.recent], minlength=len(self.bored))
        ends = self.bored <= 1
        self.bored = np.where(ends, np.where(counts >= self.threshold, self.steps, 0), self.bored - 1)
        if len(chosen) < self.wanted:
            self.patience -= self.wanted - len(chosen)
        else:
            self.patience = min(self.patience + self.recovery, self.full)
        leaves = self.patience <= 0
        vectors, size = self.topics[np.array(slate)], self.slate_size
        cosines = [vectors[a] @ vectors[b] for a in range(size) for b in range(a)]
        topic_entropy = entropy([t for _, t in self.recent])
        info = {
            "reward_terms": {"clicks": len(chosen), "departure": -self.cost * leaves},
            "intra_list_diversity": 1 - np.mean(cosines) if cosines else 0.0,
            "topic_entropy": topic_entropy,
            "topic_entropy_drift": topic_entropy - entropy(self.all),
        }
        return self.observation(clicked), leaves or self.time == self.horizon, info
