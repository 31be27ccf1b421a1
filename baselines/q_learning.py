"""Tabular Q-learning, many independent runs at once: each environment of a vector environment is a run of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike

from telos.baselines.tabular_experience import Floats, Integers, TabularPlayer, TabularStep

__all__ = ["QLearning"]


class QLearning:
    r"""One-step Q-learning with an epsilon-greedy policy, in n independent runs.

    ``Q(s, a) <- Q(s, a) + alpha_k (r + gamma max_b Q(s', b) - Q(s, a))``, without the last term where the step
    terminated; where it was truncated it stays. ``alpha_k = learning_rate / k ** decay`` at the k-th visit of a pair.
    Equally good actions are drawn at random.

    Args:
        envs: n environments that reset themselves, with whole numbers as observations. Each is a run with a table of
            its own.
        discount: ``gamma``, in [0, 1].
        learning_rate: In (0, 1].
        epsilon: Probability of an action drawn at random, in [0, 1].
        seed: Environment ``i`` is seeded ``seed + i``; actions of all runs are drawn from one generator.
        initial_values: First values; anything that can be broadcast to ``(n, S, A)``.
        decay: At least 0. Above 1/2 and up to 1 values converge in stochastic environments, too.

    Attributes:
        player: What steps the environments.
        values: Q, float64 ``(n, S, A)``.

    Raises:
        ValueError: If a number is out of range, or the environments do not fit.

    Source: Watkins and Dayan, Q-learning, Machine Learning 8, 1992. The polynomial learning rate is that of Even-Dar
    and Mansour, Learning rates for Q-learning, JMLR 5, 2003.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        *,
        discount: float,
        learning_rate: float,
        epsilon: float,
        seed: int,
        initial_values: ArrayLike = 0.0,
        decay: float = 0.0,
    ) -> None:
        for name, share in {"discount": discount, "learning_rate": learning_rate, "epsilon": epsilon}.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {share}")
        if not decay >= 0.0:
            raise ValueError(f"decay must be at least 0, got {decay}")
        self.player = TabularPlayer(envs, seed)
        shape = (envs.num_envs, self.player.num_states, self.player.num_actions)
        self.values: Floats = np.array(np.broadcast_to(np.asarray(initial_values, np.float64), shape))
        self._discount, self._learning_rate, self._epsilon, self._decay = discount, learning_rate, epsilon, decay
        self._visits = np.zeros(shape, np.int64) if decay else None
        self._rng = np.random.default_rng(seed)
        self._runs = np.arange(envs.num_envs)

    def act(self, states: Integers) -> Integers:
        """Draws an action for each run in states of shape ``(n,)``; int64 ``(n,)``."""
        values = self.values[self._runs, states]
        draws = self._rng.random((len(values), values.shape[1] + 1))
        best = values == values.max(axis=1, keepdims=True)
        # Exploring makes all actions equally good.
        best |= (draws[:, -1] < self._epsilon)[:, None]
        return np.asarray((draws[:, :-1] * best).argmax(axis=1), np.int64)

    def step(self) -> TabularStep:
        """Takes a step in every environment and learns from it."""
        states = self.player.states
        actions = self.act(states)
        step = self.player.step(actions)
        pairs = self._runs, states, actions
        following = self.values[self._runs, step.next_states].max(axis=1)
        error = step.rewards + self._discount * np.where(step.terminated, 0.0, following) - self.values[pairs]
        rate: Floats | float = self._learning_rate
        if self._visits is not None:
            self._visits[pairs] += step.active
            rate = self._learning_rate / np.maximum(self._visits[pairs], 1) ** self._decay
        self.values[pairs] += np.where(step.active, rate * error, 0.0)
        return step

    @property
    def greedy_policy(self) -> Floats:
        """Probabilities of the best actions, equal ones where several are, float64 ``(n, S, A)``."""
        best = self.values == self.values.max(axis=2, keepdims=True)
        return np.asarray(best / best.sum(axis=2, keepdims=True))
