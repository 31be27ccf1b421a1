"""The dynamics of long-term satisfaction: clickbait is liked at once, and is what later items are liked less for."""

from __future__ import annotations

import math

from telos.envs.engine.random import integer, standard_normal, uniform
from telos.envs.engine.rules import rule
from telos.envs.engine.spread import draw

__all__ = ["observe_user", "reset_user", "step_item", "step_position"]

GROUP, MEMORY_DISCOUNT, SENSITIVITY, KALE_MEAN, CUE, INITIAL_EXPOSURE, ENGAGEMENT, INNOVATION = range(8)
MAX_ENGAGEMENT = 100.0  # of what is observed; Sim2Rec's and RecSim's


@rule
def _satisfaction(i, state):
    return 1.0 / (1.0 + math.exp(-state.sensitivity[i] * state.exposure[i]))


@rule
def reset_user(i, key, state, params):
    """Draws a user."""
    group = integer(key, GROUP, 0, params.choc_means.shape[0])
    state.choc_mean[i] = params.choc_means[group]
    state.kale_mean[i] = min(max(draw(params.kale_mean, uniform(key, KALE_MEAN, 0)), 0.0), MAX_ENGAGEMENT)
    state.memory_discount[i] = draw(params.memory_discount, uniform(key, MEMORY_DISCOUNT, 0))
    state.sensitivity[i] = draw(params.sensitivity, uniform(key, SENSITIVITY, 0))
    state.cue[i] = state.choc_mean[i] + params.cue_std[()] * standard_normal(key, CUE, 0)
    initial = draw(params.initial_exposure, uniform(key, INITIAL_EXPOSURE, 0))
    state.exposure[i] = initial / (1.0 - state.memory_discount[i])
    state.engagement[i] = 0.0
    state.time[i] = 0


@rule
def _consume(i, key, item, state, params, terms):
    clickbait = item / params.num_items[()]
    mean = clickbait * state.choc_mean[i] + (1.0 - clickbait) * state.kale_mean[i]
    std = clickbait * params.choc_std[()] + (1.0 - clickbait) * params.kale_std[()]
    engagement = mean * _satisfaction(i, state) + std * standard_normal(key, ENGAGEMENT, 0)
    exposure = state.memory_discount[i] * state.exposure[i] - 2.0 * (clickbait - 0.5)
    if params.innovation_std[()] > 0.0:
        exposure += params.innovation_std[()] * standard_normal(key, INNOVATION, 0)
    state.exposure[i] = exposure
    state.engagement[i] = engagement
    state.time[i] += 1
    terms[i, 0] = engagement
    return state.time[i] >= params.horizon[()]


@rule
def step_item(i, key, actions, state, params, terms, metrics):
    """Recommends item ``actions[i]``. Terms: engagement."""
    return _consume(i, key, float(actions[i]), state, params, terms)


@rule
def step_position(i, key, actions, state, params, terms, metrics):
    """Recommends the item at position ``actions[i, 0]`` between the first, -1, and the last, 1. Terms: engagement."""
    item = int((float(actions[i, 0]) + 1.0) / 2.0 * (params.num_items[()] - 1))
    return _consume(i, key, float(item), state, params, terms)


@rule
def observe_user(i, state, params, observation):
    """Writes the group cue, the user's hidden numbers, click and engagement, and the time, as far as observed."""
    column = 0
    if params.observe_group[()]:
        observation[i, column] = state.cue[i]
        column += 1
    if params.observe_user[()]:
        observation[i, column] = state.memory_discount[i]
        observation[i, column + 1] = state.sensitivity[i]
        observation[i, column + 2] = _satisfaction(i, state)
        column += 3
    observation[i, column] = 1.0 if state.time[i] > 0 else 0.0
    observation[i, column + 1] = min(max(state.engagement[i], 0.0), MAX_ENGAGEMENT)
    if params.observe_time[()]:
        observation[i, column + 2] = state.time[i] / params.horizon[()]
