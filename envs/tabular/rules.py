"""The dynamics of a table: an outcome is drawn, and says what follows and what it pays."""

from __future__ import annotations

from telos.envs.engine.random import categorical, uniform
from telos.envs.engine.rules import rule

__all__ = [
    "observe_index",
    "observe_index_and_time",
    "observe_one_hot",
    "observe_one_hot_and_time",
    "reset_state",
    "step_state",
]

START, OUTCOME = 0, 1


@rule
def reset_state(i, key, state, params):
    """Draws the first state."""
    state.state[i] = params.start_states[categorical(params.cumulative_start, uniform(key, START, 0))]
    state.time[i] = 0


@rule
def step_state(i, key, actions, state, params, terms, metrics):
    """Draws an outcome. Terms: those of the table."""
    before, action = state.state[i], actions[i]
    outcome = categorical(params.cumulative[before, action], uniform(key, OUTCOME, 0))
    for term in range(params.rewards.shape[3]):
        terms[i, term] = params.rewards[before, action, outcome, term]
    after = params.next_states[before, action, outcome]
    state.state[i] = after
    state.time[i] += 1
    return params.terminal[after] or state.time[i] >= params.horizon[()]


@rule
def observe_index(i, state, params, observation):
    """Writes the state's number."""
    observation[i] = state.state[i]


@rule
def observe_index_and_time(i, state, params, observation):
    """Writes the state's number and the steps taken."""
    observation[i, 0] = state.state[i]
    observation[i, 1] = state.time[i]


@rule
def observe_one_hot(i, state, params, observation):
    """Writes 1 in the state's place."""
    for entry in range(params.terminal.shape[0]):
        observation[i, entry] = entry == state.state[i]


@rule
def observe_one_hot_and_time(i, state, params, observation):
    """Writes 1 in the state's place, and last the share of the horizon that has passed."""
    observe_one_hot(i, state, params, observation)
    observation[i, params.terminal.shape[0]] = state.time[i] / params.horizon[()]
