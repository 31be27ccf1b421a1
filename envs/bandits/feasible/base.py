"""What every set of joint actions offers: tests, samples, a linear oracle and a mixed-integer description."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy import sparse

ENUMERATION_LIMIT = 1_000_000  # ours: about 100 MB of actions at 100 arms


@dataclass(frozen=True, eq=False)
class LinearDescription:
    """A feasible set as mixed-integer linear constraints on v variables, in the form of `scipy.optimize.milp`.

    Attributes:
        matrix: Sparse CSR ``(m, v)``; the constraints are ``lower <= matrix @ x <= upper``.
        lower: Float64 ``(m,)``, -inf where there is no lower side.
        upper: Float64 ``(m,)``, inf where there is no upper side.
        variable_lower: Float64 ``(v,)``.
        variable_upper: Float64 ``(v,)``.
        integrality: Uint8 ``(v,)``: 1 for an integer variable, 0 for a continuous one.
        action_columns: Int64 ``(n,)``: which variables are the joint action.
        level_columns: Int64 ``(J, A)``: the variable that is 1 exactly if the arm is at the level.
    """

    matrix: sparse.csr_array
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    variable_lower: NDArray[np.float64]
    variable_upper: NDArray[np.float64]
    integrality: NDArray[np.uint8]
    action_columns: NDArray[np.int64]
    level_columns: NDArray[np.int64]

    def maximise(
        self, weights: NDArray[np.float64], fixed_action: NDArray[np.int8] | None = None
    ) -> NDArray[np.int8] | None:
        """Solve for the best joint action with HiGHS, to optimality.

        Args:
            weights: Float64 ``(J, A)``, the worth of each arm's level.
            fixed_action: ``(n,)`` or None; if given, the action is fixed to it and only the other variables are free.

        Returns:
            The action, int8 ``(n,)``, or None if there is none.

        Raises:
            RuntimeError: if the solver stops for another reason than optimality or infeasibility.
        """
        from scipy import optimize

        cost = np.zeros(self.variable_lower.size)
        cost[self.level_columns] = -np.asarray(weights, dtype=np.float64)
        lower, upper = self.variable_lower, self.variable_upper
        if fixed_action is not None:
            lower, upper = lower.copy(), upper.copy()
            lower[self.action_columns] = upper[self.action_columns] = fixed_action
        result = optimize.milp(
            cost,
            integrality=self.integrality,
            bounds=optimize.Bounds(lower, upper),
            constraints=optimize.LinearConstraint(self.matrix, self.lower, self.upper),
            options={"mip_rel_gap": 0.0},  # HiGHS stops 1e-4 short of the optimum otherwise
        )
        if result.status == 2:
            return None
        if result.x is None or result.status != 0:
            raise RuntimeError(f"the mixed-integer solver gave up: {result.message}")
        return np.asarray(np.rint(result.x[self.action_columns]), dtype=np.int8)


def describe_pulls(
    num_arms: int,
    rows: sparse.sparray,
    lower: ArrayLike,
    upper: ArrayLike,
    extra_upper: ArrayLike,
    extra_integer: ArrayLike,
) -> LinearDescription:
    """Describe a set of pulled arms: adds the passive level's variables to constraints on pulls and extra variables.

    Args:
        num_arms: J.
        rows: Sparse ``(m, J + k)``: the constraints on the J pulls and on k extra variables, which are >= 0.
        lower: ``(m,)``.
        upper: ``(m,)``.
        extra_upper: ``(k,)``, the upper bounds of the extra variables.
        extra_integer: Bool or ``(k,)``: whether the extra variables are integers.

    Returns:
        The description, its variables in the order pulls, passives (1 - pull), extras.
    """
    from scipy import sparse

    rows = sparse.csc_array(rows)
    identity = sparse.eye_array(num_arms)
    passive_columns = sparse.csc_array((rows.shape[0], num_arms))
    extras = rows[:, num_arms:]
    matrix = sparse.block_array(
        [
            [identity, identity, sparse.csc_array((num_arms, extras.shape[1]))],
            [rows[:, :num_arms], passive_columns, extras],
        ],
        format="csr",
    )
    one = np.ones(num_arms)
    variable_upper = np.concatenate([one, one, np.asarray(extra_upper, dtype=np.float64)])
    integrality = np.ones(variable_upper.size, dtype=np.uint8)
    integrality[num_arms : 2 * num_arms] = 0  # 1 - pull is an integer by itself
    integrality[2 * num_arms :] = np.asarray(extra_integer, dtype=np.uint8)
    pulls = np.arange(num_arms)
    return LinearDescription(
        matrix=matrix,
        lower=np.concatenate([one, np.asarray(lower, dtype=np.float64)]),
        upper=np.concatenate([one, np.asarray(upper, dtype=np.float64)]),
        variable_lower=np.zeros(variable_upper.size),
        variable_upper=variable_upper,
        integrality=integrality,
        action_columns=pulls,
        level_columns=np.stack([pulls + num_arms, pulls], axis=1),
    )


class FeasibleSet(abc.ABC):
    """The joint actions that may be taken in a step.

    A joint action is a vector of ``action_size`` small integers, 0/1 in most sets; it puts each arm at one of
    ``num_levels`` levels, 0 being passive. Every method that takes weights or actions takes whole batches of them.

    Attributes:
        num_arms: J.
        num_levels: A; an arm's level lies in 0..A-1.
        action_size: n, the length of a joint action.
        action_levels: An entry of a joint action lies in 0..action_levels-1.
    """

    num_arms: int
    num_levels: int
    action_size: int
    action_levels: int = 2

    @property
    def growth_order(self) -> Sequence[int]:
        """The order of entries in which :meth:`enumerate` builds actions."""
        return range(self.action_size)

    def levels(self, actions: ArrayLike) -> NDArray[np.int64]:
        """Each arm's level under joint actions.

        Args:
            actions: Integers or booleans ``(..., n)``; feasibility is not checked.

        Returns:
            Int64 ``(..., J)``.
        """
        return np.asarray(actions).astype(np.int64)

    def feasible(self, action: ArrayLike) -> bool:
        """Whether one joint action ``(n,)`` may be taken. Raises ValueError as `violation` does."""
        return bool(self.feasible_batch(self._checked(action)[None])[0])

    @abc.abstractmethod
    def feasible_batch(self, actions: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which of the joint actions ``(count, n)`` may be taken: bool ``(count,)``."""

    def violation(self, action: ArrayLike) -> str:
        """The constraint that a joint action violates, in words.

        Args:
            action: Integers or booleans ``(n,)``.

        Returns:
            One sentence, or "" if the action is feasible.

        Raises:
            ValueError: if the action has the wrong shape or an entry that is out of range.
        """
        checked = self._checked(action)
        return "" if self.feasible_batch(checked[None])[0] else self._describe_violation(checked)

    @abc.abstractmethod
    def _describe_violation(self, action: NDArray[np.int8]) -> str:
        """What is wrong with an action that is known to be infeasible."""

    @abc.abstractmethod
    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Random feasible joint actions, of all sizes, each of which can come up; the law is not uniform.

        Args:
            rng: The source of randomness.
            count: How many.

        Returns:
            Int8 ``(count, n)``.
        """

    @abc.abstractmethod
    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The joint actions that maximise ``sum_j weights[j, levels_j(action)]``, exactly.

        Args:
            weights: Float64 ``(..., J, A)``, the worth of each arm's level; level 0 counts too.

        Returns:
            Int8 ``(..., n)``. Among equals the choice is fixed but arbitrary; an arm is not pulled for nothing.

        Raises:
            ValueError: if the weights have the wrong shape or are not finite.
        """

    def project(self, actions: NDArray[np.integer]) -> NDArray[np.int8]:
        """Feasible joint actions ``(count, n)`` that put as many arms as possible at the levels of given ones."""
        wanted = self.levels(actions)
        agreement = np.zeros((*wanted.shape, self.num_levels))
        np.put_along_axis(agreement, wanted[..., None], 1.0, axis=-1)
        return self.linear_oracle(agreement)

    @abc.abstractmethod
    def linear_constraints(self) -> LinearDescription:
        """The same set as mixed-integer linear constraints; its points' actions are exactly the feasible ones."""

    def enumerate(self, limit: int = ENUMERATION_LIMIT) -> NDArray[np.int8]:
        """Every feasible joint action; where actions share a level vector, one of them may stand for all.

        Found by adding entries in the order of ``growth_order``, in which every member must begin with members.

        Args:
            limit: The largest number of rows (or, on the way, of candidates) allowed.

        Returns:
            Int8 ``(K, n)``, the all-zero action first.

        Raises:
            ValueError: if there are more than ``limit``.
        """
        rows = np.zeros((1, self.action_size), dtype=np.int8)
        for entry in self.growth_order:
            parts = [rows]
            for level in range(1, self.action_levels):
                larger = rows.copy()
                larger[:, entry] = level
                parts.append(larger[self.feasible_batch(larger)])
            rows = np.concatenate(parts)
            if len(rows) > limit:
                raise ValueError(
                    f"more than {limit} feasible actions; raise limit=, use fewer arms, or use linear_oracle() "
                    "and sample(), which need no list"
                )
        return rows

    @abc.abstractmethod
    def parameters(self) -> dict[str, NDArray[np.generic]]:
        """The constructor's arguments as arrays, so that the set can be saved, hashed and rebuilt."""

    def _checked(self, action: ArrayLike) -> NDArray[np.int8]:
        array = np.asarray(action)
        if array.shape != (self.action_size,):
            raise ValueError(f"a joint action has shape ({self.action_size},); got {array.shape}")
        if not np.isin(array, np.arange(self.action_levels)).all():
            raise ValueError(
                f"a joint action holds integers in 0..{self.action_levels - 1} only; round or threshold it first"
            )
        return array.astype(np.int8)

    def _weights(self, weights: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(weights, dtype=np.float64)
        if array.ndim < 2 or array.shape[-2:] != (self.num_arms, self.num_levels):
            raise ValueError(f"weights must have shape (..., {self.num_arms}, {self.num_levels}); got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError("weights must be finite; replace NaN and infinite entries")
        return array

    def _solve_each(self, weights: NDArray[np.float64]) -> NDArray[np.int8]:
        """The oracle through the mixed-integer solver, one problem after the other."""
        description = self.linear_constraints()
        flat = weights.reshape(-1, self.num_arms, self.num_levels)
        actions = np.zeros((len(flat), self.action_size), dtype=np.int8)
        for row, weight in enumerate(flat):
            action = description.maximise(weight)
            if action is None:
                raise RuntimeError("the mixed-integer solver found no feasible action, yet pulling nothing is one")
            actions[row] = action
        return actions.reshape(*weights.shape[:-2], self.action_size)

    def _sample_greedily(self, rng: np.random.Generator, count: int, largest: int) -> NDArray[np.int8]:
        """Random members of a set that holds every subset of its members: entries in random order while they fit."""
        actions = np.zeros((count, self.action_size), dtype=np.int8)
        rows = np.arange(count)
        missing = rng.integers(0, largest + 1, size=count)
        order = np.argsort(rng.random((count, self.action_size)), axis=1)
        for entry in order.T:
            if not missing.any():
                break
            larger = actions.copy()
            larger[rows, entry] = 1
            added = (missing > 0) & self.feasible_batch(larger)
            actions[added] = larger[added]
            missing -= added
        return actions


def batches(rows: int, columns: int, cells: int = 4_000_000) -> list[slice]:
    """Slices of ``rows`` such that a float64 table of slice x columns stays near 32 MB (ours); at least one slice."""
    step = max(1, cells // max(1, columns))
    return [slice(start, start + step) for start in range(0, max(rows, 1), step)]
