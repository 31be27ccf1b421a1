"""The certified bound for a vehicle that stays where it is: prices for the arms, and what each position is worth.

As in :mod:`telos.envs.bandits.relaxation`, arms are charged for their levels and the charges are paid back as the most
that could be collected. What can be collected in a step depends on where the vehicle is, so a whole tour over the
horizon collects them, and the best one is found by dynamic programming over positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.dual import Dual, Floats
from telos.envs.bandits.feasible.roaming import RoamingSet

__all__ = ["RoamingBound", "roaming_bound"]

_STEP = 0.12  # ours: how far a price moves in the first steps, as a share of the range of rewards
_MEMORY = 0.7  # ours: weight of the earlier directions in a step


@dataclass(frozen=True, eq=False)
class RoamingBound:
    """An upper bound on the expected reward over the horizon, with the prices that certify it.

    Attributes:
        value: The bound, in units of reward.
        prices: Float64 ``(H, J)``: the charge for acting on an arm.
        values: Float64 ``(H + 1, J, S)``: the best expected reward less charges of each arm on its own.
        collected: Float64 ``(H + 1, J)``: the most that a vehicle in a node can collect from time ``t`` on. The sum of
            values and collected charges bounds the reward from any states and position at any time.
    """

    value: float
    prices: Floats
    values: Floats
    collected: Floats


def roaming_bound(
    arms: Arms, feasible_sets: Sequence[RoamingSet], depot: int, horizon: int, initial: ArrayLike, *, steps: int = 400
) -> RoamingBound:
    """Minimises the bound over prices by subgradient steps; it is valid after any number of them.

    Args:
        arms: Two-level arms.
        feasible_sets: The set of each position.
        depot: Where the vehicle is at first.
        horizon: ``H``, number of steps.
        initial: Initial states, integers ``(J,)``, or distributions ``(J, S)``.
        steps: Subgradient steps.
    """
    dual = Dual(arms, horizon, initial, 1.0)
    tours = _Tours(feasible_sets, horizon)
    prices = np.zeros((horizon, arms.num_arms))
    best = np.inf
    best_prices, best_collected = prices, np.zeros((horizon + 1, arms.num_arms))
    direction = np.zeros_like(prices)
    for step in range(steps):
        collected, pulls = tours.best(prices, depot)
        value = float(collected[0, depot])
        slope = pulls.astype(np.float64)
        for block in dual.blocks:
            charges = np.stack([np.zeros_like(prices[:, block.part]), prices[:, block.part]], axis=1)
            values, choice = block.backward(charges)
            value += float((block.start * values[0]).sum())
            slope[:, block.part] -= block.forward(choice)[:, 1]
        if value < best:
            best, best_prices, best_collected = value, prices, collected
        direction = _MEMORY * direction + (1.0 - _MEMORY) * slope if step else slope
        length = float(np.linalg.norm(direction))
        if length == 0.0:
            break
        reach = _STEP * dual.range * np.sqrt(prices.size / (step + 1))
        prices = np.maximum(prices - reach / length * direction, 0.0)
    values = dual.values(np.stack([np.zeros_like(best_prices), best_prices], axis=2))
    return RoamingBound(best, best_prices, values, best_collected)


class _Tours:
    """All walks of all positions, to find the tour that collects most."""

    def __init__(self, feasible_sets: Sequence[RoamingSet], horizon: int) -> None:
        self.visits = np.concatenate([each.visits for each in feasible_sets])
        self.ends = np.concatenate([each.ends for each in feasible_sets])
        sizes = [len(each.visits) for each in feasible_sets]
        self.first = np.cumsum([0, *sizes[:-1]])
        self.last = np.cumsum(sizes)
        self.budget, self.horizon = feasible_sets[0].budget, horizon

    def best(self, prices: Floats, depot: int) -> tuple[Floats, NDArray[np.bool_]]:
        """What each position can still collect, ``(H + 1, J)``, and the pulls ``(H, J)`` of the best tour."""
        collected = np.zeros((self.horizon + 1, prices.shape[1]))
        worth = np.empty((self.horizon, len(self.visits)))
        order = np.argsort(-prices, axis=1)
        pulled = [self._pulled(now) for now in order]
        for t in range(self.horizon - 1, -1, -1):
            worth[t] = prices[t, order[t]] @ pulled[t] + collected[t + 1, self.ends]
            collected[t] = np.maximum.reduceat(worth[t], self.first)
        pulls = np.zeros(prices.shape, np.bool_)
        place = depot
        for t in range(self.horizon):
            walk = self.first[place] + int(worth[t, self.first[place] : self.last[place]].argmax())
            pulls[t, order[t]] = pulled[t][:, walk]
            place = self.ends[walk]
        return collected, pulls

    def _pulled(self, order: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which arms, in the given order, each walk acts on: bool ``(J, K)``."""
        members = self.visits.T[order]
        return np.asarray(members & (np.cumsum(members, axis=0, dtype=np.int16) <= self.budget))
