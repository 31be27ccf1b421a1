"""Which feasible joint action a ReLU Q-network values most, with a certified bound on what was missed.

* :class:`Enumeration` - exact, over a list of the feasible actions; the fastest while the list fits into memory
* :class:`MixedInteger` - one mixed-integer program an observation, as in SEQUOIA (arXiv:2503.01919), on HiGHS
* :class:`LocalSearch` - for sets that can neither be listed nor solved in time

All take the network at n observations and answer with a :class:`Decision`. Enumeration and local search start from a
linear function that is nowhere below the network (:func:`~telos.baselines.relu_program.linear_upper_bound`): its best
feasible action is a good guess, and whatever it values less than the guess is really worth cannot be better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telos.baselines.relu_program import LevelDomain, LevelNetwork, ReluProgram, linear_upper_bound
from telos.envs.bandits.feasible.base import FeasibleSet

__all__ = ["Argmax", "Decision", "Enumeration", "LocalSearch", "MixedInteger", "best_actions", "make_argmax"]

ENUMERATION_LIMIT = 200_000  # ours: rows; about 1 ms a decision at 20 arms
CHUNK = 4096  # ours: level vectors to value at once, few enough for the cache
ROUNDING = 1e-5  # ours: relative to the sum of all weights; single precision at up to 100 arms stays below


@dataclass(frozen=True, eq=False)
class Decision:
    """Answers to n observations.

    Attributes:
        actions: Feasible joint actions, int8 ``(n, action_size)``.
        values: The network's values of them, float64 ``(n,)``.
        upper_bounds: No feasible action has a higher value, float64 ``(n,)``; equal to ``values`` where these are
            the optimum.
    """

    actions: NDArray[np.int8]
    values: NDArray[np.float64]
    upper_bounds: NDArray[np.float64]


class Argmax(Protocol):
    """Maximises a network over a feasible set."""

    def __call__(self, network: LevelNetwork) -> Decision:
        """The best feasible actions found, one for each of the network's observations."""


class Enumeration:
    """Values the listed actions that the linear upper bound does not rule out.

    Args:
        feasible_set: The feasible set.
        limit: The largest number of actions to list.

    Raises:
        ValueError: If there are more feasible actions than ``limit``.
    """

    def __init__(self, feasible_set: FeasibleSet, limit: int = ENUMERATION_LIMIT) -> None:
        self._actions = feasible_set.enumerate(limit)
        levels = feasible_set.levels(self._actions)
        shown = levels[..., None] == np.arange(1, feasible_set.num_levels)
        self._indicators = shown.reshape(len(levels), -1).astype(np.float32)
        self._domain = LevelDomain.around(feasible_set)

    def __call__(self, network: LevelNetwork) -> Decision:
        """See :class:`Argmax`."""
        weights, constants = linear_upper_bound(network, self._domain)
        weights = weights[..., 1:].reshape(len(network), -1)
        linear = weights.astype(np.float32) @ self._indicators.T
        chosen = linear.argmax(axis=1)
        constants = constants + ROUNDING * np.abs(weights).sum(axis=1)
        values = network.values_of_indicators(self._indicators[chosen][:, None].astype(np.float64))[:, 0]
        possible = linear >= (values - constants)[:, None].astype(np.float32)
        for row in np.flatnonzero(possible.sum(axis=1) > 1):
            rival, value = self._best(network[row : row + 1], np.flatnonzero(possible[row]))
            if value > values[row]:
                chosen[row], values[row] = rival, value
        return Decision(self._actions[chosen], values, values)

    def _best(self, network: LevelNetwork, rows: NDArray[np.int64]) -> tuple[int, float]:
        best, value = int(rows[0]), -np.inf
        for start in range(0, rows.size, CHUNK):
            part = rows[start : start + CHUNK]
            worth = network.values_of_indicators(self._indicators[part][None].astype(np.float64))[0]
            place = int(worth.argmax())
            if worth[place] > value:
                best, value = int(part[place]), float(worth[place])
        return best, value


class MixedInteger:
    """Solves a mixed-integer program for each observation.

    Args:
        feasible_set: The feasible set.
        widths: Numbers of hidden neurons of the networks to come, first layer first.
        relative_gap: Where to stop; 0 for the optimum. (The paper's code stops at 0.02.)
        time_limit: Seconds for an observation, or None.
    """

    def __init__(
        self,
        feasible_set: FeasibleSet,
        widths: tuple[int, ...],
        relative_gap: float = 0.0,
        time_limit: float | None = None,
    ) -> None:
        self._set, self._program = feasible_set, ReluProgram(feasible_set, widths)
        self._gap, self._time_limit = relative_gap, time_limit

    def __call__(self, network: LevelNetwork) -> Decision:
        """See :class:`Argmax`. Raises RuntimeError if the time is too short for any action."""
        solutions = [
            self._program.maximise(network[row : row + 1], self._gap, self._time_limit) for row in range(len(network))
        ]
        actions = np.stack([solution.action for solution in solutions])
        values = network.values(self._set.levels(actions)[:, None])[:, 0]
        bounds = np.array([solution.upper_bound for solution in solutions])
        return Decision(actions, values, np.maximum(bounds, values))


