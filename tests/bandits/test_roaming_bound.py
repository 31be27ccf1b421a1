"""The bound for a vehicle that stays out, and the policies that rest on it."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.bandit_evaluation import evaluate_policy
from telos.baselines.policies.roaming import RoamingMyopic, RoamingPrices, RoamingRandom
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.feasible.roaming import RoamingSet
from telos.envs.bandits.instances import birth_death_arms
from telos.envs.bandits.relaxation import hull_bound
from telos.envs.bandits.roaming_bound import roaming_bound


def test_where_every_node_is_near_it_is_the_bound_of_a_budget():
    arms = birth_death_arms(6, seed=1, num_good=2)
    edges = list(itertools.combinations(range(6), 2))
    sets = [RoamingSet(6, edges, node, 6, 2) for node in range(6)]
    start = np.tile([0.5, 0.5, 0.0, 0.0], (6, 1))
    roaming = roaming_bound(arms, sets, 0, 8, start, steps=1500)
    budget = hull_bound(arms, BudgetSet(6, 2), 8, start)
    assert budget.value - 1e-9 <= roaming.value <= budget.value * 1.01


def test_a_vehicle_that_cannot_move_acts_on_its_node_alone():
    arms = birth_death_arms(3, seed=1, num_good=1)
    sets = [RoamingSet(3, [(0, 1), (1, 2)], node, 0, 1) for node in range(3)]
    start = np.tile([1.0, 0.0, 0.0, 0.0], (3, 1))
    roaming = roaming_bound(arms, sets, 1, 5, start, steps=1500)
    values = np.zeros((3, 4))
    for _ in range(5):
        worth = arms.rewards + np.einsum("jast,jt->jas", arms.transitions, values)
        values = np.where(np.arange(3)[:, None] == 1, worth.max(axis=1), worth[:, 0])
    assert values[:, 0].sum() - 1e-9 <= roaming.value <= values[:, 0].sum() * 1.01


@pytest.mark.parametrize("seed", [20, 21])
def test_no_policy_earns_more_and_prices_earn_most(seed):
    envs = gym.make_vec("CoRMABPath-v0", num_envs=300, persistent=True, instance_seed=seed)
    family = envs.unwrapped.family
    sets = family.feasible_sets
    bound = roaming_bound(family.arms, sets, family.instance.feasible.source, 20, family.start)
    policies = (RoamingRandom(sets), RoamingMyopic(family.arms, sets, 20), RoamingPrices(family.arms, sets, bound))
    scores = [evaluate_policy(envs, policy, 20, seed=1) for policy in policies]
    assert all(score.mean <= bound.value / 20 + 4 * score.error for score in scores)
    assert scores[0].mean < scores[1].mean < scores[2].mean
    assert scores[2].mean > 0.93 * bound.value / 20
