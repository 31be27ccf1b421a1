"""Certified upper bounds on what any policy can earn in a finite horizon, and the prices behind them.

Arms are coupled only through the joint action. Charge arm ``j`` a price ``p[t, j, a]`` for taking level ``a`` at time
``t``, and pay those charges back as the most that any feasible joint action could collect. For every choice of prices

    sum over arms of the best expected (reward - charges)  +  sum over t of  max over feasible actions of the charges

is at least the optimum, because a feasible policy pays no more than it is paid back. So a bound is recomputed from its
prices and never taken on trust from a solver. The least such bound is the value of the fluid (occupancy) linear program
in which the expected levels of each step lie in the convex hull of the feasible set.

References: Hawkins, "A Langrangian decomposition approach to weakly coupled dynamic optimization problems" (PhD thesis,
MIT, 2003) and Adelman and Mersereau, Operations Research 56(3), 2008, for the relaxation; Lemarechal, Nemirovskii and
Nesterov, Mathematical Programming 69, 1995, for the level method; Wentges, International Transactions in Operational
Research 4(2), 1997, for separating columns at a mixture of the best and the newest prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.dual import Dual, Floats
from telos.envs.bandits.fluid import FluidProgram

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.base import FeasibleSet

__all__ = ["Bound", "hull_bound", "lagrangian_bound"]

_WARM_STEPS = 120  # ours: cheap dual steps that spare the linear program its first, blind rounds
_WARM_STEP = 0.12  # ours: how far a price moves in the first of them, as a share of the range of rewards
_WARM_MEMORY = 0.7  # ours: weight of the earlier directions in a warm step
_WARM_ACTIVE = 200  # ours: joint actions per time in the first linear program
_MORE_ACTIVE = 50  # ours: joint actions per time that join it in each round
_MIXTURE = 0.7  # ours: weight of the best prices known where columns are separated
_LEVEL = 0.7  # ours: where between its two bounds the level method aims
_ROUNDS = 500  # ours: a cap that only degenerate problems reach; the bound is valid there all the same


@dataclass(frozen=True, eq=False)
class Bound:
    """An upper bound on the expected reward over the horizon, with the prices that certify it.

    The values make a policy: at time ``t`` give level ``a`` of arm ``j`` in state ``s`` the weight
    ``rewards[j, a, s] + discount * transitions[j, a, s] @ values[t + 1, j]`` and take the best feasible joint action.

    Attributes:
        value: The bound, in units of reward.
        gap: How far the bound may still be above the relaxation's own optimum (a solver's word, for diagnosis only).
        prices: Float64 ``(H, J, A)``, possibly a read-only view: the charge for each level, in units of reward.
        values: Float64 ``(H + 1, J, S)``: the best expected reward less charges of each arm on its own from time ``t``
            on, discounted to time ``t``; the last row is 0.
    """

    value: float
    gap: float
    prices: Floats
    values: Floats


def lagrangian_bound(
    arms: Arms,
    budget: float,
    horizon: int,
    initial: ArrayLike,
    *,
    costs: ArrayLike | None = None,
    discount: float = 1.0,
    tolerance: float = 1e-6,
) -> Bound:
    """Bounds the optimum under a budget per step, for any number of arms, by the level method on one price a step.

    It equals the fluid linear program's value, at the cost of one sweep over the arms for each of a few dozen rounds.

    Args:
        arms: ``J`` arms.
        budget: Largest total cost of the levels taken in a step, at least 0.
        horizon: ``H``, number of steps.
        initial: Initial states, integers ``(J,)``, or distributions ``(J, S)``.
        costs: Cost of each level, ``(A,)`` or ``(J, A)``, at least 0, and 0 for level 0; by default the level's number.
        discount: Weight of each later step's reward, in ``(0, 1]``.
        tolerance: Relative gap at which to stop (relative to the value or the range of rewards, if that is larger).

    Raises:
        ValueError: If an argument is out of range or of the wrong shape.
    """
    from scipy import optimize

    dual = Dual(arms, horizon, initial, discount)
    table = _check_costs(arms, budget, costs)
    # Dearer than this, no level is worth taking, whatever the other prices: a minimum lies inside the box.
    dearest = dual.range * np.arange(horizon, 0, -1) / table[table > 0].min(initial=np.inf)
    slopes: list[Floats] = []
    heights: list[float] = []
    price = np.minimum(0.1 * dual.range, dearest)
    best, lowest, centre = np.inf, -np.inf, price
    for _ in range(_ROUNDS):
        value, slope = dual.budget(price, table, budget)
        slopes.append(slope)
        heights.append(value - float(slope @ price))
        if value < best:
            best, centre = value, price
        cuts, constants = np.array(slopes), np.array(heights)
        unit = max(abs(constants[0]), dual.range)  # keeps the program's numbers near 1, for the solver's tolerances
        model = optimize.linprog(
            np.append(np.zeros(horizon), 1.0),
            A_ub=np.column_stack([cuts / unit, np.full(len(cuts), -1.0)]),
            b_ub=-constants / unit,
            bounds=[*((0.0, top) for top in dearest), (None, None)],
            method="highs",
        )
        if model.x is None:
            break
        lowest = max(lowest, unit * float(model.fun))
        gap = best - lowest
        if gap <= tolerance * max(abs(best), dual.range):
            break
        aims = constants - (lowest + _LEVEL * gap)
        moved = _project(centre, np.vstack([-cuts, np.eye(horizon)]), np.append(aims, np.zeros(horizon)))
        price = model.x[:horizon] if moved is None else np.maximum(moved, 0.0)
    prices = np.broadcast_to(centre[:, None, None] * table, (horizon, arms.num_arms, arms.num_levels))
    return Bound(best, best - lowest, prices, dual.values(prices))


def _check_costs(arms: Arms, budget: float, costs: ArrayLike | None) -> Floats:
    """The costs as ``(1, A)`` or ``(J, A)``; errors say what is wrong with them or with the budget."""
    if not 0.0 <= budget < np.inf:
        raise ValueError(f"budget must be finite and at least 0; got {budget}")
    table = np.atleast_2d(np.asarray(np.arange(arms.num_levels) if costs is None else costs, dtype=np.float64))
    if table.shape not in ((1, arms.num_levels), (arms.num_arms, arms.num_levels)):
        raise ValueError(
            f"costs must have shape ({arms.num_levels},) or ({arms.num_arms}, {arms.num_levels}); got {table.shape}"
        )
    if not ((table >= 0).all() and (table[:, 0] == 0).all() and np.isfinite(table).all()):
        raise ValueError("costs must be finite and at least 0, and level 0 must cost nothing")
    return table


def _project(point: Floats, normals: Floats, offsets: Floats) -> Floats | None:
    """The nearest point to ``point`` in ``{x: normals @ x >= offsets}``, or None if the solver fails.

    Least-distance programming as non-negative least squares (Lawson and Hanson, Solving Least Squares Problems, 1974,
    section 23.4).
    """
    from scipy import optimize

    length = np.linalg.norm(normals, axis=1)
    kept = length > 0
    rows, needed = normals[kept] / length[kept, None], offsets[kept] / length[kept]
    needed = needed - rows @ point
    unit = float(np.abs(needed).max(initial=0.0)) or 1.0
    system = np.vstack([rows.T, needed / unit])
    goal = np.append(np.zeros(len(point)), 1.0)
    try:
        multipliers, _ = optimize.nnls(system, goal)
    except RuntimeError:
        return None
    residual = system @ multipliers - goal
    if abs(residual[-1]) < 1e-12:
        return None
    moved: Floats = point - unit * residual[:-1] / residual[-1]
    return moved


def hull_bound(
    arms: Arms,
    feasible_set: FeasibleSet,
    horizon: int,
    initial: ArrayLike,
    *,
    discount: float = 1.0,
    tolerance: float = 1e-6,
) -> Bound:
    """Bounds the optimum with the expected levels of each step in the convex hull of the feasible set.

    Column generation: the fluid program over the joint actions known so far gives prices, and the set's linear oracle
    answers them with further actions, until the program and the bound agree. Its size grows with ``H J S A``; beyond
    a hundred arms use :func:`lagrangian_bound`, if the set is a budget.

    Args:
        arms: ``J`` arms.
        feasible_set: The joint actions that may be taken in a step.
        horizon: ``H``, number of steps.
        initial: Initial states, integers ``(J,)``, or distributions ``(J, S)``.
        discount: Weight of each later step's reward, in ``(0, 1]``.
        tolerance: Relative gap at which to stop (relative to the value or the range of rewards, if that is larger).

    Raises:
        ValueError: If an argument is out of range, or the arms and the set differ in numbers of arms or levels.
        RuntimeError: If the linear program solver fails.
    """
    if (arms.num_arms, arms.num_levels) != (feasible_set.num_arms, feasible_set.num_levels):
        raise ValueError(
            f"the arms ({arms.num_arms} arms, {arms.num_levels} levels) and the feasible set "
            f"({feasible_set.num_arms} arms, {feasible_set.num_levels} levels) must agree"
        )
    dual = Dual(arms, horizon, initial, discount)
    best, prices, pool = _warm_start(dual, feasible_set)
    program = FluidProgram(dual)
    known = np.array(list(pool))
    active = _dearest(prices, known, _WARM_ACTIVE)
    lowest = -np.inf
    for _ in range(_ROUNDS):
        lowest, newest = program.solve(known, active)
        points = (newest, _MIXTURE * prices + (1.0 - _MIXTURE) * newest)
        for point in points:
            value, _, levels = dual.hull(point, feasible_set)
            pool.update(dict.fromkeys(map(tuple, levels.tolist())))
            if value < best:
                best, prices = value, point
        if best - lowest <= tolerance * max(abs(best), dual.range):
            break
        known = np.array(list(pool))
        size = active.sum()
        active = np.pad(active, ((0, 0), (0, len(known) - active.shape[1])))
        for point in points:
            active |= _dearest(point, known, _MORE_ACTIVE)
        if active.sum() == size:  # nothing is missing from the program: what is left of the gap is rounding
            break
    return Bound(best, best - lowest, prices, dual.values(prices))


def _dearest(prices: Floats, known: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Marks, at each time, the ``count`` known level vectors ``(K, J)`` that collect most: bool ``(H, K)``."""
    taken = np.equal(known[:, :, None], np.arange(prices.shape[2])).reshape(len(known), -1)
    charges = prices.reshape(len(prices), -1) @ taken.T
    marked = np.zeros(charges.shape, dtype=np.bool_)
    np.put_along_axis(marked, np.argsort(-charges, axis=1, kind="stable")[:, :count], True, axis=1)
    return marked


def _warm_start(dual: Dual, feasible_set: FeasibleSet) -> tuple[float, Floats, dict[tuple[int, ...], None]]:
    """Subgradient steps with momentum: the best bound met, its prices, and every level vector that the oracle gave."""
    prices = np.zeros((len(dual.weights), dual.arms.num_arms, dual.arms.num_levels))
    best, best_prices = np.inf, prices
    pool: dict[tuple[int, ...], None] = {}
    direction: Floats | None = None
    for step in range(_WARM_STEPS):
        value, slope, levels = dual.hull(prices, feasible_set)
        pool.update(dict.fromkeys(map(tuple, levels.tolist())))
        if value < best:
            best, best_prices = value, prices
        direction = slope if direction is None else _WARM_MEMORY * direction + (1.0 - _WARM_MEMORY) * slope
        length = float(np.linalg.norm(direction))
        if length == 0.0:
            break
        reach = _WARM_STEP * dual.range * np.sqrt(prices.size / ((step + 1) * prices.shape[2]))
        prices = prices - reach / length * direction
    return best, best_prices, pool
