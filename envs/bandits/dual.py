"""The dual function of arms that are coupled only through their joint action, and its gradients.

Charge arms for the levels they take and pay back the most that a feasible joint action could collect: for any charges
the sum bounds every policy's reward from above. `relaxation.py` looks for the charges that make it least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.base import FeasibleSet

Floats = NDArray[np.float64]

_BLOCK = 1024  # ours: arms swept together; their tables then stay in a core's cache


def start_distribution(arms: Arms, initial: ArrayLike) -> Floats:
    """Turns initial states (integers ``(J,)``) or distributions (``(J, S)``) into distributions, float64 ``(J, S)``.

    Raises:
        ValueError: If the shape is neither, a state is out of range, or a row is no distribution (to 1e-9).
    """
    given = np.asarray(initial)
    count, size = arms.num_arms, arms.num_states
    if given.shape == (count,) and np.issubdtype(given.dtype, np.integer):
        if given.min() < 0 or given.max() >= size:
            raise ValueError(f"initial states must be in 0..{size - 1}; got {given.min()} to {given.max()}")
        one_hot: Floats = np.eye(size)[given]
        return one_hot
    if given.shape != (count, size):
        raise ValueError(
            f"initial must be integer states of shape ({count},) or distributions of shape ({count}, {size}); "
            f"got {given.dtype} of shape {given.shape}"
        )
    distribution = given.astype(np.float64)
    if not ((distribution >= 0).all() and (np.abs(distribution.sum(axis=1) - 1.0) <= 1e-9).all()):
        raise ValueError("each row of the initial distributions must be non-negative and sum to 1")
    return distribution


class _Block:
    """Some of the arms, arm index last, so that every operation runs along contiguous arms."""

    def __init__(self, arms: Arms, start: Floats, part: slice, discount: float) -> None:
        self.part = part
        self.transitions = np.ascontiguousarray(arms.transitions[part].transpose(1, 2, 3, 0))  # (A, S, S, block)
        self.rewards = np.ascontiguousarray(arms.rewards[part].transpose(1, 2, 0))  # (A, S, block)
        self.start = np.ascontiguousarray(start[part].T)  # (S, block)
        self.discount = discount

    def backward(self, charges: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Solves each arm under charges ``(H, A, block or 1)``: values ``(H + 1, S, block)``, levels ``(H, S, ..)``."""
        horizon = len(charges)
        values = np.zeros((horizon + 1, *self.start.shape))
        choice = np.empty((horizon, *self.start.shape), dtype=np.intp)
        for t in range(horizon - 1, -1, -1):
            worth = np.einsum("aszj,zj->asj", self.transitions, self.discount * values[t + 1])
            worth += self.rewards
            worth -= charges[t][:, None]
            if len(worth) == 2:  # a third of the time of the general case
                np.maximum(worth[0], worth[1], out=values[t])
                np.greater(worth[1], worth[0], out=choice[t], casting="unsafe")
            else:
                worth.max(axis=0, out=values[t])
                worth.argmax(axis=0, out=choice[t])
        return values, choice

    def soft_backward(self, charges: Floats, temperature: float) -> tuple[Floats, Floats]:
        """Like `backward` with softmax for max: values ``(H + 1, S, block)``, shares of levels ``(H, A, S, block)``."""
        horizon = len(charges)
        values = np.zeros((horizon + 1, *self.start.shape))
        shares = np.empty((horizon, *self.rewards.shape))
        transitions = self.transitions * (self.discount / temperature)
        rewards, charges = self.rewards / temperature, charges / temperature
        for t in range(horizon - 1, -1, -1):
            worth = np.einsum("aszj,zj->asj", transitions, values[t + 1], out=shares[t])
            worth += rewards
            worth -= charges[t][:, None]
            most = worth.max(axis=0)
            worth -= most
            np.exp(worth, out=worth)
            total = worth.sum(axis=0)
            worth /= total
            values[t] = temperature * (most + np.log(total))
        return values, shares

    def forward(self, policy: Floats | NDArray[np.intp]) -> Floats:
        """Expected use of levels ``(H, A, block)`` under levels ``(H, S, block)`` or shares ``(H, A, S, block)``."""
        levels = np.arange(len(self.transitions))[:, None, None]
        use = np.empty((len(policy), len(levels), self.start.shape[1]))
        mass = self.start
        for t, taken in enumerate(policy):
            occupancy = np.where(taken == levels, mass, 0.0) if policy.ndim == 3 else taken * mass
            use[t] = occupancy.sum(axis=1)
            mass = np.einsum("aszj,asj->zj", self.transitions, occupancy)
        return use


