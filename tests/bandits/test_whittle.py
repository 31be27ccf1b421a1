"""Whittle indices against value iteration with bisection, hand-worked arms and an independent package."""

import numpy as np
import pytest

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.optimum import infinite_horizon_optimum
from telos.envs.bandits.whittle import whittle_indices


def random_arms(count, states, seed, concentration=1.0):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.full(states, concentration), size=(count, 2, states))
    transitions = 0.98 * transitions + 0.02 / states  # every state can be reached, so every policy is unichain
    return Arms(transitions / transitions.sum(axis=-1, keepdims=True), rng.random((count, 2, states)))


def advantage(arms, arm, subsidy, discount):
    """Acting less resting in every state, by plain (relative) value iteration."""
    values = np.zeros(arms.num_states)
    for _ in range(200_000):
        resting = arms.rewards[arm, 0] + subsidy + discount * arms.transitions[arm, 0] @ values
        acting = arms.rewards[arm, 1] + discount * arms.transitions[arm, 1] @ values
        new = np.maximum(resting, acting)
        new -= new[0]  # constants cancel in the difference of the two actions
        if np.abs(new - values).max() < 1e-13:
            return acting - resting
        values = new
    raise AssertionError("value iteration did not converge")


@pytest.mark.parametrize("discount", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("states", [2, 3, 5])
def test_acting_and_resting_are_equal_at_the_index_and_only_there(states, discount):
    arms = random_arms(4, states, seed=states)
    result = whittle_indices(arms, discount)
    assert result.indexable.all()
    for arm in range(4):
        for state in range(states):
            low, high = -50.0, 50.0
            while high - low > 1e-10:
                middle = (low + high) / 2
                low, high = (middle, high) if advantage(arms, arm, middle, discount)[state] > 0 else (low, middle)
            assert result.indices[arm, state] == pytest.approx(low, abs=1e-9)


def test_action_that_moves_nothing_is_worth_its_immediate_reward():
    transitions = np.full((1, 2, 3, 3), 1 / 3)
    rewards = np.array([[[0.0, 1.0, 0.5], [0.25, 3.0, 0.5]]])
    for discount in (0.5, 1.0):
        result = whittle_indices(Arms(transitions, rewards), discount)
        np.testing.assert_allclose(result.indices, [[0.25, 2.0, 0.0]], atol=1e-12)
        assert result.indexable.all()


def test_rested_two_state_arm_by_hand():
    # Acting in state 0 earns 1 and leads to state 1 for good, which earns 0: Whittle's index of a rested arm is
    # Gittins' index, here 1 (play once, then retire) and 0.
    transitions = np.array([[np.eye(2), [[0.0, 1.0], [0.0, 1.0]]]])
    rewards = np.array([[[0.0, 0.0], [1.0, 0.0]]])
    np.testing.assert_allclose(whittle_indices(Arms(transitions, rewards), 0.9).indices, [[1.0, 0.0]], atol=1e-12)
    # With the prize one step away, r = (0, 1): playing on from state 0 earns discount^1 over 1 + discount + ... steps,
    # and the best stopping rule never stops, so the index of state 0 is discount * 1.
    rewards = np.array([[[0.0, 0.0], [0.0, 1.0]]])
    np.testing.assert_allclose(whittle_indices(Arms(transitions, rewards), 0.9).indices, [[0.9, 1.0]], atol=1e-12)


def test_equal_arms_in_all_states_are_a_tie_and_indexable():
    transitions = np.full((2, 2, 4, 4), 0.25)
    rewards = np.zeros((2, 2, 4))
    rewards[:, 1] = 0.7
    result = whittle_indices(Arms(transitions, rewards), 0.95)
    np.testing.assert_allclose(result.indices, 0.7)
    assert result.indexable.all()


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_indexability_is_what_a_scan_of_the_subsidy_sees(discount):
    arms = random_arms(150, 3, seed=7, concentration=0.15)
    result = whittle_indices(arms, discount)
    assert 0 < (~result.indexable).sum() < 30
    checked = np.flatnonzero(~result.indexable).tolist() + np.flatnonzero(result.indexable)[:6].tolist()
    seen = 0
    for arm in checked:
        index = result.indices[arm]
        # The best action changes only at finitely many subsidies: look between and around all of them.
        probe = np.unique(np.concatenate([index + shift for shift in (-1e-3, 1e-3)] + [np.linspace(-8, 8, 161)]))
        rests = np.array([advantage(arms, arm, subsidy, discount) < 1e-9 for subsidy in probe])
        reversals = (np.diff(rests.astype(int), axis=0) < 0).any()
        assert not (reversals and result.indexable[arm])
        seen += reversals
        last_acting = np.array([probe[~rests[:, s]].max() for s in range(3)])
        inside = np.abs(index) < 7.9
        assert (last_acting[inside] <= index[inside] + 1e-9).all()
        assert (index[inside] - last_acting[inside] <= 0.1 + 1e-9).all()
    assert seen >= 1  # the others act again only within less than the scan's spacing


def test_batch_equals_one_by_one_and_adding_a_constant_changes_nothing():
    arms = random_arms(3000, 4, seed=1)
    together = whittle_indices(arms, 0.95)
    for arm in (0, 1, 2047, 2048, 2999):
        alone = whittle_indices(Arms(arms.transitions[arm : arm + 1], arms.rewards[arm : arm + 1]), 0.95)
        np.testing.assert_allclose(together.indices[arm], alone.indices[0], rtol=1e-12)
    shifted = whittle_indices(Arms(arms.transitions, arms.rewards + 5.0), 0.95)
    np.testing.assert_allclose(shifted.indices, together.indices, atol=1e-9)


@pytest.mark.parametrize("discount", [0.5, 0.99, 1.0])
@pytest.mark.parametrize("states", [2, 4, 12])
def test_agrees_with_markovianbandit_pkg(states, discount):
    reference = pytest.importorskip("markovianbandit", reason="needs markovianbandit-pkg and numba")
    arms = random_arms(40, states, seed=3, concentration=0.3)
    result = whittle_indices(arms, discount)
    for arm in range(40):
        (rest, act), (rest_reward, act_reward) = arms.transitions[arm], arms.rewards[arm]
        bandit = reference.restless_bandit_from_P0P1_R0R1(rest, act, rest_reward, act_reward)
        expected = bandit.whittle_indices(check_indexability=True, discount=discount)
        assert bool(bandit.is_indexable(discount=discount)) == result.indexable[arm]
        if result.indexable[arm]:
            np.testing.assert_allclose(result.indices[arm], expected, atol=1e-9)


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_of_two_equal_two_state_arms_the_one_with_the_higher_index_is_the_one_to_act_on(discount):
    # Acting costs nothing and pays, so one arm is acted on in every joint state. Only where the arms differ in state is
    # there a choice; which one is right is the index's to say.
    choices = set()
    for seed in range(12):
        one = random_arms(1, 2, seed)
        rewards = np.concatenate([one.rewards[:, :1], one.rewards[:, :1] + one.rewards[:, 1:] + 1.0], axis=1)
        arms = Arms(np.repeat(one.transitions, 2, axis=0), np.repeat(rewards, 2, axis=0))
        index = whittle_indices(arms, discount).indices[0]
        assert index.min() > 0
        optimum = infinite_horizon_optimum(arms, BudgetSet(2, 1), discount, tolerance=1e-9)
        first = int(index[0] > index[1])
        choices.add(first)
        assert optimum.policy([0, 1]).tolist() == [first, 1 - first]
        assert optimum.policy([1, 0]).tolist() == [1 - first, first]
    assert choices == {0, 1}


def test_errors_say_what_to_do():
    arms = random_arms(2, 3, seed=0)
    with pytest.raises(ValueError, match="discount must be in"):
        whittle_indices(arms, 0.0)
    with pytest.raises(ValueError, match="two levels"):
        whittle_indices(Arms(arms.transitions[:, [0, 1, 1]], arms.rewards[:, [0, 1, 1]]), 0.9)
    frozen = np.stack([arms.transitions, np.broadcast_to(np.eye(3), (2, 2, 3, 3))]).reshape(4, 2, 3, 3)
    with pytest.raises(ValueError, match="arm 2 has a policy with several recurrent classes"):
        whittle_indices(Arms(frozen, np.concatenate([arms.rewards] * 2)), 1.0)
