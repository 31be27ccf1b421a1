"""Bounds against exact dynamic programming, against independent linear programs, and the price policy they give."""

import itertools

import numpy as np
import pytest
from scipy import optimize

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.feasible.capacity import CapacitySet
from telos.envs.bandits.feasible.matching import MatchingSet
from telos.envs.bandits.optimum import finite_horizon_optimum
from telos.envs.bandits.relaxation import hull_bound, lagrangian_bound


def chain_arms(count, good, seed):
    """Birth-death arms in the manner of SEQUOIA (arXiv 2503.01919): acting pushes up, the top state pays."""
    rng = np.random.default_rng(seed)
    up = np.stack([rng.uniform(0.0, 0.2, count), rng.uniform(0.7, 0.9, count)], axis=1)
    transitions = np.zeros((count, 2, 4, 4))
    for state in range(4):
        transitions[:, :, state, min(state + 1, 3)] += up
        transitions[:, :, state, max(state - 1, 0)] += 1 - up
    reward = np.tile([0.1, 0.15, 0.2, 0.0], (count, 1))
    reward[:good, :3] = [0.2, 0.15, 0.1]
    reward[:, 3] = np.where(np.arange(count) < good, rng.integers(4, 7, count), rng.integers(1, 4, count))
    return Arms(transitions, np.einsum("jasz,jz->jas", transitions, reward))


def random_arms(count, levels, states, seed):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.ones(states), size=(count, levels, states))
    return Arms(transitions / transitions.sum(axis=-1, keepdims=True), rng.random((count, levels, states)))


def capacity_set(count, workers, seed):
    rng = np.random.default_rng(seed)
    return CapacitySet(rng.integers(2, 5, count), rng.integers(3, 8, workers))


def matching_set(count, workers, seed):
    rng = np.random.default_rng(seed)
    arm_slots = rng.random((count, 4)) < 0.6
    return MatchingSet(arm_slots, rng.random((workers, 4)) < 0.7, workers)


SETS = [capacity_set, matching_set, lambda count, workers, seed: BudgetSet(count, workers)]


def linear_program(arms, horizon, start, discount, extra_columns, couple):
    """The fluid program, dense and slow: occupancies first, then ``extra_columns`` a step, coupled a step at a time.

    ``couple`` gives, for one step, equality and inequality rows on (use of each (arm, level), extra variables):
    ``(matrix, lower, upper)``.
    """
    count, levels, states = arms.rewards.shape
    per_step = count * levels * states + extra_columns
    rows, low, high = [], [], []
    index = np.arange(count * levels * states).reshape(count, levels, states)
    for t, arm, state in itertools.product(range(horizon), range(count), range(states)):
        row = np.zeros(horizon * per_step)
        row[t * per_step + index[arm, :, state]] = 1
        if t:
            row[(t - 1) * per_step + index[arm]] -= arms.transitions[arm, :, :, state]
        rows.append(row)
        low.append(0.0 if t else start[arm, state])
        high.append(low[-1])
    matrix, lower, upper = couple
    for t in range(horizon):
        block = np.zeros((len(matrix), horizon * per_step))
        use = matrix[:, : count * levels].reshape(-1, count, levels)
        block[:, t * per_step + index] = use[..., None]
        block[:, (t + 1) * per_step - extra_columns : (t + 1) * per_step] = matrix[:, count * levels :]
        rows.extend(block)
        low.extend(lower)
        high.extend(upper)
    cost = np.concatenate(
        [np.append(-(discount**t) * arms.rewards.ravel(), np.zeros(extra_columns)) for t in range(horizon)]
    )
    result = optimize.milp(
        cost, constraints=optimize.LinearConstraint(np.array(rows), low, high), bounds=optimize.Bounds(0)
    )
    return -result.fun


def budget_program(arms, budget, horizon, start, costs, discount=1.0):
    return linear_program(arms, horizon, start, discount, 0, (costs.reshape(1, -1), [-np.inf], [budget]))


