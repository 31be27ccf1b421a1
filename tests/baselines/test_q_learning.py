"""Tabular Q-learning against exact optima."""

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.q_learning import QLearning
from telos.envs.tabular.optimum import finite_horizon_optimum, value_iteration
from telos.wrappers.specs import wrap


def make(env_id, num_envs, mode="SameStep", **arguments):
    return gym.make_vec(env_id, num_envs=num_envs, autoreset_mode=mode, **arguments)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_values_are_exact_in_a_deterministic_environment(mode):
    envs = make("LoiterChain-v0", 3, mode, goal_distance=2, horizon=5)
    learner = QLearning(envs, discount=1.0, learning_rate=1.0, epsilon=1.0, seed=0)
    for _ in range(1500):
        learner.step()
    optimum = finite_horizon_optimum(envs.unwrapped.to_tabular())
    # What the environment can be in before a step: state s after s to 4 steps.
    values = learner.values.reshape(3, 3, 6, 2)
    for state in range(2):
        for time in range(state, 5):
            assert np.allclose(values[:, state, time], optimum.action_values[time, state])


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_a_limit_of_steps_does_not_change_what_is_learned(mode):
    envs = make("RandomMDP-v0", 20, mode, num_states=4, num_actions=2, branching=2, horizon=None, max_episode_steps=3)
    learner = QLearning(envs, discount=0.8, learning_rate=1.0, epsilon=1.0, seed=0, decay=0.7)
    for _ in range(6000):
        learner.step()
    optimum = value_iteration(envs.unwrapped.to_tabular(), 0.8)
    error = learner.values.mean(axis=0) - optimum.action_values
    assert np.abs(error).max() < 0.05 * np.abs(optimum.action_values).max()


def test_shaping_by_a_potential_is_the_same_as_starting_from_it():
    # Wiewiora 2003: the same experience gives the same updates. Random actions, as rounding would break ties.
    potential = np.random.default_rng(0).normal(size=104)
    arguments = {"discount": 0.9, "learning_rate": 0.3, "epsilon": 1.0, "seed": 4}
    spec = f"potential_shaping:gamma=0.9,potential={potential.tolist()}"
    shaped = QLearning(wrap(make("FourRooms-v0", 3, max_episode_steps=50), spec), **arguments)
    # Nothing is ever learned about the goal, and it does not count.
    plain = QLearning(make("FourRooms-v0", 3, max_episode_steps=50), initial_values=potential[:, None], **arguments)
    ends = np.zeros(2)
    for _ in range(3000):
        step = shaped.step()
        assert np.array_equal(step.next_states, plain.step().next_states)
        ends += step.terminated.sum(), step.truncated.sum()
    assert (ends > 5).all()
    assert np.allclose(shaped.values + potential[:, None], plain.values)


def test_runs_are_independent_and_seeded():
    def values(seed):
        learner = QLearning(make("DeepSea-v0", 4), discount=0.9, learning_rate=0.5, epsilon=0.5, seed=seed)
        for _ in range(200):
            learner.step()
        return learner.values

    assert np.array_equal(values(1), values(1))
    assert len({run.tobytes() for run in values(1)}) == 4
    assert not np.array_equal(values(1), values(2))


def test_equal_actions_are_drawn_alike():
    learner = QLearning(make("FourRooms-v0", 4000), discount=0.9, learning_rate=0.5, epsilon=0.0, seed=0)
    learner.values[:, :, 2] = -1.0
    counts = np.bincount(learner.act(learner.player.states), minlength=4)
    assert counts[2] == 0
    assert (np.abs(counts[[0, 1, 3]] - 4000 / 3) < 5 * np.sqrt(4000 * 2 / 9)).all()
    assert np.allclose(learner.greedy_policy[0, 0], [1 / 3, 1 / 3, 0, 1 / 3])


@pytest.mark.parametrize("argument", [{"discount": 1.1}, {"learning_rate": -0.1}, {"epsilon": 2.0}, {"decay": -1.0}])
def test_numbers_out_of_range_are_refused(argument):
    arguments = {"discount": 0.9, "learning_rate": 0.5, "epsilon": 0.1, "seed": 0, **argument}
    with pytest.raises(ValueError, match=next(iter(argument))):
        QLearning(make("DeepSea-v0", 1), **arguments)
