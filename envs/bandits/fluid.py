"""The search for the prices of the feasible set's hull: the smoothed dual, then the fluid (occupancy) linear program.

Both know the hull by the joint actions that the linear oracle has given so far.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.dual import Dual, Floats, Point

if TYPE_CHECKING:
    from scipy import sparse

    from telos.envs.bandits.feasible.base import FeasibleSet

_HOTTEST, _COLDEST = 0.05, 0.00015  # ours: first and last temperature of the smoothed dual, as shares of the range
_COOLING = 0.75  # ours: ratio of one temperature to the one before
_STEPS = 12  # ours: steps of L-BFGS at each temperature
_MEMORY = 20  # ours: corrections kept by L-BFGS
_LOOKS = 5  # ours: steps of L-BFGS between two calls of the linear oracle
_FIRST_PRICE = 0.1  # ours: first price of a level above the one below, as a share of the range of rewards
_PROBE = 0.01  # ours: relative change of the temperature that measures the entropy
_SMOOTH_ENOUGH = 1e-4  # ours: tolerances from here on are left to the smoothed dual alone, as far as it reaches
_HAND_OVER = 2e-3  # ours: relative gap at which the linear program takes over for finer tolerances
_GATHERING = 60  # ours: subgradient steps that find joint actions for the linear program
_FIRST_MOVE = 0.12  # ours: how far a price moves in the first of them, as a share of the range of rewards
_MOMENTUM = 0.7  # ours: weight of the earlier directions in such a step
_ACTIVE = 250  # ours: joint actions per time in the first linear program
_MORE_ACTIVE = 50  # ours: joint actions per time that join it in each round
_MIXTURES = (0.0, 0.3, 0.5, 0.7, 0.85)  # ours: weights of the best prices known where columns are separated
_ROUNDS = 500  # ours: a cap that only degenerate problems reach; the bound is valid there all the same


class FluidProgram:
    """The fluid program with the hull spanned by known level vectors.

    Variables: occupancies ``y[t, j, s, a, n]`` of levels and alternatives, then the weight of each known level vector
    at each time, then what each group earns above its cap ``(t, g)``, which is lost. Rows: flow of each arm's mass
    ``(t, j, s)``; each level above 0 is used as the mixture says ``(t, j, a)``, which for level 0 follows from the
    flow; the weights of each time sum to 1; and where arms follow others, the states of an arm's leaders are as likely
    as its neighbours' are on average ``(t, j, n)``. A group earns at most its cap and what is lost.
    """

    def __init__(self, dual: Dual) -> None:
        ways, horizon = dual.ways, len(dual.weights)
        shape = (horizon, ways.num_arms, ways.num_states, dual.num_levels, dual.per_level)
        self.dual, self.levels = dual, np.arange(1, dual.num_levels)
        column = np.arange(np.prod(shape)).reshape(shape)
        flow = np.arange(np.prod(shape[:3])).reshape(*shape[:3], 1, 1)
        self.flow_rows, self.use_shape = flow.size, (horizon, ways.num_arms, len(self.levels))
        use = flow.size + np.arange(np.prod(self.use_shape)).reshape(horizon, ways.num_arms, 1, -1, 1)
        chances = ways.transitions.transpose(0, 2, 1, 3).reshape(*shape[1:], -1)  # (J, S, A, N, S)
        into = flow[1:].reshape(horizon - 1, ways.num_arms, 1, 1, 1, -1)
        above = flow.size + use.size + horizon
        self.toll_shape = (len(dual.leaders), ways.num_states)
        toll = above + np.arange(horizon * np.prod(self.toll_shape)).reshape(horizon, *self.toll_shape)
        led, leading = np.nonzero(dual.leaders)
        followers = np.flatnonzero(dual.leaders.any(axis=1))
        consistent = [
            (toll[:, followers, None, None], column[:, followers], 1.0),
            (toll[:, led, :, None, None], column[:, leading], -dual.leaders[led, leading, None, None, None]),
        ]
        self.occupancy_columns = _sparse(
            (above + toll.size, column.size),
            (flow, column, 1.0),
            (into, column[:-1, ..., None], -chances),
            (use, column[..., 1:, :], 1.0),
            *(consistent if dual.leaders.size else ()),
        )
        flows = np.zeros(flow[1:].size + use.size)
        self.right = np.concatenate([dual.start.ravel(), flows, np.ones(horizon), np.zeros(toll.size)])
        rewards = ways.rewards.transpose(0, 2, 1).reshape(shape[1:])
        self.cost = -(dual.weights[:, None, None, None, None] * rewards).ravel()
        count = dual.groups.shape[1]
        group = np.arange(horizon * count).reshape(horizon, 1, 1, 1, 1, count)
        earnings = rewards[..., None] * dual.groups[:, None, None, None]
        self.group_rows = _sparse((group.size, column.size), (group, column[..., None], earnings))

    def solve(self, known: NDArray[np.int64], active: NDArray[np.bool_]) -> tuple[float, Floats]:
        """Solves it for the known level vectors ``(K, J)`` that are active ``(H, K)`` at each time, one at least.

        Returns:
            The optimum, and the array of the dual's point that proves it, with prices 0 for level 0.

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
                sparse.csc_array((len(self.right) - self.flow_rows - np.prod(self.use_shape) - len(active), count)),
            ]
        )
        weights, groups = self.dual.weights, self.group_rows.shape[0]
        lost = sparse.csc_array((len(self.right), groups))
        result = optimize.linprog(
            np.concatenate([self.cost, np.zeros(count), weights.repeat(groups // len(weights))]),
            A_ub=sparse.hstack([self.group_rows, sparse.csc_array((groups, count)), -sparse.eye_array(groups)]),
            b_ub=np.full(groups, self.dual.cap),
            A_eq=sparse.hstack([self.occupancy_columns, mixture, lost], format="csc"),
            b_eq=self.right,
            bounds=(0, None),
            method="highs-ipm",  # on these programs two to five times as fast as the simplex method
        )
        if result.x is None:
            raise RuntimeError(f"HiGHS could not solve the fluid program: {result.message}")
        used = self.flow_rows + np.prod(self.use_shape)
        duals = -result.eqlin.marginals
        prices = np.zeros((*self.use_shape[:2], len(self.levels) + 1))
        prices[:, :, 1:] = duals[self.flow_rows : used].reshape(self.use_shape) / weights[:, None, None]
        shares = 1.0 + result.ineqlin.marginals.reshape(len(weights), -1) / weights[:, None]
        # An arm that follows nobody pays nothing: nobody is there to be paid.
        follows = self.dual.leaders.any(axis=1, keepdims=True)
        tolls = follows * duals[used + len(weights) :].reshape(len(weights), *self.toll_shape)
        return -float(result.fun), self.dual.join(Point(prices, shares.clip(0.0, 1.0), tolls / weights[:, None, None]))


def _sparse(shape: tuple[int, int], *entries: tuple[ArrayLike, ArrayLike, ArrayLike]) -> sparse.csc_array:
    """A matrix from (rows, columns, numbers), which are broadcast together."""
    from scipy import sparse

    spread = [np.broadcast_arrays(*entry) for entry in entries]
    rows, columns, numbers = (np.concatenate([arrays[i].ravel() for arrays in spread]) for i in range(3))
    matrix = sparse.coo_array((numbers, (rows, columns)), shape=shape).tocsc()
    matrix.eliminate_zeros()
    return matrix


class HullSearch:
    """The best point met, as an array, the joint actions that the oracle answered, and how low the optimum may be."""

    def __init__(self, dual: Dual, feasible_set: FeasibleSet, tolerance: float) -> None:
        self.dual, self.feasible_set, self.tolerance = dual, feasible_set, tolerance
        self.value, self.lowest = np.inf, -np.inf
        self.point = dual.uniform(_FIRST_PRICE * dual.range * np.arange(dual.num_levels), 1.0, 0.0)
        self._known: dict[tuple[int, ...], None] = {}
        self.look(self.point)

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

    def look(self, point: Floats) -> NDArray[np.int64]:
        """Asks the oracle at this point: the levels ``(H, J)`` that collect the charges."""
        value, levels = self.dual.hull(self.dual.split(point), self.feasible_set)
        self._known.update(dict.fromkeys(map(tuple, levels.tolist())))
        if value < self.value:
            self.value, self.point = value, point
        return levels

    def anneal(self) -> None:
        """Minimises the dual with softmax for max by L-BFGS, at falling temperatures, over more and more actions.

        Less temperature times entropy, the smoothed dual is the Lagrangian at the softmax mixtures; where its slope is
        small that estimates the relaxation's optimum.
        """
        from scipy import optimize

        shape = self.point.shape
        count, num_levels = self.dual.ways.num_arms, self.dual.num_levels
        steps = itertools.count(1)

        def smoothed(flat: Floats, actions: Floats, temperature: float) -> tuple[float, Floats]:
            value, slope = self.dual.soft_hull(self.dual.split(flat.reshape(shape)), actions, temperature)
            # Only differences of prices matter: level 0 stays free of charge.
            slope[:, : count * num_levels : num_levels] = 0.0
            return value, slope.ravel()

        def look_now_and_then(flat: Floats) -> None:
            if next(steps) % _LOOKS == 0:
                self.look(flat.reshape(shape).copy())

        box = [self.dual.uniform(end, share, end).ravel() for end, share in ((-np.inf, 0.0), (np.inf, 1.0))]
        stop = self.tolerance if self.tolerance >= _SMOOTH_ENOUGH else _HAND_OVER
        temperature = _HOTTEST * self.dual.range
        flat = self.point.ravel()
        while temperature >= _COLDEST * self.dual.range:
            actions = np.equal(self.known[:, :, None], np.arange(num_levels)).astype(np.float64)
            result = optimize.minimize(
                smoothed,
                flat,
                args=(actions, temperature),
                jac=True,
                method="L-BFGS-B",
                bounds=optimize.Bounds(*box) if self.dual.groups.size else None,
                callback=look_now_and_then,
                options={"maxiter": _STEPS, "maxcor": _MEMORY},
            )
            flat = result.x
            self.look(flat.reshape(shape))
            warmer, _ = smoothed(flat, actions, (1.0 + _PROBE) * temperature)
            self.lowest = result.fun - (warmer - result.fun) / _PROBE
            if self.gap <= stop * max(abs(self.value), self.dual.range):
                return
            temperature *= _COOLING

    def gather(self) -> None:
        """Looks at prices far and near, for joint actions: subgradient steps with momentum, from no charge at all."""
        point = self.dual.split(self.point)
        prices = np.zeros_like(point.prices)
        direction: Floats | None = None
        for step in range(_GATHERING):
            point = point._replace(prices=prices)
            slack = self.dual.slack(point, self.look(self.dual.join(point)))
            direction = slack if direction is None else _MOMENTUM * direction + (1.0 - _MOMENTUM) * slack
            length = float(np.linalg.norm(direction))
            if length == 0.0:
                return
            reach = _FIRST_MOVE * self.dual.range * np.sqrt(prices[:, :, 0].size / (step + 1))
            prices = prices - reach / length * direction

    def generate_columns(self) -> None:
        """Column generation on the fluid program, first over the joint actions that the best prices make dear."""
        program = FluidProgram(self.dual)
        self.gather()
        known = self.known
        active = self._dearest(self.point, known, _ACTIVE)
        for _ in range(_ROUNDS):
            self.lowest, newest = program.solve(known, active)
            points = [weight * self.point + (1.0 - weight) * newest for weight in _MIXTURES]
            for point in points:
                self.look(point)
            if self.gap <= self.allowed:
                return
            known = self.known
            size = active.sum()
            active = np.pad(active, ((0, 0), (0, len(known) - active.shape[1])))
            for point in points:
                active |= self._dearest(point, known, _MORE_ACTIVE)
            if active.sum() == size:  # nothing is missing from the program: what is left of the gap is rounding
                return

    def _dearest(self, point: Floats, known: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
        """Marks, at each time, the ``count`` known level vectors ``(K, J)`` that collect most: bool ``(H, K)``."""
        prices = self.dual.split(point).prices
        taken = np.equal(known[:, :, None], np.arange(self.dual.num_levels)).reshape(len(known), -1)
        charges = prices.reshape(len(prices), -1) @ taken.T
        marked = np.zeros(charges.shape, dtype=np.bool_)
        np.put_along_axis(marked, np.argsort(-charges, axis=1, kind="stable")[:, :count], True, axis=1)
        return marked
