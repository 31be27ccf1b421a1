"""Penalised maximum likelihood of the two parts of the user model: feedback, and the hazards of leaving and returning.

Both are logistic, with gradients by hand and L-BFGS of SciPy. Penalties are normal priors, whose standard deviations
are ours: they keep users and items with few rows near the mean.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Feedback", "Hazard", "feedback_log_odds", "fit_feedback", "fit_hazard"]

Floats = NDArray[np.float64]

#: Inverse variances of the priors.
BIAS_PRECISION, FACTOR_PRECISION, HAZARD_PRECISION = 1.0, 4.0, 4.0
#: Of a product of two factors, about; only for the units of the search.
_TYPICAL_FACTOR = 0.3
#: Rows are summed in so many parts, whatever the number of cores, so that sums are the same everywhere.
_PARTS = 2


class Feedback(NamedTuple):
    """Parameters of the feedback, float64: see :class:`~telos.envs.recsys.logged.params.UserModel` for shapes."""

    base: Floats
    boredom: Floats
    factor_weights: Floats
    users: Floats
    items: Floats


class Hazard(NamedTuple):
    """Log-odds ``base[bucket] + users[user] + coefs @ x`` that something ends, float64."""

    base: Floats
    users: Floats
    coefs: Floats


def fit_feedback(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    share: NDArray[np.float32],
    given: NDArray[np.bool_],
    shape: tuple[int, int],
    factors: int,
    seed: int,
    iterations: int,
    progress: Callable[[float], None],
) -> Feedback:
    """The most probable parameters.

    Args:
        user: ``(N,)``.
        item: ``(N,)``.
        share: ``(N,)``, of the item's category in the window.
        given: ``(N, S)``.
        shape: Users and items.
        factors: D.
        seed: Of the factors that the search starts from.
        iterations: Of L-BFGS, at most.
        progress: Called with the share of the iterations.
    """
    signals = given.shape[1]
    rates = np.clip(given.mean(axis=0), 1e-6, 1.0 - 1e-6)
    rng = np.random.default_rng(seed)
    start = Feedback(
        np.log(rates / (1.0 - rates)),
        np.zeros(signals),
        np.ones((factors, signals)),
        *(np.zeros((count, factors + signals)) for count in shape),
    )
    for part in (start.users, start.items):
        part[:, :factors] = rng.normal(scale=0.1, size=(len(part), factors))
    precision = [np.zeros_like(part) for part in start[:3]] + [np.full_like(part, BIAS_PRECISION) for part in start[3:]]
    precision[2][:] = 1.0
    for penalty in precision[3:]:
        penalty[:, :factors] = FACTOR_PRECISION
    spread = rates * (1.0 - rates)
    curvature = [len(user) * spread, float(np.square(share, dtype=float).sum()) * spread + 1.0]
    curvature.append(np.tile(_TYPICAL_FACTOR**2 * len(user) * spread, (factors, 1)))
    for rows, count in zip((user, item), shape, strict=True):
        seen = np.bincount(rows, minlength=count)[:, None]
        of_factors = np.repeat(_TYPICAL_FACTOR * seen * spread.sum(), factors, axis=1)
        curvature.append(np.hstack([of_factors, seen * spread]))

    def likelihood(parameters: Floats, gradient: Floats, rows: slice) -> float:
        parts, slopes = _parts(parameters, start), _parts(gradient, start)
        return float(_feedback_loss(user[rows], item[rows], share[rows], given[rows], *parts, *slopes))

    return Feedback(
        *_parts(_minimised(likelihood, start, precision, curvature, len(user), iterations, progress), start)
    )


def fit_hazard(
    bucket: NDArray[np.integer],
    user: NDArray[np.integer],
    x: NDArray[np.float32],
    ended: NDArray[np.bool_],
    shape: tuple[int, int],
) -> Hazard:
    """The most probable hazard.

    Args:
        bucket: ``(N,)``.
        user: ``(N,)``.
        x: ``(N, F)``.
        ended: ``(N,)``.
        shape: Buckets and users.
    """
    rate = np.clip(ended.mean(), 1e-6, 1.0 - 1e-6)
    start = Hazard(np.full(shape[0], math.log(rate / (1.0 - rate))), np.zeros(shape[1]), np.zeros(x.shape[1]))
    # A weak prior on the base: a bucket with hardly a row stays near the mean.
    precision = [np.ones(shape[0]), np.full(shape[1], HAZARD_PRECISION), np.full(x.shape[1], 0.01)]
    spread = rate * (1.0 - rate)
    counts = [np.bincount(rows, minlength=size) for rows, size in zip((bucket, user), shape, strict=True)]
    curvature = [spread * part for part in (*counts, np.square(x, dtype=float).sum(axis=0))]

    def likelihood(parameters: Floats, gradient: Floats, rows: slice) -> float:
        parts, slopes = _parts(parameters, start), _parts(gradient, start)
        return float(_hazard_loss(bucket[rows], user[rows], x[rows], ended[rows], *parts, *slopes))

    return Hazard(
        *_parts(_minimised(likelihood, start, precision, curvature, len(user), 200, lambda done: None), start)
    )


def _parts(flat: Floats, like: tuple[Floats, ...]) -> list[Floats]:
    """Views of a flat array in the shapes of others."""
    ends = np.cumsum([part.size for part in like])
    return [flat[end - part.size : end].reshape(part.shape) for end, part in zip(ends, like, strict=True)]


def _minimised(
    likelihood: Callable[[Floats, Floats, slice], float],
    start: tuple[Floats, ...],
    precision: list[Floats],
    curvature: list[Floats],
    rows: int,
    iterations: int,
    progress: Callable[[float], None],
) -> Floats:
    """Minimises the sum of a likelihood over rows and of the priors around the start's centres.

    Parameters are searched in units of about one over the root of the likelihood's ``curvature``: a number that all
    rows share would else be far stiffer than one of a user.
    """
    from scipy.optimize import minimize

    flat = [np.concatenate([part.ravel() for part in parts]) for parts in (start, precision, curvature)]
    first, penalty, unit = flat[0], flat[1], np.sqrt(rows / (flat[1] + flat[2]))
    # Factors start away from zero only to break the symmetry; biases and factors have their priors around zero.
    centre = first.copy()
    if isinstance(start, Feedback):
        for part in _parts(centre, start)[2:]:
            part[...] = 0.0
    edges = [rows * k // _PARTS for k in range(_PARTS + 1)]
    parts = [slice(*pair) for pair in itertools.pairwise(edges)]
    gradients = np.empty((_PARTS, first.size))
    done = 0

    def objective(in_units: Floats) -> tuple[float, Floats]:
        gradients[:] = 0.0
        parameters = in_units * unit
        off = parameters - centre
        loss = 0.5 * float(penalty @ off**2)
        loss += sum(pool.map(likelihood, [parameters] * _PARTS, gradients, parts))
        return loss / rows, (gradients.sum(axis=0) + penalty * off) * unit / rows

    def count(_: Floats) -> None:
        nonlocal done
        done += 1
        progress(done / iterations)

    with ThreadPoolExecutor(_PARTS) as pool:
        options = {"maxiter": iterations, "ftol": 1e-9, "gtol": 1e-7}
        found = minimize(objective, first / unit, jac=True, method="L-BFGS-B", callback=count, options=options)
    return np.asarray(found.x * unit)


@njit(cache=True, nogil=True, error_model="numpy")
def _feedback_loss(  # type: ignore[no-untyped-def]
    user, item, share, given, base, boredom, weights, users, items, d_base, d_boredom, d_weights, d_users, d_items
):
    """Negative log-likelihood; adds its gradient to the last five."""
    factors, signals = weights.shape
    loss = 0.0
    product, pull = np.empty(factors), np.empty(factors)
    for n in range(user.shape[0]):
        u, i = user[n], item[n]
        for d in range(factors):
            product[d] = users[u, d] * items[i, d]
            pull[d] = 0.0
        for s in range(signals):
            odds = base[s] + boredom[s] * share[n] + users[u, factors + s] + items[i, factors + s]
            for d in range(factors):
                odds += weights[d, s] * product[d]
            # log(1 + exp(odds)) without overflow.
            small = math.exp(-abs(odds))
            loss += max(odds, 0.0) + math.log1p(small)
            error = (1.0 if odds > 0.0 else small) / (1.0 + small)
            if given[n, s]:
                loss -= odds
                error -= 1.0
            d_base[s] += error
            d_boredom[s] += error * share[n]
            d_users[u, factors + s] += error
            d_items[i, factors + s] += error
            for d in range(factors):
                d_weights[d, s] += error * product[d]
                pull[d] += error * weights[d, s]
        for d in range(factors):
            d_users[u, d] += pull[d] * items[i, d]
            d_items[i, d] += pull[d] * users[u, d]
    return loss


@njit(cache=True, nogil=True, error_model="numpy")
def _hazard_loss(bucket, user, x, ended, base, users, coefs, d_base, d_users, d_coefs):  # type: ignore[no-untyped-def]
    """Negative log-likelihood; adds its gradient to the last three."""
    loss = 0.0
    for n in range(user.shape[0]):
        b, u = bucket[n], user[n]
        odds = base[b] + users[u]
        for f in range(coefs.shape[0]):
            odds += coefs[f] * x[n, f]
        small = math.exp(-abs(odds))
        loss += max(odds, 0.0) + math.log1p(small)
        error = (1.0 if odds > 0.0 else small) / (1.0 + small)
        if ended[n]:
            loss -= odds
            error -= 1.0
        d_base[b] += error
        d_users[u] += error
        for f in range(coefs.shape[0]):
            d_coefs[f] += error * x[n, f]
    return loss


@njit(cache=True, nogil=True, error_model="numpy")
def feedback_log_odds(user, item, share, base, boredom, weights, users, items):  # type: ignore[no-untyped-def]
    """Log-odds of each signal, float32 ``(N, S)``; arguments as in :func:`fit_feedback` and :class:`Feedback`."""
    factors, signals = weights.shape
    found = np.empty((user.shape[0], signals), np.float32)
    for n in range(user.shape[0]):
        u, i = user[n], item[n]
        for s in range(signals):
            odds = base[s] + boredom[s] * share[n] + users[u, factors + s] + items[i, factors + s]
            for d in range(factors):
                odds += weights[d, s] * users[u, d] * items[i, d]
            found[n, s] = odds
    return found
