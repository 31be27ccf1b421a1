"""The optimum of retention for any weighting, and the Pareto front of clicks and returns.

Both are exact, by dynamic programming over day, request and satisfaction. Satisfaction has finitely many levels, and
the environment rounds it at random and without bias, so that the mean over its next level is what linear interpolation
gives. Two facts keep the problem small:

* More satisfaction is never worth less, nor are more days left. Match the sessions of two users one by one, with the
  same luck in each. Whoever has more of both goes on whenever the other does, leaves for good only if the other does,
  and comes back after no more days. Shown the other's slates, and the favourite topic without clickbait where the
  other's session is over, which lowers no satisfaction, this user keeps more of both, and has no fewer clicks and
  returns. So at equal clickbait the favourite topic is better in every slot: for its clicks, and for what it leaves. An
  optimal slate shows nothing else, and is told by how many of its items have which clickbait.
* Topics differ between users only by their order, so that the optimum of a user depends on the aversion to clickbait
  alone, and the mean over all users is an integral over one number.

The optimum knows the user's taste, aversion and satisfaction; no policy that has to find them out can expect more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.recsys.retention.counterfactual import interpolation
from telos.envs.recsys.retention.family import RetentionRec
from telos.envs.recsys.retention.params import Floats, Params, Users
from telos.envs.recsys.retention.rules import mood
from telos.envs.recsys.retention.values import expected_points, favourite_mixes, moved, satisfactions

__all__ = ["ParetoFront", "Plan", "optimal_plan", "pareto_front", "population"]

_BLOCK = 32  # ours: users solved at once, for the processor's cache


@dataclass(frozen=True, eq=False)
class Plan:
    """The best slates of n users in every situation; A mixes of clickbait, T days, R requests, S levels.

    Attributes:
        points: Float64 ``(n, 2)``, expected slates' worth of clicks and returns, unweighted, from the start.
        mixes: Int64 ``(A, K)``, levels of clickbait of the favourite topic's items.
        choice: Int16 ``(n, T, R, S)``, the best mix.
        clickbait_levels: Levels of clickbait.
    """

    points: Floats
    mixes: NDArray[np.int64]
    choice: NDArray[np.int16]
    clickbait_levels: int

    def slates(self, users: Users) -> NDArray[np.int64]:
        """The best slates now, int64 ``(n, K)``; anything for users who are gone."""
        day = np.minimum(users.day, self.choice.shape[1] - 1)
        mix = self.choice[np.arange(len(day)), day, users.position, users.satisfaction]
        return np.asarray(users.rank.argmin(axis=1)[:, None] * self.clickbait_levels + self.mixes[mix])


@dataclass(frozen=True, eq=False)
class ParetoFront:
    """What clicks and returns can be had together, as means over all users.

    Attributes:
        weights: Float64 ``(m,)``, of a return, beside ``1 - weight`` of a slate's worth of clicks, increasing.
        points: Float64 ``(m, 2)``, clicks and returns of the optimum for each: vertices of the front.
    """

    weights: Floats
    points: Floats

    def bound(self, clicks: Floats) -> Floats:
        """The most returns that any policy can have with so many clicks, up to ``points[0, 0]``, the most there are.

        None is beyond the value of the optimum of any weight.
        """
        weights = self.weights[:, None]
        values = (1.0 - weights) * self.points[:, :1] + weights * self.points[:, 1:]
        return np.asarray(((values - (1.0 - weights) * np.atleast_1d(clicks)) / weights).min(axis=0))


def population(family: RetentionRec, nodes: int = 8) -> tuple[Floats, Floats]:
    """Aversions and weights that sum to 1, for means over all users: Gauss and Legendre's quadrature."""
    spread = family.params.aversion
    if spread.low == spread.high:
        return spread.quantile(np.zeros(1)), np.ones(1)
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return spread.quantile((points + 1.0) / 2.0), weights / 2.0


def optimal_plan(
    family: RetentionRec,
    aversion: Floats,
    click_weight: float | None = None,
    retention_weight: float | None = None,
) -> Plan:
    """The best slates for users with known taste, aversions ``(n,)`` and satisfaction, from the start of an episode.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        aversion: Float64 ``(n,)``, such as ``env.unwrapped.hidden_users().aversion``.
        click_weight: At least 0; None is the environment's.
        retention_weight: The same.
    """
    params = family.params
    weights = np.array(
        [
            params.click_weight if click_weight is None else click_weight,
            params.retention_weight if retention_weight is None else retention_weight,
        ]
    )
    shape = len(aversion), int(params.horizon), int(params.requests), int(params.satisfaction_levels) + 1
    points, choice = np.empty((len(aversion), 2)), np.zeros(shape, np.int16)
    for start in range(0, len(aversion), _BLOCK):
        part = slice(start, start + _BLOCK)
        points[part] = _solved(params, aversion[part], weights, choice[part])
    return Plan(points, favourite_mixes(params, aversion)[0], choice, len(params.harm))


def pareto_front(family: RetentionRec, weights: Any = None, nodes: int = 8) -> ParetoFront:
    """The Pareto front of mean clicks and mean returns, by one optimum for each weight.

    Args:
        family: The environment's; its own weights do not matter.
        weights: Of a return, in [0, 1]; None is 33 of them. They are kept 1e-6 away from 0 and 1, so that of what is
            best for clicks or for returns alone, the front has what is best for the other one, too.
        nodes: Of the quadrature, see :func:`population`.
    """
    weights = np.sort(np.linspace(0.0, 1.0, 33) if weights is None else np.asarray(weights, np.float64))
    weights = np.clip(weights, 1e-6, 1.0 - 1e-6)
    aversion, shares = population(family, nodes)
    points = [shares @ optimal_plan(family, aversion, 1.0 - weight, weight).points for weight in weights]
    return ParetoFront(weights, np.array(points))


def _solved(params: Params, aversion: Floats, weights: Floats, choice: NDArray[np.int16]) -> Floats:
    """Clicks and returns of the best slates, ``(n, 2)``; writes which these are."""
    _, clicks, contents = favourite_mixes(params, aversion)
    lower, upper = interpolation(params, contents)
    earned = clicks[:, None] * mood(params, satisfactions(params))
    flat = np.arange(len(aversion))[:, None, None] * lower.shape[-1] + lower  # where in all users' levels

    def act(after: Floats, day: int, position: int) -> Floats:
        worth = (after @ weights).ravel()
        below = worth.take(flat)
        values = below + upper * (worth.take(flat + 1) - below) + weights[0] * earned
        best = values.argmax(axis=1)
        choice[:, day, position] = best
        return moved(after, _taken(lower, best), _taken(upper, best), earned[best, np.arange(best.shape[1])])

    return expected_points(params, len(aversion), act)


def _taken(values: NDArray[Any], best: NDArray[np.int64]) -> Any:
    return np.take_along_axis(values, best[:, None], axis=1)[:, 0]
