"""Certified upper bounds on what any policy can earn in a finite horizon, and the prices behind them.

Arms are coupled only through the joint action. Charge arm ``j`` a price ``p[t, j, a]`` for taking level ``a`` at time
``t``, and pay those charges back as the most that any feasible joint action could collect. For every choice of prices

    sum over arms of the best expected (reward - charges)  +  sum over t of  max over feasible actions of the charges

is at least the optimum, because a feasible policy pays no more than it is paid back. So a bound is recomputed from its
prices and never taken on trust from a solver. The least such bound is the value of the fluid (occupancy) linear program
in which the expected levels of each step lie in the convex hull of the feasible set. Where groups of arms share a cap
on what they earn in a step, the mean of ``min(cap, earned)`` is at most ``share * mean + (1 - share) * cap`` for any
share in ``0..1``: arms then earn the share, and the rest of the cap is paid back. Where arms follow each other, a
follower pays a toll for the state of its leader, and the leader is paid it: the relaxed arm chooses that state, though
on average as its neighbours are (ours).

References: Hawkins, "A Langrangian decomposition approach to weakly coupled dynamic optimization problems" (PhD thesis,
MIT, 2003) and Adelman and Mersereau, Operations Research 56(3), 2008, for the relaxation; Lemarechal, Nemirovskii and
Nesterov, Mathematical Programming 69, 1995, for the level method; Wentges, International Transactions in Operational
Research 4(2), 1997, for separating columns at a mixture of the best and the newest prices; Nesterov, Mathematical
Programming 103, 2005, for smoothing a maximum by its softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.dual import Dual, Floats
from telos.envs.bandits.fluid import HullSearch

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.base import FeasibleSet

__all__ = ["Bound", "hull_bound", "lagrangian_bound"]

_LEVEL = 0.7  # ours: where between its two bounds the level method aims
_ROUNDS = 500  # ours: a cap that only degenerate problems reach; the bound is valid there all the same


@dataclass(frozen=True, eq=False)
class Bound:
    """An upper bound on the expected reward over the horizon, with the prices that certify it.

    The values make a policy: at time ``t`` give level ``a`` of arm ``j`` in state ``s`` the weight
    ``reward_weights[t, j] * rewards[j, a, s] + discount * transitions[j, a, s] @ values[t + 1, j]`` and take the best
    feasible joint action.

    Attributes:
        value: The bound, in units of reward.
        gap: How far the bound may still be above the relaxation's own optimum (a solver's word, for diagnosis only; an
            estimate where no linear program was solved).
        prices: Float64 ``(H, J, A)``, possibly a read-only view: the charge for each level, in units of reward.
        values: Float64 ``(H + 1, J, S)``: the best expected reward less charges of each arm on its own from time ``t``
            on, discounted to time ``t``; the last row is 0.
        paid_back: Float64 ``(H + 1,)``: the most that feasible joint actions could collect in charges from time ``t``
            on, and what caps pay back, discounted to time ``t``; the last entry is 0.
        reward_weights: Float64 ``(H, J)``, in ``0..1``: what a unit of reward counts under a cap; 1 without caps.
    """

    value: float
    gap: float
    prices: Floats
    values: Floats
    paid_back: Floats
    reward_weights: Floats

    def value_at(self, t: int, states: ArrayLike) -> Floats:
        """A certified upper bound on the expected reward from time ``t`` on, whatever was done before.

        The prices bound every policy from any states at any time; away from the start they are not the best prices, so
        the bound is looser there. Averaged over the start's distribution at time 0 it is ``value``.

        Args:
            t: Time step, in ``0..H``.
            states: Integer states ``(..., J)``.

        Returns:
            Float64 ``(...)``, in units of reward, discounted to time ``t``.

        Raises:
            ValueError: If the time or a state is out of range, or the states have the wrong shape or type.
        """
        given = np.asarray(states)
        steps, count, size = self.values.shape
        if not 0 <= t < steps:
            raise ValueError(f"t must be in 0..{steps - 1}; got {t}")
        if given.shape[-1:] != (count,) or not np.issubdtype(given.dtype, np.integer):
            raise ValueError(f"states must be integers of shape (..., {count}); got {given.dtype} of {given.shape}")
        if given.size and (given.min() < 0 or given.max() >= size):
            raise ValueError(f"states must be in 0..{size - 1}; got {given.min()} to {given.max()}")
        return np.asarray(self.values[t][np.arange(count), given].sum(axis=-1) + self.paid_back[t])


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
    weights = np.ones((horizon, arms.num_arms))
    return Bound(best, best - lowest, prices, dual.values(prices), dual.to_go(budget * centre), weights)


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
    groups: ArrayLike | None = None,
    cap: float | None = None,
    alternatives: tuple[Arms, ...] = (),
    leaders: ArrayLike | None = None,
) -> Bound:
    """Bounds the optimum with the expected levels of each step in the convex hull of the feasible set.

    First the dual, smoothed by a softmax, is minimised at falling temperatures; that alone comes within about a
    thousandth, in a fraction of a second at a hundred arms, and is all that happens from a tolerance of 1e-3 on. Then
    column generation: the fluid program over the joint actions known so far gives prices, and the set's linear oracle
    answers them with further actions, until the program and the bound agree. The program's size grows with
    ``H J S A``; beyond forty arms a tolerance of 1e-3, or :func:`lagrangian_bound` if the set is a budget, is quicker.

    Args:
        arms: ``J`` arms.
        feasible_set: The joint actions that may be taken in a step.
        horizon: ``H``, number of steps.
        initial: Initial states, integers ``(J,)``, or distributions ``(J, S)``.
        discount: Weight of each later step's reward, in ``(0, 1]``.
        tolerance: Relative gap at which to stop (relative to the value or the range of rewards, if that is larger).
        groups: Integers ``(J,)`` from 0: the group of each arm. The arms of a group earn at most ``cap`` together in a
            step; rewards may be drawn, with the means that the arms have.
        cap: The most that the arms of a group earn together in a step, finite; None, like the groups, for no cap.
        alternatives: How the arms may move and earn, in place of the arms' own transitions and rewards: at each time,
            state and level the relaxed arm has the best of them, free of charge. So the bound holds for arms whose
            moves depend on each other, if each moves as some mixture of the alternatives; see
            :func:`~telos.envs.bandits.interaction.contagion_alternatives`.
        leaders: Float64 ``(J, J)``, the chance that an arm follows each other one; a row is 0 if it follows nobody.
            Alternative ``z`` is then what an arm does whose leader is in state ``z``, and the relaxed arm's leaders are
            in each state as often as its neighbours are, which makes the bound far tighter; see
            :func:`~telos.envs.bandits.interaction.leader_chances`.

    Raises:
        ValueError: If an argument is out of range, or the arms and the set differ in numbers of arms or levels.
        RuntimeError: If the linear program solver fails.
    """
    arms.check_fits(feasible_set)
    dual = Dual(arms, horizon, initial, discount, alternatives, leaders, groups, cap)
    search = HullSearch(dual, feasible_set, tolerance)
    search.anneal()
    if search.gap > search.allowed:
        search.generate_columns()
    point = dual.split(search.point)
    paid, _ = dual.pay_back(point, feasible_set)
    values, weights = dual.point_values(point), dual.reward_weights(point)
    return Bound(search.value, search.gap, point.prices, values, dual.to_go(paid), weights)
