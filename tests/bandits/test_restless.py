"""RestlessBandit-v0: its rules against a plain rendering, its frequencies, its budget."""

import gymnasium as gym
import numpy as np
import pytest
from plain_bandit import PlainBandit, play_beside

import telos  # noqa: F401 - registers the environments
from telos.envs.bandits.arms import Arms
from telos.envs.bandits.restless import CLASSIC_INSTANCES


def make(**kwargs):
    return gym.make("RestlessBandit-v0", **kwargs)


@pytest.mark.parametrize("instance", sorted(CLASSIC_INSTANCES))
def test_trajectories_equal_those_of_a_plain_rendering(instance):
    env = make(instance=instance, num_arms=12, budget=4, horizon=9, instance_seed=3)
    family = env.unwrapped.family
    plain = PlainBandit(family.arms, family.start, 9)
    rng = np.random.default_rng(0)
    for _, levels, reward, info in play_beside(env, plain, lambda: rng.permuted(np.repeat([1, 0], [4, 8]))):
        assert levels.sum() == 4
        assert info["expected_reward"] == reward


def test_transitions_have_the_given_frequencies():
    rng = np.random.default_rng(0)
    transitions = rng.dirichlet(np.ones(3), (2, 2, 3))
    arms = Arms(transitions, rng.random((2, 2, 3)))
    envs = gym.make_vec("RestlessBandit-v0", num_envs=4000, arms=arms, budget=1, horizon=10**6)
    states, _ = envs.reset(seed=0)
    counts = np.zeros((2, 2, 3, 3))
    levels = np.tile(np.array([1, 0], np.int8), (4000, 1))
    for _ in range(50):
        after = envs.step(levels)[0]
        for arm in range(2):
            np.add.at(counts[arm, levels[0, arm]], (states[:, arm], after[:, arm]), 1)
        states, levels = after, levels[:, ::-1]
    totals = counts.sum(axis=3, keepdims=True)
    sigma = np.sqrt(transitions * (1 - transitions) / totals)
    assert (np.abs(counts / totals - transitions) < 5 * sigma).all()


def test_first_states_have_the_given_frequencies():
    start = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]])
    envs = gym.make_vec("RestlessBandit-v0", num_envs=40_000, num_arms=2, start=start)
    states, _ = envs.reset(seed=1)
    found = np.bincount(states[:, 0], minlength=4) / 40_000
    assert np.abs(found - start[0]).max() < 0.012
    assert (states[:, 1] == 1).all()


def test_the_budget_is_kept_or_the_action_refused():
    too_much = np.ones(6, np.int8)
    env = make(num_arms=6, budget=2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="cost 6, but at most 2 may be spent"):
        env.step(too_much)
    for invalid, acted_on in (("project", 2), ("noop", 0)):
        env = make(num_arms=6, budget=2, invalid=invalid)
        env.reset(seed=0)
        assert env.step(too_much)[4]["acted_on"] == acted_on


def test_projection_keeps_the_arms_that_come_first():
    both = [make(num_arms=5, budget=2, invalid=invalid) for invalid in ("project", "error")]
    actions = ([0, 1, 0, 1, 1], [0, 1, 0, 1, 0])
    results = []
    for env, action in zip(both, actions, strict=True):
        env.reset(seed=7)
        results.append(env.step(np.array(action, np.int8))[:2])
    assert results[0][0].tolist() == results[1][0].tolist()
    assert results[0][1] == results[1][1]


def test_levels_may_cost_what_they_like():
    rng = np.random.default_rng(1)
    arms = {"transitions": rng.dirichlet(np.ones(2), (3, 3, 2)), "rewards": rng.random((3, 3, 2))}
    env = make(arms=arms, budget=5, level_costs=[0, 2, 5])
    assert env.action_space == gym.spaces.MultiDiscrete([3, 3, 3])
    env.reset(seed=0)
    assert env.step(np.array([1, 1, 0]))[4]["acted_on"] == 2
    assert env.step(np.array([0, 2, 0]))[4]["acted_on"] == 1
    with pytest.raises(ValueError, match="cost 7, but at most 5 may be spent"):
        env.step(np.array([1, 2, 0]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"instance": "lucky"}, "instance 'lucky' is unknown: choose from"),
        ({"budget": -1}, "budget >= 0"),
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"invalid": "maybe"}, "invalid='maybe' is unknown"),
        ({"level_costs": [0, 1, 2]}, "level_costs must hold a cost for each of 2 levels"),
        ({"level_costs": [1, 1]}, "the first .passive. 0"),
        ({"observe": "never"}, "observe='never' is unknown"),
        ({"start": [[1.0, 0.0]]}, "start must hold 20 rows of 4 probabilities"),
    ],
)
def test_bad_arguments_are_told(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_a_hundred_thousand_arms():
    env = make(num_arms=100_000, budget=30_000)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    action = np.zeros(100_000, np.int8)
    action[:30_000] = 1
    observation, _, _, _, info = env.step(action)
    assert observation in env.observation_space
    assert info["acted_on"] == 30_000


def test_the_text_names_time_and_states():
    env = make(num_arms=3, budget=1, render_mode="ansi")
    env.reset(seed=0)
    env.step(np.zeros(3, np.int8))
    assert env.render().startswith("t=1  arms by state: 0:")
