"""Policies on fluid optima: feasible, exact where they must be, near the bound with many arms, never above it."""

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.bandit_evaluation import evaluate_policy
from telos.baselines.policies.bandits import Random, WhittleIndex
from telos.baselines.policies.fluid import (
    FluidIndex,
    FluidPriority,
    FluidUpdate,
    FollowVirtualAdvice,
    IDPolicy,
    fluid_optimum,
)
from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.instances import birth_death_arms, maternal_health_arms, random_arms
from telos.envs.bandits.optimum import finite_horizon_optimum
from telos.envs.bandits.relaxation import lagrangian_bound
from telos.envs.bandits.stationary import average_reward_bound

# "Gast20Example2" of github.com/YigeHong/rb-focus-set: the index policy's fluid limit is a cycle (arXiv:2012.09064).
CYCLING = Arms(
    np.array(
        [
            [
                [
                    [0.02232142, 0.10229283, 0.87538575],
                    [0.03426605, 0.17175704, 0.79397691],
                    [0.52324756, 0.45523298, 0.02151946],
                ],
                [
                    [0.14874601, 0.30435809, 0.5468959],
                    [0.56845754, 0.41117331, 0.02036915],
                    [0.2526557, 0.27310439, 0.47423991],
                ],
            ]
        ]
    ),
    np.array([[[0.0, 0.0, 0.0], [0.37401552, 0.11740814, 0.07866135]]]),
)


def copies(arms, count):
    return Arms(np.repeat(arms.transitions, count, axis=0), np.repeat(arms.rewards, count, axis=0))


def make(arms, budget, num_envs, **kwargs):
    return gym.make_vec("RestlessBandit-v0", num_envs=num_envs, arms=arms, budget=budget, **kwargs)


def all_policies(arms, budget, horizon, start):
    return [
        FluidIndex(arms, budget, horizon, start),
        FluidUpdate(arms, budget, horizon, period=2),
        FluidPriority(arms, budget),
        IDPolicy(arms, budget, seed=1),
        FollowVirtualAdvice(arms, budget, seed=1),
    ]


def uniform(arms):
    return np.full((arms.num_arms, arms.num_states), 1.0 / arms.num_states)


