"""Policies that learn the transition probabilities."""

import gymnasium as gym
import numpy as np

import telos  # noqa: F401 - registers the environments
from telos.baselines.bandit_evaluation import evaluate_policy
from telos.baselines.policies.bandits import Prices
from telos.baselines.policies.learning import LearnedPrices
from telos.envs.bandits.relaxation import hull_bound

HORIZON = 10


def learn(episodes, seed, sample=True):
    envs = gym.make_vec("CoRMABCapacity-v0", num_envs=1, num_arms=6, budget=2, horizon=HORIZON, instance_seed=5)
    family = envs.unwrapped.family
    policy = LearnedPrices(
        family.instance.next_state_rewards, family.feasible_sets[0], family.start, HORIZON, sample=sample, seed=seed
    )
    states, _ = envs.reset(seed=seed)
    for _ in range(episodes):
        policy.begin_episode()
        for t in range(HORIZON):
            actions = policy(states, t)
            after = envs.step(actions)[0]
            policy.observe(states, actions, after)
            states = after
        states, _ = envs.reset()
    return family, policy


def test_what_was_seen_is_counted():
    family, policy = learn(3, seed=0)
    prior = 0.25 * policy.counts.size
    assert policy.counts.sum() == prior + 3 * HORIZON * family.arms.num_arms


def test_learning_comes_near_the_policy_that_knows():
    family, policy = learn(60, seed=0)
    envs = gym.make_vec("CoRMABCapacity-v0", num_envs=400, num_arms=6, budget=2, horizon=HORIZON, instance_seed=5)
    bound = hull_bound(family.arms, family.feasible_sets[0], HORIZON, family.start)
    known = evaluate_policy(envs, Prices(family.arms, family.feasible_sets[0], bound), HORIZON, seed=3).mean
    _, untaught = learn(0, seed=0)
    first = evaluate_policy(envs, untaught, HORIZON, seed=3).mean
    policy.begin_episode()
    last = evaluate_policy(envs, policy, HORIZON, seed=3).mean
    assert last > 0.8 * known
    assert first < 0.5 * known
    assert last < known + 0.1


def test_equal_seeds_learn_the_same():
    counts = [learn(4, seed=5)[1].counts for _ in range(2)]
    assert np.array_equal(*counts)
