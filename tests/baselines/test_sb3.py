"""Stable-Baselines3 on native vector environments."""

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments

stable_baselines3 = pytest.importorskip("stable_baselines3")

from telos.baselines.bandit_evaluation import evaluate_policy  # noqa: E402
from telos.baselines.policies.bandits import Random  # noqa: E402
from telos.baselines.sb3 import SB3VecEnv  # noqa: E402


def make(num_envs, **kwargs):
    return gym.make_vec(
        "CoRMABCapacity-v0", num_envs=num_envs, autoreset_mode="SameStep", invalid="project", num_arms=6, **kwargs
    )


def test_finished_episodes_are_described():
    envs = SB3VecEnv(make(3, budget=2, horizon=4))
    twin = make(3, budget=2, horizon=4)
    envs.seed(5)
    assert np.array_equal(envs.reset(), twin.reset(seed=5)[0])
    totals = np.zeros(3)
    for step in range(1, 9):
        action = twin.action_space.sample()
        observations, rewards, done, infos = envs.step(action)
        expected, right, terminated, _, described = twin.step(action)
        assert np.array_equal(observations, expected)
        assert np.allclose(rewards, right)
        assert np.array_equal(done, terminated)
        totals += right
        assert done.all() == (step % 4 == 0)
        if done.all():
            for i, info in enumerate(infos):
                assert np.array_equal(info["terminal_observation"], described["final_obs"][i])
                assert info["episode"] == {"r": pytest.approx(totals[i]), "l": 4}
                assert not info["TimeLimit.truncated"]
            totals[:] = 0
        else:
            assert infos == [{}, {}, {}]


def test_a_time_limit_is_told_from_an_end():
    envs = SB3VecEnv(make(2, budget=2, horizon=9, max_episode_steps=2))
    envs.reset()
    envs.step(np.zeros((2, 6), np.int8))
    infos = envs.step(np.zeros((2, 6), np.int8))[3]
    assert all(info["TimeLimit.truncated"] for info in infos)


def test_another_autoreset_mode_is_refused():
    with pytest.raises(ValueError, match="autoreset_mode='SameStep'"):
        SB3VecEnv(gym.make_vec("CoRMABCapacity-v0", num_envs=2))


def test_ppo_learns_to_beat_random_actions():
    envs = make(64, budget=2)
    model = stable_baselines3.PPO("MlpPolicy", SB3VecEnv(envs), n_steps=20, batch_size=320, seed=0, learning_rate=1e-3)
    model.learn(64 * 20 * 40)
    test = gym.make_vec("CoRMABCapacity-v0", num_envs=200, invalid="project", num_arms=6, budget=2)
    learned = evaluate_policy(test, lambda states, t: model.predict(states)[0].astype(np.int8), 20, seed=1)
    chance = evaluate_policy(test, Random(test.family.instance.feasible), 20, seed=1)
    assert learned.mean > chance.mean + 5 * (learned.error + chance.error)
