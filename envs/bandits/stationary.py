"""Certified upper bounds on the long-run average or discounted reward under a budget, with the occupancies behind them.

Whittle's relaxation: the budget holds for the average over time (or the discounted total) instead of at every step.
One price for the cost of levels then decouples the arms. An arm's optimal reward less charges is a maximum of linear
functions of the price, one for each of its policies, so the bound is convex and piecewise linear in the price, and the
point where two tangents meet is its minimum or a cut-off kink: a search along the price that ends at the exact minimum.
Policy iteration solves all arms together; between two prices only the arms whose best policy changed are solved anew.

At the minimum the tangents' two policies, mixed to spend the budget exactly, solve the occupancy linear program. Its
reward is the certificate: the bound is recomputed from its price, the occupancy's reward from the occupancy.

References: Whittle, Journal of Applied Probability 25A, 1988, for the relaxation; Puterman, Markov Decision Processes,
1994, sections 6.4 and 8.6, for policy iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.dual import Floats, start_distribution
from telos.envs.bandits.relaxation import _check_costs

__all__ = ["StationaryBound", "average_reward_bound", "discounted_bound"]

_RELATIVE_ZERO = 1e-11  # ours: an improvement below this fraction of the rewards and charges is rounding
_MAX_POLICIES = 1000  # ours: policies of an arm in a row, far beyond what policy iteration needs
_MAX_PRICES = 200  # ours: prices tried; halving an interval that often exhausts a float


@dataclass(frozen=True, eq=False)
class StationaryBound:
    """An upper bound on the reward of every policy that keeps the budget, and the occupancy that attains it.

    Attributes:
        value: The bound: reward per step, or discounted reward in total.
        gap: The bound less the occupancy's reward: how far it may be above the relaxation's optimum.
        price: The price per unit of cost, at least 0.
        values: Float64 ``(J, S)``: values of the states at that price; for the average reward relative to state 0.
        occupancy: Float64 ``(J, S, A)``: how often an arm is in a state and takes a level, per step or discounted in
            total, in the relaxation's optimum.
    """

    value: float
    gap: float
    price: float
    values: Floats
    occupancy: Floats


def average_reward_bound(
    arms: Arms, budget: float, *, costs: ArrayLike | None = None, tolerance: float = 1e-9
) -> StationaryBound:
    """Bounds the long-run average reward per step under a budget, for any number of arms.

    Args:
        arms: ``J`` arms whose policies each have a single recurrent class (unichain).
        budget: Largest total cost of the levels taken in a step, at least 0.
        costs: Cost of each level, ``(A,)`` or ``(J, A)``, at least 0, and 0 for level 0; by default the level's number.
        tolerance: Relative gap at which to stop (relative to the value or the range of rewards, if that is larger).

    Raises:
        ValueError: If an argument is out of range, or a policy of an arm has several recurrent classes.
    """
    return _minimise(_ArmSolver(arms, _check_costs(arms, budget, costs), 1.0, None), budget, tolerance)


def discounted_bound(
    arms: Arms,
    budget: float,
    discount: float,
    initial: ArrayLike,
    *,
    costs: ArrayLike | None = None,
    tolerance: float = 1e-9,
) -> StationaryBound:
    """Bounds the discounted reward over an infinite horizon, with the same price at every step.

    Args:
        arms: ``J`` arms.
        budget: Largest total cost of the levels taken in a step, at least 0.
        discount: Weight of each later step's reward, in ``(0, 1)``.
        initial: Initial states, integers ``(J,)``, or distributions ``(J, S)``.
        costs: Cost of each level, ``(A,)`` or ``(J, A)``, at least 0, and 0 for level 0; by default the level's number.
        tolerance: Relative gap at which to stop (relative to the value or the range of rewards, if that is larger).

    Raises:
        ValueError: If an argument is out of range or of the wrong shape.
    """
    if not 0.0 < discount < 1.0:
        raise ValueError(f"discount must be in (0, 1); got {discount}. For 1 use average_reward_bound")
    solver = _ArmSolver(arms, _check_costs(arms, budget, costs), discount, start_distribution(arms, initial))
    return _minimise(solver, budget / (1.0 - discount), tolerance)


class _ArmSolver:
    """Every arm's best policy at a price.

    A policy's values are linear in the price. ``solved[:, :, 0]`` holds the values of its rewards and
    ``solved[:, :, 1]`` those of its costs; for the average reward, the entry of state 0 is the gain, as in Whittle's
    index, because state 0's relative value is fixed at 0.
    """

    def __init__(self, arms: Arms, costs: Floats, discount: float, start: Floats | None) -> None:
        self.arms, self.discount, self.start = arms, discount, start
        self.costs = np.broadcast_to(costs, (arms.num_arms, arms.num_levels))
        self.policy = np.zeros((arms.num_arms, arms.num_states), dtype=np.intp)
        self.solved = np.empty((arms.num_arms, arms.num_states, 2))
        self._evaluate(np.arange(arms.num_arms))

    def _chain(self, policy: NDArray[np.intp], arm: NDArray[np.intp]) -> Floats:
        """The system of equations of each policy: float64 ``(count, S, S)``."""
        state = np.arange(self.arms.num_states)
        moves = self.arms.transitions[arm[:, None], policy, state]
        system: Floats = np.eye(len(state)) - self.discount * moves
        if self.start is None:
            system[:, :, 0] = 1.0
        return system

    def _evaluate(self, arm: NDArray[np.intp]) -> None:
        state, policy = np.arange(self.arms.num_states), self.policy[arm]
        system = self._chain(policy, arm)
        flows = [self.arms.rewards[arm[:, None], policy, state], self.costs[arm[:, None], policy]]
        try:
            self.solved[arm] = np.linalg.solve(system, np.stack(flows, axis=2))
        except np.linalg.LinAlgError:
            culprit = int(arm[np.linalg.matrix_rank(system).argmin()])
            raise ValueError(
                f"arm {culprit} has a policy with several recurrent classes, so its average reward depends on the "
                "start; use discounted_bound, or make every state reachable"
            ) from None

    def values(self, price: float, arm: NDArray[np.intp] | slice = slice(None)) -> Floats:
        """Values of the arms' present policies, ``(count, S)``; relative to state 0 for the average reward."""
        worth: Floats = self.solved[arm, :, 0] - price * self.solved[arm, :, 1]
        if self.start is None:
            worth[:, 0] = 0.0
        return worth

    def improve(self, price: float) -> None:
        """Policy iteration at a price; it goes on from the present policies."""
        arm = np.arange(self.arms.num_arms)
        state = np.arange(self.arms.num_states)
        for _ in range(_MAX_POLICIES):
            following = self.discount * self.values(price, arm)
            worth = (self.arms.transitions[arm] @ following[:, None, :, None])[..., 0]
            worth += self.arms.rewards[arm] - price * self.costs[arm][:, :, None]
            scale = np.abs(worth).max(axis=(1, 2)) + np.abs(following).max(axis=1)
            row = np.arange(len(arm))[:, None]
            kept = worth[row, self.policy[arm], state]
            better = worth.max(axis=1) > kept + _RELATIVE_ZERO * (1.0 + scale[:, None])
            changed = better.any(axis=1)
            if not changed.any():
                return
            worth, better, arm = worth[changed], better[changed], arm[changed]
            self.policy[arm] = np.where(better, worth.argmax(axis=1), self.policy[arm])
            self._evaluate(arm)

    def rates(self) -> tuple[float, float]:
        """Total reward and total cost of the present policies."""
        each = self.solved[:, 0] if self.start is None else np.einsum("js,jsk->jk", self.start, self.solved)
        reward, cost = each.sum(axis=0)
        return float(reward), float(cost)

    def occupancy(self, policy: NDArray[np.intp]) -> Floats:
        """How often each state and level are met under policies ``(J, S)``: float64 ``(J, S, A)``."""
        system = self._chain(policy, np.arange(len(policy))).transpose(0, 2, 1)
        entering = np.eye(self.arms.num_states)[0] if self.start is None else self.start
        mass = np.linalg.solve(system, np.broadcast_to(entering, policy.shape)[..., None])
        taken = np.equal(policy[..., None], np.arange(self.arms.num_levels))
        return np.asarray(np.maximum(mass, 0.0) * taken)


