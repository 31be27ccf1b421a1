"""Long-run bounds against the occupancy linear program, exact optima and each other."""

import numpy as np
import pytest
from scipy import optimize, sparse

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.instances import (
    birth_death_arms,
    machine_maintenance_arms,
    maternal_health_arms,
    random_arms,
)
from telos.envs.bandits.optimum import infinite_horizon_optimum
from telos.envs.bandits.relaxation import lagrangian_bound
from telos.envs.bandits.stationary import average_reward_bound, discounted_bound


def occupancy_program(arms, budget, costs, discount=None, start=None):
    """The occupancy linear program by HiGHS; the average reward if there is no discount."""
    count, levels, states, _ = arms.transitions.shape
    shape = (count, states, levels)
    out = np.repeat(np.eye(states)[:, None, :], levels, axis=1)  # [state, level, state]
    flow = [
        (out - (discount or 1.0) * chances.transpose(1, 0, 2)).reshape(-1, states).T for chances in arms.transitions
    ]
    rows, right = [sparse.block_diag(flow)], [np.zeros(count * states) if discount is None else start.ravel()]
    if discount is None:
        rows.append(sparse.kron(sparse.eye_array(count), np.ones((1, states * levels))))
        right.append(np.ones(count))
    spent = np.broadcast_to(np.broadcast_to(costs, (count, levels))[:, None], shape).reshape(1, -1)
    limit = budget if discount is None else budget / (1 - discount)
    result = optimize.linprog(
        -arms.rewards.transpose(0, 2, 1).ravel(),
        A_eq=sparse.vstack(rows),
        b_eq=np.concatenate(right),
        A_ub=spent,
        b_ub=[limit],
    )
    assert result.status == 0
    return -result.fun


GENERATORS = [birth_death_arms, machine_maintenance_arms, maternal_health_arms, random_arms]


@pytest.mark.parametrize("generate", GENERATORS)
@pytest.mark.parametrize("budget", [0, 2, 5.5, 20])
def test_equals_the_occupancy_program(generate, budget):
    arms = generate(20, 7)
    average = average_reward_bound(arms, budget)
    assert average.value == pytest.approx(occupancy_program(arms, budget, [0, 1]), abs=1e-7)
    start = np.random.default_rng(0).dirichlet(np.ones(arms.num_states), size=20)
    discounted = discounted_bound(arms, budget, 0.9, start)
    assert discounted.value == pytest.approx(occupancy_program(arms, budget, [0, 1], 0.9, start), abs=1e-6)


def test_levels_with_costs_of_their_own():
    arms = random_arms(8, seed=1, num_levels=3)
    costs = np.random.default_rng(1).random((8, 3))
    costs[:, 0] = 0.0
    for budget in (0.5, 1.5, 3.0):
        bound = average_reward_bound(arms, budget, costs=costs)
        assert bound.value == pytest.approx(occupancy_program(arms, budget, costs), abs=1e-7)
        assert np.einsum("jsa,ja->", bound.occupancy, costs) <= budget + 1e-9


@pytest.mark.parametrize("generate", GENERATORS)
def test_the_occupancy_is_feasible_and_earns_the_bound(generate):
    arms = generate(300, 3)
    bound = average_reward_bound(arms, 75)
    occupancy = bound.occupancy
    assert (occupancy >= 0).all()
    np.testing.assert_allclose(occupancy.sum(axis=(1, 2)), 1.0, atol=1e-9)
    np.testing.assert_allclose(occupancy.sum(axis=2), np.einsum("jsa,jast->jt", occupancy, arms.transitions), atol=1e-9)
    used = occupancy[..., 1].sum()
    assert used <= 75 + 1e-8
    assert bound.price == 0 or used == pytest.approx(75)
    earned = np.einsum("jsa,jas->", occupancy, arms.rewards)
    assert earned == pytest.approx(bound.value, rel=1e-8)
    assert -1e-9 <= bound.gap / abs(bound.value) < 1e-8
    charged = arms.rewards - bound.price * np.arange(2)[:, None]
    best = (charged + np.einsum("jast,jt->jas", arms.transitions, bound.values)).max(axis=1) - bound.values
    np.testing.assert_allclose(best, best[:, :1] * np.ones(arms.num_states), atol=1e-8)
    assert best[:, 0].sum() + bound.price * 75 == pytest.approx(bound.value)


@pytest.mark.parametrize("seed", range(4))
def test_no_less_than_the_exact_optimum_and_equal_without_a_binding_budget(seed):
    arms = random_arms(3, seed)
    for budget in (0, 1, 2, 3):
        gain = infinite_horizon_optimum(arms, BudgetSet(3, budget), 1.0, tolerance=1e-9).values[0]
        bound = average_reward_bound(arms, budget).value
        assert bound >= gain - 1e-8
        if budget in (0, 3):
            assert bound == pytest.approx(gain, abs=1e-8)


def test_identical_arms_each_get_their_share():
    arm = birth_death_arms(1, 4)
    arms = Arms(np.repeat(arm.transitions, 50, axis=0), np.repeat(arm.rewards, 50, axis=0))
    one, many = average_reward_bound(arm, 0.3), average_reward_bound(arms, 15)
    assert many.value == pytest.approx(50 * one.value)
    np.testing.assert_allclose(many.occupancy, np.repeat(one.occupancy, 50, axis=0), atol=1e-9)


def test_long_finite_horizons_approach_the_average():
    arms = birth_death_arms(30, 5)
    average = average_reward_bound(arms, 8).value
    start = np.zeros(30, dtype=int)
    short, long = (lagrangian_bound(arms, 8, steps, start).value for steps in (10, 30))
    assert (long - short) / 20 == pytest.approx(average, rel=0.01)


def test_the_answer_does_not_depend_on_units_or_order():
    arms = random_arms(40, 9)
    bound = average_reward_bound(arms, 10)
    scaled = average_reward_bound(Arms(arms.transitions, 1e5 * arms.rewards[:] - 3e5), 10)
    assert scaled.value == pytest.approx(1e5 * bound.value - 40 * 3e5, rel=1e-9)
    backwards = average_reward_bound(Arms(arms.transitions[::-1], arms.rewards[::-1]), 10)
    assert backwards.value == pytest.approx(bound.value, rel=1e-12)


def test_errors_say_what_to_do():
    arms = random_arms(2, 0)
    with pytest.raises(ValueError, match="budget must be finite and at least 0"):
        average_reward_bound(arms, -1)
    with pytest.raises(ValueError, match="use average_reward_bound"):
        discounted_bound(arms, 1, 1.0, [0, 0])
    frozen = np.stack([arms.transitions[0], np.broadcast_to(np.eye(4), (2, 4, 4))])
    with pytest.raises(ValueError, match=r"arm 1 has a policy with several recurrent classes.*discounted_bound"):
        average_reward_bound(Arms(frozen, arms.rewards), 1)
    assert np.isfinite(discounted_bound(Arms(frozen, arms.rewards), 1, 0.9, [0, 0]).value)
