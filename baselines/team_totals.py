"""What whole episodes of environments with several agents paid, to the team and to each agent.

* ``TeamTotals`` - each finished episode's length and sums
* ``TeamEpisode`` - one of them
* ``evaluate_team`` - plays exactly so many episodes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper
from numpy.typing import NDArray

from telos.baselines.agent_envs import AgentEnvs
from telos.baselines.evaluation import Evaluation, Policy, shares_of
from telos.envs.engine.arrays import on_host
from telos.wrappers.infos import TERMS

__all__ = ["TeamEpisode", "TeamTotals", "evaluate_team"]


@dataclass(frozen=True, eq=False)
class TeamEpisode:
    """A finished episode.

    Attributes:
        world: Of which environment.
        length: Steps of the environment.
        terms: Sum of each reward term over steps and agents.
        returns: What each agent was paid, ``(A,)``.
    """

    world: int
    length: int
    terms: dict[str, float]
    returns: NDArray[np.float64]


class TeamTotals(VectorWrapper[Any, Any, Any, Any, Any]):
    """Sums the reward terms of each episode over steps and agents.

    Args:
        envs: The environments, or these in another ``TeamTotals``.
        key: Under which infos hold the terms.
    """

    def __init__(self, envs: AgentEnvs | TeamTotals, key: str = TERMS) -> None:
        super().__init__(envs)
        self.agents: tuple[str, ...] = envs.agents
        self.num_worlds: int = envs.num_worlds
        self._key = key
        self._begin()

    def _begin(self) -> None:
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._lengths = np.zeros(self.num_worlds, np.int64)
        self._finished: list[TeamEpisode] = []

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins episodes; unfinished ones are not counted."""
        self._begin()
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step, and sums up the episodes that it ends."""
        observation, rewards, terminated, truncated, infos = super().step(actions)
        shape = (self.num_worlds, len(self.agents))
        for name, values in infos[self._key].items():
            self._sums.setdefault(name, np.zeros(shape))
            self._sums[name] += on_host(values).reshape(shape)
        self._lengths += 1
        over = on_host(infos["episode_over"]).reshape(shape)[:, 0]
        for n in np.flatnonzero(over).tolist():
            terms = {name: float(total[n].sum()) for name, total in self._sums.items()}
            returns = np.sum([total[n] for total in self._sums.values()], axis=0)
            self._finished.append(TeamEpisode(n, int(self._lengths[n]), terms, returns))
        for total in (self._lengths, *self._sums.values()):
            total[over] = 0
        return observation, rewards, terminated, truncated, infos

    def take_episodes(self) -> list[TeamEpisode]:
        """Hands out the episodes that ended since the last call, in the order of their ends."""
        finished, self._finished = self._finished, []
        return finished

    def take(self) -> dict[str, NDArray[Any]]:
        """The same as arrays, as ``EpisodeTotals.take``; returns are the team's, the sum over agents."""
        episodes = self.take_episodes()
        if not episodes:
            return {}
        names = dict.fromkeys(name for episode in episodes for name in episode.terms)
        return {
            "row": np.array([episode.world for episode in episodes]),
            "length": np.array([episode.length for episode in episodes]),
            "return": np.array([episode.returns.sum() for episode in episodes]),
            **{name: np.array([episode.terms.get(name, 0.0) for episode in episodes]) for name in names},
        }


def evaluate_team(envs: TeamTotals, policy: Policy, episodes: int, seed: int, max_steps: int = 1_000_000) -> Evaluation:
    """Plays exactly so many episodes, of which every environment plays a fixed share.

    Args:
        envs: The environments, without reward wrappers.
        policy: What acts for all agents, by row.
        episodes: How many.
        seed: Seed of the first environment.
        max_steps: Steps of one environment after which to give up.

    Returns:
        Team returns, the sums over agents. The terms are sums over agents, too, and of each agent ``return_<agent>``.

    Raises:
        ValueError: If episodes do not end.
    """
    shares = shares_of(episodes, envs.num_worlds)
    observations, infos = envs.reset(seed=seed)
    begins = np.ones(envs.num_envs, np.bool_)
    counted: list[TeamEpisode] = []
    for _ in range(max_steps):
        waiting = ~on_host(infos["acting"])
        observations, _, terminated, truncated, infos = envs.step(policy(observations, infos, begins))
        begins = on_host(terminated | truncated) | waiting
        for episode in envs.take_episodes():
            if shares[episode.world] > 0:
                shares[episode.world] -= 1
                counted.append(episode)
        if not shares.any():
            break
    else:
        raise ValueError(f"an episode has not ended in {max_steps:,} steps; give the environment a limit of steps")
    counted.sort(key=lambda episode: episode.world)
    returns, names = (
        np.array([episode.returns for episode in counted]),
        dict.fromkeys(n for e in counted for n in e.terms),
    )
    return Evaluation(
        returns.sum(axis=1),
        np.array([episode.length for episode in counted]),
        {
            **{name: np.array([episode.terms.get(name, 0.0) for episode in counted]) for name in names},
            **{f"return_{agent}": returns[:, k] for k, agent in enumerate(envs.agents)},
        },
    )
