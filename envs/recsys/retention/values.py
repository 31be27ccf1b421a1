"""What a policy earns from each situation on, backwards over days and requests: for optima and other references."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from telos.envs.recsys.retention.params import Floats, Params
from telos.envs.recsys.retention.rules import between

__all__ = ["expected_points", "favourite_mixes", "moved", "satisfactions"]


def expected_points(params: Params, count: int, act: Callable[[Floats, int, int], Floats]) -> Floats:
    """Clicks and returns ``(count, 2)`` of users from the start of an episode.

    Args:
        params: The environment's.
        count: Number of users.
        act: ``act(after, day, position)`` turns what follows a request, ``(count, S, 2)`` by the satisfaction that it
            leads to, into clicks and returns from the request on, by the satisfaction before it.
    """
    satisfaction = satisfactions(params)[:, None]
    hazard, goes_on, churn = (
        between(bounds, satisfaction)
        for bounds in (params.return_probability, params.continue_probability, params.churn_probability)
    )
    coming = np.zeros((count, len(satisfaction), 2))  # of who may still come on the next day
    value = coming
    for day in range(int(params.horizon) - 1, -1, -1):
        ended = (1.0 - churn) * coming
        after = ended
        for position in range(int(params.requests) - 1, -1, -1):
            value = act(after, day, position)
            after = goes_on * value + (1.0 - goes_on) * ended
        coming = hazard * (value + np.array([0.0, 1.0])) + (1.0 - hazard) * coming
    first = float(params.initial_satisfaction) * int(params.satisfaction_levels)
    lower = min(int(first), int(params.satisfaction_levels) - 1)
    return np.asarray(value[:, lower] * (1.0 - (first - lower)) + value[:, lower + 1] * (first - lower))


def moved(after: Floats, lower: NDArray[np.int64], upper: Floats, earned: Floats) -> Floats:
    """``after`` at the next satisfaction, ``(n, S, 2)``, plus what is earned now."""
    rows = np.arange(len(after))[:, None]
    value = after[rows, lower] * (1.0 - upper[..., None]) + after[rows, lower + 1] * upper[..., None]
    value[..., 0] += earned
    return value


def satisfactions(params: Params) -> Floats:
    """All levels of satisfaction, float64 ``(S,)`` from 0 to 1."""
    return np.asarray(np.arange(int(params.satisfaction_levels) + 1) / params.satisfaction_levels)


def favourite_mixes(params: Params, aversion: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Mixes ``(A, K)`` of levels of clickbait, clicks ``(A,)`` and contents ``(n, A)`` with the favourite topic."""
    levels = range(len(params.harm))
    mixes = np.array(list(itertools.combinations_with_replacement(levels, int(params.slate_size))))
    clicks = params.feedback_probability[0, 0][mixes].mean(axis=1)
    contents = 1.0 - aversion[:, None] * params.harm[mixes].mean(axis=1)
    return mixes, clicks, contents
