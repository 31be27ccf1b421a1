"""Exact dynamic programming against brute-force enumeration of policies, and on problems with known answers."""

import itertools

import numpy as np
import pytest

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.optimum import finite_horizon_optimum, infinite_horizon_optimum


class ListedSet(FeasibleSet):
    """Joint actions given as a list of level vectors; action n is the one-hot code of the row."""

    def __init__(self, levels, num_levels):
        self.rows = np.asarray(levels, dtype=np.int64)
        self.action_size, self.num_arms = self.rows.shape  # one entry of the action for each row
        self.num_levels = num_levels

    def levels(self, actions):
        return self.rows[np.asarray(actions).argmax(axis=-1)]

    def enumerate(self, limit=1_000_000):
        return np.eye(len(self.rows), dtype=np.int8)

    def linear_oracle(self, weights):
        worth = np.stack([weights[..., np.arange(self.num_arms), row].sum(axis=-1) for row in self.rows], axis=-1)
        return np.eye(len(self.rows), dtype=np.int8)[worth.argmax(axis=-1)]

    def feasible_batch(self, actions):
        raise NotImplementedError

    def _describe_violation(self, action):
        raise NotImplementedError

    def sample(self, rng, count):
        raise NotImplementedError

    def linear_constraints(self):
        raise NotImplementedError

    def parameters(self):
        raise NotImplementedError


def random_arms(count, levels, states, seed):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.full(states, 0.5), size=(count, levels, states))
    return Arms(transitions / transitions.sum(axis=-1, keepdims=True), rng.normal(size=(count, levels, states)))


def joint(arms, levels):
    """Transition matrix and reward vector of all joint states under one level vector, by Kronecker products."""
    matrix, reward = np.ones((1, 1)), np.zeros(1)
    for arm, level in enumerate(levels):
        matrix = np.kron(matrix, arms.transitions[arm, level])
        reward = (reward[:, None] + arms.rewards[arm, level]).ravel()
    return matrix, reward


