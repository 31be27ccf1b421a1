"""What policies without foresight earn in retention: constant slates, myopia and chance, beside the optimum.

All are computed: no user is played. See :mod:`telos.envs.recsys.retention.optimum`.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from telos.envs.recsys.retention.counterfactual import interpolation
from telos.envs.recsys.retention.family import RetentionRec
from telos.envs.recsys.retention.optimum import optimal_plan, population
from telos.envs.recsys.retention.params import Floats
from telos.envs.recsys.retention.rules import mood
from telos.envs.recsys.retention.values import expected_points, favourite_mixes, moved, satisfactions

__all__ = ["ReferencePoints", "constant_points", "mix_points", "random_points", "reference_points"]

_CONTENTS = 1025  # ours: constant slates that are solved one by one; more are interpolated on a grid of so many
_MOST_SLATES = 200_000  # ours: most slates of which the random policy's mean is taken one by one


class ReferencePoints(NamedTuple):
    """Mean clicks and returns of an episode over all users; float64 ``(2,)`` each.

    Attributes:
        random: Uniformly random slates.
        best_constant: The best slate of all users at all times, by the environment's weights.
        most_clicked: The slate of each user that is clicked on most now: favourite topic, most clickbait (myopic).
        least_clickbait: Favourite topic, least clickbait.
        best_user_constant: The best slate of each user at all times, by the environment's weights.
        optimum: The best slates, by the environment's weights.
    """

    random: Floats
    best_constant: Floats
    most_clicked: Floats
    least_clickbait: Floats
    best_user_constant: Floats
    optimum: Floats


def constant_points(family: RetentionRec, clicks: Floats, contents: Floats) -> Floats:
    """Expected clicks and returns of users who get the same slate at all times, float64 ``(..., 2)``.

    Args:
        family: The environment's.
        clicks: ``(...)``, expected share of the slate that is clicked on at the first satisfaction.
        contents: ``(...)``, the satisfaction that the slate leads to.
    """
    params = family.params
    few = contents.size <= _CONTENTS
    grid = contents.ravel() if few else np.linspace(0.0, 1.0, _CONTENTS)
    lower, upper = interpolation(params, grid)
    earned = mood(params, satisfactions(params))
    points = expected_points(params, len(grid), lambda after, *_: moved(after, lower, upper, earned))
    if few:
        points = points.reshape(*contents.shape, 2)
    else:
        cell = np.minimum((contents * (_CONTENTS - 1)).astype(np.int64), _CONTENTS - 2)
        part = (contents * (_CONTENTS - 1) - cell)[..., None]
        points = points[cell] * (1.0 - part) + points[cell + 1] * part
    return np.asarray(points * np.stack([clicks, np.ones_like(clicks)], axis=-1))


def mix_points(family: RetentionRec, aversion: Floats) -> Floats:
    """Expected clicks and returns ``(n, A, 2)`` of every constant mix of the favourite topic; see :class:`Plan`."""
    _, clicks, contents = favourite_mixes(family.params, aversion)
    return constant_points(family, np.broadcast_to(clicks, contents.shape), contents)


def random_points(family: RetentionRec, aversion: Floats) -> Floats:
    """Expected clicks and returns of uniformly random slates, float64 ``(n, 2)``.

    Raises:
        ValueError: If there are too many different slates.
    """
    params = family.params
    size, items = int(params.slate_size), len(params.item_topic)
    if math.comb(items + size - 1, size) > _MOST_SLATES:
        raise ValueError(
            f"the mean over random slates needs at most {_MOST_SLATES:,} different slates; make them smaller"
        )
    slates = np.array(list(itertools.combinations_with_replacement(range(items), size)))
    counts = (slates[:, :, None] == np.arange(items)).sum(axis=1)
    factorials = np.array([math.factorial(k) for k in range(size + 1)], np.float64)
    chances = factorials[size] / factorials[counts].prod(axis=1) / float(items) ** size
    levels = int(params.satisfaction_levels) + 1
    moves = np.zeros((len(aversion), levels, levels))
    for user, own in enumerate(aversion):
        content = params.fit[params.item_topic] * (1.0 - own * params.harm[params.item_clickbait])
        lower, upper = interpolation(params, content[slates].mean(axis=1))
        start = np.broadcast_to(np.arange(levels), lower.shape)
        np.add.at(moves[user], (start, lower), chances[:, None] * (1.0 - upper))
        np.add.at(moves[user], (start, lower + 1), chances[:, None] * upper)
    earned = params.feedback_probability[0].mean() * mood(params, satisfactions(params))

    def act(after: Floats, *_: int) -> Floats:
        value = moves @ after
        value[..., 0] += earned
        return value

    return expected_points(params, len(aversion), act)


def reference_points(family: RetentionRec, nodes: int = 8) -> ReferencePoints:
    """Mean clicks and returns over all users that the environment can draw; seconds.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        nodes: Of the quadrature, see :func:`population`.

    Raises:
        ValueError: If there are too many different slates for the mean over random ones.
    """
    params = family.params
    goal = np.array([params.click_weight, params.retention_weight])
    aversion, weights = population(family, nodes)
    mixes = mix_points(family, aversion)
    mine = (mixes @ goal).argmax(axis=1)
    _, clicks, _ = favourite_mixes(params, aversion)
    shared = _shared_constants(family, aversion, weights)
    return ReferencePoints(
        random=weights @ random_points(family, aversion),
        best_constant=shared[(shared @ goal).argmax()],
        most_clicked=weights @ mixes[:, clicks.argmax()],
        least_clickbait=weights @ mixes[:, 0],
        best_user_constant=weights @ mixes[np.arange(len(aversion)), mine],
        optimum=weights @ optimal_plan(family, aversion).points,
    )


def _shared_constants(family: RetentionRec, aversion: Floats, weights: Floats) -> Floats:
    """Mean clicks and returns of slates that all users get: one of each kind that differ by names of topics only."""
    params = family.params
    size, items, topics = int(params.slate_size), len(params.item_topic), len(params.fit)
    slates = np.array(list(itertools.combinations_with_replacement(range(items), size)))
    topic, level = params.item_topic[slates], params.item_clickbait[slates]
    before = np.maximum.accumulate(np.concatenate([np.full((len(slates), 1), -1), topic[:, :-1]], axis=1), axis=1)
    first = (topic <= before + 1).all(axis=1)  # topics are numbered as they come
    topic, level = topic[first], level[first]
    tastes = np.array(list(itertools.permutations(range(topics))))
    rank = tastes[:, topic]  # (tastes, slates, K)
    clicks = params.feedback_probability[0][rank, level].mean(axis=-1)
    contents = np.array([(params.fit[rank] * (1.0 - own * params.harm[level])).mean(axis=-1) for own in aversion])
    points = constant_points(family, np.broadcast_to(clicks, contents.shape), contents)
    return np.asarray(np.tensordot(weights, points.mean(axis=1), axes=1))
