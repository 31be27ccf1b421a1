"""What one slate does to the day of the next session: the truth, in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.recsys.retention.params import Floats, Params, Users
from telos.envs.recsys.retention.rules import between

__all__ = ["ReturnEffect", "expected_return_day", "interpolation", "slate_content"]


class ReturnEffect(NamedTuple):
    """By how many days one slate in the place of another puts off each user's next session.

    A user who does not come back before the horizon counts as coming at the horizon.

    Attributes:
        sampled: Int64 ``(n,)``, under the users' own luck, which is the same in both futures.
        expected: Float64 ``(n,)``, its exact expectation over luck.
    """

    sampled: NDArray[np.int64]
    expected: Floats


def slate_content(params: Params, users: Users, slates: NDArray[np.integer]) -> Floats:
    """The satisfaction that a slate would lead to if it were shown for ever; slates ``(n, K)``, float64 ``(n,)``."""
    ranks = np.take_along_axis(users.rank, params.item_topic[slates], axis=1)
    harm = params.harm[params.item_clickbait[slates]]
    return np.asarray((params.fit[ranks] * (1.0 - users.aversion[:, None] * harm)).mean(axis=1))


def interpolation(params: Params, content: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Where satisfaction goes from each of its levels: to a level, or the next one with a probability.

    Args:
        params: The environment's.
        content: ``(...)``, of slates, see :func:`slate_content`.

    Returns:
        The lower level, below the highest, and the probability of the next; ``(..., levels + 1)``.
    """
    levels = int(params.satisfaction_levels)
    moved = params.memory * np.arange(levels + 1) + (1.0 - params.memory) * levels * content[..., None]
    lower = np.minimum(moved.astype(np.int64), levels - 1)
    return lower, np.minimum(moved - lower, 1.0)


def expected_return_day(
    params: Params, users: Users, slates: NDArray[np.integer], following: NDArray[np.integer]
) -> Floats:
    """The expected day of the next session if ``slates`` are shown now and ``following`` for the rest of the session.

    Args:
        params: The environment's, ``env.unwrapped.family.params``.
        users: As they are now, ``env.unwrapped.hidden_users()``.
        slates: Integers ``(n, K)``.
        following: Integers ``(n, K)``.

    Returns:
        Float64 ``(n,)``; never to come counts as the horizon.
    """
    satisfaction = np.arange(int(params.satisfaction_levels) + 1) / params.satisfaction_levels
    left = (int(params.horizon) - users.day.astype(np.float64))[:, None]
    hazard, churn = (between(bounds, satisfaction) for bounds in (params.return_probability, params.churn_probability))
    # The mean of a geometric gap that is cut off: the sum of the probabilities that it is longer than 0, 1, ...
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(hazard > 0.0, -np.expm1(left * np.log1p(-hazard)) / hazard, left)
    ended = users.day[:, None] + (1.0 - churn) * gap + churn * left
    goes_on = between(params.continue_probability, satisfaction)
    requests = int(params.requests)
    lower, upper = interpolation(params, slate_content(params, users, following))
    after = ended  # of the session's last request, by the satisfaction that it leads to
    days = np.empty_like(ended)
    for position in range(requests - 1, -1, -1):
        now = users.position == position
        days[now] = after[now]
        here = np.take_along_axis(after, lower, 1) * (1.0 - upper) + np.take_along_axis(after, lower + 1, 1) * upper
        after = goes_on * here + (1.0 - goes_on) * ended
    lower, upper = interpolation(params, slate_content(params, users, slates))
    rows = np.arange(len(days))
    at = rows, users.satisfaction
    return np.asarray(days[rows, lower[at]] * (1.0 - upper[at]) + days[rows, lower[at] + 1] * upper[at])
