"""Small feasible sets of the four coupled problems, and random networks over them."""

import numpy as np

from telos.baselines.relu_program import LevelNetwork
from telos.envs.bandits.coupled_instances import (
    capacity_instance,
    intervention_instance,
    matching_instance,
    path_instance,
)

PROBLEMS = ("intervention", "path", "matching", "capacity")
MAKERS = {"path": path_instance, "matching": matching_instance, "capacity": capacity_instance}


def small_set(problem, num_arms=7, budget=3, seed=1):
    if problem == "intervention":
        return intervention_instance(num_arms, budget, 5, seed).feasible
    return MAKERS[problem](num_arms, budget, seed).feasible


def random_network(feasible_set, count, seed, widths=(5, 6), skip=1.0):
    rng = np.random.default_rng(seed)
    arms, levels = feasible_set.num_arms, feasible_set.num_levels
    gains = rng.normal(size=(count, arms, levels, widths[0] + 1))
    gains[:, :, 0] = 0.0
    gains[..., -1] *= skip
    layers = tuple((rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in zip(widths, (*widths[1:], 1), strict=True))
    return LevelNetwork(rng.normal(size=(count, widths[0] + 1)), gains, layers)


def hidden(network, row, levels):
    """Pre-activations of the hidden layers and the value, for one observation and level vector, term by term."""
    first = network.offset[row] + sum(network.gains[row, arm, level] for arm, level in enumerate(levels))
    skip, seen = first[-1], [first[:-1]]
    for weights, biases in network.layers:
        seen.append(weights @ np.maximum(seen[-1], 0.0) + biases)
    return seen[:-1], float(seen[-1][0] + skip)


def best_value(feasible_set, network, row):
    return max(hidden(network, row, levels)[1] for levels in feasible_set.levels(feasible_set.enumerate()))