class Dual:
    """The dual function of one problem: arms, start, horizon and discount."""

    def __init__(self, arms: Arms, horizon: int, initial: ArrayLike, discount: float) -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1 step; got {horizon}")
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount must be in (0, 1]; got {discount}")
        self.arms = arms
        self.start = start_distribution(arms, initial)
        self.weights = discount ** np.arange(horizon)
        self.range = float(np.ptp(arms.rewards)) or 1.0
        parts = [slice(i, min(i + _BLOCK, arms.num_arms)) for i in range(0, arms.num_arms, _BLOCK)]
        self.blocks = [_Block(arms, self.start, part, discount) for part in parts]

    def budget(self, price: Floats, costs: Floats, budget: float) -> tuple[float, Floats]:
        """The bound under budget prices ``(H,)`` and costs ``(J or 1, A)``, and its gradient in the prices."""
        value = budget * float(self.weights @ price)
        slack = np.full(len(price), float(budget))
        for block in self.blocks:
            cost = (costs if len(costs) == 1 else costs[block.part]).T  # (A, block or 1)
            values, choice = block.backward(price[:, None, None] * cost)
            value += float((block.start * values[0]).sum())
            slack -= (block.forward(choice) * cost).sum(axis=(1, 2))
        return value, slack * self.weights

    def collect(self, prices: Floats, feasible_set: FeasibleSet) -> tuple[Floats, NDArray[np.int64]]:
        """The most that feasible actions collect under prices ``(H, J, A)``, ``(H,)``, and their levels ``(H, J)``."""
        levels = feasible_set.levels(feasible_set.linear_oracle(prices))
        paid: Floats = np.take_along_axis(prices, levels[..., None], axis=2).sum(axis=(1, 2))
        return paid, levels

    def to_go(self, paid: Floats) -> Floats:
        """Sums of amounts ``(H,)`` from each time on, discounted to it: ``(H + 1,)``."""
        rest = np.cumsum((self.weights * paid)[::-1])[::-1] / self.weights
        return np.append(rest, 0.0)

    def hull(self, prices: Floats, feasible_set: FeasibleSet) -> tuple[float, NDArray[np.int64]]:
        """The bound under prices ``(H, J, A)``, and the levels ``(H, J)`` that collect the charges."""
        paid, levels = self.collect(prices, feasible_set)
        return float(self.weights @ paid) + float((self.start * self.values(prices)[0]).sum()), levels

    def soft_hull(self, prices: Floats, actions: Floats, temperature: float) -> tuple[float, Floats]:
        """The bound over known actions with softmax for max, and its gradient: smooth in the prices.

        Args:
            prices: ``(H, J, A)``.
            actions: ``(K, J, A)``, one-hot: the levels of the actions.
            temperature: In units of reward; as it falls to 0 the value falls to the bound's.
        """
        flat = actions.reshape(len(actions), -1)
        charges = prices.reshape(len(prices), -1) @ flat.T / temperature
        most = charges.max(axis=1, keepdims=True)
        np.exp(charges - most, out=charges)
        total = charges.sum(axis=1, keepdims=True)
        value = temperature * float(self.weights @ (most + np.log(total))[:, 0])
        slack = (charges / total @ flat).reshape(prices.shape)
        for block in self.blocks:
            values, shares = block.soft_backward(prices[:, block.part].transpose(0, 2, 1), temperature)
            value += float((block.start * values[0]).sum())
            slack[:, block.part] -= block.forward(shares).transpose(0, 2, 1)
        return value, slack * self.weights[:, None, None]

    def values(self, prices: Floats) -> Floats:
        """Each arm's values ``(H + 1, J, S)`` under prices ``(H, J, A)``."""
        values = np.empty((len(prices) + 1, self.arms.num_arms, self.arms.num_states))
        for block in self.blocks:
            swept, _ = block.backward(prices[:, block.part].transpose(0, 2, 1))
            values[:, block.part] = swept.transpose(0, 2, 1)
        return values
