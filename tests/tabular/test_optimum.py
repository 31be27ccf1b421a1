"""Exact solutions: hand-worked, against brute force, against each other and against simulation."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.envs.tabular.instances import deep_sea, random_mdp
from telos.envs.tabular.mdp import TabularMDP
from telos.envs.tabular.optimum import (
    finite_horizon_evaluation,
    finite_horizon_occupancy,
    finite_horizon_optimum,
    occupancy,
    policy_evaluation,
    policy_iteration,
    value_iteration,
)

#: State 0: stay for 1, or go to state 1 for 0. State 1: 2 in every step, whatever is done.
TWO_STATES = TabularMDP.from_arrays(
    [[[1, 0], [0, 1]], [[0, 1], [0, 1]]], {"a": [[1.0, 0.0], [0.0, 0.0]], "b": [[0.0, 0.0], [2.0, 2.0]]}, [1.0, 0.0]
)


def test_two_states_by_hand():
    """At discount d: staying is worth 1 / (1 - d), going 2 d / (1 - d): equally much at d = 1/2."""
    optimum = policy_iteration(TWO_STATES, 0.75)
    assert optimum.values == pytest.approx([6.0, 8.0])
    assert optimum.action_values == pytest.approx(np.array([[5.5, 6.0], [8.0, 8.0]]))
    assert optimum.optimal.tolist() == [[False, True], [True, True]]
    assert optimum.expected == pytest.approx(6.0)
    assert policy_iteration(TWO_STATES, 0.5).optimal.tolist() == [[True, True], [True, True]]
    assert policy_iteration(TWO_STATES, 0.25).policy.tolist() == [0, 0]
    assert policy_iteration(TWO_STATES, 0.75, {"b": 0.0}).values == pytest.approx([4.0, 0.0])
    assert policy_evaluation(TWO_STATES, [[0.5, 0.5], [1.0, 0.0]], 0.5) == pytest.approx([2.0, 4.0])
    # Three steps: 1 + 0 + 2, or 0 + 2 + 2, or 1 + 1 + 1.
    finite = finite_horizon_optimum(TWO_STATES, horizon=3)
    assert finite.values[:, 0] == pytest.approx([4.0, 2.0, 1.0, 0.0])
    assert finite.optimal[:, 0].tolist() == [[False, True], [True, True], [True, False]]
    assert occupancy(TWO_STATES, [1, 0], 0.5) == pytest.approx(np.array([[0.0, 1.0], [1.0, 0.0]]))


def test_both_iterations_equal_the_best_of_all_policies():
    for seed in range(6):
        mdp = random_mdp(5, 3, 3, 0.5, None, seed)
        values = np.array(
            [policy_evaluation(mdp, np.array(policy), 0.9) for policy in itertools.product(range(3), repeat=5)]
        )
        for optimum in (policy_iteration(mdp, 0.9), value_iteration(mdp, 0.9)):
            assert optimum.values == pytest.approx(values.max(axis=0), abs=1e-8)
            assert optimum.policy.tolist() == list(np.unravel_index(values.sum(axis=1).argmax(), (3,) * 5))


def test_policy_iteration_ends_where_all_is_tied():
    mdp = random_mdp(6, 4, 3, 1.0, None, 0)
    optimum = policy_iteration(mdp, 0.9, {"outcome": 0.0})
    assert optimum.optimal.all()


def test_finite_horizon_equals_a_plain_recursion():
    mdp = random_mdp(4, 2, 3, 1.0, 5, 3)
    reward, moves = (mdp.transitions * mdp.rewards["outcome"]).sum(axis=2), mdp.transitions

    def best(t, state):
        if t == 5:
            return 0.0
        return max(
            reward[state, a] + 0.9 * sum(moves[state, a, s] * best(t + 1, s) for s in range(4)) for a in range(2)
        )

    optimum = finite_horizon_optimum(mdp, 0.9)
    assert optimum.values[0] == pytest.approx([best(0, s) for s in range(4)])
    assert finite_horizon_evaluation(mdp, optimum.policy, 0.9)[0] == pytest.approx(optimum.values[0])


def test_occupancies_weigh_rewards_into_values():
    mdp = random_mdp(7, 3, 4, 1.0, 12, 1)
    policy = np.random.default_rng(0).dirichlet(np.ones(3), 7)
    visits = occupancy(mdp, policy, 0.95)
    assert visits.sum() == pytest.approx(20.0)
    assert (visits * mdp.expected_reward()).sum() == pytest.approx(mdp.start @ policy_evaluation(mdp, policy, 0.95))
    timed = finite_horizon_occupancy(mdp, policy)
    assert timed.sum(axis=(1, 2)) == pytest.approx(np.ones(12))
    assert (timed * mdp.expected_reward()).sum() == pytest.approx(mdp.start @ finite_horizon_evaluation(mdp, policy)[0])


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [("StepChain-v0", {"prm_noise": 0.2}), ("DeepSea-v0", {"size": 6, "stochastic": True}), ("RandomMDP-v0", {})],
)
def test_optimal_policies_earn_their_value_in_the_environment(env_id, arguments):
    envs = gym.make_vec(env_id, num_envs=3000, autoreset_mode="Disabled", num_threads=1, **arguments)
    mdp = envs.unwrapped.to_tabular()
    optimum = finite_horizon_optimum(mdp)
    observation, _ = envs.reset(seed=4)
    returns, alive = np.zeros(3000), np.ones(3000, bool)
    for t in range(mdp.horizon):
        states = observation[:, 0] if observation.ndim == 2 else observation
        observation, rewards, terminated, _, _ = envs.step(optimum.policy[t, states])
        returns += rewards * alive
        alive &= ~terminated
        if terminated.any():
            # Finished rows begin anew so that the others can go on; what they earn is not counted.
            observation, _ = envs.reset(options={"reset_mask": terminated})
    assert not alive.any()
    error = returns.std() / np.sqrt(3000)
    assert abs(returns.mean() - optimum.expected) < 5 * error + 1e-9


@pytest.mark.parametrize("size", [4, 10, 30])
def test_deep_sea_pays_what_bsuite_says(size):
    mdp, rights = deep_sea(size, False, 0.01, True, 7)
    optimum = finite_horizon_optimum(mdp)
    assert optimum.expected == pytest.approx(0.99)
    diagonal = [row * size + row for row in range(size)]
    assert [int(optimum.policy[t, state]) for t, state in enumerate(diagonal)] == np.diag(rights).tolist()
    # Only 1 of 2 ** size sequences finds the treasure.
    random = finite_horizon_evaluation(mdp, np.full((mdp.num_states, 2), 0.5), weights={"move": 0.0})
    assert mdp.start @ random[0] == pytest.approx(2.0**-size)


def test_windy_deep_sea_pays_what_bsuite_says():
    """bsuite's optimum goes on to pay for moves after a failure; the true one saves them, at most move_cost."""
    mdp, _ = deep_sea(10, True, 0.01, True, 7)
    treasure = finite_horizon_optimum(mdp, weights={"move": 0.0}).expected
    assert treasure == pytest.approx(0.9**9)
    assert treasure - 0.01 < finite_horizon_optimum(mdp).expected < treasure