def hull_program(arms, feasible_set, horizon, start, discount=1.0):
    """With one weight for each feasible joint action."""
    levels = feasible_set.levels(feasible_set.enumerate())
    taken = (levels[:, :, None] == np.arange(arms.num_levels)).reshape(len(levels), -1).T
    size = len(taken)
    matrix = np.block([[np.eye(size), -taken.astype(float)], [np.zeros((1, size)), np.ones((1, len(levels)))]])
    right = np.append(np.zeros(size), 1.0)
    return linear_program(arms, horizon, start, discount, len(levels), (matrix, right, right))


def relaxed_program(arms, feasible_set, horizon, start):
    """With the linear relaxation of the set's mixed-integer description."""
    described = feasible_set.linear_constraints()
    columns, size = described.variable_lower.size, described.level_columns.size
    link = np.zeros((size, columns))
    link[np.arange(size), described.level_columns.ravel()] = -1
    matrix = np.block(
        [
            [np.eye(size), link],
            [np.zeros((described.matrix.shape[0], size)), described.matrix.toarray()],
            [np.zeros((columns, size)), np.eye(columns)],
        ]
    )
    lower = np.concatenate([np.zeros(size), described.lower, described.variable_lower])
    upper = np.concatenate([np.zeros(size), described.upper, described.variable_upper])
    return linear_program(arms, horizon, start, 1.0, columns, (matrix, lower, upper))


def policy_value(arms, feasible_set, bound, start, discount=1.0):
    """The price policy's exact expected reward, by dynamic programming over joint states."""
    count, states = arms.num_arms, arms.num_states
    every = np.array(list(itertools.product(range(states), repeat=count)))
    value = np.zeros(len(every))
    for following in bound.values[:0:-1]:
        gains = arms.rewards + discount * np.einsum("jasz,jz->jas", arms.transitions, following)
        weights = gains[np.arange(count), :, every]
        chosen = feasible_set.levels(feasible_set.linear_oracle(weights))
        before = np.empty_like(value)
        for levels in np.unique(chosen, axis=0):
            table = discount * value
            for arm, level in enumerate(levels):
                table = table.reshape(states, -1).T @ arms.transitions[arm, level].T + arms.rewards[arm, level]
            here = (chosen == levels).all(axis=1)
            before[here] = table.ravel()[here]
        value = before
    for distribution in start:
        value = distribution @ value.reshape(states, -1)
    return float(value[0])


@pytest.mark.parametrize("make", SETS)
@pytest.mark.parametrize("seed", range(3))
def test_hull_bound_and_its_price_policy_enclose_the_optimum(make, seed):
    arms, feasible_set = chain_arms(5, 2, seed), make(5, 2, seed)
    start = np.tile([0.8, 0.2, 0.0, 0.0], (5, 1))
    exact = finite_horizon_optimum(arms, feasible_set, 12, initial=start).expected
    bound = hull_bound(arms, feasible_set, 12, start)
    earned = policy_value(arms, feasible_set, bound, start)
    assert earned <= exact * (1 + 1e-9)
    assert exact <= bound.value * (1 + 1e-9)
    assert bound.value <= 1.02 * exact
    assert earned >= 0.995 * exact


@pytest.mark.parametrize("make", SETS)
@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_hull_bound_is_the_fluid_program_over_all_joint_actions(make, discount):
    arms, feasible_set = chain_arms(4, 2, 1), make(4, 2, 1)
    start = np.tile([0.5, 0.5, 0.0, 0.0], (4, 1))
    bound = hull_bound(arms, feasible_set, 5, start, discount=discount)
    assert bound.value == pytest.approx(hull_program(arms, feasible_set, 5, start, discount), rel=2e-6)
    assert bound.gap <= 1e-6 * bound.value


