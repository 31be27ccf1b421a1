"""Plays scripted episodes."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from reward_envs import rollout

from telos.wrappers import Transition


def play(env):
    """The streamed rewards of one episode, and its last info."""
    steps = rollout(env, [0] * 100)[1:]
    return [step[1] for step in steps], steps[-1][4]


def term(env, name):
    """What one term pays in each step of an episode."""
    return [step[4]["reward_terms"][name] for step in rollout(env, [0] * 100)[1:]]


def scores(values, outcome=0.0, name="process", **others):
    """The terms of an episode whose steps score ``values`` and whose last step pays ``outcome``."""
    steps = [{"outcome": 0.0, name: value, **others} for value in values]
    steps[-1]["outcome"] = outcome
    return steps


class InfoEnv(gym.Env):
    """Writes each step's info, and pays the outcome that it lists."""

    observation_space = spaces.Discrete(1000)
    action_space = spaces.Discrete(2)

    def __init__(self, infos, outcome=0.0, truncated=False):
        self.infos, self.outcome, self.truncated = infos, outcome, truncated

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return 0, {}

    def step(self, action):
        info = dict(self.infos[self.t])
        self.t += 1
        last = self.t == len(self.infos)
        reward = self.outcome if last else 0.0
        info["reward_terms"] = {"outcome": reward, **info.get("reward_terms", {})}
        reward = sum(info["reward_terms"].values())
        return self.t, reward, last and not self.truncated, last and self.truncated, info


class NoInfo:
    """The infos of a step that have no keys."""

    def get(self, key, default):
        return np.asarray([default])


def transition(num_envs, **changes):
    """A step of ``num_envs`` environments with nothing in it but ``changes``."""
    never, every = np.zeros(num_envs, bool), np.ones(num_envs, bool)
    fields = {
        "obs": None,
        "action": None,
        "next_obs": None,
        "terms": {"outcome": np.zeros(num_envs)},
        "reward": np.zeros(num_envs),
        "terminated": never,
        "truncated": never,
        "active": every,
        "trainable": every,
        "info": NoInfo(),
    }
    return Transition(**{**fields, **changes})


def best_loitering(reward, forward=0.6, loiter=0.5, distance=5, horizon=20):
    """How many steps the best episode wastes on the way to a goal; None if it is best not to arrive.

    Args:
        reward: Worth of an episode, given its terms ``outcome`` and ``process`` in each step.
        forward: Score of a useful step.
        loiter: Score of a wasted one.
        distance: Useful steps that it takes.
        horizon: Steps that there are.
    """
    worth = {None: reward(scores([loiter] * horizon))}
    for wasted in range(horizon - distance + 1):
        worth[wasted] = reward(scores([loiter] * wasted + [forward] * distance, 1.0))
    return max(worth, key=worth.get)
