"""Arrays of retention: what all users share, and what each has of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.spread import Spread

__all__ = ["FEEDBACKS", "Floats", "Params", "State", "Users", "new_state"]

Floats = NDArray[np.float64]

#: What a user may do with an item of a slate, in the order of all arrays.
FEEDBACKS = ("click", "long_view", "like")


class Params(NamedTuple):
    """Shared by all users. Float64 scalar arrays unless said; T topics, B levels of clickbait, N = T * B items.

    A pair ``(2,)`` is a probability of a wholly dissatisfied and of a wholly satisfied user, and linear in between.
    A rank is the place of a topic in a user's taste: 0 is the favourite.

    Attributes:
        item_topic: Int64 ``(N,)``.
        item_clickbait: Int64 ``(N,)``, level of clickbait.
        harm: ``(B,)``, of each level of clickbait, from 0 to 1.
        fit: ``(T,)``, in [0, 1], what topics of each rank give a user.
        feedback_probability: ``(3, T, B)``, of each feedback by rank and level, at the first satisfaction.
        satisfaction_effect: By how much feedback grows with satisfaction.
        aversion: Spread of users' aversion to clickbait.
        memory: Share of satisfaction that a slate leaves, in [0, 1).
        initial_satisfaction: In [0, 1].
        continue_probability: ``(2,)``, of another request in the session.
        return_probability: ``(2,)``, of a session on a day, the daily hazard.
        churn_probability: ``(2,)``, of leaving for good after a session.
        recent_discount: Of what topics were shown and clicked, a request.
        click_weight: Reward of a slate on which everything is clicked.
        retention_weight: Reward of a return.
        satisfaction_levels: Int64, steps of satisfaction from 0 to 1.
        slate_size: Int64.
        requests: Int64, of a session at most.
        horizon: Int64, days.
    """

    item_topic: NDArray[np.int64]
    item_clickbait: NDArray[np.int64]
    harm: Floats
    fit: Floats
    feedback_probability: Floats
    satisfaction_effect: Floats
    aversion: Spread
    memory: Floats
    initial_satisfaction: Floats
    continue_probability: Floats
    return_probability: Floats
    churn_probability: Floats
    recent_discount: Floats
    click_weight: Floats
    retention_weight: Floats
    satisfaction_levels: NDArray[np.int64]
    slate_size: NDArray[np.int64]
    requests: NDArray[np.int64]
    horizon: NDArray[np.int64]


class State(NamedTuple):
    """Of ``n`` users, each array ``(n,)`` unless said.

    Attributes:
        luck: Uint64, key of all random numbers of the episode.
        rank: Int8 ``(n, T)``, the place of each topic in the user's taste.
        aversion: Float64, to clickbait.
        satisfaction: Int16, from 0 to ``satisfaction_levels``.
        day: Int16, of this session; the horizon once the user is gone.
        position: Int8, requests of this session so far.
        days_away: Int16, between the last session and this one; 0 in the first.
        sessions: Int16, this one included.
        feedback: Int8 ``(n, 3)``, counts on the last slate.
        shown: Float32 ``(n, T)``, discounted sum of the shares of slates that topics had.
        clicked: Float32 ``(n, T)``, the same of what was clicked.
    """

    luck: NDArray[np.uint64]
    rank: NDArray[np.int8]
    aversion: Floats
    satisfaction: NDArray[np.int16]
    day: NDArray[np.int16]
    position: NDArray[np.int8]
    days_away: NDArray[np.int16]
    sessions: NDArray[np.int16]
    feedback: NDArray[np.int8]
    shown: NDArray[np.float32]
    clicked: NDArray[np.float32]


class Users(NamedTuple):
    """What decides the future of ``n`` users besides luck; arrays as in :class:`State`.

    Only ``day`` and ``position`` can be observed.
    """

    rank: NDArray[np.int8]
    aversion: Floats
    satisfaction: NDArray[np.int16]
    day: NDArray[np.int16]
    position: NDArray[np.int8]


def new_state(num_envs: int, topics: int) -> State:
    """Arrays for ``num_envs`` users."""
    return State(
        luck=np.zeros(num_envs, np.uint64),
        rank=np.zeros((num_envs, topics), np.int8),
        aversion=np.zeros(num_envs),
        satisfaction=np.zeros(num_envs, np.int16),
        day=np.zeros(num_envs, np.int16),
        position=np.zeros(num_envs, np.int8),
        days_away=np.zeros(num_envs, np.int16),
        sessions=np.zeros(num_envs, np.int16),
        feedback=np.zeros((num_envs, len(FEEDBACKS)), np.int8),
        shown=np.zeros((num_envs, topics), np.float32),
        clicked=np.zeros((num_envs, topics), np.float32),
    )
