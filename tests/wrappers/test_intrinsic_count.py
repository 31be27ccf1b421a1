"""Count bonuses: by hand, against a dictionary, and as exploration."""

from __future__ import annotations

import math
from collections import Counter

import gymnasium as gym
import numpy as np
import pytest
from episodes import InfoEnv, play, term, transition
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face, vector_face
from telos.wrappers.intrinsic_count import CountBonusTransform

CountBonus = env_face(CountBonusTransform, __name__)
VectorCountBonus = vector_face(CountBonusTransform, __name__, "VectorCountBonus")

STEPS = [{"outcome": 0.0}, {"outcome": 0.0}, {"outcome": 1.0}]


class PathEnv(gym.Env):
    """Shows the listed observations one after the other."""

    action_space = spaces.Discrete(2)

    def __init__(self, path):
        self.path = [np.asarray(obs, np.float64).reshape(-1) for obs in path]
        self.observation_space = spaces.Box(-np.inf, np.inf, self.path[0].shape, np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.path[0], {}

    def step(self, action):
        self.t += 1
        return self.path[self.t], 0.0, self.t == len(self.path) - 1, False, {}


def parity(obs):
    return obs[:, 0] % 2


def undefined(obs):
    return np.full(len(obs), np.nan)


def roots(*counts):
    return [1 / math.sqrt(count) for count in counts]


def bonus(env, **options):
    return term(CountBonus(env, **{"weight": 1.0, **options}), "count_bonus")


def test_by_hand():
    assert bonus(PathEnv([0, 1, 1, 0, 1, 2])) == roots(1, 2, 2, 3, 1)
    assert bonus(PathEnv([0, 1, 1]), weight=-4.0) == [-4.0, -4.0 / math.sqrt(2)]
    assert bonus(PathEnv([0, 1, 1]), shift=True) == [0.0, 1 / math.sqrt(2) - 1]
    assert bonus(PathEnv([0, 1, 2, 3, 4]), features=parity) == roots(1, 2, 2, 3)


def test_terms_stay():
    env = CountBonus(ScriptedEnv(STEPS))
    paid, info = play(env)
    assert paid == [0.01, 0.01, 1.01]
    assert info["reward_terms"] == {"outcome": 1.0, "count_bonus": 0.01}
    assert info["raw_reward"] == 1.0


@pytest.mark.parametrize("memory", ["lifelong", "episodic"])
def test_what_a_new_episode_forgets(memory):
    env = CountBonus(ScriptedEnv(STEPS), weight=1.0, memory=memory)
    episodes = [term(env, "count_bonus") for _ in range(4)]
    counts = [1, 2, 3, 4] if memory == "lifelong" else [1] * 4
    assert episodes == [[1 / math.sqrt(n)] * 3 for n in counts]


def test_zeros_of_both_signs_are_one():
    assert bonus(PathEnv([1.0, 0.0, -0.0])) == roots(1, 2)


@pytest.mark.parametrize("width", [1, 3])
def test_many_counts_against_a_dictionary(width):
    rng, num_envs = np.random.default_rng(width), 5
    transform = CountBonusTransform(weight=1.0)
    transform.begin(num_envs)
    seen = [Counter() for _ in range(num_envs)]
    obs = rng.integers(0, 12, (num_envs, width))
    for _ in range(400):
        following = rng.geometric(0.02, (num_envs, width)) + np.arange(num_envs)[:, None]
        active, trainable = rng.random((2, num_envs)) < 0.9
        live = active & trainable
        paid = transform.update(transition(num_envs, obs=obs, next_obs=following, active=active, trainable=trainable))[
            "count_bonus"
        ]
        for row in range(num_envs):
            if not live[row]:
                assert paid[row] == 0.0
                continue
            if not seen[row]:
                seen[row][tuple(obs[row])] += 1
            seen[row][tuple(following[row])] += 1
            assert paid[row] == 1 / math.sqrt(seen[row][tuple(following[row])])
        obs = following
    assert min(len(counts) for counts in seen) > 64


def test_simhash_counts_directions():
    up, nearly_up, down = [1.0, 1.0], [1.0, 1.0 + 1e-9], [-1.0, -1.0]
    path = PathEnv([up, nearly_up, np.multiply(up, 7.0), down, down])
    assert bonus(path, key="simhash", bits=16) == roots(2, 3, 1, 2)
    assert bonus(path, key="exact") == roots(1, 1, 1, 2)


@pytest.mark.parametrize("bits", [1, 8, 100])
def test_simhash_splits_at_the_angle_between_directions(bits):
    """A random hyperplane parts two directions with probability angle / pi: all bits agree with (1 - angle / pi)^k."""
    angle, trials = math.pi / (2 * bits), 400
    pair = [[1.0, 0.0], [math.cos(angle), math.sin(angle)]]
    shared = [bonus(PathEnv(pair), key="simhash", bits=bits, seed=seed)[0] < 1 for seed in range(trials)]
    expected = (1 - angle / math.pi) ** bits
    assert np.mean(shared) == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / trials))


