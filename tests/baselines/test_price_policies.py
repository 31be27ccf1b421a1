"""Price policies against exact dynamic programming on small instances of the coupled problems."""

import numpy as np
import pytest

from telos.baselines.policies.bandits import PriceRollout, Prices
from telos.envs.bandits.coupled_instances import (
    capacity_instance,
    intervention_instance,
    matching_instance,
    path_instance,
)
from telos.envs.bandits.optimum import finite_horizon_optimum
from telos.envs.bandits.relaxation import hull_bound

HORIZON = 10
INSTANCES = {
    "intervention": lambda seed: intervention_instance(5, 2, 4, seed),
    "path": lambda seed: path_instance(5, 2, seed),
    "matching": lambda seed: matching_instance(5, 2, seed),
    "capacity": lambda seed: capacity_instance(5, 2, seed),
}


def share_of_optimum(instance, policy, optimum, start, episodes, seed=0):
    """What a policy earns as a share of the optimum: 1 less its regret, state by state, on simulated paths.

    By the performance difference lemma (Kakade and Langford, ICML 2002) the mean regret of the decisions met is the
    policy's loss exactly; only which states are met is random.
    """
    arms, count = instance.arms, instance.arms.num_arms
    rng = np.random.default_rng(seed)
    index = np.arange(count)
    cumulative = arms.transitions.cumsum(axis=3)
    states = (rng.random((episodes, count, 1)) >= start.cumsum(axis=1)[:, :-1]).sum(axis=2)
    regret = np.zeros(episodes)
    for t in range(HORIZON):
        actions = policy(states, t)
        levels = instance.feasible.levels(actions)
        following = optimum.values[t + 1].reshape(optimum.shape)
        for row, (state, level) in enumerate(zip(states, levels, strict=True)):
            worth = following
            for arm in index:
                worth = np.tensordot(arms.transitions[arm, level[arm], state[arm]], worth, (0, 0))
            regret[row] += optimum.value(state, t) - worth - arms.rewards[index, level, state].sum()
        luck = rng.random((episodes, count, 1))
        states = (luck >= cumulative[index, levels, states][..., :-1]).sum(axis=2)
    assert (regret >= -1e-9).all()
    return 1.0 - regret.mean() / optimum.expected


def prepared(problem, seed):
    instance = INSTANCES[problem](seed)
    start = np.zeros((instance.arms.num_arms, instance.arms.num_states))
    start[:, :2] = 0.5
    return instance, start, finite_horizon_optimum(instance.arms, instance.feasible, HORIZON, initial=start)


@pytest.mark.parametrize("problem", sorted(INSTANCES))
def test_price_policies_are_close_to_the_optimum_and_rollout_is_closer(problem):
    instance, start, optimum = prepared(problem, 3)
    arms, feasible = instance.arms, instance.feasible
    bound = hull_bound(arms, feasible, HORIZON, start)
    policies = (
        Prices(arms, feasible, bound),
        Prices.from_instance(arms, feasible, HORIZON, start),
        PriceRollout(arms, feasible, bound, samples=32),
    )
    fine, loose, rollout = (share_of_optimum(instance, policy, optimum, start, 12) for policy in policies)
    assert 0.98 <= fine <= loose + 0.003
    assert rollout >= max(0.998, fine - 5e-4)


def test_rollout_is_reproducible_feasible_and_falls_back_on_the_prices():
    instance, start, _ = prepared("capacity", 3)
    bound = hull_bound(instance.arms, instance.feasible, HORIZON, start, tolerance=1e-3)
    states = np.random.default_rng(0).integers(0, 4, size=(40, 5))
    prices = Prices(instance.arms, instance.feasible, bound)
    one, other = (PriceRollout(instance.arms, instance.feasible, bound, samples=8, seed=5) for _ in range(2))
    for t in (0, 4, HORIZON - 1):
        actions = one(states, t)
        assert np.array_equal(actions, other(states, t))
        assert instance.feasible.feasible_batch(actions).all()
    single = PriceRollout(instance.arms, instance.feasible, bound, candidates=1)
    levels = [instance.feasible.levels(policy(states, 2)) for policy in (single, prices)]
    assert np.array_equal(*levels)
    # In the last step nothing follows: the best weights are optimal.
    assert np.array_equal(*(instance.feasible.levels(policy(states, HORIZON - 1)) for policy in (one, prices)))


@pytest.mark.parametrize("name", ["candidates", "samples", "depth"])
def test_rollout_says_what_is_wrong(name):
    instance, start, _ = prepared("matching", 0)
    bound = hull_bound(instance.arms, instance.feasible, HORIZON, start, tolerance=1e-3)
    with pytest.raises(ValueError, match="at least 1"):
        PriceRollout(instance.arms, instance.feasible, bound, **{name: 0})
