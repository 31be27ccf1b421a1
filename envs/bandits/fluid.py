"""The search for the prices of the feasible set's hull: the smoothed dual, then the fluid (occupancy) linear program.

Both know the hull by the joint actions that the linear oracle has given so far.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.dual import Dual, Floats

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.base import FeasibleSet

_HOTTEST, _COLDEST = 0.05, 0.0005  # ours: first and last temperature of the smoothed dual, as shares of the range
_COOLING = 0.75  # ours: ratio of one temperature to the one before
_STEPS = 12  # ours: steps of L-BFGS at each temperature
_MEMORY = 20  # ours: corrections kept by L-BFGS
_LOOKS = 5  # ours: steps of L-BFGS between two calls of the linear oracle
_FIRST_PRICE = 0.1  # ours: first price of a level above the one below, as a share of the range of rewards
_PROBE = 0.01  # ours: relative change of the temperature that measures the entropy
_SMOOTH_ENOUGH = 1e-4  # ours: tolerances from here on are left to the smoothed dual alone, as far as it reaches
_HAND_OVER = 5e-4  # ours: relative gap at which the linear program takes over for finer tolerances
_SPREADS = np.geomspace(0.02, 0.2, 30)  # ours: noise on prices that finds more joint actions, as shares of the range
_ACTIVE = 250  # ours: joint actions per time in the first linear program
_MORE_ACTIVE = 50  # ours: joint actions per time that join it in each round
_MIXTURES = (0.0, 0.3, 0.5, 0.7, 0.85)  # ours: weights of the best prices known where columns are separated
_ROUNDS = 500  # ours: a cap that only degenerate problems reach; the bound is valid there all the same


class FluidProgram:
    """The fluid program with the hull spanned by known level vectors.

    Variables: occupancies ``y[t, j, s, a]``, then the weight of each known level vector at each time. Rows: flow of
    each arm's mass ``(t, j, s)``; each level above 0 is used as the mixture says ``(t, j, a)``, which for level 0
    follows from the flow; and the weights of each time sum to 1.
    """

    def __init__(self, dual: Dual) -> None:
        from scipy import sparse

        arms, horizon = dual.arms, len(dual.weights)
        shape = (horizon, arms.num_arms, arms.num_states, arms.num_levels)
        self.weights = dual.weights
        self.levels = np.arange(1, arms.num_levels)
        column = np.arange(np.prod(shape)).reshape(shape)
        flow = np.arange(np.prod(shape[:3])).reshape(shape[:3])
        use = flow.size + np.arange(horizon * arms.num_arms * len(self.levels)).reshape(horizon, arms.num_arms, 1, -1)
        self.flow_rows, self.use_shape = flow.size, (horizon, arms.num_arms, len(self.levels))
        chances = arms.transitions.transpose(0, 2, 1, 3)  # (J, S, A, S)
        entries = [
            np.broadcast_arrays(flow[..., None], column, 1.0),
            np.broadcast_arrays(flow[1:, :, None, None], column[:-1, ..., None], -chances),
            np.broadcast_arrays(use, column[..., 1:], 1.0),
        ]
        rows, columns, numbers = (np.concatenate([entry[i].ravel() for entry in entries]) for i in range(3))
        self.occupancy_columns: sparse.csc_array = sparse.coo_array(
            (numbers, (rows, columns)), shape=(flow.size + use.size + horizon, column.size)
        ).tocsc()
        self.occupancy_columns.eliminate_zeros()
        self.right = np.concatenate([dual.start.ravel(), np.zeros(flow[1:].size + use.size), np.ones(horizon)])
        rewards = arms.rewards.transpose(0, 2, 1)[None] * dual.weights[:, None, None, None]
        self.cost = -np.broadcast_to(rewards, shape).ravel()

    def solve(self, known: NDArray[np.int64], active: NDArray[np.bool_]) -> tuple[float, Floats]:
        """Solves it for the known level vectors ``(K, J)`` that are active ``(H, K)`` at each time, one at least.

        Returns:
            The optimum, and prices ``(H, J, A)``, 0 for level 0.

        Raises:
            RuntimeError: If the solver fails.
        """
        from scipy import optimize, sparse

        taken = (known[:, :, None] == self.levels).reshape(len(known), -1).T.astype(np.float64)
        count = int(active.sum())
        mixture = sparse.vstack(
            [
                sparse.csc_array((self.flow_rows, count)),
                sparse.block_diag([sparse.csc_array(-taken[:, now]) for now in active]),
                sparse.block_diag([np.ones((1, now.sum())) for now in active]),
            ]
        )
        result = optimize.linprog(
            np.concatenate([self.cost, np.zeros(count)]),
            A_eq=sparse.hstack([self.occupancy_columns, mixture], format="csc"),
            b_eq=self.right,
            bounds=(0, None),
            method="highs-ipm",  # on these programs two to five times as fast as the simplex method
        )
        if result.x is None:
            raise RuntimeError(f"HiGHS could not solve the fluid program: {result.message}")
        duals = -result.eqlin.marginals[self.flow_rows : self.flow_rows + np.prod(self.use_shape)]
        prices = np.zeros((*self.use_shape[:2], len(self.levels) + 1))
        prices[:, :, 1:] = duals.reshape(self.use_shape) / self.weights[:, None, None]
        return -float(result.fun), prices


class HullSearch:
    """The best prices met, the joint actions that the oracle answered, and how low the relaxation may still be."""

    def __init__(self, dual: Dual, feasible_set: FeasibleSet, tolerance: float) -> None:
        self.dual, self.feasible_set, self.tolerance = dual, feasible_set, tolerance
        self.value, self.lowest = np.inf, -np.inf
        shape = (len(dual.weights), dual.arms.num_arms, dual.arms.num_levels)
        self.prices = np.broadcast_to(_FIRST_PRICE * dual.range * np.arange(shape[2]), shape)
        self._known: dict[tuple[int, ...], None] = {}
        self.look(self.prices)

    @property
    def known(self) -> NDArray[np.int64]:
        """The level vectors ``(K, J)`` that the oracle gave."""
        return np.array(list(self._known))

    @property
    def gap(self) -> float:
        """How far the best bound may be above the relaxation's optimum."""
        return self.value - self.lowest

    @property
    def allowed(self) -> float:
        """The gap at which to stop."""
        return self.tolerance * max(abs(self.value), self.dual.range)

    def look(self, prices: Floats) -> None:
        """Asks the oracle at these prices."""
        value, levels = self.dual.hull(prices, self.feasible_set)
        self._known.update(dict.fromkeys(map(tuple, levels.tolist())))
        if value < self.value:
            self.value, self.prices = value, prices

    def anneal(self) -> None:
        """Minimises the dual with softmax for max by L-BFGS, at falling temperatures, over more and more actions.

        Less temperature times entropy, the smoothed dual is the Lagrangian at the softmax mixtures; where its slope is
        small that estimates the relaxation's optimum.
        """
        from scipy import optimize

        shape = self.prices.shape
        steps = itertools.count(1)

        def smoothed(point: Floats, actions: Floats, temperature: float) -> tuple[float, Floats]:
            value, slope = self.dual.soft_hull(point.reshape(shape), actions, temperature)
            slope[:, :, 0] = 0.0  # only differences of prices matter: level 0 stays free of charge
            return value, slope.ravel()

        def look_now_and_then(point: Floats) -> None:
            if next(steps) % _LOOKS == 0:
                self.look(point.reshape(shape).copy())

        stop = self.tolerance if self.tolerance >= _SMOOTH_ENOUGH else _HAND_OVER
        temperature = _HOTTEST * self.dual.range
        point = self.prices.ravel()
        while temperature >= _COLDEST * self.dual.range:
            actions = np.equal(self.known[:, :, None], np.arange(shape[2])).astype(np.float64)
            result = optimize.minimize(
                smoothed,
                point,
                args=(actions, temperature),
                jac=True,
                method="L-BFGS-B",
                callback=look_now_and_then,
                options={"maxiter": _STEPS, "maxcor": _MEMORY},
            )
            point = result.x
            self.look(point.reshape(shape))
            warmer, _ = smoothed(point, actions, (1.0 + _PROBE) * temperature)
            self.lowest = result.fun - (warmer - result.fun) / _PROBE
            if self.gap <= stop * max(abs(self.value), self.dual.range):
                return
            temperature *= _COOLING

    def generate_columns(self) -> None:
        """Column generation on the fluid program, first over the joint actions that prices near the best make dear."""
        program = FluidProgram(self.dual)
        rng = np.random.default_rng(0)
        for spread in _SPREADS:
            self.look(self.prices + spread * self.dual.range * rng.standard_normal(self.prices.shape))
        known = self.known
        active = _dearest(self.prices, known, _ACTIVE)
        for _ in range(_ROUNDS):
            self.lowest, newest = program.solve(known, active)
            points = [weight * self.prices + (1.0 - weight) * newest for weight in _MIXTURES]
            for point in points:
                self.look(point)
            if self.gap <= self.allowed:
                return
            known = self.known
            size = active.sum()
            active = np.pad(active, ((0, 0), (0, len(known) - active.shape[1])))
            for point in points:
                active |= _dearest(point, known, _MORE_ACTIVE)
            if active.sum() == size:  # nothing is missing from the program: what is left of the gap is rounding
                return


def _dearest(prices: Floats, known: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Marks, at each time, the ``count`` known level vectors ``(K, J)`` that collect most: bool ``(H, K)``."""
    taken = np.equal(known[:, :, None], np.arange(prices.shape[2])).reshape(len(known), -1)
    charges = prices.reshape(len(prices), -1) @ taken.T
    marked = np.zeros(charges.shape, dtype=np.bool_)
    np.put_along_axis(marked, np.argsort(-charges, axis=1, kind="stable")[:, :count], True, axis=1)
    return marked
