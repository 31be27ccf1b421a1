"""The rules of restless arms once more, in plain Python integers and loops, for comparison."""

import numpy as np
import pytest
from plain_random import uniform


def pick(probabilities, u):
    """The state that ``u`` falls on."""
    total = 0.0
    for state, probability in enumerate(probabilities[:-1]):
        total += probability
        if u < total:
            return state
    return len(probabilities) - 1


class PlainBandit:
    """One restless bandit, paid for the next states, or, without ``next_rewards``, for state and level.

    ``neighbours`` are lists of arms; ``groups`` are lists of arms that earn at most ``cap`` together.
    """

    def __init__(self, arms, start, horizon, next_rewards=None, contagion=0.0, neighbours=None, groups=(), cap=None):
        self.transitions, self.rewards = arms.transitions.tolist(), arms.rewards.tolist()
        self.start, self.horizon, self.next_rewards = start.tolist(), horizon, next_rewards
        self.contagion, self.neighbours, self.groups, self.cap = contagion, neighbours, groups, cap
        self.episode = -1

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        self.time = 0
        self.states = [pick(row, uniform(self.seed, self.episode, 0, 0, j)) for j, row in enumerate(self.start)]
        return self.states

    def step(self, levels):
        self.time += 1
        gains = []
        states = []
        for j, (state, level) in enumerate(zip(self.states, levels, strict=True)):
            after = pick(self.transitions[j][level][state], self.draw(1, j))
            joined = self.neighbours[j] if self.neighbours else ()
            if joined and self.draw(2, j) < self.contagion:
                leader = self.states[joined[int(self.draw(3, j) * len(joined))]]
                after += (leader > after) - (leader < after)
            states.append(after)
            gains.append(self.rewards[j][level][state] if self.next_rewards is None else self.next_rewards[j][after])
        self.states = states
        reward = sum(min(self.cap, sum(gains[j] for j in group)) for group in self.groups) if self.cap else sum(gains)
        return states, reward, self.time >= self.horizon

    def draw(self, purpose, arm):
        return uniform(self.seed, self.episode, self.time, purpose, arm)


def play_beside(env, plain, choose):
    """Plays three episodes in both, which must agree; yields each step's states before, levels, reward and info."""
    levels_of = env.unwrapped.feasible_set.levels
    observation, _ = env.reset(seed=33)
    assert observation.tolist() == plain.reset(33)
    for _ in range(3):
        over = False
        while not over:
            before, action = observation, choose()
            levels = levels_of(action)
            observation, reward, over, truncated, info = env.step(action)
            states, paid, ended = plain.step(levels.tolist())
            assert observation.tolist() == states
            assert reward == info["reward_terms"]["arms"] == pytest.approx(paid, abs=1e-12)
            assert (over, truncated) == (ended, False)
            assert info["acted_on"] == np.count_nonzero(levels)
            yield before, levels, reward, info
        observation, _ = env.reset()
        assert observation.tolist() == plain.reset()
