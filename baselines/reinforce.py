"""Tabular REINFORCE, many independent runs at once in one vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike, NDArray

from telos.baselines.tabular_experience import Floats, Integers, TabularPlayer, TabularStep

__all__ = ["Reinforce"]


class Reinforce:
    r"""Policy gradient of a softmax table with a learned baseline, in independent runs.

    An update plays m episodes in each run and follows
    ``sum_t (G_t - V(s_t)) grad log pi(a_t | s_t)``, the mean over episodes, with G the discounted return and V a table
    of its running means. V is that of earlier updates, so that the estimate has no bias but the usual one of a
    discount below 1 (later steps weigh as much as earlier ones). A truncated episode is continued by V of its last
    observation. Where ``info["hindsight"]`` rewrites an episode's rewards, these count.

    Args:
        envs: Environments that reset themselves, with whole numbers as observations. Run ``k`` plays in environments
            ``k m`` to ``(k + 1) m - 1``.
        episodes: m, episodes of each run in an update.
        discount: In [0, 1].
        learning_rate: Of the policy, above 0.
        baseline_rate: Of the baseline, in (0, 1].
        seed: Environment ``i`` is seeded ``seed + i``; actions of all runs are drawn from one generator.
        initial_logits: First logits; anything that can be broadcast to ``(runs, S, A)``.

    Attributes:
        player: What steps the environments.
        logits: Float64 ``(runs, S, A)``.
        baseline: V, float64 ``(runs, S)``.

    Raises:
        ValueError: If a number is out of range, or the environments do not fit.

    Source: Williams, Simple statistical gradient-following algorithms for connectionist reinforcement learning,
    Machine Learning 8, 1992.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        *,
        episodes: int,
        discount: float,
        learning_rate: float,
        baseline_rate: float,
        seed: int,
        initial_logits: ArrayLike = 0.0,
    ) -> None:
        for name, share in {"discount": discount, "baseline_rate": baseline_rate}.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {share}")
        if not learning_rate > 0.0:
            raise ValueError(f"learning_rate must be above 0, got {learning_rate}")
        if episodes < 1 or envs.num_envs % episodes:
            raise ValueError(f"{envs.num_envs} environments cannot be shared by runs with episodes={episodes} each")
        self.player = TabularPlayer(envs, seed)
        self._runs = np.arange(envs.num_envs) // episodes
        shape = (envs.num_envs // episodes, self.player.num_states, self.player.num_actions)
        self.logits: Floats = np.array(np.broadcast_to(np.asarray(initial_logits, np.float64), shape))
        self.baseline: Floats = np.zeros(shape[:2])
        self._episodes, self._discount = episodes, discount
        self._learning_rate, self._baseline_rate = learning_rate, baseline_rate
        self._rng = np.random.default_rng(seed)

    @property
    def policy(self) -> Floats:
        """Probabilities of the actions, float64 ``(runs, S, A)``."""
        weights = np.exp(self.logits - self.logits.max(axis=2, keepdims=True))
        return np.asarray(weights / weights.sum(axis=2, keepdims=True))

    def update(self) -> Floats:
        """Plays an episode in every environment and learns from it.

        Returns:
            The episodes' undiscounted rewards as the learner saw them, ``(runs, episodes)``.
        """
        policy = self.policy
        cumulative = policy.cumsum(axis=2)
        self.player.begin()
        playing: NDArray[np.bool_] = np.ones(len(self._runs), np.bool_)
        steps: list[TabularStep] = []
        chosen: list[Integers] = []
        alive: list[NDArray[np.bool_]] = []
        rewritten: list[Any] = [None] * len(playing)
        while playing.any():
            draws = self._rng.random(len(playing))[:, None]
            # The last one is left out: rounding may leave it below 1.
            actions = (draws >= cumulative[self._runs, self.player.states, :-1]).sum(axis=1)
            step = self.player.step(actions)
            steps.append(step)
            chosen.append(actions)
            alive.append(playing)
            for row, rewards in _hindsight(step.infos, playing & step.done):
                rewritten[row] = rewards
            playing = playing & ~step.done
        live, taken = np.stack(alive), np.stack(chosen)
        states = np.stack([step.states for step in steps])
        rewards = np.where(live, np.stack([step.rewards for step in steps]), 0.0)
        for row, values in enumerate(rewritten):
            if values is not None:
                rewards[: len(values), row] = values
        returns = self._returns(rewards, steps, live)
        self._learn(policy, states[live], taken[live], returns[live], np.broadcast_to(self._runs, live.shape)[live])
        return np.asarray(rewards.sum(axis=0).reshape(-1, self._episodes))

    def _returns(self, rewards: Floats, steps: list[TabularStep], live: NDArray[np.bool_]) -> Floats:
        returns, following = np.zeros_like(rewards), np.zeros(rewards.shape[1])
        for t in range(len(steps) - 1, -1, -1):
            cut = live[t] & steps[t].truncated & ~steps[t].terminated
            following = np.where(cut, self.baseline[self._runs, steps[t].next_states], following)
            following = np.where(live[t], rewards[t] + self._discount * following, 0.0)
            returns[t] = following
        return returns

    def _learn(self, policy: Floats, states: Integers, actions: Integers, returns: Floats, runs: Integers) -> None:
        advantages = returns - self.baseline[runs, states]
        score = -policy[runs, states]
        score[np.arange(len(actions)), actions] += 1.0
        np.add.at(self.logits, (runs, states), self._learning_rate / self._episodes * advantages[:, None] * score)
        visits, sums = np.zeros_like(self.baseline), np.zeros_like(self.baseline)
        np.add.at(visits, (runs, states), 1.0)
        np.add.at(sums, (runs, states), returns)
        seen = visits > 0
        self.baseline[seen] += self._baseline_rate * (sums[seen] / visits[seen] - self.baseline[seen])


def _hindsight(infos: dict[str, Any], rows: NDArray[np.bool_]) -> list[tuple[int, Floats]]:
    """The rewritten rewards of the episodes that ended in these rows, where there are any."""
    found = []
    for part in (infos, infos.get("final_info", {})):
        if "hindsight" in part:
            told = rows & part.get("_hindsight", rows)
            found += [(int(row), part["hindsight"][row].reward) for row in np.flatnonzero(told)]
    return found
