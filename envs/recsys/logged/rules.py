"""The dynamics of fitted users: feedback to the items of a slate, leaving, and coming back."""

from __future__ import annotations

import math

from telos.envs.engine.random import integer, uniform
from telos.envs.engine.rules import rule

__all__ = ["observe_user", "reset_user", "step_item", "step_slate"]

USER, FEEDBACK, LEAVE, RETURN = range(4)
MAX_POSITION = 100.0  # of what is observed; ours


@rule
def _probability(log_odds):
    return 1.0 / (1.0 + math.exp(-log_odds))


@rule
def _begin_session(i, state):
    state.position[i] = 0
    for w in range(state.recent.shape[1]):
        state.recent[i, w] = -1
    for s in range(state.sums.shape[1]):
        state.sums[i, s] = 0


@rule
def reset_user(i, key, state, params):
    """Draws one of the logged users, who begins a session."""
    state.user[i] = integer(key, USER, 0, params.model.users.shape[0])
    state.day[i] = 0
    _begin_session(i, state)
    for k in range(state.feedback.shape[1]):
        for s in range(state.feedback.shape[2]):
            state.feedback[i, k, s] = 0


@rule
def _seen(i, item, state, model):
    """How many items of the window have the item's category, and whether the item itself is among them."""
    category = model.categories[item]
    alike, repeated = 0, False
    for w in range(state.recent.shape[1]):
        other = state.recent[i, w]
        if other >= 0 and model.categories[other] == category:
            alike += 1
            repeated = repeated or other == item
    return alike, repeated


@rule
def _signal_log_odds(user, item, s, share, model):
    factors = model.factor_weights.shape[0]
    total = model.base[s] + model.boredom[s] * share
    total += float(model.users[user, factors + s]) + float(model.items[item, factors + s])
    for d in range(factors):
        total += model.factor_weights[d, s] * (float(model.users[user, d]) * float(model.items[item, d]))
    return total


@rule
def _show(i, key, k, item, state, params, terms):
    """Shows an item at place k of a slate; returns whether the user leaves after it."""
    model, user, signals = params.model, state.user[i], state.sums.shape[1]
    alike, repeated = _seen(i, item, state, model)
    share = alike / state.recent.shape[1]
    bucket, rest = 0, (state.position[i] + 1) // 2
    while rest > 0 and bucket < model.leave_base.shape[0] - 1:
        bucket += 1
        rest //= 2
    leave = model.leave_base[bucket] + float(model.leave_users[user]) + model.leave_coefs[signals] * share
    for s in range(signals):
        # Logs have no repeats to fit to, so a repeated item gets nothing rather than a guess.
        if not repeated:
            chance = _probability(_signal_log_odds(user, item, s, share, model))
            if uniform(key, FEEDBACK, k * signals + s) < chance:
                state.feedback[i, k, s] = 1
                state.sums[i, s] += 1
                terms[i, s] += params.weights[s]
                leave += model.leave_coefs[s]
    state.recent[i, state.position[i] % state.recent.shape[1]] = item
    state.position[i] += 1
    return uniform(key, LEAVE, k) < _probability(leave)


@rule
def _return_day(i, key, state, model):
    """Days until the user comes back; as many as there are entries of ``return_base`` stand for more, too."""
    shift = float(model.return_users[state.user[i]])
    for s in range(state.sums.shape[1]):
        shift += model.return_coefs[s] * state.sums[i, s] / state.position[i]
    u, away = uniform(key, RETURN, 0), 1.0
    for day in range(model.return_base.shape[0]):
        away *= 1.0 - _probability(model.return_base[day] + shift)
        if u >= away:
            return day
    return model.return_base.shape[0]


@rule
def _clear_feedback(i, state):
    for k in range(state.feedback.shape[1]):
        for s in range(state.feedback.shape[2]):
            state.feedback[i, k, s] = 0


@rule
def _end_step(i, key, shown, left, state, params, terms, metrics):
    metrics[i, 0] = shown
    if left:
        day = _return_day(i, key, state, params.model)
        metrics[i, 1], metrics[i, 2] = 1.0, day
        terms[i, state.sums.shape[1]] = params.weights[state.sums.shape[1]] * day
        state.day[i] += day
        _begin_session(i, state)
    return state.day[i] >= params.days[()]


@rule
def step_item(i, key, actions, state, params, terms, metrics):
    """Shows item ``actions[i]``. Terms: signals, return day. Metrics: items shown, left, return day."""
    _clear_feedback(i, state)
    left = _show(i, key, 0, actions[i], state, params, terms)
    return _end_step(i, key, 1, left, state, params, terms, metrics)


@rule
def step_slate(i, key, actions, state, params, terms, metrics):
    """Shows items ``actions[i]`` one after the other, until the user leaves; see ``step_item``."""
    _clear_feedback(i, state)
    shown, left = 0, False
    while shown < actions.shape[1] and not left:
        left = _show(i, key, shown, actions[i, shown], state, params, terms)
        shown += 1
    return _end_step(i, key, shown, left, state, params, terms, metrics)


@rule
def observe_user(i, state, params, observation):
    """Writes the user's profile, the window by category, the last slate's feedback, the session's length, the time."""
    model, window = params.model, state.recent.shape[1]
    categories = model.profiles.shape[1]
    for c in range(categories):
        observation[i, c] = model.profiles[state.user[i], c]
        observation[i, categories + c] = 0.0
    for w in range(window):
        if state.recent[i, w] >= 0:
            observation[i, categories + model.categories[state.recent[i, w]]] += 1.0 / window
    column = 2 * categories
    for k in range(state.feedback.shape[1]):
        for s in range(state.feedback.shape[2]):
            observation[i, column] = state.feedback[i, k, s]
            column += 1
    observation[i, column] = min(state.position[i] / MAX_POSITION, 1.0)
    observation[i, column + 1] = min(state.day[i] / params.days[()], 1.0)
