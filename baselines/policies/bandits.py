"""Policies for restless bandits that need no learning.

* ``Null`` - acts on nothing
* ``Random`` - a random feasible action
* ``Sampling`` - of some random feasible actions, the one with the best expected reward of the next step
* ``GreedyMyopic`` - adds arms one by one while that raises the expected reward of the next step
* ``Myopic`` - the best feasible action for the next step
* ``Prices`` - the best feasible action under the values that a bound's prices give to each arm's next state
* ``PriceRollout`` - of some actions, the one after which ``Prices`` earns most in simulated futures
* ``WhittleIndex`` - the arms with the highest Whittle index, for a budget

All take and give batches: states ``(n, J)`` at a time ``t`` to actions ``(n, number of entries)``.
"""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.relaxation import Bound, hull_bound
from telos.envs.bandits.whittle import whittle_indices

__all__ = [
    "BanditPolicy",
    "GreedyMyopic",
    "Myopic",
    "Null",
    "PriceRollout",
    "Prices",
    "Random",
    "Sampling",
    "WhittleIndex",
]


class BanditPolicy(Protocol):
    """Answers a batch of states at the same time step."""

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """Actions ``(n, entries)`` for integer states ``(n, J)``."""


def _at_states(table: NDArray[np.float64], states: NDArray[Any]) -> NDArray[np.float64]:
    """Looks ``(J, A, S)`` up at the states: ``(n, J, A)``."""
    return np.asarray(table[np.arange(table.shape[0]), :, states])