def test_finite_horizon_equals_the_best_of_all_policies():
    arms = random_arms(2, 2, 2, seed=4)
    allowed = [(0, 0), (1, 0), (0, 1)]
    models = [joint(arms, levels) for levels in allowed]
    rules = list(itertools.product(range(3), repeat=4))  # an action for each of the 4 joint states
    stacked = [
        (
            np.array([models[a][0][s] for s, a in enumerate(rule)]),
            np.array([models[a][1][s] for s, a in enumerate(rule)]),
        )
        for rule in rules
    ]
    best = np.full(4, -np.inf)
    for (first_matrix, first_reward), (_, last_reward) in itertools.product(stacked, repeat=2):
        best = np.maximum(best, first_reward + 0.8 * first_matrix @ last_reward)
    optimum = finite_horizon_optimum(arms, BudgetSet(2, 1), 2, discount=0.8)
    states = np.array(list(itertools.product(range(2), repeat=2)))
    np.testing.assert_allclose(optimum.value(states), best, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_finite_horizon_with_many_levels_satisfies_bellman_and_its_policy_attains_the_value(seed):
    arms = random_arms(3, 3, 3, seed)
    rng = np.random.default_rng(seed)
    rows = np.unique(rng.integers(0, 3, size=(9, 3)), axis=0)
    optimum = finite_horizon_optimum(arms, ListedSet(rows, 3), 5)
    states = np.array(list(itertools.product(range(3), repeat=3)))
    models = [joint(arms, row) for row in rows]
    values = np.zeros(27)
    for t in range(4, -1, -1):
        worth = np.array([reward + matrix @ values for matrix, reward in models])
        chosen = optimum.policy(t, states).argmax(axis=-1)
        np.testing.assert_allclose(worth[chosen, np.arange(27)], worth.max(axis=0), rtol=1e-12)
        values = worth.max(axis=0)
        np.testing.assert_allclose(optimum.value(states, t), values, rtol=1e-10)


def test_expected_value_of_initial_states_and_distributions():
    arms = random_arms(3, 2, 2, seed=1)
    states = np.array([1, 0, 1])
    known = finite_horizon_optimum(arms, BudgetSet(3, 1), 4, initial=states)
    assert known.expected == pytest.approx(float(known.value(states)))
    chances = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    mixed = finite_horizon_optimum(arms, BudgetSet(3, 1), 4, initial=chances)
    mean = sum(
        chances[0, a] * chances[1, b] * chances[2, c] * mixed.value([a, b, c])
        for a, b, c in itertools.product(range(2), repeat=3)
    )
    assert mixed.expected == pytest.approx(float(mean))


def stationary_policies(arms, allowed):
    models = [joint(arms, levels) for levels in allowed]
    size = len(models[0][1])
    for rule in itertools.product(range(len(models)), repeat=size):
        matrix = np.array([models[a][0][s] for s, a in enumerate(rule)])
        yield matrix, np.array([models[a][1][s] for s, a in enumerate(rule)])


def test_discounted_optimum_equals_the_best_stationary_policy():
    arms = random_arms(2, 2, 2, seed=9)
    best = np.max(
        [np.linalg.solve(np.eye(4) - 0.9 * p, r) for p, r in stationary_policies(arms, [(0, 0), (1, 0), (0, 1)])],
        axis=0,
    )
    optimum = infinite_horizon_optimum(arms, BudgetSet(2, 1), 0.9, tolerance=1e-8)
    states = np.array(list(itertools.product(range(2), repeat=2)))
    assert optimum.error <= 1e-8
    np.testing.assert_allclose(optimum.value(states), best, atol=1e-8)
    assert set(optimum.policy(states).sum(axis=-1).tolist()) <= {0, 1}


def test_average_optimum_equals_the_best_stationary_policy_even_for_periodic_arms():
    flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    transitions = np.array([[flip, flip], [flip, [[0.5, 0.5], [0.5, 0.5]]]])
    rewards = np.array([[[0.0, 0.0], [1.0, 3.0]], [[0.0, 0.5], [0.2, 1.0]]])
    arms = Arms(transitions, rewards)
    # Started in phase 0 or 1, the periodic arms never mix with each other; average over long runs of each policy.
    best = np.full(4, -np.inf)
    for matrix, reward in stationary_policies(arms, [(0, 0), (1, 0), (0, 1)]):
        lazy = np.linalg.matrix_power((np.eye(4) + matrix) / 2, 1 << 20)
        best = np.maximum(best, lazy @ reward)
    optimum = infinite_horizon_optimum(arms, BudgetSet(2, 1), 1.0, tolerance=1e-7)
    states = np.array(list(itertools.product(range(2), repeat=2)))
    np.testing.assert_allclose(optimum.value(states), best, atol=1e-6)


def test_size_limits_name_the_sizes():
    arms = random_arms(20, 2, 4, seed=0)
    with pytest.raises(ValueError, match=r"4\^20 = 1\.1e\+12 joint states times 20 steps.*hull_bound"):
        finite_horizon_optimum(arms, BudgetSet(20, 5), 20)
    arms = random_arms(11, 2, 4, seed=0)
    with pytest.raises(ValueError, match="joint actions times 10 steps take"):
        finite_horizon_optimum(arms, BudgetSet(11, 11), 10)


def test_errors_say_what_to_do():
    arms = random_arms(2, 2, 2, seed=0)
    with pytest.raises(ValueError, match="must agree"):
        finite_horizon_optimum(arms, BudgetSet(3, 1), 2)
    with pytest.raises(ValueError, match="horizon"):
        finite_horizon_optimum(arms, BudgetSet(2, 1), 0)
    with pytest.raises(ValueError, match="discount"):
        infinite_horizon_optimum(arms, BudgetSet(2, 1), 1.5)
    with pytest.raises(RuntimeError, match="raise max_iterations"):
        infinite_horizon_optimum(arms, BudgetSet(2, 1), 0.999, max_iterations=2)
    optimum = finite_horizon_optimum(arms, BudgetSet(2, 1), 2)
    for wrong in ([0, 2], [0, -1], [0], [0.5, 0.0]):
        with pytest.raises(ValueError, match="states must be"):
            optimum.value(wrong)
