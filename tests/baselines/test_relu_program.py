"""Networks over levels: values, certified bounds and the mixed-integer program, against listing all actions."""

import numpy as np
import pytest
from coupled_sets import PROBLEMS, best_value, hidden, random_network, small_set

from telos.baselines.relu_program import LevelDomain, ReluProgram, linear_upper_bound, pre_activation_bounds


@pytest.mark.parametrize("problem", PROBLEMS)
def test_values_are_those_of_the_layers(problem):
    feasible_set = small_set(problem)
    network = random_network(feasible_set, 2, seed=0)
    levels = feasible_set.levels(feasible_set.sample(np.random.default_rng(0), 6)).reshape(2, 3, -1)
    expected = [[hidden(network, row, levels[row, i])[1] for i in range(3)] for row in range(2)]
    np.testing.assert_allclose(network.values(levels), expected, rtol=1e-12)


def test_slopes_are_exact_where_no_neuron_switches():
    feasible_set = small_set("intervention")
    network = random_network(feasible_set, 1, seed=3)
    network.offset[:, :-1] = 100.0  # the first layer is always active
    network.layers[0][1][:] = [1e6, -1e6, 1e6, -1e6, 1e6, 1e6]  # the second is always active or never
    levels = feasible_set.levels(feasible_set.enumerate())
    slopes = network.slopes(levels[:1])[0]
    linear = slopes[np.arange(levels.shape[1]), levels].sum(axis=1)
    values = network.values(levels[None])[0]
    np.testing.assert_allclose(values - values[0], linear - linear[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("widths", [(5,), (5, 6), (4, 5, 3)])
def test_bounds_contain_every_feasible_activation(problem, widths):
    feasible_set = small_set(problem)
    network = random_network(feasible_set, 2, seed=1, widths=widths)
    bounds = pre_activation_bounds(network, LevelDomain.around(feasible_set))
    assert len(bounds) == len(widths)
    for row in range(2):
        for levels in feasible_set.levels(feasible_set.enumerate()):
            for seen, (lower, upper) in zip(hidden(network, row, levels)[0], bounds, strict=True):
                assert (lower[row] - 1e-9 <= seen).all()
                assert (seen <= upper[row] + 1e-9).all()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_first_layer_bounds_of_a_budget_are_attained(problem):
    """One neuron that counts the arms acted on ranges from none to as many as the set allows."""
    feasible_set = small_set(problem)
    network = random_network(feasible_set, 1, seed=1, widths=(1,))
    network.gains[..., 1:, 0] = 1.0
    network.offset[:] = 0.0
    ((lower, upper),) = pre_activation_bounds(network, LevelDomain.around(feasible_set))
    most = (feasible_set.levels(feasible_set.enumerate()) > 0).sum(axis=1).max()
    assert lower[0, 0] == 0.0
    assert upper[0, 0] == most


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_linear_bound_is_nowhere_below_the_network(problem):
    feasible_set = small_set(problem)
    network = random_network(feasible_set, 3, seed=2)
    weights, constants = linear_upper_bound(network, LevelDomain.around(feasible_set))
    levels = feasible_set.levels(feasible_set.enumerate())
    linear = weights[:, np.arange(levels.shape[1]), levels].sum(axis=2) + constants[:, None]
    values = network.values(np.broadcast_to(levels, (3, *levels.shape)))
    assert (linear >= values - 1e-9).all()
    assert linear.max() < values.max() + 100.0  # it is a bound of the right size, not a constant beyond all


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_program_finds_the_best_listed_action(problem):
    feasible_set = small_set(problem)
    network = random_network(feasible_set, 2, seed=4)
    program = ReluProgram(feasible_set, (5, 6))
    for row in range(2):
        solution = program.maximise(network[row : row + 1])
        best = best_value(feasible_set, network, row)
        assert feasible_set.feasible(solution.action)
        assert hidden(network, row, feasible_set.levels(solution.action))[1] == pytest.approx(best, abs=1e-6)
        assert solution.upper_bound == pytest.approx(best, abs=1e-5)


def test_a_program_stopped_at_a_gap_keeps_its_promise():
    feasible_set = small_set("capacity")
    network = random_network(feasible_set, 1, seed=5)
    solution = ReluProgram(feasible_set, (5, 6)).maximise(network, relative_gap=0.5)
    best = best_value(feasible_set, network, 0)
    value = hidden(network, 0, feasible_set.levels(solution.action))[1]
    assert value <= best + 1e-9
    assert solution.upper_bound >= best - 1e-6