def test_the_ceiling_of_step_chain():
    mdp = gym.make("StepChain-v0").unwrapped.to_tabular()
    assert finite_horizon_optimum(mdp, weights={"process": 0.0}).expected == pytest.approx(0.85**4)


def test_a_large_table_stays_small():
    mdp, _ = deep_sea(50, False, 0.01, True, 0)
    assert mdp.num_states == 2501
    assert mdp.next_states.nbytes < 100_000
    assert finite_horizon_optimum(mdp).expected == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: policy_iteration(TWO_STATES, 1.0), "discount must be in"),
        (lambda: value_iteration(TWO_STATES, 0.9, tolerance=0.0), "tolerance must be above 0"),
        (lambda: finite_horizon_optimum(TWO_STATES), "needs a horizon"),
        (lambda: finite_horizon_optimum(TWO_STATES, 1.1, horizon=3), "discount must be in"),
        (lambda: policy_evaluation(TWO_STATES, [0, 2], 0.5), "actions must be in 0..1"),
        (lambda: policy_evaluation(TWO_STATES, [0, 1, 0], 0.5), "a policy must be"),
        (lambda: policy_evaluation(TWO_STATES, [[0.5, 0.6], [1, 0]], 0.5), "add up to 1"),
        (lambda: policy_iteration(TWO_STATES, 0.5, {"c": 1.0}), "no reward term 'c'"),
    ],
)
def test_misuse_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("env_id", "best", "at_random"),
    [
        ("LoiterChain-v0", 11.5, 6.49),
        ("StepChain-v0", 23.04, 2.69),
        ("DeepSea-v0", 0.99, -0.004),
        ("RandomMDP-v0", 75.3, 3.9),
    ],
)
def test_reference_scores_of_the_docstrings(env_id, best, at_random):
    mdp = gym.make(env_id).unwrapped.to_tabular()
    uniform = np.full((mdp.num_states, mdp.num_actions), 1 / mdp.num_actions)
    assert finite_horizon_optimum(mdp).expected == pytest.approx(best, rel=1e-3)
    assert mdp.start @ finite_horizon_evaluation(mdp, uniform)[0] == pytest.approx(at_random, rel=0.01)


def test_reference_scores_of_four_rooms():
    mdp = gym.make("FourRooms-v0").unwrapped.to_tabular()
    uniform = np.full((104, 4), 0.25)
    assert policy_iteration(mdp, 0.9).expected == pytest.approx(0.329, abs=5e-4)
    assert mdp.start @ policy_evaluation(mdp, uniform, 0.9) == pytest.approx(0.033, abs=5e-4)
    # The mean time to the end is what each state's visits add up to as the discount goes to 1.
    assert occupancy(mdp, uniform, 1 - 1e-9)[~mdp.terminal].sum() == pytest.approx(502.4, abs=0.1)


def test_sparse_and_dense_systems_give_the_same_values():
    """``DeepSea`` of size 23 is solved as a sparse system; value iteration solves none."""
    mdp, _ = deep_sea(23, True, 0.01, True, 0)
    assert policy_iteration(mdp, 0.9).values == pytest.approx(value_iteration(mdp, 0.9).values, abs=1e-9)
    visits = occupancy(mdp, np.full((mdp.num_states, 2), 0.5), 0.9)
    assert visits.sum() == pytest.approx(10.0)
