"""The dual function of arms that are coupled only through their joint action, and its gradients.

Charge arms for the levels they take and pay back the most that a feasible joint action could collect: for any charges
the sum bounds every policy's reward from above. `relaxation.py` looks for the charges that make it least.
Arms may have several alternatives, ways to move at the same level; each then takes the best, free of charge.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """Some of the arms, arm index last, so that every operation runs along contiguous arms.

    An arm moves in one of W ways: W / A for each of its A levels, all at that level's charge.
    """

    def __init__(self, ways: Arms, per_level: int, start: Floats, part: slice, discount: float) -> None:
        self.part, self.per_level = part, per_level
        self.transitions = np.ascontiguousarray(ways.transitions[part].transpose(1, 2, 3, 0))  # (W, S, S, block)
        self.rewards = np.ascontiguousarray(ways.rewards[part].transpose(1, 2, 0))  # (W, S, block)
        self.start = np.ascontiguousarray(start[part].T)  # (S, block)
        self.discount = discount

    def backward(self, charges: Floats, shares: Floats | None = None) -> tuple[Floats, NDArray[np.intp]]:
        """Solves each arm under charges ``(H, A, block or 1)`` with the shares ``(H, block)`` of its rewards.

        Returns:
            Values ``(H + 1, S, block)`` and the best ways ``(H, S, block)``.
        """
        horizon = len(charges)
        values = np.zeros((horizon + 1, *self.start.shape))
        choice = np.empty((horizon, *self.start.shape), dtype=np.intp)
        for t in range(horizon - 1, -1, -1):
            worth = np.einsum("aszj,zj->asj", self.transitions, self.discount * values[t + 1])
            worth += self.rewards if shares is None else self.rewards * shares[t]
            worth -= self._by_way(charges[t])
            if len(worth) == 2:  # a third of the time of the general case
                np.maximum(worth[0], worth[1], out=values[t])
                np.greater(worth[1], worth[0], out=choice[t], casting="unsafe")
            else:
                worth.max(axis=0, out=values[t])
                worth.argmax(axis=0, out=choice[t])
        return values, choice

    def soft_backward(self, charges: Floats, shares: Floats | None, temperature: float) -> tuple[Floats, Floats]:
        """Like `backward` with softmax for max: values ``(H + 1, S, block)``, chances of ways ``(H, W, S, block)``."""
        horizon = len(charges)
        values = np.zeros((horizon + 1, *self.start.shape))
        chances = np.empty((horizon, *self.rewards.shape))
        transitions = self.transitions * (self.discount / temperature)
        rewards, charges = self.rewards / temperature, charges / temperature
        for t in range(horizon - 1, -1, -1):
            worth = np.einsum("aszj,zj->asj", transitions, values[t + 1], out=chances[t])
            worth += rewards if shares is None else rewards * shares[t]
            worth -= self._by_way(charges[t])
            most = worth.max(axis=0)
            worth -= most
            np.exp(worth, out=worth)
            total = worth.sum(axis=0)
            worth /= total
            values[t] = temperature * (most + np.log(total))
        return values, chances

    def _by_way(self, charges: Floats) -> Floats:
        """Charges ``(A, block or 1)`` as ``(W, 1, block or 1)``."""
        return (charges if self.per_level == 1 else charges.repeat(self.per_level, axis=0))[:, None]

    def forward(self, policy: Floats | NDArray[np.intp], earned: Floats | None = None) -> Floats:
        """Expected use of levels ``(H, A, block)`` under ways ``(H, S, block)`` or chances ``(H, W, S, block)``.

        The expected rewards go into ``earned``, ``(H, block)``, if that is given.
        """
        ways = np.arange(len(self.transitions))[:, None, None]
        use = np.empty((len(policy), len(ways), self.start.shape[1]))
        mass = self.start
        for t, taken in enumerate(policy):
            occupancy = np.where(taken == ways, mass, 0.0) if policy.ndim == 3 else taken * mass
            use[t] = occupancy.sum(axis=1)
            if earned is not None:
                earned[t] = np.einsum("asj,asj->j", self.rewards, occupancy)
            mass = np.einsum("aszj,asj->zj", self.transitions, occupancy)
        return use.reshape(len(use), -1, self.per_level, use.shape[2]).sum(axis=2) if self.per_level > 1 else use


class Dual:
    """The dual function of one problem: arms, start, horizon, discount, and caps on what groups of arms earn in a step.

    A cap is priced too: ``min(cap, earned)`` is at most ``share * earned + (1 - share) * cap`` for any share in
    ``0..1``. A point of the dual is a price for each level of each arm and a share for each of G groups, float64
    ``(H, J * A + G)``; without caps G is 0.

    Attributes:
        ways: The alternatives as the levels ``a * N + n`` of one set of arms.
        per_level: N, the number of alternatives.
        num_levels: A.
        groups: One-hot, float64 ``(J, G)``.
        cap: The most that the arms of a group earn together in a step.
    """

    def __init__(
        self,
        arms: Arms,
        horizon: int,
        initial: ArrayLike,
        discount: float,
        alternatives: tuple[Arms, ...] = (),
        groups: ArrayLike | None = None,
        cap: float | None = None,
    ) -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1 step; got {horizon}")
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount must be in (0, 1]; got {discount}")
        self.ways, self.per_level, self.num_levels = _ways(arms, alternatives), len(alternatives) or 1, arms.num_levels
        self.groups, self.cap = _groups(arms, groups, cap), 0.0 if cap is None else float(cap)
        self.start = start_distribution(arms, initial)
        self.weights = discount ** np.arange(horizon)
        self.range = float(np.ptp(self.ways.rewards)) or 1.0
        parts = [slice(i, min(i + _BLOCK, arms.num_arms)) for i in range(0, arms.num_arms, _BLOCK)]
        self.blocks = [_Block(self.ways, self.per_level, self.start, part, discount) for part in parts]

    def point(self, prices: Floats, shares: Floats) -> Floats:
        """Prices ``(H, J, A)`` and shares ``(H, G)`` as a point."""
        return np.hstack([prices.reshape(len(prices), -1), shares])

    def split(self, point: Floats) -> tuple[Floats, Floats]:
        """Prices ``(H, J, A)`` and shares ``(H, G)`` of a point."""
        size = self.ways.num_arms * self.num_levels
        return point[:, :size].reshape(len(point), -1, self.num_levels), point[:, size:]

    def reward_weights(self, shares: Floats) -> Floats:
        """The share of each arm's group, ``(H, J)``, and 1 without caps."""
        return shares @ self.groups.T if self.groups.size else np.ones((len(shares), len(self.groups)))

    def _sweeps(self, point: Floats) -> Iterator[tuple[_Block, Floats, Floats | None]]:
        """Each block with its charges ``(H, A, block)`` and, under a cap, its shares ``(H, block)``."""
        prices, shares = self.split(point)
        weights = self.reward_weights(shares) if self.groups.size else None
        for block in self.blocks:
            own = None if weights is None else weights[:, block.part]
            yield block, prices[:, block.part].transpose(0, 2, 1), own

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

    def pay_back(self, point: Floats, feasible_set: FeasibleSet) -> tuple[Floats, NDArray[np.int64]]:
        """What is paid back at each time, ``(H,)``, and the feasible levels ``(H, J)`` that collect the charges."""
        prices, shares = self.split(point)
        levels = feasible_set.levels(feasible_set.linear_oracle(prices))
        paid: Floats = np.take_along_axis(prices, levels[..., None], axis=2).sum(axis=(1, 2))
        return paid + self.cap * (1.0 - shares).sum(axis=1), levels

    def to_go(self, paid: Floats) -> Floats:
        """Sums of amounts ``(H,)`` from each time on, discounted to it: ``(H + 1,)``."""
        rest = np.cumsum((self.weights * paid)[::-1])[::-1] / self.weights
        return np.append(rest, 0.0)

    def hull(self, point: Floats, feasible_set: FeasibleSet) -> tuple[float, NDArray[np.int64]]:
        """The bound at a point, and the levels ``(H, J)`` that collect the charges."""
        paid, levels = self.pay_back(point, feasible_set)
        return float(self.weights @ paid) + float((self.start * self.values(point)[0]).sum()), levels

    def slack(self, point: Floats, levels: NDArray[np.int64]) -> Floats:
        """The levels that collect the charges less the use that arms make of levels: a subgradient, ``(H, J, A)``."""
        slack = np.equal(levels[..., None], np.arange(self.num_levels)).astype(np.float64)
        for block, charges, shares in self._sweeps(point):
            _, choice = block.backward(charges, shares)
            slack[:, block.part] -= block.forward(choice).transpose(0, 2, 1)
        return slack * self.weights[:, None, None]

    def soft_hull(self, point: Floats, actions: Floats, temperature: float) -> tuple[float, Floats]:
        """The bound over known actions with softmax for max, and its gradient: smooth in the point.

        Args:
            point: ``(H, J * A + G)``.
            actions: ``(K, J, A)``, one-hot: the levels of the actions.
            temperature: In units of reward; as it falls to 0 the value falls to the bound's.
        """
        prices, shares = self.split(point)
        flat = actions.reshape(len(actions), -1)
        charges = prices.reshape(len(prices), -1) @ flat.T / temperature
        most = charges.max(axis=1, keepdims=True)
        np.exp(charges - most, out=charges)
        total = charges.sum(axis=1, keepdims=True)
        paid = temperature * (most + np.log(total))[:, 0] + self.cap * (1.0 - shares).sum(axis=1)
        value = float(self.weights @ paid)
        slack = (charges / total @ flat).reshape(prices.shape)
        earned = np.zeros(prices.shape[:2]) if self.groups.size else None
        for block, own_charges, own_shares in self._sweeps(point):
            values, chances = block.soft_backward(own_charges, own_shares, temperature)
            value += float((block.start * values[0]).sum())
            own_earned = None if earned is None else earned[:, block.part]
            slack[:, block.part] -= block.forward(chances, own_earned).transpose(0, 2, 1)
        above = shares if earned is None else earned @ self.groups - self.cap
        return value, self.weights[:, None] * self.point(slack, above)

    def values(self, point: Floats) -> Floats:
        """Each arm's values ``(H + 1, J, S)`` at a point."""
        values = np.empty((len(point) + 1, *self.start.shape))
        for block, charges, shares in self._sweeps(point):
            swept, _ = block.backward(charges, shares)
            values[:, block.part] = swept.transpose(0, 2, 1)
        return values


