"""Exact optima of small coupled bandits by dynamic programming over joint states, and the bounds for large ones.

The product of the arms' state spaces has ``S^J`` joint states. A backup takes the expectation arm by arm; joint actions
whose level vectors begin alike share the arms that they have in common, so a backup costs one small matrix product for
each node of the tree of level vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.dual import Floats, start_distribution
from telos.envs.bandits.relaxation import Bound, hull_bound, lagrangian_bound

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.base import FeasibleSet

__all__ = [
    "Bound",
    "FiniteHorizonOptimum",
    "InfiniteHorizonOptimum",
    "finite_horizon_optimum",
    "hull_bound",
    "infinite_horizon_optimum",
    "lagrangian_bound",
]

_MAX_CELLS = 50_000_000  # ours: joint states times steps held at once, 12 bytes each
_MAX_WORK = 2e11  # ours: multiplications, a few minutes on one core
_LAZINESS = 0.25  # ours: share of the old values kept by a step of value iteration for the average reward


@dataclass(frozen=True, eq=False)
class FiniteHorizonOptimum:
    """What :func:`finite_horizon_optimum` returns.

    Attributes:
        values: Float64 ``(H + 1, S^J)``: the best expected reward from time ``t`` on, discounted to time ``t``; joint
            states are numbered with arm 0 as the most significant digit.
        choices: Int32 ``(H, S^J)``: the row of ``actions`` to take.
        actions: Int8 ``(K, n)``: joint actions with different level vectors.
        shape: ``(S,) * J``.
        expected: The optimum from the ``initial`` that was given, or None.
    """

    values: Floats
    choices: NDArray[np.int32]
    actions: NDArray[np.int8]
    shape: tuple[int, ...]
    expected: float | None

    def value(self, states: ArrayLike, t: int = 0) -> Floats:
        """The best expected reward from time ``t`` on, float64 ``(...)``, for integer states ``(..., J)``."""
        return np.asarray(self.values[t, _number(states, self.shape)])

    def policy(self, t: int, states: ArrayLike) -> NDArray[np.int8]:
        """Optimal joint actions ``(..., n)`` at time ``t`` in ``0..H-1``, for integer states ``(..., J)``."""
        return np.asarray(self.actions[self.choices[t, _number(states, self.shape)]])


@dataclass(frozen=True, eq=False)
class InfiniteHorizonOptimum:
    """What :func:`infinite_horizon_optimum` returns.

    Attributes:
        values: Float64 ``(S^J,)``: the optimal discounted value of each joint state (numbered as in
            :class:`FiniteHorizonOptimum`), or, for the average reward, the optimal gain, the same in all of them.
        error: Certified: the true values differ from ``values`` by at most this, and the policy loses at most twice it.
        choices: Int32 ``(S^J,)``: the row of ``actions`` to take.
        actions: Int8 ``(K, n)``: joint actions with different level vectors.
        shape: ``(S,) * J``.
    """

    values: Floats
    error: float
    choices: NDArray[np.int32]
    actions: NDArray[np.int8]
    shape: tuple[int, ...]

    def value(self, states: ArrayLike) -> Floats:
        """The optimal value, or gain, float64 ``(...)``, for integer states ``(..., J)``."""
        return np.asarray(self.values[_number(states, self.shape)])

    def policy(self, states: ArrayLike) -> NDArray[np.int8]:
        """Optimal joint actions ``(..., n)`` for integer states ``(..., J)``."""
        return np.asarray(self.actions[self.choices[_number(states, self.shape)]])


def finite_horizon_optimum(
    arms: Arms,
    feasible_set: FeasibleSet,
    horizon: int,
    discount: float = 1.0,
    initial: ArrayLike | None = None,
) -> FiniteHorizonOptimum:
    """Computes the exact optimum over a finite horizon by backward induction.

    Args:
        arms: ``J`` arms with ``S`` states.
        feasible_set: The joint actions that may be taken in a step; it must be small enough to enumerate.
        horizon: ``H >= 1``, number of steps.
        discount: Weight of each later step's reward, in ``(0, 1]``.
        initial: Initial states, integers ``(J,)``, or distributions ``(J, S)``, for ``expected``.

    Raises:
        ValueError: If an argument is out of range, the arms and the set do not fit, or the problem is too large
            (the message gives its sizes).
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1 step; got {horizon}")
    if not 0.0 < discount <= 1.0:
        raise ValueError(f"discount must be in (0, 1]; got {discount}")
    start = None if initial is None else start_distribution(arms, initial)
    backup = _Backup(arms, feasible_set, horizon)
    values = np.zeros((horizon + 1, backup.size))
    choices = np.empty((horizon, backup.size), dtype=np.int32)
    for t in range(horizon - 1, -1, -1):
        values[t], choices[t] = backup(discount * values[t + 1])
    expected = None
    if start is not None:
        mean = values[0]
        for distribution in start:
            mean = distribution @ mean.reshape(arms.num_states, -1)
        expected = float(mean[0])
    return FiniteHorizonOptimum(values, choices, backup.actions, backup.shape, expected)