@dataclass(frozen=True, eq=False)
class _Tangent:
    """Policies that are optimal at some price, with their total reward and cost."""

    reward: float
    cost: float
    policy: NDArray[np.intp]


def _minimise(solver: _ArmSolver, budget: float, tolerance: float) -> StationaryBound:
    """Finds the price at which the bound is least, between a tangent that overspends and one that does not."""

    def touch(price: float) -> _Tangent:
        solver.improve(price)
        return _Tangent(*solver.rates(), solver.policy.copy())

    price, dear = 0.0, float(np.ptp(solver.arms.rewards)) or 1.0
    scale = dear * (1.0 if solver.start is None else 1.0 / (1.0 - solver.discount))
    over = under = touch(0.0)
    if over.cost > budget:
        while (under := touch(dear)).cost > budget:
            over, dear = under, 2.0 * dear
        for _ in range(_MAX_PRICES):
            price = (over.reward - under.reward) / (over.cost - under.cost)
            met = over.reward - price * over.cost
            here = touch(price)
            best = here.reward - price * here.cost
            if best - met <= tolerance * max(abs(best + price * budget), scale):
                break
            over, under = (here, under) if here.cost > budget else (over, here)
    reward, cost = solver.rates()
    value = reward - price * cost + price * budget
    share = (budget - under.cost) / (over.cost - under.cost) if over.cost > under.cost else 0.0
    occupancy = solver.occupancy(under.policy)
    if share > 0.0:
        occupancy = share * solver.occupancy(over.policy) + (1.0 - share) * occupancy
    earned = float(np.einsum("jsa,jas->", occupancy, solver.arms.rewards))
    return StationaryBound(value, value - earned, price, solver.values(price), occupancy)