@pytest.mark.parametrize("make", SETS)
def test_hull_bound_is_at_most_the_linear_relaxation(make):
    for seed in range(3):
        arms, feasible_set = chain_arms(4, 2, seed), make(4, 2, seed)
        start = np.tile([0.5, 0.5, 0.0, 0.0], (4, 1))
        relaxed = relaxed_program(arms, feasible_set, 4, start)
        assert hull_bound(arms, feasible_set, 4, start).value <= relaxed * (1 + 2e-6)


def test_bounds_are_the_optimum_where_arms_are_not_coupled():
    arms = random_arms(3, 2, 3, seed=2)
    states = np.array([0, 1, 2])
    for count, budget in ((3, 3), (3, 0), (1, 1), (1, 0)):
        some = Arms(arms.transitions[:count], arms.rewards[:count])
        free = BudgetSet(count, budget)
        exact = finite_horizon_optimum(some, free, 6, 0.9, states[:count]).expected
        assert hull_bound(some, free, 6, states[:count], discount=0.9).value == pytest.approx(exact, rel=2e-6)
        assert lagrangian_bound(some, budget, 6, states[:count], discount=0.9).value == pytest.approx(exact, rel=2e-6)


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_lagrangian_bound_is_the_fluid_program_of_a_budget(discount):
    rng = np.random.default_rng(5)
    for levels, states, costs in ((2, 4, np.array([0.0, 1.0])), (3, 2, np.array([0.0, 1.0, 2.5]))):
        arms = random_arms(6, levels, states, seed=levels)
        start = rng.dirichlet(np.ones(states), size=6)
        bound = lagrangian_bound(arms, 2.0, 5, start, costs=costs, discount=discount, tolerance=1e-8)
        program = budget_program(arms, 2.0, 5, start, np.tile(costs, (6, 1)), discount)
        assert bound.value == pytest.approx(program, rel=1e-6)
    own = np.column_stack([np.zeros(6), rng.uniform(0.5, 2.0, 6), rng.uniform(2.0, 3.0, 6)])
    bound = lagrangian_bound(arms, 2.0, 5, start, costs=own, discount=discount, tolerance=1e-8)
    assert bound.value == pytest.approx(budget_program(arms, 2.0, 5, start, own, discount), rel=1e-6)


def test_lagrangian_and_hull_bounds_agree_on_a_budget_and_enclose_the_optimum():
    arms = chain_arms(5, 2, seed=8)
    start = np.tile([0.5, 0.5, 0.0, 0.0], (5, 1))
    feasible_set = BudgetSet(5, 2)
    dual, hull = lagrangian_bound(arms, 2, 10, start), hull_bound(arms, feasible_set, 10, start)
    exact = finite_horizon_optimum(arms, feasible_set, 10, initial=start).expected
    assert dual.value == pytest.approx(hull.value, rel=3e-6)
    assert exact <= dual.value
    assert 0.995 * exact <= policy_value(arms, feasible_set, dual, start) <= exact * (1 + 1e-9)


@pytest.mark.parametrize("make", SETS)
@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_values_at_all_states_and_times_bound_the_exact_values(make, discount):
    arms, feasible_set = chain_arms(5, 2, 4), make(5, 2, 4)
    start = np.tile([0.7, 0.3, 0.0, 0.0], (5, 1))
    every = np.array(list(itertools.product(range(4), repeat=5)))
    exact = finite_horizon_optimum(arms, feasible_set, 6, discount)
    bounds = [hull_bound(arms, feasible_set, 6, start, discount=discount, tolerance=t) for t in (1e-6, 1e-2)]
    if isinstance(feasible_set, BudgetSet):
        bounds.append(lagrangian_bound(arms, 2, 6, start, discount=discount))
    chances = np.prod(start[np.arange(5), every], axis=1)
    for bound in bounds:
        for t in range(7):
            assert (bound.value_at(t, every) >= exact.values[t] - 1e-9).all()
        assert chances @ bound.value_at(0, every) == pytest.approx(bound.value, rel=1e-9)
        assert bound.value_at(6, every[7]) == 0.0
    for t, states, name in (
        (7, every, "t must"),
        (0, every[:, 1:], "shape"),
        (0, every + 1, "0..3"),
        (0, start[:, 0], "int"),
    ):
        with pytest.raises(ValueError, match=name):
            bounds[0].value_at(t, states)