def _worth(weights: NDArray[np.float64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over arms of the weights ``(n, J, A)`` of levels ``(n, ..., J)``: ``(n, ...)``."""
    spread = weights.reshape(len(weights), *[1] * (levels.ndim - 2), *weights.shape[1:])
    return np.asarray(np.take_along_axis(spread, levels[..., None], axis=-1)[..., 0].sum(axis=-1))


class Null:
    """Acts on nothing."""

    def __init__(self, feasible_set: FeasibleSet) -> None:
        self._size = feasible_set.action_size

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        return np.zeros((len(states), self._size), np.int8)


class Random:
    """A random feasible action."""

    def __init__(self, feasible_set: FeasibleSet, seed: int = 0) -> None:
        self._set, self._rng = feasible_set, np.random.default_rng(seed)

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        return self._set.sample(self._rng, len(states))


class Sampling:
    """The best for the next step of ``count`` random feasible actions (100 in the paper's code)."""

    def __init__(self, arms: Arms, feasible_set: FeasibleSet, count: int = 100, seed: int = 0) -> None:
        self._arms, self._set, self._count = arms, feasible_set, count
        self._rng = np.random.default_rng(seed)

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        drawn = self._set.sample(self._rng, len(states) * self._count).reshape(len(states), self._count, -1)
        worth = _worth(_at_states(self._arms.rewards, states), self._set.levels(drawn))
        return np.asarray(drawn[np.arange(len(states)), worth.argmax(axis=1)])


class GreedyMyopic:
    """Adds the entry that raises the next step's expected reward most, until none does."""

    def __init__(self, arms: Arms, feasible_set: FeasibleSet) -> None:
        self._arms, self._set = arms, feasible_set

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        return np.stack([self._one(weights) for weights in _at_states(self._arms.rewards, states)])

    def _one(self, weights: NDArray[np.float64]) -> NDArray[np.int8]:
        action = np.zeros(self._set.action_size, np.int8)
        value = _worth(weights[None], self._set.levels(action)[None])[0]
        while True:
            grown = np.repeat(action[None], self._set.action_size, axis=0)
            np.fill_diagonal(grown, 1)
            grown = grown[(action == 0) & self._set.feasible_batch(grown)]
            if not len(grown):
                return action
            worth = _worth(weights[None], self._set.levels(grown)[None])[0]
            if worth.max() <= value:
                return action
            action, value = grown[worth.argmax()], worth.max()


class Myopic:
    """The feasible action with the best expected reward of the next step, exactly."""

    def __init__(self, arms: Arms, feasible_set: FeasibleSet) -> None:
        self._arms, self._set = arms, feasible_set

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        return self._set.linear_oracle(_at_states(self._arms.rewards, states))


class Prices:
    """One linear problem a step: each arm's levels weighed by reward and value of the next state.

    Under a cap a reward counts what the bound says it does.

    Args:
        arms: The arms.
        feasible_set: The feasible set.
        bound: From :func:`~telos.envs.bandits.relaxation.hull_bound` or ``lagrangian_bound``.
        discount: The bound's discount factor.
    """

    def __init__(self, arms: Arms, feasible_set: FeasibleSet, bound: Bound, discount: float = 1.0) -> None:
        self._set = feasible_set
        values = np.einsum("jast,hjt->hjas", arms.transitions, bound.values[1:])
        self._weights = bound.reward_weights[:, :, None, None] * arms.rewards + discount * values

    @classmethod
    def from_instance(
        cls,
        arms: Arms,
        feasible_set: FeasibleSet,
        horizon: int,
        initial: ArrayLike,
        *,
        discount: float = 1.0,
        tolerance: float = 1e-3,
    ) -> Self:
        """The policy of the hull bound to a tolerance that needs no linear program: up to ten times as fast to set up.

        Args:
            arms: The arms.
            feasible_set: The feasible set.
            horizon: Number of steps.
            initial: Initial states, integers ``(J,)``, or distributions ``(J, S)``.
            discount: Weight of each later step's reward, in ``(0, 1]``.
            tolerance: Relative gap of the bound; see :func:`~telos.envs.bandits.relaxation.hull_bound`.

        Raises:
            ValueError: If an argument is out of range, or the arms and the set do not fit.
        """
        bound = hull_bound(arms, feasible_set, horizon, initial, discount=discount, tolerance=tolerance)
        return cls(arms, feasible_set, bound, discount)

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        return self._set.linear_oracle(_at_states(self._weights[t], states))


class PriceRollout(Prices):
    """One step of policy improvement on `Prices`: simulates what it earns after each of some actions, takes the best.

    The candidates are the action of `Prices` and the best ones that change the level of some arm. All are tried under
    the same luck, with the expected rewards. A step then counts by its weights less the value of its states, which has
    the same mean as its reward and varies only where the constraint keeps arms from what they would do alone.
    Simulated rewards count what the bound says they do under a cap, and simulated arms do not follow each other.
    Rollout: Bertsekas, Tsitsiklis and Wu, Journal of Heuristics 3, 1997; the control variate: Henderson and Glynn,
    Mathematics of Operations Research 27(2), 2002. A decision costs ``candidates * samples * depth`` oracle calls.

    Args:
        arms: The arms.
        feasible_set: The feasible set.
        bound: From :func:`~telos.envs.bandits.relaxation.hull_bound` or ``lagrangian_bound``.
        discount: The bound's discount factor.
        candidates: Actions tried, at least 1.
        samples: Futures simulated for each, at least 1.
        depth: Steps of `Prices` simulated after the action, at least 1; later ones count with the bound's values.
        seed: Of the futures.
    """

    def __init__(
        self,
        arms: Arms,
        feasible_set: FeasibleSet,
        bound: Bound,
        discount: float = 1.0,
        *,
        candidates: int = 8,
        samples: int = 128,
        depth: int = 20,
        seed: int = 0,
    ) -> None:
        if min(candidates, samples, depth) < 1:
            raise ValueError(f"candidates, samples and depth must be at least 1; got {(candidates, samples, depth)}")
        super().__init__(arms, feasible_set, bound, discount)
        self._values, self._discount = bound.values, discount
        self._cumulative = arms.transitions.cumsum(axis=3)
        self._candidates, self._samples, self._depth = candidates, samples, depth
        self._rng = np.random.default_rng(seed)

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        return np.stack([self._one(state, t) for state in states])

    def _one(self, state: NDArray[Any], t: int) -> NDArray[np.int8]:
        actions, levels, worth = self._best_actions(_at_states(self._weights[t], state[None])[0])
        count, samples, arms = len(actions), self._samples, np.arange(len(state))
        states = np.tile(state, (count * samples, 1))
        levels = np.repeat(levels, samples, axis=0)
        later = np.zeros(count * samples)
        for ahead in range(1, min(self._depth, len(self._weights) - 1 - t) + 1):
            luck = np.tile(self._rng.random((samples, len(state))), (count, 1))
            states = (luck[..., None] >= self._cumulative[arms, levels, states][..., :-1]).sum(axis=-1)
            weights = _at_states(self._weights[t + ahead], states)
            levels = self._set.levels(self._set.linear_oracle(weights))
            missed = _worth(weights, levels) - self._values[t + ahead][arms, states].sum(axis=1)
            later += self._discount**ahead * missed
        gains = later.reshape(count, samples)
        gains = gains - gains[0] + (worth - worth[0])[:, None]
        # A change has to be better by more than chance explains: the first candidate needs no proof.
        doubt = gains.std(axis=1) / np.sqrt(samples)
        return np.asarray(actions[(gains.mean(axis=1) - doubt).argmax()])

    def _best_actions(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.int64], Any]:
        """Actions, their levels ``(K, J)`` and their sums of weights, best first: what `Prices` takes comes first."""
        size = weights.shape[0]
        first = self._set.linear_oracle(weights)
        taken = self._set.levels(first)
        changed = np.tile(weights, (*weights.shape, 1, 1))
        arms, others = np.indices(weights.shape)
        changed[arms, others, arms, others] += 1.0 + 2.0 * np.abs(weights).sum()
        changed = changed[others != taken[np.arange(size), None]]
        actions = np.concatenate([first[None], self._set.linear_oracle(changed)])
        levels = self._set.levels(actions)
        _, distinct = np.unique(levels, axis=0, return_index=True)
        worth = _worth(weights[None], levels[distinct][None])[0]
        best = distinct[np.lexsort((distinct, -worth))][: self._candidates]
        best = np.append(0, best[best != 0])[: self._candidates]
        return actions[best], levels[best], _worth(weights[None], levels[best][None])[0]


class WhittleIndex:
    """Acts on the ``budget`` arms with the highest Whittle index of those whose index is positive.

    Args:
        arms: Two-level arms.
        budget: Number of arms.
        discount: Discount factor of the index; 1 for the average reward.
    """

    def __init__(self, arms: Arms, budget: int, discount: float = 1.0) -> None:
        self._indices, self._budget = whittle_indices(arms, discount).indices, budget

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`BanditPolicy`."""
        index = self._indices[np.arange(states.shape[1]), states]
        chosen = np.zeros(states.shape, np.int8)
        if 0 < self._budget < states.shape[1]:
            best = np.argpartition(-index, self._budget, axis=1)[:, : self._budget]
            np.put_along_axis(chosen, best, 1, axis=1)
        elif self._budget:
            chosen[:] = 1
        return np.asarray(chosen * (index > 0), np.int8)