def long_run_reward(arms, budget, policy, steps, num_envs=2, seed=4):
    envs = make(arms, budget, num_envs, horizon=10**6)
    states, _ = envs.reset(seed=seed)
    total = np.zeros(num_envs)
    for t in range(steps):
        states, _, _, _, infos = envs.step(policy(states, t))
        if t >= steps // 5:
            total += infos["expected_reward"]
    return total.mean() / (steps - steps // 5)


@pytest.mark.parametrize("budget", [0, 1, 4, 9])
def test_every_policy_keeps_every_budget_and_repeats_itself(budget):
    arms = birth_death_arms(9, seed=3)
    for first, again in zip(*(all_policies(arms, budget, 6, uniform(arms)) for _ in range(2)), strict=True):
        states = np.random.default_rng(0).integers(4, size=(6, 5, 9)).astype(np.int16)
        for t in range(6):
            levels = first(states[t], t)
            assert levels.shape == (5, 9)
            assert np.isin(levels, (0, 1)).all()
            assert (levels.sum(axis=1) <= budget).all()
            assert np.array_equal(levels, again(states[t], t))


@pytest.mark.parametrize("budget", [0, 3])
def test_without_a_binding_budget_the_finite_policies_are_optimal(budget):
    arms = random_arms(3, seed=8)
    optimum = finite_horizon_optimum(arms, BudgetSet(3, budget), 5)
    states = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    policies = FluidIndex(arms, budget, 5, uniform(arms)), FluidUpdate(arms, budget, 5)
    for t in range(5):
        best = optimum.policy(t, states)
        for policy in policies:
            assert np.array_equal(policy(states, t), best)


def test_one_arm_is_played_optimally():
    arms = birth_death_arms(1, seed=5)
    optimum = finite_horizon_optimum(arms, BudgetSet(1, 1), 7)
    policy = FluidIndex(arms, 1, 7, uniform(arms))
    for t in range(7):
        states = np.arange(4)[:, None]
        assert np.array_equal(policy(states, t), optimum.policy(t, states))


def test_the_last_step_of_lp_update_is_optimal():
    arms = random_arms(4, seed=2)
    states = np.random.default_rng(1).integers(4, size=(40, 4))
    best = BudgetSet(4, 2).linear_oracle(arms.rewards[np.arange(4), :, states])
    assert np.array_equal(FluidUpdate(arms, 2, 3)(states, 2), best)


@pytest.mark.parametrize("generate", [birth_death_arms, maternal_health_arms, random_arms])
def test_no_policy_beats_the_bound_and_the_fluid_ones_come_near_it(generate):
    count, budget, horizon = 200, 50, 12
    arms = generate(count, 20)
    start = np.random.default_rng(2).integers(arms.num_states, size=count)
    bound = lagrangian_bound(arms, budget, horizon, start).value / horizon
    envs = make(arms, budget, 40, horizon=horizon, start=np.eye(arms.num_states)[start])
    scores = {}
    policies = {
        "random": Random(BudgetSet(count, budget)),
        "whittle": WhittleIndex(arms, budget),
        "index": FluidIndex(arms, budget, horizon, start),
    }
    for name, policy in policies.items():
        scores[name] = evaluate_policy(envs, policy, horizon, seed=9)
        assert scores[name].mean <= bound + 4 * scores[name].error
    assert scores["index"].mean > 0.99 * bound
    assert scores["index"].mean > scores["random"].mean
    few = make(arms, budget, 4, horizon=horizon, start=np.eye(arms.num_states)[start])
    index = evaluate_policy(few, policies["index"], horizon, seed=9)
    update = evaluate_policy(few, FluidUpdate(arms, budget, horizon, period=6), horizon, seed=9)
    assert 0.99 * index.mean < update.mean <= bound + 4 * scores["index"].error * np.sqrt(10)


def test_ties_follow_the_fluid_optimum_and_not_the_order_of_the_arms():
    # Acting on state 0 or on state 1 earns the same now. An arm acted on in state 1 is gone; one acted on in state 0
    # comes to state 1. The budget of the second step pays double there, so all of the first must go to state 0.
    transitions = np.zeros((1, 2, 4, 4))
    transitions[0, 0] = np.eye(4)
    transitions[0, 1] = np.eye(4)[[2, 3, 3, 3]]
    rewards = np.zeros((1, 2, 4))
    rewards[0, 1] = [1.0, 1.0, 2.0, 0.0]
    arms = copies(Arms(transitions, rewards), 20)
    states = np.array([0, 1] * 10)
    for order in (states, states[::-1]):
        for policy in (FluidIndex(arms, 10, 2, order), FluidUpdate(arms, 10, 2)):
            assert np.array_equal(policy(order[None], 0)[0], order == 0)


def test_identical_arms_are_split_as_the_fluid_optimum_says():
    arms, count, horizon = copies(CYCLING, 1000), 1000, 15
    start = np.tile([0.5, 0.3, 0.2], (count, 1))
    prices, occupancy = fluid_optimum(CYCLING, 400, horizon, count * start[:1], np.zeros((1, 3)))
    bound = lagrangian_bound(arms, 400, horizon, start)
    assert (occupancy * CYCLING.rewards.transpose(0, 2, 1)).sum() == pytest.approx(bound.value, rel=1e-5)
    assert (occupancy[..., 1].sum(axis=(1, 2)) <= 400 + 1e-6).all()
    assert (prices >= 0).all()
    states = np.repeat(np.arange(3), [500, 300, 200])[None]
    acted = FluidIndex(arms, 400, horizon, start)(states, 0)[0]
    np.testing.assert_allclose(np.bincount(states[0], acted, minlength=3), occupancy[0, 0, :, 1], atol=1.0)


def test_where_the_index_policy_cycles_the_other_policies_do_not():
    arms, budget = copies(CYCLING, 1000), 400
    bound = average_reward_bound(arms, budget)
    share = {
        "whittle": long_run_reward(arms, budget, WhittleIndex(arms, budget), 400) / bound.value,
        "id": long_run_reward(arms, budget, IDPolicy(arms, budget, 0, bound), 400) / bound.value,
        "ftva": long_run_reward(arms, budget, FollowVirtualAdvice(arms, budget, 0, bound), 400) / bound.value,
        "update": long_run_reward(arms, budget, FluidUpdate(arms, budget, None), 100, 1) / bound.value,
    }
    assert share["whittle"] < 0.94
    assert share["id"] > 0.97
    assert share["ftva"] > 0.97
    assert share["update"] > 0.985
    assert max(share.values()) < 1.01


def test_many_different_arms_in_the_long_run():
    arms, budget = birth_death_arms(1000, seed=20), 250
    bound = average_reward_bound(arms, budget)
    share = long_run_reward(arms, budget, FluidPriority(arms, budget, bound), 600) / bound.value
    assert 0.998 < share < 1.002


def test_errors_say_what_to_do():
    arms = random_arms(4, seed=0, num_levels=3)
    for policy in (FluidPriority, IDPolicy, FollowVirtualAdvice):
        with pytest.raises(ValueError, match="two levels"):
            policy(arms, 2)
    with pytest.raises(ValueError, match=r"two levels.*Prices"):
        FluidIndex(arms, 2, 3, uniform(arms))
    with pytest.raises(ValueError, match="1 <= period <= window"):
        FluidUpdate(random_arms(4, seed=0), 2, None, period=30)
    with pytest.raises(ValueError, match="use FluidPriority"):
        FluidUpdate(random_arms(50, seed=0), 2, None)