def _ways(arms: Arms, alternatives: tuple[Arms, ...]) -> Arms:
    """The alternatives ``n`` as levels ``a * N + n``; errors say which of them does not fit the arms."""
    for number, other in enumerate(alternatives):
        if other.rewards.shape != arms.rewards.shape:
            raise ValueError(
                f"alternatives[{number}] must have (arms, levels, states) = {arms.rewards.shape}, as the arms have; "
                f"got {other.rewards.shape}"
            )
    if not alternatives:
        return arms
    count, levels, states = arms.rewards.shape
    ways = levels * len(alternatives)
    transitions = np.stack([other.transitions for other in alternatives], axis=2)
    rewards = np.stack([other.rewards for other in alternatives], axis=2)
    return Arms(transitions.reshape(count, ways, states, states), rewards.reshape(count, ways, states))


def _groups(arms: Arms, groups: ArrayLike | None, cap: float | None) -> Floats:
    """The groups one-hot ``(J, G)``, with G = 0 where nothing is capped."""
    if (groups is None) != (cap is None):
        raise ValueError("groups and cap go together: give both, or neither")
    if groups is None or cap is None:
        return np.zeros((arms.num_arms, 0))
    given = np.asarray(groups)
    if given.shape != (arms.num_arms,) or not np.issubdtype(given.dtype, np.integer) or given.min() < 0:
        raise ValueError(f"groups must be {arms.num_arms} integers, at least 0; got {given.dtype} of {given.shape}")
    if not np.isfinite(cap):
        raise ValueError(f"cap must be finite; got {cap} (without a cap leave groups and cap out)")
    one_hot: Floats = np.eye(int(given.max()) + 1)[given]
    return one_hot
