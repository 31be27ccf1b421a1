"""Exact optima of bandits whose arms interact."""

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.bandit_evaluation import evaluate_policy
from telos.envs.bandits.interacting_optimum import interacting_optimum
from telos.envs.bandits.optimum import finite_horizon_optimum


def make(problem, num_envs, **kwargs):
    return gym.make_vec(
        f"CoRMAB{problem}-v0", num_envs=num_envs, num_arms=5, budget=2, horizon=6, instance_seed=2, **kwargs
    )


@pytest.mark.parametrize("problem", ["Path", "Matching", "Capacity"])
def test_without_influence_it_is_the_optimum_of_independent_arms(problem):
    family = make(problem, 1, reward_cap=1e9).unwrapped.family
    alone = finite_horizon_optimum(family.arms, family.feasible_sets[0], 6, initial=family.start)
    together = interacting_optimum(family)
    assert together.expected == pytest.approx(alone.expected)
    assert together.values == pytest.approx(alone.values)


@pytest.mark.parametrize("kwargs", [{"contagion": 0.6}, {"reward_cap": 3.0}, {"contagion": 0.3, "reward_cap": 4.0}])
def test_its_policy_earns_its_value_and_no_other_earns_more(kwargs):
    envs = make("Capacity", 20_000, **kwargs)
    optimum = interacting_optimum(envs.unwrapped.family)
    score = evaluate_policy(envs, lambda states, t: optimum.policy(t, states), 6, seed=0)
    assert abs(score.mean * 6 - optimum.expected) < 4 * 6 * score.error
    alone = finite_horizon_optimum(envs.unwrapped.family.arms, envs.unwrapped.feasible_set, 6)
    other = evaluate_policy(envs, lambda states, t: alone.policy(t, states), 6, seed=0)
    assert other.mean * 6 < optimum.expected + 4 * 6 * other.error


def test_contagion_makes_acting_on_a_neighbour_worth_something():
    family = make("Capacity", 1, contagion=0.6).unwrapped.family
    followed = interacting_optimum(family)
    alone = finite_horizon_optimum(family.arms, family.feasible_sets[0], 6)
    states = np.array(np.unravel_index(np.arange(4**5), (4,) * 5)).T
    assert (followed.policy(0, states) != alone.policy(0, states)).any()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"observe": "acted_on"}, "observe='always'"), ({"num_arms": 12, "contagion": 0.5}, "use fewer arms")],
)
def test_other_bandits_are_refused(kwargs, message):
    family = gym.make("CoRMABCapacity-v0", **{"num_arms": 5, "budget": 2, **kwargs}).unwrapped.family
    with pytest.raises(ValueError, match=message):
        interacting_optimum(family)
