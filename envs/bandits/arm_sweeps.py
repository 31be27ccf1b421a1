"""Each arm on its own, under charges for its ways to move: values by dynamic programming, and the use made of ways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms

Floats = NDArray[np.float64]


class Block:
    """Some of the arms, arm index last, so that every operation runs along contiguous arms; W ways to move."""

    def __init__(self, ways: Arms, start: Floats, part: slice, discount: float) -> None:
        self.part = part
        self.transitions = np.ascontiguousarray(ways.transitions[part].transpose(1, 2, 3, 0))  # (W, S, S, block)
        self.rewards = np.ascontiguousarray(ways.rewards[part].transpose(1, 2, 0))  # (W, S, block)
        self.start = np.ascontiguousarray(start[part].T)  # (S, block)
        self.discount = discount

    def backward(
        self, charges: Floats, weights: Floats | None = None, gifts: Floats | None = None
    ) -> tuple[Floats, NDArray[np.intp]]:
        """Solves each arm under charges for its ways.

        Args:
            charges: ``(H, W, block or 1)``.
            weights: Of its rewards, ``(H, block)``.
            gifts: What it gets for being in a state, ``(H, S, block)``.

        Returns:
            Values ``(H + 1, S, block)`` and the best ways ``(H, S, block)``.
        """
        horizon = len(charges)
        values = np.zeros((horizon + 1, *self.start.shape))
        choice = np.empty((horizon, *self.start.shape), dtype=np.intp)
        for t in range(horizon - 1, -1, -1):
            worth = np.einsum("aszj,zj->asj", self.transitions, self.discount * values[t + 1])
            worth += self.rewards if weights is None else self.rewards * weights[t]
            worth -= charges[t][:, None]
            if len(worth) == 2:  # a third of the time of the general case
                np.maximum(worth[0], worth[1], out=values[t])
                np.greater(worth[1], worth[0], out=choice[t], casting="unsafe")
            else:
                worth.max(axis=0, out=values[t])
                worth.argmax(axis=0, out=choice[t])
            if gifts is not None:
                values[t] += gifts[t]
        return values, choice

    def soft_backward(
        self, charges: Floats, weights: Floats | None, gifts: Floats | None, temperature: float
    ) -> tuple[Floats, Floats]:
        """Like `backward` with softmax for max: values ``(H + 1, S, block)``, chances of ways ``(H, W, S, block)``."""
        horizon = len(charges)
        values = np.zeros((horizon + 1, *self.start.shape))
        chances = np.empty((horizon, *self.rewards.shape))
        transitions = self.transitions * (self.discount / temperature)
        rewards, charges = self.rewards / temperature, charges / temperature
        for t in range(horizon - 1, -1, -1):
            worth = np.einsum("aszj,zj->asj", transitions, values[t + 1], out=chances[t])
            worth += rewards if weights is None else rewards * weights[t]
            worth -= charges[t][:, None]
            most = worth.max(axis=0)
            worth -= most
            np.exp(worth, out=worth)
            total = worth.sum(axis=0)
            worth /= total
            values[t] = temperature * (most + np.log(total))
            if gifts is not None:
                values[t] += gifts[t]
        return values, chances

    def occupancies(self, chances: Floats) -> Floats:
        """How probable a way in a state is at each time: turns chances ``(H, W, S, block)`` into it, in place."""
        mass = self.start
        for occupancy in chances:
            occupancy *= mass
            mass = np.einsum("aszj,asj->zj", self.transitions, occupancy)
        return chances

    def forward(self, choice: NDArray[np.intp]) -> Floats:
        """Expected use of ways ``(H, W, block)`` where the arms take the ways ``(H, S, block)``."""
        ways = np.arange(len(self.transitions))[:, None, None]
        use = np.empty((len(choice), len(ways), self.start.shape[1]))
        mass = self.start
        for t, taken in enumerate(choice):
            occupancy = np.where(taken == ways, mass, 0.0)
            use[t] = occupancy.sum(axis=1)
            mass = np.einsum("aszj,asj->zj", self.transitions, occupancy)
        return use
