"""Potential-based shaping: hand-worked steps, and the theorem on random processes."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from episodes import play, term, transition
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face, vector_face
from telos.wrappers.potential import PotentialShapingTransform

PotentialShaping = env_face(PotentialShapingTransform, __name__)
VectorPotentialShaping = vector_face(PotentialShapingTransform, __name__, "VectorPotentialShaping")

WALK = [{"outcome": 0.0}, {"outcome": 0.0}, {"outcome": 1.0}]


def position(obs):
    return obs[:, 0]


def squared(obs):
    return obs[:, 0] ** 2


def two_each(obs):
    return np.zeros((len(obs), 2))


def infinite(obs):
    return np.full(len(obs), np.inf)


class GridEnv(gym.Env):
    """Walks down the diagonal of a grid, or along a line."""

    action_space = spaces.Discrete(2)

    def __init__(self, line=False):
        self.line = line
        self.observation_space = spaces.Discrete(4) if line else spaces.MultiDiscrete([4, 4])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.t if self.line else np.array([0, 0]), {}

    def step(self, action):
        self.t += 1
        obs = self.t if self.line else np.array([self.t, self.t])
        return obs, 0.0, False, self.t == 3, {}


def test_termination_has_potential_zero_and_truncation_has_not():
    options = {"potential": position, "gamma": 0.5}
    assert term(PotentialShaping(ScriptedEnv(WALK), **options), "potential") == [0.5, 0.0, -2.0]
    cut = PotentialShaping(ScriptedEnv(WALK, truncated=True), **options)
    assert term(cut, "potential") == [0.5, 0.0, 0.5 * 3 - 2]


def test_weight_scales_and_terms_stay():
    env = PotentialShaping(ScriptedEnv(WALK), potential=position, gamma=1.0, weight=-2.0)
    paid, info = play(env)
    assert paid == [-2.0, -2.0, 1.0 + 4.0]
    assert info["reward_terms"] == {"outcome": 1.0, "potential": 4.0}
    assert info["raw_reward"] == 1.0


@pytest.mark.parametrize("truncated", [False, True])
def test_discounted_shaping_telescopes(truncated):
    gamma = 0.9
    env = PotentialShaping(ScriptedEnv([{"outcome": 0.0}] * 7, truncated=truncated), potential=squared, gamma=gamma)
    shaping = term(env, "potential")
    total = sum(gamma**t * value for t, value in enumerate(shaping))
    assert total == pytest.approx(gamma**7 * 49 * truncated - 0.0)


def test_lists_are_indexed_by_observation():
    line = PotentialShaping(GridEnv(line=True), potential=[0.0, 1.0, 4.0, 9.0], gamma=1.0)
    assert term(line, "potential") == [1.0, 3.0, 5.0]
    table = np.arange(16.0).reshape(4, 4)
    grid = PotentialShaping(GridEnv(), potential=table.tolist(), gamma=1.0)
    assert term(grid, "potential") == [5.0, 5.0, 5.0]


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
def test_an_episode_never_sees_the_next_one(mode):
    """Undiscounted, terminated episodes are shaped by minus the first potential: here 0."""
    envs = SyncVectorEnv([lambda: ScriptedEnv(WALK), lambda: ScriptedEnv(WALK[1:])], autoreset_mode=mode)
    envs = VectorPotentialShaping(envs, potential=position, gamma=1.0)
    envs.reset()
    running, totals = np.zeros(2), []
    for _ in range(20):
        _, reward, terminated, truncated, _ = envs.step(np.zeros(2, int))
        running += reward
        done = terminated | truncated
        totals += running[done].tolist()
        running[done] = 0.0
        if mode is AutoresetMode.DISABLED and done.any():
            envs.reset(options={"reset_mask": done})
    assert len(totals) > 8
    assert set(totals) == {1.0}


def random_process(rng, num_states=6, num_actions=3):
    """A random process, its rewards r(s, a, s') and which arrivals terminate; the last state is the end."""
    arrive = rng.dirichlet(np.full(num_states, 0.4), (num_states, num_actions))
    return arrive, rng.normal(size=(num_states, num_actions, num_states)), np.arange(num_states) == num_states - 1


def best_actions(arrive, reward, ends, gamma):
    """The optimal actions of each state that goes on, by value iteration."""
    value = np.zeros(len(ends))
    for _ in range(int(np.ceil(np.log(1e-12) / np.log(gamma)))):
        worth = (arrive * (reward + gamma * np.where(ends, 0.0, value))).sum(axis=2)
        value = worth.max(axis=1)
    return (worth > value[:, None] - 1e-7)[~ends]


def shaped(transform, reward, ends, cut):
    """All transitions of a process, sent through the transform as one step of many environments."""
    state, action, following = (index.ravel() for index in np.indices(reward.shape))
    transform.begin(reward.size)
    paid = transform.update(
        transition(
            reward.size,
            obs=state,
            action=action,
            next_obs=following,
            terms={"outcome": reward.ravel()},
            terminated=ends[following] & ~cut,
            truncated=ends[following] & cut,
        )
    )
    return sum(paid.values()).reshape(reward.shape)


def test_optimal_policies_of_200_random_processes_stay():
    rng = np.random.default_rng(0)
    for _ in range(200):
        arrive, reward, ends = random_process(rng)
        potential = rng.normal(scale=5.0, size=len(ends))
        transform = PotentialShapingTransform(potential=potential.tolist(), gamma=0.9, weight=rng.normal())
        changed = shaped(transform, reward, ends, cut=False)
        assert np.array_equal(best_actions(arrive, reward, ends, 0.9), best_actions(arrive, changed, ends, 0.9))


@pytest.mark.parametrize(("gamma", "cut"), [(0.5, False), (0.9, True)], ids=["other discount", "end not bootstrapped"])
def test_outside_of_its_conditions_policies_change(gamma, cut):
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(50):
        arrive, reward, ends = random_process(rng)
        potential = rng.normal(scale=5.0, size=len(ends))
        transform = PotentialShapingTransform(potential=potential.tolist(), gamma=gamma)
        changed = shaped(transform, reward, ends, cut)
        moved += not np.array_equal(best_actions(arrive, reward, ends, 0.9), best_actions(arrive, changed, ends, 0.9))
    assert moved > 5


class Telling(gym.Wrapper):
    """Says how far it is, 1 a step after the first, in its infos alone."""

    def step(self, action):
        obs, *rest, info = self.env.step(action)
        return obs, *rest, info | {"progress": obs[0] - 1.0}


def test_what_the_environment_tells_is_a_potential_that_starts_at_zero():
    env = PotentialShaping(Telling(ScriptedEnv(WALK, truncated=True)), potential="info:progress", gamma=0.5)
    # Told 0, 1, 2.
    expected = [0.0, 0.5, 0.5 * 2 - 1]
    assert term(env, "potential") == expected
    assert term(env, "potential") == expected
    ended = PotentialShaping(Telling(ScriptedEnv(WALK)), potential="info:progress", gamma=0.5)
    assert term(ended, "potential") == [0.0, 0.5, -1.0]
    envs = gym.vector.SyncVectorEnv([lambda: Telling(ScriptedEnv(WALK, truncated=True))] * 2)
    envs = VectorPotentialShaping(envs, potential="info:progress", gamma=0.5)
    envs.reset()
    for _ in range(2):
        paid = [envs.step(np.zeros(2, np.int64))[4]["reward_terms"]["potential"] for _ in WALK]
        assert np.array_equal(paid, np.transpose([expected] * 2))
        envs.step(np.zeros(2, np.int64))  # only resets


def test_an_environment_that_tells_nothing_is_refused():
    env = PotentialShaping(ScriptedEnv(WALK), potential="info:progress")
    env.reset()
    with pytest.raises(ValueError, match=r"info\['progress'\] must be one finite number"):
        env.step(0)


def test_a_function_is_recorded_by_its_name():
    env = PotentialShaping(TermsEnv(), potential=position)
    assert env.transform.arguments["potential"] == f"{__name__}:position"


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"gamma": 1.5}, r"gamma=1.5 must be in \[0, 1\]"),
        ({"gamma": -0.1}, "must be in"),
        ({"weight": math.nan}, "must be a finite number"),
        ({"potential": "nowhere:phi"}, "could not be imported"),
        ({"potential": "telos.wrappers.potential:phi"}, "could not be imported.*phi"),
        ({"potential": "telos.wrappers.potential:__name__"}, "is str, not a function"),
        ({"potential": lambda obs: obs}, "top level of a module"),
        ({"potential": []}, "non-empty list"),
        ({"potential": [0.0, math.inf]}, "finite"),
        ({"potential": [[0.0], [1.0, 2.0]]}, "rectangular"),
    ],
)
def test_bad_arguments_are_refused_early(kwargs, match):
    with pytest.raises(ValueError, match=match):
        PotentialShaping(TermsEnv(), **kwargs)


@pytest.mark.parametrize(
    ("env", "potential", "match"),
    [
        (TermsEnv(), [0.0, 1.0], "whole-number observations"),
        (GridEnv(line=True), [0.0], "an observation is"),
        (GridEnv(), [0.0, 1.0], "whole-number observations"),
        (TermsEnv(), infinite, "not finite"),
        (TermsEnv(), two_each, r"shape \(1, 2\)"),
    ],
)
def test_potentials_that_do_not_fit_are_refused_at_the_first_step(env, potential, match):
    env = PotentialShaping(env, potential=potential)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=match):
        env.step(0)


@pytest.mark.parametrize("kind", ["box", "discrete", "text", "dict"])
def test_without_a_potential_any_observation_will_do(kind):
    _, info = play(PotentialShaping(TermsEnv(kind=kind)))
    assert info["reward_terms"]["potential"] == 0.0


def test_two_potentials_are_refused():
    env = PotentialShaping(PotentialShaping(TermsEnv()))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="already is a term 'potential'"):
        env.step(0)
