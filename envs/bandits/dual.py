"""The dual function of arms that are coupled only through their joint action, and its gradients.

Charge arms for the levels they take and pay back the most that a feasible joint action could collect: for any charges
the sum bounds every policy's reward from above. `relaxation.py` looks for the charges that make it least.

Arms may have several alternatives, ways to move at the same level, of which each takes the best. Where the alternatives
stand for the state of a leader, an arm pays a toll for its leader's state, which goes to the arms that may lead it. In
truth both are of the same state, so nothing is lost; in the relaxation the tolls keep arms from all following the best.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arm_sweeps import Block, Floats
from telos.envs.bandits.arms import Arms

if TYPE_CHECKING:
    from telos.envs.bandits.feasible.base import FeasibleSet

__all__ = ["Dual", "Floats", "Point", "start_distribution"]

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


class Point(NamedTuple):
    """What the arms are charged and paid; only ``prices`` has entries in the plain problem.

    Attributes:
        prices: For a level, ``(H, J, A)``.
        shares: Of its reward that an arm of a group keeps under a cap, ``(H, G)``, in ``0..1``: ``min(cap, earned)`` is
            at most ``share * earned + (1 - share) * cap``.
        tolls: For a state of the leader, ``(H, J, S)``. They go to the leader, in shares if it may be one of several.
    """

    prices: Floats
    shares: Floats
    tolls: Floats


class Dual:
    """The dual function of one problem: arms, start, horizon, discount, caps of groups of arms, and who follows whom.

    Attributes:
        ways: The alternatives as the levels ``a * N + n`` of one set of arms.
        num_levels: A.
        per_level: N, the number of alternatives.
        groups: One-hot, float64 ``(J, G)``; G is 0 without a cap.
        cap: The most that the arms of a group earn together in a step.
        leaders: Float64 ``(J, J)``, who follows whom, or ``(0, J)``.
    """

    def __init__(
        self,
        arms: Arms,
        horizon: int,
        initial: ArrayLike,
        discount: float,
        alternatives: tuple[Arms, ...] = (),
        leaders: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        cap: float | None = None,
    ) -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1 step; got {horizon}")
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount must be in (0, 1]; got {discount}")
        self.ways, self.per_level, self.num_levels = _ways(arms, alternatives), len(alternatives) or 1, arms.num_levels
        self.leaders = _leaders(arms, leaders, self.per_level)
        self.groups, self.cap = _groups(arms, groups, cap), 0.0 if cap is None else float(cap)
        self.start = start_distribution(arms, initial)
        self.weights = discount ** np.arange(horizon)
        self.range = float(np.ptp(self.ways.rewards)) or 1.0
        parts = [slice(i, min(i + _BLOCK, arms.num_arms)) for i in range(0, arms.num_arms, _BLOCK)]
        self.blocks = [Block(self.ways, self.start, part, discount) for part in parts]

    def split(self, flat: Floats) -> Point:
        """The point of an array ``(H, all entries)``."""
        count, horizon = self.ways.num_arms, len(flat)
        size, shares = count * self.num_levels, self.groups.shape[1]
        prices, shares, tolls = np.split(flat, [size, size + shares], axis=1)
        return Point(prices.reshape(horizon, count, -1), shares, tolls.reshape(horizon, count, -1))

    def join(self, point: Point) -> Floats:
        """The array ``(H, all entries)`` of a point."""
        return np.hstack([part.reshape(len(part), -1) for part in point])

    def uniform(self, prices: ArrayLike, shares: float, tolls: float) -> Floats:
        """The array of prices that are broadcast, and of the same share and toll for all."""
        horizon, count = len(self.weights), self.ways.num_arms
        return self.join(
            Point(
                np.broadcast_to(prices, (horizon, count, self.num_levels)),
                np.full((horizon, self.groups.shape[1]), shares),
                np.full((horizon, len(self.leaders), self.per_level), tolls),
            )
        )

    def reward_weights(self, point: Point) -> Floats:
        """The share of each arm's group, ``(H, J)``; 1 without caps."""
        return point.shares @ self.groups.T if self.groups.size else np.ones(point.prices.shape[:2])

    def _sweeps(self, point: Point) -> Iterator[tuple[Block, Floats, Floats | None, Floats | None]]:
        """Each block with charges ``(H, W, block)``, weights ``(H, block)`` of rewards, and gifts ``(H, S, block)``."""
        charges, gifts = point.prices.repeat(self.per_level, axis=2), None
        if self.leaders.size:
            charges += np.tile(point.tolls, self.num_levels)
            gifts = (self.leaders.T @ point.tolls).transpose(0, 2, 1)
        weights = self.reward_weights(point) if self.groups.size else None
        for block in self.blocks:
            yield (
                block,
                charges[:, block.part].transpose(0, 2, 1),
                None if weights is None else weights[:, block.part],
                None if gifts is None else gifts[:, :, block.part],
            )

    def _by_level(self, use: Floats) -> Floats:
        """Use of ways ``(H, W, block)`` as use of alternatives by level ``(H, A, N, block)``."""
        return use.reshape(len(use), self.num_levels, self.per_level, -1)

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

    def pay_back(self, point: Point, feasible_set: FeasibleSet) -> tuple[Floats, NDArray[np.int64]]:
        """What is paid back at each time, ``(H,)``, and the feasible levels ``(H, J)`` that collect the prices."""
        levels = feasible_set.levels(feasible_set.linear_oracle(point.prices))
        paid: Floats = np.take_along_axis(point.prices, levels[..., None], axis=2).sum(axis=(1, 2))
        return paid + self.cap * (1.0 - point.shares).sum(axis=1), levels

    def to_go(self, paid: Floats) -> Floats:
        """Sums of amounts ``(H,)`` from each time on, discounted to it: ``(H + 1,)``."""
        rest = np.cumsum((self.weights * paid)[::-1])[::-1] / self.weights
        return np.append(rest, 0.0)

    def hull(self, point: Point, feasible_set: FeasibleSet) -> tuple[float, NDArray[np.int64]]:
        """The bound at a point, and the levels ``(H, J)`` that collect the prices."""
        paid, levels = self.pay_back(point, feasible_set)
        return float(self.weights @ paid) + float((self.start * self.point_values(point)[0]).sum()), levels

    def slack(self, point: Point, levels: NDArray[np.int64]) -> Floats:
        """The levels that collect the prices less the use that arms make of levels: a subgradient, ``(H, J, A)``."""
        slack = np.equal(levels[..., None], np.arange(self.num_levels)).astype(np.float64)
        for block, charges, weights, gifts in self._sweeps(point):
            _, choice = block.backward(charges, weights, gifts)
            slack[:, block.part] -= self._by_level(block.forward(choice)).sum(axis=2).transpose(0, 2, 1)
        return slack * self.weights[:, None, None]

    def soft_hull(self, point: Point, actions: Floats, temperature: float) -> tuple[float, Floats]:
        """The bound over known actions with softmax for max: smooth in the point.

        Args:
            point: Where.
            actions: ``(K, J, A)``, one-hot: the levels of the actions.
            temperature: In units of reward; as it falls to 0 the value falls to the bound's.

        Returns:
            The value, and its gradient ``(H, all entries)``.
        """
        prices, shares, tolls = point
        flat = actions.reshape(len(actions), -1)
        charges = prices.reshape(len(prices), -1) @ flat.T / temperature
        most = charges.max(axis=1, keepdims=True)
        np.exp(charges - most, out=charges)
        total = charges.sum(axis=1, keepdims=True)
        paid = temperature * (most + np.log(total))[:, 0] + self.cap * (1.0 - shares).sum(axis=1)
        value = float(self.weights @ paid)
        slack = Point((charges / total @ flat).reshape(prices.shape), np.full(shares.shape, -self.cap), 0.0 * tolls)
        for block, own_charges, own_weights, gifts in self._sweeps(point):
            values, chances = block.soft_backward(own_charges, own_weights, gifts, temperature)
            value += float((block.start * values[0]).sum())
            occupancy = block.occupancies(chances)
            use = self._by_level(occupancy.sum(axis=2))
            slack.prices[:, block.part] -= use.sum(axis=2).transpose(0, 2, 1)
            if self.groups.size:
                slack.shares[:] += np.einsum("asj,tasj->tj", block.rewards, occupancy) @ self.groups[block.part]
            if self.leaders.size:
                follows = self.leaders[block.part].any(axis=1)
                slack.tolls[:, block.part] -= (use.sum(axis=1) * follows).transpose(0, 2, 1)
                slack.tolls[:] += self.leaders[:, block.part] @ occupancy.sum(axis=1).transpose(0, 2, 1)
        return value, self.weights[:, None] * self.join(slack)

    def point_values(self, point: Point) -> Floats:
        """Each arm's values ``(H + 1, J, S)`` at a point."""
        values = np.empty((len(self.weights) + 1, *self.start.shape))
        for block, charges, weights, gifts in self._sweeps(point):
            swept, _ = block.backward(charges, weights, gifts)
            values[:, block.part] = swept.transpose(0, 2, 1)
        return values

    def values(self, prices: Floats) -> Floats:
        """Each arm's values ``(H + 1, J, S)`` under prices ``(H, J, A)`` alone."""
        return self.point_values(self.split(self.uniform(prices, 1.0, 0.0)))


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


def _leaders(arms: Arms, leaders: ArrayLike | None, per_level: int) -> Floats:
    """The leaders ``(J, J)``, or ``(0, J)`` where nobody follows; errors say what is wrong with them."""
    if leaders is None:
        return np.zeros((0, arms.num_arms))
    if per_level != arms.num_states:
        raise ValueError(f"leaders need one of {arms.num_states} alternatives for each state; got {per_level}")
    given = np.asarray(leaders, dtype=np.float64)
    if given.shape != (arms.num_arms, arms.num_arms) or not (given >= 0).all():
        raise ValueError(f"leaders must be {arms.num_arms} rows of as many probabilities; got shape {given.shape}")
    total = given.sum(axis=1)
    if not ((np.abs(total - 1.0) <= 1e-9) | (total == 0)).all():
        raise ValueError("each row of leaders must sum to 1, or be 0 for an arm that follows nobody")
    return given


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