def infinite_horizon_optimum(
    arms: Arms,
    feasible_set: FeasibleSet,
    discount: float,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
) -> InfiniteHorizonOptimum:
    """Computes the discounted or average-reward optimum by value iteration, to a certified error.

    The smallest and largest change of a value in one backup bound the optimum on both sides (Puterman, Markov Decision
    Processes, 1994, sections 6.6 and 8.5).

    Args:
        arms: ``J`` arms with ``S`` states.
        feasible_set: The joint actions that may be taken in a step; it must be small enough to enumerate.
        discount: In ``(0, 1)``, or exactly 1 for the average reward per step.
        tolerance: Largest certified error allowed, in units of reward.
        max_iterations: Backups after which to give up.

    Raises:
        ValueError: If an argument is out of range, the arms and the set do not fit, or the problem is too large
            (the message gives its sizes).
        RuntimeError: If the error is still above the tolerance after all iterations; with the average reward this
            happens where the optimal gain depends on the initial state.
    """
    if not 0.0 < discount <= 1.0:
        raise ValueError(f"discount must be in (0, 1), or 1 for the average reward; got {discount}")
    if not tolerance > 0.0:
        raise ValueError(f"tolerance must be above 0; got {tolerance}")
    average = discount == 1.0
    reach = 1.0 if average else discount / (1.0 - discount)
    backup = _Backup(arms, feasible_set, 1)
    values = np.zeros(backup.size)
    error = np.inf
    for _ in range(max_iterations):
        improved, choices = backup(discount * values)
        change = improved - values
        low, high = reach * float(change.min()), reach * float(change.max())
        error = (high - low) / 2.0
        if error <= tolerance:
            middle = (low + high) / 2.0
            optimum = np.full(backup.size, middle) if average else improved + middle
            return InfiniteHorizonOptimum(optimum, error, choices, backup.actions, backup.shape)
        # The bounds hold for any values; keeping a share of the old ones stops periodic chains from cycling.
        values = values + (1.0 - _LAZINESS) * (change - low) if average else improved
    raise RuntimeError(
        f"value iteration's certified error is {error:.3g} after {max_iterations} iterations, above the tolerance "
        f"{tolerance:.3g}; raise max_iterations or tolerance, or use a smaller discount"
    )


class _Backup:
    """One step of dynamic programming: values of the next joint states to values and best actions of these."""

    def __init__(self, arms: Arms, feasible_set: FeasibleSet, horizon: int) -> None:
        arms.check_fits(feasible_set)
        self.size = arms.num_states**arms.num_arms
        sizes = f"{arms.num_states}^{arms.num_arms} = {self.size:.3g} joint states"
        advice = "use hull_bound or lagrangian_bound, or fewer arms"
        if self.size * (horizon + 1) > _MAX_CELLS:
            raise ValueError(f"{sizes} times {horizon} steps exceed the {_MAX_CELLS:.3g} that are held; {advice}")
        actions = feasible_set.enumerate()
        self.levels, first = np.unique(feasible_set.levels(actions), axis=0, return_index=True)
        self.actions = np.ascontiguousarray(actions[first])
        nodes = sum(len(np.unique(self.levels[:, :depth], axis=0)) for depth in range(1, arms.num_arms + 1))
        work = float(nodes) * self.size * arms.num_states * horizon
        if work > _MAX_WORK:
            raise ValueError(
                f"{sizes} times {len(self.levels)} joint actions times {horizon} steps take {work:.3g} "
                f"multiplications, above the limit of {_MAX_WORK:.3g}; {advice}"
            )
        self.arms = arms
        self.shape = (arms.num_states,) * arms.num_arms

    def __call__(self, following: Floats) -> tuple[Floats, NDArray[np.int32]]:
        best = np.full(self.size, -np.inf)
        choice = np.zeros(self.size, dtype=np.int32)
        self._descend(following, 0, 0, len(self.levels), best, choice)
        return best, choice

    def _descend(
        self, table: Floats, depth: int, start: int, stop: int, best: Floats, choice: NDArray[np.int32]
    ) -> None:
        """Takes arm ``depth``'s expectation under each level met in rows ``start:stop``, which agree on earlier arms.

        The arm's next state is the table's first axis and its present state becomes the last, so after all arms the
        axes are back in order; rewards of arms already taken are constant in what later arms average over.
        """
        if depth == self.arms.num_arms:
            worth = table.reshape(-1)
            better = worth > best
            best[better] = worth[better]
            choice[better] = start
            return
        column = self.levels[start:stop, depth]
        turned = table.reshape(self.arms.num_states, -1).T
        for level in np.unique(column):
            first, last = (start + int(np.searchsorted(column, level, side)) for side in ("left", "right"))
            expected = turned @ self.arms.transitions[depth, level].T
            expected += self.arms.rewards[depth, level]
            self._descend(expected, depth + 1, first, last, best, choice)


def _number(states: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Numbers joint states ``(..., J)``; errors name what is wrong."""
    given = np.asarray(states)
    if given.shape[-1:] != (len(shape),) or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"states must be integers of shape (..., {len(shape)}); got {given.dtype} {given.shape}")
    if given.size and (given.min() < 0 or given.max() >= shape[0]):
        raise ValueError(f"states must be in 0..{shape[0] - 1}; got {given.min()} to {given.max()}")
    return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(given, -1, 0)), shape))
