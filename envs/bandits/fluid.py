"""The fluid (occupancy) linear program of a finite horizon, with the feasible set's hull spanned by known actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.dual import Dual, Floats


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
