"""The dynamics of slates: clicks at places, boredom, influence, patience."""

from __future__ import annotations

import math

import numpy as np

from telos.envs.engine.random import integer, uniform
from telos.envs.engine.rules import rule
from telos.envs.engine.spread import draw

__all__ = ["observe_user", "reset_user", "step_slate"]

LIKED_TOPICS, TOPIC_CHOICE, TASTE, PATIENCE, CLICK = range(5)


@rule
def reset_user(i, key, state, params):
    """Draws a user without history."""
    topics = state.taste.shape[1]
    # An exponential race: the first to arrive are a draw without replacement, by popularity.
    for topic in range(topics):
        state.profile[i, topic] = -math.log(1.0 - uniform(key, TOPIC_CHOICE, topic)) / params.popularity[topic]
        state.taste[i, topic] = 0.0
        state.boredom[i, topic] = 0
        state.recent[i, topic] = 0
        state.clicks[i, topic] = 0
        state.exposure[i, topic] = 0.0
    least = params.least_topics[()]
    square = 0.0
    for _ in range(least + integer(key, LIKED_TOPICS, 0, params.most_topics[()] - least + 1)):
        first = 0
        for topic in range(1, topics):
            if state.profile[i, topic] < state.profile[i, first]:
                first = topic
        state.profile[i, first] = math.inf
        weight = 1.0 - uniform(key, TASTE, first)  # in (0, 1]
        state.taste[i, first] = weight
        square += weight * weight
    norm = math.sqrt(square)
    for topic in range(topics):
        state.taste[i, topic] = np.float64(state.taste[i, topic]) / norm
    state.patience[i] = draw(params.patience, uniform(key, PATIENCE, 0))
    state.first_patience[i] = state.patience[i]
    for place in range(state.clicked.shape[1]):
        state.clicked[i, place] = False
    state.oldest[i] = 0
    state.number[i] = 0
    state.time[i] = 0


@rule
def _forget_oldest(i, state):
    """The oldest of the recent clicks is no longer recent."""
    oldest = state.oldest[i]
    state.recent[i, state.click_topics[i, oldest]] -= 1
    state.oldest[i] = oldest + 1 if oldest + 1 < state.click_topics.shape[1] else 0
    state.number[i] -= 1


@rule
def _remember(i, topic, state):
    """A click on a topic, now."""
    memory = state.click_topics.shape[1]
    if state.number[i] == memory:
        _forget_oldest(i, state)
    place = state.oldest[i] + state.number[i]
    if place >= memory:
        place -= memory
    state.click_topics[i, place] = topic
    state.click_times[i, place] = state.time[i]
    state.number[i] += 1
    state.recent[i, topic] += 1
    state.clicks[i, topic] += 1


@rule
def _respond(i, key, actions, state, params):
    """The user looks at places and clicks; returns the number of clicks, and the match that pairs of items have."""
    topics, slots = state.taste.shape[1], params.examination.shape[0]
    bored = 0
    for topic in range(topics):
        state.profile[i, topic] = 0.0
        bored += state.boredom[i, topic] > 0
    interested = 0.0 if bored > 0 and params.bored_of_all[()] else 1.0
    clicks = 0
    for place in range(slots):
        item = actions[i, place]
        shown_before = False
        for earlier in range(place):
            shown_before |= actions[i, earlier] == item
        match = 0.0
        for part in range(params.item_topics.shape[1]):
            topic, weight = params.item_topics[item, part], np.float64(params.item_weights[item, part])
            state.profile[i, topic] = np.float64(state.profile[i, topic]) + weight
            match += weight * np.float64(state.taste[i, topic]) * (state.boredom[i, topic] == 0)
        score = interested * match + np.float64(params.quality[item])
        appeal = 1.0 / (1.0 + math.exp(-params.slope[()] * (score - params.offset[()])))
        examination = 0.0 if shown_before else params.examination[place]
        clicked = uniform(key, CLICK, place) < examination * appeal
        state.clicked[i, place] = clicked
        main = params.item_topics[item, 0]
        state.exposure[i, main] = np.float64(state.exposure[i, main]) + examination
        clicks += clicked
    square = 0.0
    for topic in range(topics):
        square += np.float64(state.profile[i, topic]) ** 2
    return clicks, (square - slots) / (slots * (slots - 1.0)) if slots > 1 else 1.0