class LocalSearch:
    """Follows the network's linear pieces through the oracle, then changes single entries.

    The network is linear near every action. The oracle's best action for that linear function replaces the action while
    it is better; then single entries are added or dropped and pairs exchanged while that is better.

    Args:
        feasible_set: The feasible set.
        linear_steps: The largest number of improvements through the oracle.
        sweeps: The largest number of improvements entry by entry.
        certified: Whether to start from the linear upper bound, which also certifies the answer; without it the start
            is the null action and the upper bound infinite.
    """

    def __init__(
        self, feasible_set: FeasibleSet, linear_steps: int = 4, sweeps: int = 20, certified: bool = True
    ) -> None:
        self._set, self._linear_steps, self._sweeps = feasible_set, linear_steps, sweeps
        self._domain = LevelDomain.around(feasible_set) if certified else None

    def __call__(self, network: LevelNetwork) -> Decision:
        """See :class:`Argmax`."""
        count = len(network)
        bounds = np.full(count, np.inf)
        actions = np.zeros((count, self._set.action_size), np.int8)
        if self._domain is not None:
            weights, constants = linear_upper_bound(network, self._domain)
            actions = self._set.linear_oracle(weights)
            levels = self._set.levels(actions)
            bounds = weights[np.arange(count)[:, None], np.arange(levels.shape[1]), levels].sum(axis=1) + constants
        values = self._values(network, actions)
        for _ in range(self._linear_steps):
            rivals = self._set.linear_oracle(network.slopes(self._set.levels(actions)))
            worth = self._values(network, rivals)
            better = worth > values
            if not better.any():
                break
            actions[better], values[better] = rivals[better], worth[better]
        for row in np.flatnonzero(bounds > values + ROUNDING) if self._sweeps else ():
            self._climb(network[row : row + 1], actions[row], values[row : row + 1])
        return Decision(actions, values, np.maximum(bounds, values))

    def _values(self, network: LevelNetwork, actions: NDArray[np.int8]) -> NDArray[np.float64]:
        return network.values(self._set.levels(actions)[:, None])[:, 0]

    def _climb(self, network: LevelNetwork, action: NDArray[np.int8], value: NDArray[np.float64]) -> None:
        """Improves one action and its value in place."""
        for _ in range(self._sweeps):
            near = self._neighbours(action)
            worth = network.values(self._set.levels(near)[None])[0]
            near, worth = near[worth > value[0]], worth[worth > value[0]]
            feasible = self._first_feasible(near[np.argsort(-worth)])
            if feasible is None:
                return
            action[:] = feasible
            value[:] = network.values(self._set.levels(action)[None, None])[0]

    def _first_feasible(self, actions: NDArray[np.int8]) -> NDArray[np.int8] | None:
        """The first feasible of the actions: the best are often feasible, and testing costs more than valuing."""
        start, size = 0, 16
        while start < len(actions):
            part = actions[start : start + size]
            feasible = self._set.feasible_batch(part)
            if feasible.any():
                return np.asarray(part[feasible.argmax()])
            start, size = start + size, 4 * size
        return None

    def _neighbours(self, action: NDArray[np.int8]) -> NDArray[np.int8]:
        """All actions that differ in one entry, or in one entry that is 1 and one that is 0."""
        used, unused = np.flatnonzero(action == 1), np.flatnonzero(action == 0)
        single = np.repeat(action[None], action.size, axis=0)
        single[np.arange(action.size), np.arange(action.size)] ^= 1
        out, into = np.repeat(used, unused.size), np.tile(unused, used.size)
        pairs = np.repeat(action[None], out.size, axis=0)
        pairs[np.arange(out.size), out] = 0
        pairs[np.arange(out.size), into] = 1
        return np.concatenate([single, pairs])


def make_argmax(feasible_set: FeasibleSet, limit: int = ENUMERATION_LIMIT) -> Argmax:
    """Enumeration where the feasible actions are at most ``limit``, else local search."""
    try:
        return Enumeration(feasible_set, limit)
    except ValueError:
        return LocalSearch(feasible_set)


def best_actions(network: LevelNetwork, sets: NDArray[np.int64], argmaxes: Sequence[Argmax]) -> Decision:
    """The best feasible action at each observation of a network where feasible sets differ.

    Args:
        network: At n observations.
        sets: Int64 ``(n,)``: which of the ``argmaxes`` knows the observation's feasible set.
        argmaxes: One for each feasible set.
    """
    if len(argmaxes) == 1:
        return argmaxes[0](network)
    used = np.unique(sets)
    parts = [np.flatnonzero(sets == index) for index in used]
    answers = [argmaxes[index](network[rows]) for index, rows in zip(used, parts, strict=True)]
    back = np.argsort(np.concatenate(parts))
    names = ("actions", "values", "upper_bounds")
    return Decision(*(np.concatenate([getattr(answer, name) for answer in answers])[back] for name in names))
