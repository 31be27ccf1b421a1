"""Tabular REINFORCE against exact gradients and optima."""

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.reinforce import Reinforce
from telos.baselines.tabular_evaluation import expected_episode
from telos.envs.tabular.optimum import finite_horizon_optimum
from telos.wrappers.specs import wrap


def make(env_id, num_envs, mode="SameStep", **arguments):
    return gym.make_vec(env_id, num_envs=num_envs, autoreset_mode=mode, **arguments)


def learn(envs, updates=1, **arguments):
    settings = {"discount": 1.0, "learning_rate": 0.5, "baseline_rate": 0.2, "seed": 0}
    learner = Reinforce(envs, **{**settings, **arguments})
    for _ in range(updates):
        learner.update()
    return learner


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize("observe_time", [False, True])
def test_steps_follow_the_exact_gradient(mode, observe_time):
    episodes = 20_000
    envs = make("StepChain-v0", episodes, mode, num_steps=1, max_steps=3, observe_time=observe_time)
    mdp = envs.unwrapped.to_tabular()
    logits = np.random.default_rng(0).normal(size=(mdp.num_states * (4 if observe_time else 1), 3))
    learner = learn(envs, episodes=episodes, learning_rate=1.0, initial_logits=logits)

    def worth(changed):
        weights = np.exp(changed)
        found = expected_episode(mdp, weights / weights.sum(axis=1, keepdims=True))
        return found["outcome"] + found["process"]

    gradient = np.zeros_like(logits)
    for entry in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[entry] += 1e-5
        down[entry] -= 1e-5
        gradient[entry] = (worth(up) - worth(down)) / 2e-5
    assert np.abs(gradient).max() > 0.2
    assert np.allclose(learner.logits[0] - logits, gradient, atol=0.03)


def test_it_reaches_the_optimum():
    envs = make("LoiterChain-v0", 5 * 16, goal_distance=2, horizon=4)
    mdp = envs.unwrapped.to_tabular()
    learner = learn(envs, 300, episodes=16)
    for policy in learner.policy:
        found = expected_episode(mdp, policy)
        assert found["outcome"] + found["process"] == pytest.approx(finite_horizon_optimum(mdp).expected, abs=0.02)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_truncated_episodes_are_continued_by_the_baseline(mode):
    # Two steps of 20 are played, and the baseline learns the worth of the state after them from its own values.
    envs = make("LoiterChain-v0", 8, mode, goal_distance=3, max_episode_steps=2, observe_time=False)
    # Always forward; so the values of states 0, 1 and 2 are 1.2 + V(2), 0.6 + V(2), and V(2), which is never learned.
    arguments = {"episodes": 4, "baseline_rate": 1.0, "learning_rate": 1e-9}
    learner = Reinforce(envs, discount=1.0, seed=0, initial_logits=[60.0, 0.0], **arguments)
    learner.baseline[:, 2] = 5.0
    learner.update()
    assert np.allclose(learner.baseline, [6.2, 5.6, 5.0, 0.0])


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_rewards_in_hindsight_are_learned_from(mode):
    # Forward, forward (0.5, 0.5 and the goal): Delta pays 0.5 - 0.5 = 0, then 0.5; the outcome comes with it.
    envs = wrap(make("LoiterChain-v0", 4, mode, goal_distance=2, forward_score=0.5, observe_time=False), "delta")
    learner = learn(envs, episodes=2, baseline_rate=1.0, initial_logits=[60.0, 0.0], learning_rate=1e-9, discount=0.9)
    assert np.allclose(learner.baseline, [0.9 * 1.5, 1.5, 0.0])
    assert np.allclose(learner.update(), 1.5)


def gated_worth(logits):
    """Of LoiterChain-v0 with a goal 2 ahead and a horizon of 4: 1 and all scores if the goal is reached, else 0."""
    forward = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
    worth = 0.0
    for loiters in range(3):  # before the last step; some of them in state 0, the others in state 1
        for first in range(loiters + 1):
            chance = forward[0] * (1 - forward[0]) ** first * forward[1] * (1 - forward[1]) ** (loiters - first)
            worth += chance * (1 + 2 * 0.6 + loiters * 0.5)
    return worth


@pytest.mark.parametrize(("pay", "unbiased"), [("terminal", True), ("hindsight", False)])
def test_only_terminal_payment_of_gated_sums_gives_their_gradient(pay, unbiased):
    envs = make("LoiterChain-v0", 40_000, goal_distance=2, horizon=4, observe_time=False)
    learner = learn(wrap(envs, f"gated:threshold=1,pay={pay}"), episodes=40_000, learning_rate=1.0)
    steps = np.eye(3)[:2] * 1e-5
    exact = [(gated_worth(np.c_[step, [0] * 3]) - gated_worth(np.c_[-step, [0] * 3])) / 2e-5 for step in steps]
    found = learner.logits[0, :2, 0]
    if unbiased:
        assert found == pytest.approx(exact, abs=0.02)
    else:
        # The step to the goal is not credited with the scores before it, which it releases.
        assert found[1] < 0.6 * exact[1]


def test_episodes_that_end_early_are_not_counted_twice():
    envs = make("StepChain-v0", 2, observe_time=False)
    # Run 0 answers at once, run 1 never does.
    logits = np.zeros((2, 10, 3))
    logits[0, :, 2] = logits[1, :, 1] = 60.0
    learner = learn(envs, episodes=1, initial_logits=logits, learning_rate=1e-9)
    paid = learner.update()
    assert paid[0] == pytest.approx(0.96, abs=0.031)
    assert paid[1] == pytest.approx(24 * 0.96, abs=24 * 0.031)


def test_runs_are_independent_and_seeded():
    def logits(seed):
        return learn(make("StepChain-v0", 12), 5, episodes=3, seed=seed).logits

    assert np.array_equal(logits(1), logits(1))
    assert len({run.tobytes() for run in logits(1)}) == 4
    assert not np.array_equal(logits(1), logits(2))


@pytest.mark.parametrize(
    "argument", [{"discount": 1.1}, {"learning_rate": 0.0}, {"baseline_rate": 2.0}, {"episodes": 3}, {"episodes": 0}]
)
def test_numbers_out_of_range_are_refused(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        learn(make("DeepSea-v0", 4), **{"episodes": 2, **argument})
