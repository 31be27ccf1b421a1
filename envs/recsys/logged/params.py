"""Arrays of the user model that is fitted to logs, and of the users that it simulates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LENGTH_BUCKETS",
    "RETURN_DAYS",
    "Floats",
    "HiddenUsers",
    "Params",
    "State",
    "UserModel",
    "factors_of",
    "length_bucket",
    "new_state",
]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

#: Items shown before in the session, by powers of two: 0, 1 to 2, 3 to 6, ... and at last 127 or more (ours).
LENGTH_BUCKETS = 8
#: A user who does not come back within so many days is not waited for (ours).
RETURN_DAYS = 15


class UserModel(NamedTuple):
    """What is fitted to logs: ``U`` users, ``I`` items, ``S`` signals, ``D`` factors, ``C`` categories.

    The log-odds that user u gives signal s to item i are ``base[s] + boredom[s] * share + users[u, D + s] +
    items[i, D + s] + sum_d factor_weights[d, s] * users[u, d] * items[i, d]``, where ``share`` is the part of the
    window of items shown before in the session that is of the item's category. After an item the user leaves with
    log-odds ``leave_base[bucket] + leave_users[u] + leave_coefs[:S] @ feedback + leave_coefs[S] * share``, and then
    comes back after ``d`` days, if not before, with log-odds ``return_base[d] + return_users[u] + return_coefs @
    session means``.

    Attributes:
        base: Float64 ``(S,)``.
        boredom: Float64 ``(S,)``.
        factor_weights: Float64 ``(D, S)``.
        users: Float32 ``(U, D + S)``, factors and biases.
        items: Float32 ``(I, D + S)``, factors and biases.
        categories: Int16 ``(I,)``.
        leave_base: Float64 ``(LENGTH_BUCKETS,)``, by the items shown before in the session.
        leave_users: Float32 ``(U,)``.
        leave_coefs: Float64 ``(S + 1,)``.
        return_base: Float64 ``(RETURN_DAYS,)``.
        return_users: Float32 ``(U,)``.
        return_coefs: Float64 ``(S,)``.
        profiles: Float32 ``(U, C)`` in [0, 1]: share of logged items of each category to which the user gave the first
            signal, shrunk to the user's and to the overall share. A statistic of the log, which policies may see.
        shown: Int64 ``(I,)``, how often each item is in the log.
        given: Int64 ``(I, S)``, how often it got each signal there.
    """

    base: Floats
    boredom: Floats
    factor_weights: Floats
    users: Singles
    items: Singles
    categories: NDArray[np.int16]
    leave_base: Floats
    leave_users: Singles
    leave_coefs: Floats
    return_base: Floats
    return_users: Singles
    return_coefs: Floats
    profiles: Singles
    shown: NDArray[np.int64]
    given: NDArray[np.int64]


class Params(NamedTuple):
    """Shared by all users.

    Attributes:
        model: See :class:`UserModel`; without its statistics of items in use.
        weights: Float64 ``(S + 1,)``, of each signal and of the days until a return.
        days: Int64 scalar array, days of an episode.
    """

    model: UserModel
    weights: Floats
    days: NDArray[np.int64]


class State(NamedTuple):
    """Of ``n`` users: ``K`` items in a slate, a window of ``W`` items.

    Attributes:
        user: Int32 ``(n,)``, row of the model.
        day: Int32 ``(n,)``, days since the episode began.
        position: Int32 ``(n,)``, items shown in the session.
        recent: Int32 ``(n, W)``, items shown last in the session, at ``position % W``; -1 for none.
        sums: Int32 ``(n, S)``, feedback of the session.
        feedback: Int8 ``(n, K, S)``, of the last slate; 0 for items that were not reached.
    """

    user: NDArray[np.int32]
    day: NDArray[np.int32]
    position: NDArray[np.int32]
    recent: NDArray[np.int32]
    sums: NDArray[np.int32]
    feedback: NDArray[np.int8]


class HiddenUsers(NamedTuple):
    """What is hidden of ``n`` users.

    Attributes:
        user: Int64 ``(n,)``, rows of the model.
        recent: Int64 ``(n, W)``, items of the window, -1 for none.
        position: Int64 ``(n,)``, items shown in the session.
    """

    user: NDArray[np.int64]
    recent: NDArray[np.int64]
    position: NDArray[np.int64]


def factors_of(model: UserModel) -> int:
    """The number of factors, D."""
    return int(model.factor_weights.shape[0])


def length_bucket(position: NDArray[np.integer]) -> NDArray[np.int64]:
    """Which entry of ``leave_base`` holds after so many items, int64 of any shape."""
    bucket = np.log2(np.asarray(position, np.float64) + 1.0).astype(np.int64)
    return np.minimum(bucket, LENGTH_BUCKETS - 1)


def new_state(num_envs: int, signals: int, slate: int, window: int) -> State:
    """Arrays for ``num_envs`` users."""
    user, day, position = (np.zeros(num_envs, np.int32) for _ in range(3))
    recent = np.full((num_envs, window), -1, np.int32)
    sums, feedback = np.zeros((num_envs, signals), np.int32), np.zeros((num_envs, slate, signals), np.int8)
    return State(user, day, position, recent, sums, feedback)
