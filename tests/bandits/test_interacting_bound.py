"""Bounds on bandits with a reward cap or contagion, against exact dynamic programming over joint states."""

from functools import cache
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.policies.bandits import Prices
from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.interacting_optimum import interacting_optimum
from telos.envs.bandits.interaction import contagion_alternatives, interaction_bound_arguments, leader_chances
from telos.envs.bandits.optimum import finite_horizon_optimum
from telos.envs.bandits.relaxation import hull_bound

HORIZON = 5
HARDER = [(0, 0.0, 3.0), (0, 0.0, 6.0), (0, 0.3, None), (0, 1.0, None), (0, 0.4, 4.0), (1, 0.4, 4.0)]
CASES = [(problem, *harder) for problem in ("Path", "Matching", "Capacity", "Intervention") for harder in HARDER]


@cache
def made(problem, seed, contagion, cap):
    arms = 4 if problem == "Intervention" else 5
    own = {"num_actions": 4} if problem == "Intervention" else {}
    return gym.make(
        f"CoRMAB{problem}-v0",
        num_arms=arms,
        budget=2,
        horizon=HORIZON,
        instance_seed=seed,
        contagion=contagion,
        reward_cap=cap,
        **own,
    ).unwrapped.family


def bounded(family, **kwargs):
    """Bounds with the cap and the contagion that the family has, unless others are given."""
    known = interaction_bound_arguments(family.arms, family.instance.next_state_rewards, family.params.interaction)
    return hull_bound(family.arms, family.feasible_sets[0], family.horizon, family.start, **(known | kwargs))


def every_state(family):
    shape = (family.arms.num_states,) * family.arms.num_arms
    return np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)


@pytest.mark.parametrize(("problem", "seed", "contagion", "cap"), CASES)
def test_no_policy_earns_more_from_any_state_at_any_time(problem, seed, contagion, cap):
    family = made(problem, seed, contagion, cap)
    exact, states = interacting_optimum(family), every_state(family)
    for tolerance in (1e-2, 1e-6):
        bound = bounded(family, tolerance=tolerance)
        assert bound.value >= exact.expected - 1e-9
        assert bound.gap <= tolerance * max(bound.value, np.ptp(family.instance.next_state_rewards))
        assert ((bound.reward_weights >= 0) & (bound.reward_weights <= 1)).all()
        for t in range(HORIZON + 1):
            assert (bound.value_at(t, states) >= exact.values[t] - 1e-9).all()
        chances = np.prod(family.start[np.arange(states.shape[1]), states], axis=1)
        assert chances @ bound.value_at(0, states) == pytest.approx(bound.value, rel=1e-9)


def test_the_bound_falls_with_the_cap_from_the_bound_without_one_to_the_cap_itself():
    family = made("Capacity", 2, 0.0, 3.0)
    plain = hull_bound(family.arms, family.feasible_sets[0], HORIZON, family.start)
    groups = np.array([0, 0, 1, 1, 1])
    free = bounded(family, groups=groups, cap=1e6)
    assert free.value == pytest.approx(plain.value, rel=2e-6)
    assert (plain.reward_weights == 1).all()
    values = [bounded(family, groups=groups, cap=cap).value for cap in (8.0, 4.0, 2.0, 1.0, 0.1)]
    assert plain.value * (1 + 1e-6) >= values[0]
    assert all(more > less for more, less in pairwise(values))
    # Two groups earn more than so little in every step, whatever is done.
    assert values[-1] == pytest.approx(2 * HORIZON * 0.1, rel=1e-6)


def test_a_cap_on_each_arm_alone_is_a_cap_on_its_expected_reward():
    """Where arms are not coupled and every state pays the same, the best is to earn the cap or what there is."""
    rewards = np.array([[[1.0], [3.0]], [[0.5], [0.7]]])
    arms = Arms(np.ones((2, 2, 1, 1)), rewards)
    bound = hull_bound(arms, BudgetSet(2, 2), 3, [0, 0], discount=0.5, groups=[0, 1], cap=2.0)
    assert bound.value == pytest.approx(1.75 * (2.0 + 0.7), rel=1e-6)


def test_prices_weigh_rewards_as_the_bound_does():
    """Past its cap an arm's reward is worth nothing: the other arm of the budget is the better one."""
    arms = Arms(np.ones((2, 2, 1, 1)), np.array([[[4.0], [6.0]], [[0.0], [1.0]]]))
    budget = BudgetSet(2, 1)
    for kwargs, best in (({}, [1, 0]), ({"groups": [0, 1], "cap": 4.0}, [0, 1])):
        bound = hull_bound(arms, budget, 2, [0, 0], **kwargs)
        assert np.array_equal(Prices(arms, budget, bound)(np.zeros((1, 2), np.int64), 0), [best])


def test_prices_under_a_cap_earn_nearly_the_optimum():
    family = made("Path", 1, 0.0, 6.0)
    feasible, exact = family.feasible_sets[0], interacting_optimum(family)
    states = every_state(family)
    earned = family.instance.next_state_rewards[np.arange(5), states]
    paid = np.minimum(earned.sum(axis=1), 6.0)  # five arms are one group
    shares = []
    for bound in (bounded(family), hull_bound(family.arms, feasible, HORIZON, family.start)):
        value = np.zeros(len(states))
        for t in range(HORIZON - 1, -1, -1):
            chosen = feasible.levels(Prices(family.arms, feasible, bound)(states, t))
            before = np.empty_like(value)
            for levels in np.unique(chosen, axis=0):
                table = paid + value
                for arm, level in enumerate(levels):
                    table = table.reshape(4, -1).T @ family.arms.transitions[arm, level].T
                here = (chosen == levels).all(axis=1)
                before[here] = table.ravel()[here]
            value = before
        chances = np.prod(family.start[np.arange(5), states], axis=1)
        shares.append(chances @ value / exact.expected)
    assert 0.99 <= shares[0] <= 1 + 1e-9
    assert shares[1] < shares[0]