@rule
def _influence(i, clicks, actions, state, params):
    """The taste moves towards the mean of the clicked items, and they are remembered."""
    inertia = params.taste_inertia[()]
    for topic in range(state.taste.shape[1]):
        state.taste[i, topic] = inertia * np.float64(state.taste[i, topic])
    for place in range(params.examination.shape[0]):
        if state.clicked[i, place]:
            item = actions[i, place]
            for part in range(params.item_topics.shape[1]):
                topic, weight = params.item_topics[item, part], np.float64(params.item_weights[item, part])
                state.taste[i, topic] = np.float64(state.taste[i, topic]) + (1.0 - inertia) / clicks * weight
            _remember(i, params.item_topics[item, 0], state)
    square = 0.0
    for topic in range(state.taste.shape[1]):
        square += np.float64(state.taste[i, topic]) ** 2
    norm = math.sqrt(square)
    for topic in range(state.taste.shape[1]):
        state.taste[i, topic] = np.float64(state.taste[i, topic]) / norm


@rule
def _grow_bored(i, state, params):
    """Old clicks are forgotten, boredom passes, and too many recent clicks on a topic begin it."""
    while state.number[i] > 0 and state.click_times[i, state.oldest[i]] < state.time[i] - params.boredom_steps[()]:
        _forget_oldest(i, state)
    for topic in range(state.taste.shape[1]):
        left = state.boredom[i, topic] - 1
        if left <= 0:
            left = params.boredom_steps[()] if state.recent[i, topic] >= params.boredom_threshold[()] else 0
        state.boredom[i, topic] = left


@rule
def _entropy(i, counts, params):
    """Of the topics of so many clicks, in nats; 0 without a click."""
    number, total = 0, 0.0
    for topic in range(counts.shape[1]):
        number += counts[i, topic]
        total += params.n_log_n[counts[i, topic]]
    return (params.n_log_n[number] - total) / number if number > 0 else 0.0


@rule
def step_slate(i, key, actions, state, params, terms, metrics):
    """Shows the items ``actions[i]``, the first place first. Terms: clicks, departure."""
    clicks, match = _respond(i, key, actions, state, params)
    if clicks > 0:
        _influence(i, clicks, actions, state, params)
    state.time[i] += 1
    _grow_bored(i, state, params)
    missing = params.wanted_clicks[()] - clicks
    patience = np.float64(state.patience[i]) + (-missing if missing > 0.0 else params.recovery[()])
    state.patience[i] = min(patience, np.float64(state.first_patience[i]))
    leaves = patience <= 0.0
    terms[i, 0] = clicks
    terms[i, 1] = -params.departure_cost[()] if leaves else 0.0
    entropy = _entropy(i, state.recent, params)
    metrics[i, 0] = 1.0 - match
    metrics[i, 1] = entropy
    metrics[i, 2] = entropy - _entropy(i, state.clicks, params)
    return leaves or state.time[i] >= params.horizon[()]


@rule
def observe_user(i, state, params, observation):
    """Writes clicks by place, then of each topic: recent clicks, clicks per look, share of the looks; and the time."""
    topics, slots = state.taste.shape[1], state.clicked.shape[1]
    looks = 0.0
    for place in range(slots):
        observation[i, place] = state.clicked[i, place]
    for topic in range(topics):
        looks += np.float64(state.exposure[i, topic])
    for topic in range(topics):
        seen = np.float64(state.exposure[i, topic])
        recent = state.recent[i, topic] / float(params.boredom_threshold[()])
        observation[i, slots + topic] = min(recent, 1.0)
        observation[i, slots + topics + topic] = min(state.clicks[i, topic] / seen, 1.0) if seen > 0.0 else 0.0
        observation[i, slots + 2 * topics + topic] = seen / looks if looks > 0.0 else 0.0
    observation[i, slots + 3 * topics] = state.time[i] / float(params.horizon[()])
