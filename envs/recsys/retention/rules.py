"""The dynamics of retention: slates are clicked on or not, and move the satisfaction that brings a user back.

All luck of an episode is keyed by day, request and slot, not by the number of steps: two futures that part at a slate
have the same luck on the same day. A user comes on a day if that day's draw is below the hazard, so with equal luck
more satisfaction never means a later return.
"""

from __future__ import annotations

from typing import Any

from telos.envs.engine.random import integer, uniform
from telos.envs.engine.rules import rule
from telos.envs.engine.spread import draw

__all__ = ["between", "mood", "observe_user", "reset_user", "step_slate"]

TASTE, AVERSION, INITIAL_SATISFACTION, CLICK, LIKE, ROUNDING, CONTINUE, CHURN, RETURN = range(9)


@rule
def between(bounds: Any, satisfaction: Any) -> Any:
    """The probability at a satisfaction in [0, 1], linear between its two bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * satisfaction


@rule
def mood(params: Any, satisfaction: Any) -> Any:
    """By what satisfaction multiplies all feedback: 1 at the first satisfaction."""
    return 1.0 + params.satisfaction_effect[()] * (satisfaction - params.initial_satisfaction[()])


@rule
def reset_user(i, key, state, params):
    """Draws a user: the order of topics, and the aversion to clickbait."""
    state.luck[i] = key
    topics = state.rank.shape[1]
    for topic in range(topics):
        other = integer(key, TASTE, topic, topic + 1)  # a Fisher-Yates shuffle
        state.rank[i, topic] = state.rank[i, other]
        state.rank[i, other] = topic
        state.shown[i, topic] = 0.0
        state.clicked[i, topic] = 0.0
    for feedback in range(state.feedback.shape[1]):
        state.feedback[i, feedback] = 0
    state.aversion[i] = draw(params.aversion, uniform(key, AVERSION, 0))
    first = params.initial_satisfaction[()] * params.satisfaction_levels[()]
    state.satisfaction[i] = int(first + uniform(key, INITIAL_SATISFACTION, 0))
    state.day[i] = 0
    state.position[i] = 0
    state.days_away[i] = 0
    state.sessions[i] = 1


@rule
def _show(i, request, actions, state, params):
    """Draws the feedback on a slate; returns how content it would leave a user in the long run, in [0, 1]."""
    size, discount, luck = params.slate_size[()], params.recent_discount[()], state.luck[i]
    factor = mood(params, state.satisfaction[i] / params.satisfaction_levels[()])
    for topic in range(state.shown.shape[1]):
        state.shown[i, topic] *= discount
        state.clicked[i, topic] *= discount
    share = 1.0 / size
    clicks, long_views, likes, content = 0, 0, 0, 0.0
    for slot in range(size):
        item = actions[i, slot]
        topic, level = params.item_topic[item], params.item_clickbait[item]
        rank = state.rank[i, topic]
        content += params.fit[rank] * (1.0 - state.aversion[i] * params.harm[level])
        state.shown[i, topic] += share
        u = uniform(luck, CLICK, request * size + slot)
        if u < params.feedback_probability[0, rank, level] * factor:
            state.clicked[i, topic] += share
            clicks += 1
            long_views += u < params.feedback_probability[1, rank, level] * factor
            v = uniform(luck, LIKE, request * size + slot)
            likes += v * params.feedback_probability[0, rank, level] < params.feedback_probability[2, rank, level]
    state.feedback[i, 0] = clicks
    state.feedback[i, 1] = long_views
    state.feedback[i, 2] = likes
    return content / size


@rule
def step_slate(i, key, actions, state, params, terms, metrics):
    """Shows the slate ``actions[i]``. Terms: click, retention."""
    luck, day, horizon = state.luck[i], int(state.day[i]), params.horizon[()]
    levels = params.satisfaction_levels[()]
    request = day * params.requests[()] + state.position[i]
    content = _show(i, request, actions, state, params)
    # Rounded at random, without bias: satisfaction has few levels, and exact optima can be computed.
    moved = params.memory[()] * state.satisfaction[i] + (1.0 - params.memory[()]) * levels * content
    state.satisfaction[i] = min(int(moved + uniform(luck, ROUNDING, request)), levels)
    satisfaction = state.satisfaction[i] / levels
    terms[i, 0] = params.click_weight[()] * state.feedback[i, 0] / params.slate_size[()]
    terms[i, 1] = 0.0
    state.position[i] += 1
    goes_on = uniform(luck, CONTINUE, request) < between(params.continue_probability, satisfaction)
    if goes_on and state.position[i] < params.requests[()]:
        return False
    state.position[i] = 0
    following = horizon
    if uniform(luck, CHURN, day) >= between(params.churn_probability, satisfaction):
        hazard = between(params.return_probability, satisfaction)
        following = day + 1
        while following < horizon and uniform(luck, RETURN, following) >= hazard:
            following += 1
    state.days_away[i] = following - day
    state.day[i] = following
    if following >= horizon:
        return True
    state.sessions[i] += 1
    terms[i, 1] = params.retention_weight[()]
    return False


@rule
def observe_user(i, state, params, observation):
    """Writes calendar, session, last feedback, and how much of each topic was shown and clicked of late."""
    horizon, feedbacks, topics = params.horizon[()], state.feedback.shape[1], state.shown.shape[1]
    most = 1.0 / (1.0 - params.recent_discount[()])  # what rounding may pass
    observation[i, 0] = state.day[i] / horizon
    observation[i, 1] = state.days_away[i] / horizon
    observation[i, 2] = state.position[i] / params.requests[()]
    observation[i, 3] = state.sessions[i] / (state.day[i] + 1)
    for feedback in range(feedbacks):
        observation[i, 4 + feedback] = state.feedback[i, feedback] / params.slate_size[()]
    for topic in range(topics):
        observation[i, 4 + feedbacks + topic] = min(state.shown[i, topic], most)
        observation[i, 4 + feedbacks + topics + topic] = min(state.clicked[i, topic], most)