@pytest.mark.parametrize("make", SETS)
def test_a_loose_tolerance_still_gives_a_bound_that_close(make):
    for seed in range(3):
        arms, feasible_set = chain_arms(6, 2, seed), make(6, 2, seed)
        start = np.tile([0.5, 0.5, 0.0, 0.0], (6, 1))
        best = hull_bound(arms, feasible_set, 10, start).value
        for tolerance in (1e-2, 1e-3):
            loose = hull_bound(arms, feasible_set, 10, start, tolerance=tolerance)
            assert loose.gap <= tolerance * loose.value
            assert best * (1 - 2e-6) <= loose.value <= best * (1 + 3 * tolerance)  # the gap is an estimate


@pytest.mark.parametrize("kind", ["hull", "budget"])
def test_prices_certify_the_bound(kind):
    arms, feasible_set = chain_arms(6, 2, seed=3), BudgetSet(6, 2)
    start = np.tile([0.5, 0.5, 0.0, 0.0], (6, 1))
    if kind == "hull":
        bound = hull_bound(arms, feasible_set, 8, start, discount=0.9)
    else:
        bound = lagrangian_bound(arms, 2, 8, start, discount=0.9)
    assert bound.prices.shape == (8, 6, 2)
    assert bound.values.shape == (9, 6, 4)
    values, value = np.zeros((6, 4)), 0.0
    for t in range(7, -1, -1):
        assert np.allclose(values, bound.values[t + 1])
        worth = arms.rewards + 0.9 * np.einsum("jasz,jz->jas", arms.transitions, values)
        values = (worth - bound.prices[t][:, :, None]).max(axis=1)
        levels = feasible_set.linear_oracle(bound.prices[t])
        value += 0.9**t * bound.prices[t][np.arange(6), levels.astype(int)].sum()
    assert bound.value == pytest.approx(value + (start * values).sum(), rel=1e-9)


def test_one_bound_for_many_copies_is_as_many_times_the_bound_of_one():
    few = random_arms(10, 2, 3, seed=6)
    many = Arms(np.tile(few.transitions, (300, 1, 1, 1)), np.tile(few.rewards, (300, 1, 1)))
    start = np.zeros(10, dtype=int)
    small = lagrangian_bound(few, 3, 10, start, tolerance=1e-7).value
    large = lagrangian_bound(many, 900, 10, np.tile(start, 300), tolerance=1e-7).value
    assert large == pytest.approx(300 * small, rel=3e-7)


def test_errors_say_what_to_do():
    arms = random_arms(3, 2, 2, seed=0)
    start = np.zeros(3, dtype=int)
    for wrong in (np.zeros(2, dtype=int), np.full(3, 2), np.full((3, 2), 0.6), np.zeros((3, 3)), np.zeros(3)):
        with pytest.raises(ValueError, match="initial"):
            lagrangian_bound(arms, 1, 4, wrong)
    for arguments, name in (
        ({"budget": -1.0}, "budget"),
        ({"budget": np.inf}, "budget"),
        ({"horizon": 0}, "horizon"),
        ({"discount": 0.0}, "discount"),
        ({"costs": [1.0, 2.0]}, "level 0 must cost nothing"),
        ({"costs": [0.0, 1.0, 2.0]}, "costs must have shape"),
    ):
        with pytest.raises(ValueError, match=name):
            lagrangian_bound(**{"arms": arms, "budget": 1, "horizon": 4, "initial": start, **arguments})
    with pytest.raises(ValueError, match="must agree"):
        hull_bound(arms, BudgetSet(4, 1), 4, start)