@pytest.mark.parametrize("contagion", [0.3, 1.0])
@pytest.mark.parametrize("problem", ["Path", "Matching", "Capacity"])
def test_leaders_keep_arms_from_all_following_the_best(problem, contagion):
    family = made(problem, 0, contagion, None)
    exact = interacting_optimum(family).expected
    led, free = bounded(family).value, bounded(family, leaders=None).value
    assert exact <= led <= 1.5 * exact
    assert free > 1.6 * exact
    # The smoothed dual and the linear program agree.
    assert bounded(family, tolerance=3e-3).value == pytest.approx(led, rel=1e-2)


def test_leaders_are_drawn_from_an_arms_neighbours():
    interaction = made("Path", 0, 0.3, None).params.interaction
    chances = leader_chances(interaction)
    for arm, degree in enumerate(interaction.degrees):
        assert set(np.flatnonzero(chances[arm])) == set(interaction.neighbours[arm, :degree])
        assert chances[arm].max() == pytest.approx(1 / degree)
    assert chances.sum(axis=1) == pytest.approx(np.ones(5))


def test_a_follower_of_one_leader_without_a_choice_is_bounded_exactly():
    """Arm 0 always goes where arm 1 was; arm 1 stays where it began, in the state that pays with probability 0.3."""
    alternatives = tuple(
        Arms(
            np.broadcast_to(np.stack([np.eye(2)[[z, z]], np.eye(2)])[:, None], (2, 2, 2, 2)),
            np.broadcast_to(np.array([float(z), 0.0])[:, None, None], (2, 2, 2)),
        )
        for z in range(2)
    )
    start = [[1.0, 0.0], [0.7, 0.3]]
    leaders = [[0.0, 1.0], [0.0, 0.0]]
    free, led = (
        hull_bound(alternatives[0], BudgetSet(2, 0), 4, start, alternatives=alternatives, leaders=given).value
        for given in (None, leaders)
    )
    assert free == pytest.approx(4.0, rel=1e-6)
    assert led == pytest.approx(4 * 0.3, rel=1e-6)


def test_alternatives_are_a_choice_free_of_charge():
    family = made("Matching", 0, 0.0, 3.0)
    arms, feasible = family.arms, family.feasible_sets[0]
    idle = Arms(arms.transitions[:, [0, 0]], arms.rewards[:, [0, 0]])
    acted = Arms(arms.transitions[:, [1, 1]], arms.rewards[:, [1, 1]])
    plain, same, both, all_three = (
        hull_bound(arms, feasible, HORIZON, family.start, alternatives=alternatives).value
        for alternatives in ((), (arms, arms), (arms, idle), (arms, idle, acted))
    )
    assert same == pytest.approx(plain, rel=2e-6)
    assert plain * (1 - 1e-6) <= both <= all_three * (1 + 1e-6)
    # To be acted on at no charge is what an arm gains by acting on all.
    unbound = finite_horizon_optimum(arms, BudgetSet(5, 5), HORIZON, initial=family.start).expected
    assert all_three == pytest.approx(unbound, rel=2e-6)


def test_contagion_alternatives_hold_what_an_arm_does_under_each_leader():
    family = made("Path", 0, 0.3, None)
    interaction, arms = family.params.interaction, family.arms
    alternatives = contagion_alternatives(arms, family.instance.next_state_rewards, interaction)
    assert len(alternatives) == arms.num_states
    # From state 1, acting leads to 0 or 2; a follower of state 3 then goes on to 1 or 3.
    arm = int(np.flatnonzero(interaction.degrees > 0)[0])
    down, _, up, _ = arms.transitions[arm, 1, 1]
    assert alternatives[3].transitions[arm, 1, 1] == pytest.approx([0.7 * down, 0.3 * down, 0.7 * up, 0.3 * up])
    assert alternatives[0].transitions[arm, 1, 1] == pytest.approx([down, 0.3 * up, 0.7 * up, 0.0])
    alone = contagion_alternatives(
        arms, family.instance.next_state_rewards, interaction._replace(degrees=0 * interaction.degrees)
    )
    assert all(np.array_equal(each.transitions, arms.transitions) for each in alone)


def test_errors_say_what_to_do():
    family = made("Capacity", 2, 0.0, 3.0)
    fewer = Arms(family.arms.transitions[:4], family.arms.rewards[:4])
    for kwargs, message in (
        ({"groups": None}, "go together"),
        ({"groups": [0, 1]}, "groups must be 5 integers"),
        ({"groups": [-1, 0, 0, 0, 0]}, "groups must be 5 integers"),
        ({"cap": np.inf}, "cap must be finite"),
        ({"alternatives": (family.arms, fewer)}, r"alternatives\[1\]"),
        ({"leaders": np.eye(5)}, "one of 4 alternatives"),
        ({"alternatives": (family.arms,) * 4, "leaders": np.eye(4)}, "leaders must be 5 rows"),
        ({"alternatives": (family.arms,) * 4, "leaders": 0.5 * np.eye(5)}, "sum to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            bounded(family, **kwargs)
