"""The dynamics of restless arms: each moves by its own action level, whatever couples the levels."""

from __future__ import annotations

import numpy as np

from telos.envs.engine.random import categorical, integer, uniform
from telos.envs.engine.rules import rule

__all__ = [
    "observe_arms",
    "observe_arms_and_features",
    "observe_arms_and_vehicle",
    "observe_arms_features_and_vehicle",
    "reset_arms",
    "step_arms",
    "step_interacting_arms",
]

START, TRANSITION, CONTACT, NEIGHBOUR = 0, 1, 2, 3


@rule
def _followed(state, leader):
    """The state, one nearer to the leader's."""
    return state + (leader > state) - (leader < state)


@rule
def reset_arms(i, key, state, params):
    """Draws the first states."""
    state.time[i] = 0
    state.position[i] = params.depot[()]
    for j in range(state.arms.shape[1]):
        state.arms[i, j] = categorical(params.cumulative_start[j], uniform(key, START, j))


@rule
def _finish(i, moves, state, params, metrics):
    """Moves the vehicle, if an action has an entry for it, and the clock; tells whether the episode is over.

    The last metric is the bound on the reward to go, if there is one.
    """
    if moves.shape[1] > state.arms.shape[1]:
        state.position[i] = moves[i, state.arms.shape[1]]
    state.time[i] += 1
    if params.values.shape[0] > 0:
        time = state.time[i]
        bound = params.collected[time, state.position[i] if params.collected.shape[1] > 1 else 0]
        for j in range(state.arms.shape[1]):
            bound += params.values[time, j, state.arms[i, j]]
        metrics[i, metrics.shape[1] - 1] = bound
    return state.time[i] >= params.horizon[()]


@rule
def step_arms(i, key, levels, state, params, terms, metrics):
    """Moves every arm. Terms: arms. Metrics: acted_on, expected_reward.

    ``levels`` is integer ``(n, J)``, or ``(n, J + 1)`` with the node that the vehicle goes to at the end.
    """
    paid, expected, acted_on = 0.0, 0.0, 0
    pays_next = params.pays_next[()] == 1
    for j in range(state.arms.shape[1]):
        level, before = levels[i, j], state.arms[i, j]
        after = categorical(params.cumulative[j, level, before], uniform(key, TRANSITION, j))
        state.arms[i, j] = after
        gain = params.rewards[j, level, before]
        expected += gain
        paid += params.next_rewards[j, after] if pays_next else gain
        acted_on += level > 0
    terms[i, 0] = paid
    metrics[i, 0] = acted_on
    metrics[i, 1] = expected
    return _finish(i, levels, state, params, metrics)


@rule
def _expected_reward(i, j, level, state, params):
    """Of the state that arm ``j`` reaches, its neighbours' influence included."""
    interaction = params.interaction
    degree = interaction.degrees[j]
    influence = interaction.contagion[()] if degree > 0 else 0.0
    expected, below = 0.0, 0.0
    for after in range(params.next_rewards.shape[1]):
        cumulative = params.cumulative[j, level, state.before[i, j], after]
        gain = (1.0 - influence) * params.next_rewards[j, after]
        for k in range(degree):
            leader = state.before[i, interaction.neighbours[j, k]]
            gain += influence / degree * params.next_rewards[j, _followed(after, leader)]
        expected += (cumulative - below) * gain
        below = cumulative
    return expected


@rule
def step_interacting_arms(i, key, levels, state, params, terms, metrics):
    """As ``step_arms`` where arms follow neighbours or share a cap; pays for next states.

    Under a cap there is no expected_reward: it would be a sum over joint states.
    """
    interaction = params.interaction
    for j in range(state.arms.shape[1]):
        state.before[i, j] = state.arms[i, j]
    for g in range(state.earned.shape[1]):
        state.earned[i, g] = 0.0
    expected, acted_on = 0.0, 0
    uncapped = interaction.reward_cap[()] == np.inf
    for j in range(state.arms.shape[1]):
        level = levels[i, j]
        after = categorical(params.cumulative[j, level, state.before[i, j]], uniform(key, TRANSITION, j))
        degree = interaction.degrees[j]
        if degree > 0 and uniform(key, CONTACT, j) < interaction.contagion[()]:
            neighbour = interaction.neighbours[j, integer(key, NEIGHBOUR, j, degree)]
            after = _followed(after, state.before[i, neighbour])
        state.arms[i, j] = after
        state.earned[i, interaction.groups[j]] += params.next_rewards[j, after]
        acted_on += level > 0
        if uncapped:
            expected += _expected_reward(i, j, level, state, params)
    paid = 0.0
    for g in range(state.earned.shape[1]):
        paid += min(state.earned[i, g], interaction.reward_cap[()])
    terms[i, 0] = paid
    metrics[i, 0] = acted_on
    if uncapped:
        metrics[i, 1] = expected
    return _finish(i, levels, state, params, metrics)


@rule
def observe_arms(i, state, params, observation):
    """Copies the arms' states."""
    for j in range(state.arms.shape[1]):
        observation[i, j] = state.arms[i, j]


@rule
def _observe_features(i, params, observation):
    for j in range(params.features.shape[0]):
        for f in range(params.features.shape[1]):
            observation.features[i, j, f] = params.features[j, f]


@rule
def _observe_vehicle(i, state, observation):
    for j in range(state.arms.shape[1]):
        observation.vehicle[i, j] = j == state.position[i]


@rule
def observe_arms_and_features(i, state, params, observation):
    """Copies the arms' states and what is known of the instance."""
    observe_arms(i, state, params, observation.arms)
    _observe_features(i, params, observation)


@rule
def observe_arms_and_vehicle(i, state, params, observation):
    """Copies the arms' states and the vehicle's position."""
    observe_arms(i, state, params, observation.arms)
    _observe_vehicle(i, state, observation)


@rule
def observe_arms_features_and_vehicle(i, state, params, observation):
    """Copies all three."""
    observe_arms_and_features(i, state, params, observation)
    _observe_vehicle(i, state, observation)
