"""Evaluation: exactly so many episodes, without a bias towards short ones, on the unshaped reward."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")

from telos.baselines.evaluation import evaluate, evaluate_in  # noqa: E402
from telos.baselines.training_envs import (  # noqa: E402
    EVALUATION_SEED,
    make_envs,
    make_training_envs,
    training_seed,
)


class Lengths(gym.Env):
    """Episodes of 1 or 9 steps by chance, whose reward is 1 a step in two terms."""

    observation_space = spaces.Discrete(12)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.length = 0, 1 if self.np_random.random() < 0.5 else 9
        return 0, {}

    def step(self, action):
        self.at += 1
        info = {"reward_terms": {"kept": 0.75, "other": 0.25}}
        return self.at, 1.0, self.at == self.length, False, info


gym.register("test_evaluation/Lengths-v0", Lengths)


class Watching:
    """A policy that notes what it is told."""

    def __init__(self, n):
        self.begins = []
        self.n = n

    def __call__(self, observations, infos, begins):
        self.begins.append(begins.copy())
        return np.zeros(len(begins), np.int64)


@pytest.mark.parametrize("episodes", [1, 5, 8, 203])
def test_exactly_so_many_episodes(episodes):
    found = evaluate(Watching(8), "test_evaluation/Lengths-v0", episodes=episodes, num_envs=8)
    assert len(found.returns) == len(found.lengths) == episodes
    assert np.array_equal(found.returns, found.lengths)
    assert set(found.lengths) <= {1, 9}
    assert np.allclose(found.terms["kept"], 0.75 * found.lengths)
    assert np.allclose(found.terms["other"], 0.25 * found.lengths)


def test_short_episodes_do_not_count_more():
    """The mean length is 5; whoever stops at the first 64 episodes of 64 environments finds about 1."""
    name, seeds = "test_evaluation/Lengths-v0", range(0, 640, 64)
    found = np.mean([evaluate(Watching(64), name, episodes=64, num_envs=64, seed=seed).lengths for seed in seeds])
    assert found == pytest.approx(5.0, abs=5 * 4 / np.sqrt(640))


def test_both_modes_of_autoreset_agree():
    results = []
    for mode in (gym.vector.AutoresetMode.NEXT_STEP, gym.vector.AutoresetMode.SAME_STEP):
        envs = gym.make_vec(
            "test_evaluation/Lengths-v0", 4, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
        )
        policy = Watching(4)
        found = evaluate_in(envs, policy, 22, seed=5)
        # An episode begins once for each that was played, and for those that were cut.
        assert sum(begins.sum() for begins in policy.begins) >= 22
        results.append(found.lengths)
    assert np.array_equal(*results)


@pytest.mark.parametrize("num_envs", [1, 3])
def test_steps_in_which_all_environments_only_reset_name_no_terms(num_envs):
    envs = gym.vector.SyncVectorEnv(
        [lambda: gym.make("test_evaluation/Lengths-v0")] * num_envs,
        autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP,
    )
    evaluation = evaluate_in(envs, lambda *_: np.zeros(num_envs, np.int64), 20, seed=3)
    assert evaluation.terms.keys() == {"kept", "other"}
    assert np.array_equal(evaluation.terms["kept"], 0.75 * evaluation.lengths)


def test_native_environments_of_either_mode():
    for env_id in ("CartPole-v1", "LoiterChain-v0"):
        found = evaluate(Watching(5), env_id, episodes=13, num_envs=5)
        assert len(found.returns) == 13
    chain = found.metrics()
    assert chain["eval/return"] == pytest.approx(chain["eval/outcome"] + chain["eval/process"])
    # Always the same action, from where every episode begins: all the same.
    assert chain["eval/return_std"] == pytest.approx(0.0)
    cartpole = evaluate(Watching(5), "CartPole-v1", episodes=200)
    # Always pushed to one side it falls in 8 to 11 steps, and a step that only resets is none.
    assert 8 <= cartpole.lengths.min() <= cartpole.lengths.max() <= 11
    assert np.array_equal(cartpole.returns, cartpole.lengths)


def test_the_interquartile_mean_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    found = evaluate(Watching(8), "test_evaluation/Lengths-v0", episodes=40)
    assert found.metrics()["eval/return_iqm"] == pytest.approx(stats.trim_mean(found.returns, 0.25))


def test_seeds_are_held_out_and_runs_do_not_share_them():
    ranges = [range(training_seed(seed, 64), training_seed(seed, 64) + 64) for seed in range(200)]
    assert max(r.stop for r in ranges) <= EVALUATION_SEED
    taken = [s for r in ranges for s in r]
    assert len(taken) == len(set(taken))
    assert training_seed(1, 64) == training_seed(1, 64) != training_seed(1, 64, resumes=5)


def test_an_episode_without_end_is_told():
    envs = make_envs("test_evaluation/Lengths-v0", {}, 2)
    with pytest.raises(ValueError, match="max_episode_steps"):
        evaluate_in(envs, Watching(2), 40, seed=0, max_steps=5)
    with pytest.raises(ValueError, match="at least 1"):
        evaluate(Watching(2), "test_evaluation/Lengths-v0", episodes=0)


def test_training_logs_raw_and_paid_episodes_apart():
    training = make_training_envs("test_evaluation/Lengths-v0", {}, 4, ("clip-reward:term=kept,threshold=0.8",))
    training.envs.reset(seed=1)
    for _ in range(40):
        training.envs.step(np.zeros(4, np.int64))
    found = training.episode_metrics()
    assert found["charts/raw_return"] == pytest.approx(found["charts/episodic_length"])
    assert found["reward/kept"] == pytest.approx(0.75 * found["charts/episodic_length"])
    assert found["charts/episodic_return"] == pytest.approx(sum(v for k, v in found.items() if k.startswith("paid/")))
    assert found["charts/episodic_return"] < found["charts/raw_return"]
    assert training.episode_metrics() == {}
