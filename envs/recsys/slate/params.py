"""Arrays of the slate recommender: what all users share, and what each has of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.spread import Spread

__all__ = ["Floats", "Params", "State", "Users", "new_state"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


class Params(NamedTuple):
    """Shared by all users. Scalar arrays unless a shape is given; N items, T topics, K places of a slate.

    Attributes:
        item_topics: Int16 ``(N, 3)``, the topics of an item, its main topic first.
        item_weights: Float32 ``(N, 3)``, how much the item is about each of them; unit vectors. 0 where it has fewer.
        quality: Float32 ``(N,)``, what is added to an item's match with the taste.
        popularity: Float64 ``(T,)``, how readily a topic is among those that a user likes.
        least_topics: Int64, topics that a user likes at least.
        most_topics: Int64, and at most.
        examination: Float64 ``(K,)``, probability that the user looks at a place.
        offset: Float64, match of an item that is clicked half of the times when it is looked at.
        slope: Float64, how sharply that depends on the match.
        taste_inertia: Float64, share of the taste that clicks leave as it is.
        boredom_threshold: Int64, recent clicks on a topic that make it boring.
        boredom_steps: Int64, steps that clicks stay recent, and that boredom lasts.
        bored_of_all: Bool, whether a bored user clicks nothing at all.
        patience: First patience.
        wanted_clicks: Float64, clicks that a slate needs to cost no patience.
        recovery: Float64, patience that a slate with as many clicks gives back.
        departure_cost: Float64.
        horizon: Int64, steps of an episode at most.
        n_log_n: Float64 ``(clicks of an episode at most + 1,)``, a table for entropies.
    """

    item_topics: NDArray[np.int16]
    item_weights: Singles
    quality: Singles
    popularity: Floats
    least_topics: NDArray[np.int64]
    most_topics: NDArray[np.int64]
    examination: Floats
    offset: Floats
    slope: Floats
    taste_inertia: Floats
    boredom_threshold: NDArray[np.int64]
    boredom_steps: NDArray[np.int64]
    bored_of_all: NDArray[np.bool_]
    patience: Spread
    wanted_clicks: Floats
    recovery: Floats
    departure_cost: Floats
    horizon: NDArray[np.int64]
    n_log_n: Floats


class State(NamedTuple):
    """Of ``n`` users; T topics, K places of a slate, L clicks that are remembered.

    Attributes:
        taste: Float32 ``(n, T)``, unit vectors.
        boredom: Int8 ``(n, T)``, steps for which the topic will be boring.
        patience: Float32 ``(n,)``.
        first_patience: Float32 ``(n,)``, which it never exceeds.
        clicked: Bool ``(n, K)``, the places of the last slate that were clicked.
        recent: Int8 ``(n, T)``, recent clicks by main topic.
        clicks: Int32 ``(n, T)``, all clicks of the episode by main topic.
        exposure: Float32 ``(n, T)``, looks that the main topics could expect so far.
        click_topics: Int8 ``(n, L)``, the topics of the recent clicks, a ring.
        click_times: Int16 ``(n, L)``, the steps of the recent clicks.
        oldest: Int16 ``(n,)``, where the ring begins.
        number: Int16 ``(n,)``, clicks in the ring.
        time: Int32 ``(n,)``, steps taken in the episode.
        profile: Float32 ``(n, T)``, scratch: the sum of a slate's items, or draws.
    """

    taste: Singles
    boredom: NDArray[np.int8]
    patience: Singles
    first_patience: Singles
    clicked: NDArray[np.bool_]
    recent: NDArray[np.int8]
    clicks: NDArray[np.int32]
    exposure: Singles
    click_topics: NDArray[np.int8]
    click_times: NDArray[np.int16]
    oldest: NDArray[np.int16]
    number: NDArray[np.int16]
    time: NDArray[np.int32]
    profile: Singles


class Users(NamedTuple):
    """What is hidden of ``n`` users, as in :class:`State`; and ``recent``, which references need besides."""

    taste: Singles
    boredom: NDArray[np.int8]
    patience: Singles
    recent: NDArray[np.int8]


def new_state(num_envs: int, num_topics: int, slate_size: int, memory: int) -> State:
    """Arrays for ``num_envs`` users who remember so many clicks."""
    topics, places, clicks = (num_envs, num_topics), (num_envs, slate_size), (num_envs, memory)
    return State(
        taste=np.zeros(topics, np.float32),
        boredom=np.zeros(topics, np.int8),
        patience=np.zeros(num_envs, np.float32),
        first_patience=np.zeros(num_envs, np.float32),
        clicked=np.zeros(places, np.bool_),
        recent=np.zeros(topics, np.int8),
        clicks=np.zeros(topics, np.int32),
        exposure=np.zeros(topics, np.float32),
        click_topics=np.zeros(clicks, np.int8),
        click_times=np.zeros(clicks, np.int16),
        oldest=np.zeros(num_envs, np.int16),
        number=np.zeros(num_envs, np.int16),
        time=np.zeros(num_envs, np.int32),
        profile=np.zeros(topics, np.float32),
    )
