"""Learning a bandit's transition probabilities while acting, episode after episode.

Posterior sampling for restless bandits: Jung and Tewari, "Regret bounds for Thompson sampling in episodic restless
bandit problems", NeurIPS 2019. Each episode plays the price policy of one draw from the posterior, in place of
their exact or index policies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telos.baselines.policies.bandits import Prices
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.instances import next_state_arms
from telos.envs.bandits.relaxation import hull_bound

__all__ = ["LearnedPrices"]


class LearnedPrices:
    """Prices for transition probabilities that are estimated from what has been seen.

    What the states pay and the first states' probabilities are known.

    Args:
        next_state_rewards: Float64 ``(J, S)``.
        feasible_set: The feasible set.
        start: Probabilities of the first states, float64 ``(J, S)``.
        horizon: Steps of an episode.
        sample: Whether an episode plays a draw from the posterior (Thompson sampling) or its mean (no exploration).
        prior: Each transition counts as seen so often before it is: the Dirichlet prior's parameter. Ours: 0.25, which
            is one observation shared among four states.
        tolerance: Relative gap of the bounds that give the prices. Ours.
        seed: Seed of the draws.
    """

    def __init__(
        self,
        next_state_rewards: NDArray[np.float64],
        feasible_set: FeasibleSet,
        start: NDArray[np.float64],
        horizon: int,
        *,
        sample: bool = True,
        prior: float = 0.25,
        tolerance: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self._rewards, self._set, self._start, self._horizon = next_state_rewards, feasible_set, start, horizon
        self._sample, self._tolerance = sample, tolerance
        self._rng = np.random.default_rng(seed)
        count, states = next_state_rewards.shape
        self.counts = np.full((count, feasible_set.num_levels, states, states), prior)
        self.begin_episode()

    def begin_episode(self) -> None:
        """Chooses the transition probabilities to believe in, and their prices."""
        weights = self._rng.gamma(self.counts) if self._sample else self.counts
        # A gamma draw of a small parameter can be 0 to machine precision.
        weights = np.maximum(weights, 1e-12)
        arms = next_state_arms(weights / weights.sum(axis=3, keepdims=True), self._rewards)
        bound = hull_bound(arms, self._set, self._horizon, self._start, tolerance=self._tolerance)
        self._prices = Prices(arms, self._set, bound)

    def __call__(self, states: NDArray[np.integer], t: int) -> NDArray[np.int8]:
        """See :class:`telos.baselines.policies.bandits.BanditPolicy`."""
        return self._prices(states, t)

    def observe(self, states: NDArray[np.integer], actions: NDArray[np.int8], next_states: NDArray[np.integer]) -> None:
        """Counts transitions: states ``(n, J)``, the actions taken ``(n, action_size)``, and the states reached."""
        arms = np.broadcast_to(np.arange(states.shape[1]), states.shape)
        np.add.at(self.counts, (arms, self._set.levels(actions), states, next_states), 1.0)
