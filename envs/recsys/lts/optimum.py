"""References for long-term satisfaction: the optimum, constant items, myopia and chance.

Engagement is linear in its noise, and without noise of the net positive exposure a user's future is a function of the
items alone. So expected returns of item sequences are plain sums, and the optimum is a sequence of items for each user.
It is found by dynamic programming over a grid of exposures, interpolated linearly, and certified on both sides:

* ``returns`` is the exact expected return of the sequence that was found, so it can be had;
* ``bounds`` is what no policy exceeds. The value is a maximum of sums of sigmoids of the exposure, so adding
  ``curvature / 2 * exposure ** 2`` makes it convex, with ``curvature = largest mean engagement * sensitivity ** 2 /
  (6 * sqrt(3) * (1 - memory_discount ** 2))``: interpolation on cells of width w loses at most ``curvature * w ** 2 /
  8``, once a step.

The optimum knows the hidden user and the time; no policy that has to find them out can expect more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.kernels import Kernel
from telos.envs.engine.rules import rule
from telos.envs.engine.spread import Spread
from telos.envs.engine.threads import default_threads
from telos.envs.recsys.lts.family import LTSRec
from telos.envs.recsys.lts.params import Floats, Users
from telos.envs.recsys.lts.rules import MAX_ENGAGEMENT

__all__ = [
    "OptimalPlan",
    "ReferenceReturns",
    "constant_returns",
    "optimal_plan",
    "plan_returns",
    "population",
    "random_returns",
    "reference_returns",
]

_BLOCK = 64  # ours: users solved at once; their values take 37 MB with the default grid
_SPREAD_NODES = 5  # ours: of spreads that are narrow, start and kale mean


@dataclass(frozen=True, eq=False)
class OptimalPlan:
    """The best items for each of n users over T steps.

    Attributes:
        items: Int64 ``(n, T)``.
        returns: Float64 ``(n,)``, their exact expected return.
        bounds: Float64 ``(n,)``, what no policy exceeds.
    """

    items: NDArray[np.int64]
    returns: Floats
    bounds: Floats


@dataclass(frozen=True)
class ReferenceReturns:
    """Mean returns of an episode over all users that an environment can draw.

    Attributes:
        random: Uniformly random items; within ``optimum_bound - optimum`` of the exact number.
        myopic: The item that each user likes best now.
        best_constant: One item for all users and steps.
        best_constant_item: That item.
        best_user_constant: The best item for each user at all steps.
        optimum: The best items for each user at each step, as found.
        optimum_bound: What no policy exceeds.
    """

    random: float
    myopic: float
    best_constant: float
    best_constant_item: int
    best_user_constant: float
    optimum: float
    optimum_bound: float

    def score(self, mean_return: float) -> float:
        """A mean return on the scale on which random items have 0 and the optimum has 1."""
        return (mean_return - self.random) / (self.optimum - self.random)


class _Grids(NamedTuple):
    """Grids of exposures that no items lead out of: float64 ``(n,)`` each."""

    low: Floats
    width: Floats
    loss: Floats  # of the interpolations of an episode at most


@rule
def _interpolated(values: Any, low: Any, width: Any, exposure: Any) -> Any:
    position = (exposure - low) / width
    cell = min(max(int(position), 0), values.shape[0] - 2)
    weight = position - cell
    return (1.0 - weight) * values[cell] + weight * values[cell + 1]


@rule
def _solve(
    i: Any, users: Any, grids: Any, num_items: Any, averaged: Any, values: Any, items: Any, returns: Any
) -> None:
    """Back over ``values[i]``, ``(T + 1, grid)``; unless ``averaged`` over items, forwards along the best."""
    discount, sensitivity = users.memory_discount[i], users.sensitivity[i]
    choc, kale = users.choc_mean[i], users.kale_mean[i]
    low, width = grids.low[i], grids.width[i]
    horizon, size = values.shape[1] - 1, values.shape[2]
    for point in range(size):
        values[i, horizon, point] = 0.0
    for t in range(horizon - 1, -1, -1):
        for point in range(size):
            exposure = low + point * width
            satisfaction = 1.0 / (1.0 + math.exp(-sensitivity * exposure))
            best, total = -math.inf, 0.0
            for item in range(num_items):
                score = item / num_items
                after = discount * exposure - 2.0 * (score - 0.5)
                value = (score * choc + (1.0 - score) * kale) * satisfaction
                value += _interpolated(values[i, t + 1], low, width, after)
                best = max(best, value)
                total += value
            values[i, t, point] = total / num_items if averaged else best
    exposure = users.exposure[i]
    if averaged:
        returns[i] = _interpolated(values[i, 0], low, width, exposure)
        return
    returns[i] = 0.0
    for t in range(horizon):
        satisfaction = 1.0 / (1.0 + math.exp(-sensitivity * exposure))
        best = -math.inf
        for item in range(num_items):
            score = item / num_items
            value = (score * choc + (1.0 - score) * kale) * satisfaction
            value += _interpolated(values[i, t + 1], low, width, discount * exposure - 2.0 * (score - 0.5))
            if value > best:
                best, items[i, t] = value, item
        score = items[i, t] / num_items
        returns[i] += (score * choc + (1.0 - score) * kale) * satisfaction
        exposure = discount * exposure - 2.0 * (score - 0.5)


_SOLVER = Kernel(_solve, Path(__file__).parent, "the solver of telos.envs.recsys.lts.optimum")


def constant_returns(family: LTSRec, users: Users) -> Floats:
    """Exact expected return of each item at all steps, float64 ``(n, num_items)``.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        users: As they are at the start, ``env.unwrapped.hidden_users()`` after a reset, or :func:`population`'s.

    Raises:
        ValueError: If the exposure has noise of its own.
    """
    items = np.arange(int(family.params.num_items))
    return _returns(family, users, (np.broadcast_to(items, (len(users.exposure), len(items))),) * _horizon(family))


def plan_returns(family: LTSRec, users: Users, items: NDArray[np.integer]) -> Floats:
    """Exact expected return of sequences of items, integers ``(n, T)``; float64 ``(n,)``.

    Raises:
        ValueError: If the exposure has noise of its own, or the sequences have another shape.
    """
    shape = (len(users.exposure), _horizon(family))
    if items.shape != shape:
        raise ValueError(f"items must have shape {shape}, one for each user and step; got {items.shape}")
    return _returns(family, users, items.T[:, :, None])[:, 0]


def optimal_plan(family: LTSRec, users: Users, grid: int = 512) -> OptimalPlan:
    """The best items for each user, with a certified bound; ``grid`` points of exposure.

    Arguments and errors are those of :func:`constant_returns`.
    """
    items, returns, values, grids = _solved(family, users, grid, averaged=False)
    return OptimalPlan(items, returns, values + grids.loss)


def random_returns(family: LTSRec, users: Users, grid: int = 512) -> tuple[Floats, Floats]:
    """Expected return of uniformly random items, and how far from it the true one can be; float64 ``(n,)`` each.

    Arguments and errors are those of :func:`constant_returns`; ``grid`` points of exposure.
    """
    _, returns, _, grids = _solved(family, users, grid, averaged=True)
    return returns, grids.loss


def population(family: LTSRec, nodes: int = 12) -> tuple[Users, Floats]:
    """Users and weights that sum to 1, for means over all users that the environment can draw at its start.

    Gauss and Legendre's quadrature with ``nodes`` memory discounts and sensitivities; the groups are taken one by one.
    """
    params = family.params
    discounts, sensitivities = _quadrature(params.memory_discount, nodes), _quadrature(params.sensitivity, nodes)
    starts, kales = (_quadrature(s, _SPREAD_NODES) for s in (params.initial_exposure, params.kale_mean))
    groups = params.choc_means, np.full(len(params.choc_means), 1.0 / len(params.choc_means))
    axes = (discounts, sensitivities, groups, kales, starts)
    discount, sensitivity, choc, kale, start = (
        grid.ravel() for grid in np.meshgrid(*(axis[0] for axis in axes), indexing="ij")
    )
    weights = np.ones(1)
    for _, axis_weights in axes:
        weights = np.outer(weights, axis_weights).ravel()
    kale = np.clip(kale, 0.0, MAX_ENGAGEMENT)
    return Users(discount, sensitivity, choc, kale, start / (1.0 - discount)), weights


def reference_returns(family: LTSRec, nodes: int = 12, grid: int = 512) -> ReferenceReturns:
    """Mean returns over all users that the environment can draw; seconds for one group, more for several.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        nodes: Of the quadrature, see :func:`population`.
        grid: Points of exposure, see :func:`optimal_plan`.

    Raises:
        ValueError: If the exposure has noise of its own.
    """
    users, weights = population(family, nodes)
    constants, plan = constant_returns(family, users), optimal_plan(family, users, grid)
    chance, _ = random_returns(family, users, grid)
    liked = np.where(users.choc_mean > users.kale_mean, constants[:, -1], constants[:, 0])
    means = weights @ constants
    return ReferenceReturns(
        random=float(weights @ chance),
        myopic=float(weights @ liked),
        best_constant=float(means.max()),
        best_constant_item=int(means.argmax()),
        best_user_constant=float(weights @ constants.max(axis=1)),
        optimum=float(weights @ plan.returns),
        optimum_bound=float(weights @ plan.bounds),
    )


def _returns(family: LTSRec, users: Users, items: Any) -> Floats:
    """Returns of items ``(n, k)`` for each step; ``(n, k)``."""
    discount, sensitivity, choc, kale, exposure = (values[:, None] for values in users)
    total = np.zeros(1)
    for item in items:
        score = item / float(family.params.num_items)
        total = total + (score * choc + (1.0 - score) * kale) / (1.0 + np.exp(-sensitivity * exposure))
        exposure = discount * exposure - 2.0 * (score - 0.5)
    return np.asarray(total)


def _solved(
    family: LTSRec, users: Users, grid: int, averaged: bool
) -> tuple[NDArray[np.int64], Floats, Floats, _Grids]:
    """Items ``(n, T)``, their returns, values at the start, and grids."""
    if grid < 2:
        raise ValueError(f"grid must be at least 2 points, got {grid}")
    count, horizon, num_items = len(users.exposure), _horizon(family), int(family.params.num_items)
    remembered = 1.0 - users.memory_discount
    low = np.minimum(users.exposure, (2.0 / num_items - 1.0) / remembered)
    width = (np.maximum(users.exposure, 1.0 / remembered) - low) / (grid - 1)
    curvature = np.maximum(users.choc_mean, users.kale_mean) * users.sensitivity**2
    curvature /= 6.0 * math.sqrt(3.0) * (1.0 - users.memory_discount**2)
    grids = _Grids(low, width, horizon * curvature * width**2 / 8.0)
    items, returns, first = np.zeros((count, horizon), np.int64), np.zeros(count), np.zeros(count)
    values = np.empty((min(count, _BLOCK), horizon + 1, grid))
    for start in range(0, count, _BLOCK):
        part = slice(start, start + _BLOCK)
        some, some_grids = Users(*(v[part] for v in users)), _Grids(*(v[part] for v in grids))
        arguments = (some, some_grids, num_items, averaged, values, items[part], returns[part])
        size = len(some.exposure)
        _SOLVER(size, arguments, default_threads(), horizon * grid * num_items)
        position = (some.exposure - some_grids.low) / some_grids.width
        cell = np.clip(position.astype(np.int64), 0, grid - 2)
        rows, weight = np.arange(size), position - cell
        first[part] = (1.0 - weight) * values[rows, 0, cell] + weight * values[rows, 0, cell + 1]
    return items, returns, first, grids


def _horizon(family: LTSRec) -> int:
    noise = float(family.params.innovation_std)
    if noise > 0.0:
        raise ValueError(
            f"exact references need innovation_std=0, and it is {noise}: the future is not a function then"
        )
    return int(family.params.horizon)


def _quadrature(spread: Spread, nodes: int) -> tuple[Floats, Floats]:
    """Nodes and weights of a spread; one node of a number that is the same for all."""
    if spread.low == spread.high:
        return spread.quantile(np.zeros(1)), np.ones(1)
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return spread.quantile((points + 1.0) / 2.0), weights / 2.0
