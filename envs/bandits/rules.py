"""The dynamics of restless arms: each moves by its own action level, whatever couples the levels."""

from __future__ import annotations

from telos.envs.engine.random import uniform
from telos.envs.engine.rules import rule

__all__ = ["observe_arms", "reset_arms", "step_arms"]

START, TRANSITION = 0, 1


@rule
def _sample(cumulative, u):
    """The first state whose cumulative probability is above ``u``."""
    state = 0
    # Without a branch out of the loop, which would be taken at random.
    for k in range(cumulative.shape[0] - 1):
        state += u >= cumulative[k]
    return state


@rule
def reset_arms(i, key, state, params):
    """Draws the first states."""
    state.time[i] = 0
    for j in range(state.arms.shape[1]):
        state.arms[i, j] = _sample(params.cumulative_start[j], uniform(key, START, j))


@rule
def step_arms(i, key, levels, state, params, terms, metrics):
    """Moves every arm; ``levels`` is integer ``(n, J)``. Terms: arms. Metrics: expected_reward, acted_on."""
    paid, expected, acted_on = 0.0, 0.0, 0
    pays_next = params.pays_next[()] == 1
    for j in range(state.arms.shape[1]):
        level, before = levels[i, j], state.arms[i, j]
        after = _sample(params.cumulative[j, level, before], uniform(key, TRANSITION, j))
        state.arms[i, j] = after
        gain = params.rewards[j, level, before]
        expected += gain
        paid += params.next_rewards[j, after] if pays_next else gain
        acted_on += level > 0
    state.time[i] += 1
    terms[i, 0] = paid
    metrics[i, 0] = expected
    metrics[i, 1] = acted_on
    return state.time[i] >= params.horizon[()]


@rule
def observe_arms(i, state, params, observation):
    """Copies the arms' states."""
    for j in range(state.arms.shape[1]):
        observation[i, j] = state.arms[i, j]