def test_rows_have_their_own_counts():
    envs = VectorCountBonus(SyncVectorEnv([lambda: PathEnv([0, 1, 1]), lambda: PathEnv([0, 2, 1])]), weight=1.0)
    envs.reset()
    paid = [envs.step(np.zeros(2, int))[4]["reward_terms"]["count_bonus"].tolist() for _ in range(2)]
    assert paid == [roots(1, 1), roots(2, 1)]


def deep_sea_arrivals(shift, episodes=400, size=8):
    """How often Q-learning from zero, without random actions, is in the far corner of a DeepSea, which rewards nothing.

    Each step goes down one row, and right by action 1, left by action 0; only one of 2^(size - 1) plans gets there.
    """
    values = np.zeros((size, size, 2))
    transform = CountBonusTransform(weight=1.0, shift=shift)
    transform.begin(1)
    arrivals = 0
    for _ in range(episodes):
        column = 0
        for row in range(size - 1):
            action = int(values[row, column, 1] > values[row, column, 0])
            following = max(column + 2 * action - 1, 0)
            step = transition(1, obs=np.array([[row, column]]), next_obs=np.array([[row + 1, following]]))
            reward = transform.update(step)["count_bonus"][0]
            target = reward + 0.99 * values[row + 1, following].max()
            values[row, column, action] += 0.5 * (target - values[row, column, action])
            column = following
        arrivals += column == size - 1
        transform.reset(np.array([True]))
    return arrivals


def test_learners_that_start_at_zero_need_the_shift():
    assert deep_sea_arrivals(shift=False) == 0
    assert deep_sea_arrivals(shift=True) > 0


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"key": "sim_hash"}, "Did you mean 'simhash'"),
        ({"memory": "forever"}, "is not one of 'lifelong', 'episodic'"),
        ({"weight": math.inf}, "must be a finite number"),
        ({"bits": 0}, "at least 1"),
        ({"bits": 2.5}, "whole number"),
        ({"seed": -1}, "at least 0"),
        ({"features": lambda obs: obs}, "top level of a module"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        CountBonus(TermsEnv(), **kwargs)


@pytest.mark.parametrize(
    ("env", "match"),
    [
        (CountBonus(TermsEnv(kind="text")), "give a function that makes features"),
        (CountBonus(TermsEnv(), features=undefined), "is not finite"),
        (CountBonus(CountBonus(TermsEnv())), "already is a term 'count_bonus'"),
    ],
)
def test_what_does_not_fit_is_refused_at_the_first_step(env, match):
    env.reset(seed=0)
    with pytest.raises(ValueError, match=match):
        env.step(0)


def test_logged_info_is_not_needed():
    assert bonus(InfoEnv([{}, {}])) == [1.0, 1.0]
