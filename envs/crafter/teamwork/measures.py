"""Measures of cooperation: who did how much, who helped whom, and how much they talked."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pettingzoo.utils import BaseParallelWrapper

from telos.envs.crafter.names import ACHIEVEMENTS, COLLECT_DIAMOND, GIVE, SAPLING

__all__ = ["TeamEpisode", "TeamRecorder", "crafter_score", "gini"]


def gini(values: Sequence[float]) -> float:
    """The Gini coefficient of numbers that are not negative: how unequal they are.

    The mean absolute difference of all pairs, over twice the mean.

    Returns:
        0 if all are the same (also all 0), (n - 1) / n if one has everything.
    """
    numbers = np.asarray(values, np.float64)
    if not numbers.any():
        return 0.0
    differences = np.abs(numbers[:, None] - numbers).mean()
    return float(differences / (2.0 * numbers.mean()))


def crafter_score(reached: ArrayLike) -> float:
    """Crafter's score: the geometric mean of the success rates, in percent.

    ``exp(mean(log(1 + s))) - 1`` over the 22 achievements, with s the share of episodes in which an achievement was
    reached, in percent (Hafner, "Benchmarking the Spectrum of Agent Capabilities", ICLR 2022).

    Args:
        reached: ``(episodes, 22)``, whether or how often. Resample its rows for an interval.

    Returns:
        From 0 to 100.
    """
    rates = (np.asarray(reached) > 0).mean(axis=0)
    return float(np.expm1(np.log1p(100.0 * rates).mean()))


@dataclass
class TeamEpisode:
    """One episode of a team. Dicts are by agent, all of ``possible_agents``.

    Attributes:
        steps: How many steps it had.
        first_steps: By achievement, the step (from 1) in which the first of the team reached it; the union of what they
            reached is its keys.
        reached: What each agent reached.
        contributions: Of the achievements of ``first_steps``, how many the agent was the first to reach; agents that
            were first in the same step share one equally.
        diamonds: Collected by the team.
        gifts_given: Items that the agent gave away.
        gifts_received: Items that it got.
        help_given: Those of its gifts of which the receiver had none before the step.
        messages: Messages that it sent.
        message_size: Their size, in the unit of the channel's kind.
        returns: Sum of its rewards.
        died: Agents whose episode ended with their death.
    """

    steps: int
    first_steps: dict[str, int]
    reached: dict[str, tuple[str, ...]]
    contributions: dict[str, float]
    diamonds: int
    gifts_given: dict[str, int]
    gifts_received: dict[str, int]
    help_given: dict[str, int]
    messages: dict[str, int]
    message_size: dict[str, int]
    returns: dict[str, float]
    died: tuple[str, ...]

    @property
    def steps_to_diamond(self) -> int | None:
        """The step of the team's first diamond, or None."""
        return self.first_steps.get(ACHIEVEMENTS[COLLECT_DIAMOND])

    @property
    def contribution_gini(self) -> float:
        """How unequal contributions are: see :func:`gini`."""
        return gini(list(self.contributions.values()))


@dataclass
class _Tally:
    """What is counted during an episode: arrays with a number for each agent."""

    agents: int
    steps: int = 0
    first_steps: dict[str, int] = field(default_factory=dict)
    died: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.given, self.received, self.helped, self.messages, self.size = np.zeros((5, self.agents), np.int64)
        self.contributions, self.returns = np.zeros((2, self.agents))
        self.counts = np.zeros((self.agents, len(ACHIEVEMENTS)), np.int64)


class TeamRecorder(BaseParallelWrapper[str, Any, Any]):  # type: ignore[misc]  # It has no types.
    """Measures the cooperation of a team in Crafter, without changing anything that agents see.

    Wrap it around everything, a :class:`~telos.envs.crafter.teamwork.ChannelParallelEnv` included. In the step that
    ends an episode for all agents, their infos get ``"team_episode"``, a :class:`TeamEpisode`. An episode that is
    reset before its end is not counted.

    Args:
        env: ``telos.envs.crafter.parallel_env``, or wrappers around it.

    Attributes:
        episodes: All episodes that have ended.

    Raises:
        TypeError: If the environment is another one.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        if not hasattr(env.unwrapped, "achievements"):
            raise TypeError(f"{type(env.unwrapped).__name__} is no telos.envs.crafter.parallel_env: wrap one of those")
        self.episodes: list[TeamEpisode] = []
        self._tally = _Tally(len(env.possible_agents))

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begins an episode, and counts anew."""
        self._tally = _Tally(len(self.env.possible_agents))
        return self.env.reset(seed=seed, options=options)  # type: ignore[no-any-return]

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Takes a step, and counts."""
        before = self.env.unwrapped.inventories
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        self._count(actions, before, rewards, infos)
        if not self.env.agents:
            episode = self._episode()
            self.episodes.append(episode)
            infos = {agent: {**info, "team_episode": episode} for agent, info in infos.items()}
        return observations, rewards, terminated, truncated, infos

    def _count(
        self,
        actions: Mapping[str, Any],
        before: NDArray[np.uint8],
        rewards: Mapping[str, float],
        infos: Mapping[str, Mapping[str, Any]],
    ) -> None:
        tally, agents = self._tally, self.env.possible_agents
        tally.steps += 1
        for k, agent in enumerate(agents):
            if agent not in rewards:
                continue
            info = infos[agent]
            tally.returns[k] += rewards[agent]
            size = info.get("message_size", 0)
            tally.messages[k] += size > 0
            tally.size[k] += size
            if info["discount"] == 0.0:
                tally.died.append(k)
            if info["given_to"]:
                receiver, action = int(info["given_to"]) - 1, actions[agent]
                item = int(action["action"] if isinstance(action, Mapping) else action) - GIVE + SAPLING
                tally.given[k] += 1
                tally.received[receiver] += 1
                tally.helped[k] += before[receiver, item] == 0
        counts = self.env.unwrapped.achievements.astype(np.int64)
        for achievement in np.flatnonzero(counts.any(axis=0) & ~tally.counts.any(axis=0)).tolist():
            tally.first_steps[ACHIEVEMENTS[achievement]] = tally.steps
            first = counts[:, achievement] > 0
            tally.contributions += first / first.sum()
        tally.counts = counts

    def _episode(self) -> TeamEpisode:
        tally, agents = self._tally, self.env.possible_agents

        def by_agent(numbers: NDArray[Any]) -> dict[str, Any]:
            return dict(zip(agents, numbers.tolist(), strict=True))

        return TeamEpisode(
            steps=tally.steps,
            first_steps=tally.first_steps,
            reached={
                agent: tuple(name for name, times in zip(ACHIEVEMENTS, row, strict=True) if times)
                for agent, row in zip(agents, tally.counts, strict=True)
            },
            contributions=by_agent(tally.contributions),
            diamonds=int(tally.counts[:, COLLECT_DIAMOND].sum()),
            gifts_given=by_agent(tally.given),
            gifts_received=by_agent(tally.received),
            help_given=by_agent(tally.helped),
            messages=by_agent(tally.messages),
            message_size=by_agent(tally.size),
            returns=by_agent(tally.returns),
            died=tuple(agents[k] for k in tally.died),
        )

    def summary(self) -> dict[str, NDArray[Any]]:
        """Raw numbers of all episodes, a row for each, ready for a bootstrap.

        Returns:
            float64 ``(episodes,)``: ``"steps"``, ``"steps_to_diamond"`` (NaN without one), ``"diamonds"``,
            ``"contribution_gini"``, ``"gifts"``, ``"help"``, ``"messages"``, ``"message_size"``,
            ``"messages_per_diamond"`` and ``"message_size_per_diamond"`` (NaN without one), ``"deaths"``; bool
            ``"team_reached"`` ``(episodes, 22)`` and ``"agent_reached"`` ``(episodes, agents, 22)``, in the order of
            ``ACHIEVEMENTS``, which :func:`crafter_score` takes.
        """
        columns: dict[str, list[float]] = {}
        for episode in self.episodes:
            diamond = episode.steps_to_diamond
            messages, size = sum(episode.messages.values()), sum(episode.message_size.values())
            numbers = {
                "steps": episode.steps,
                "steps_to_diamond": np.nan if diamond is None else diamond,
                "diamonds": episode.diamonds,
                "contribution_gini": episode.contribution_gini,
                "gifts": sum(episode.gifts_given.values()),
                "help": sum(episode.help_given.values()),
                "messages": messages,
                "message_size": size,
                "messages_per_diamond": messages / episode.diamonds if episode.diamonds else np.nan,
                "message_size_per_diamond": size / episode.diamonds if episode.diamonds else np.nan,
                "deaths": len(episode.died),
            }
            for name, number in numbers.items():
                columns.setdefault(name, []).append(float(number))
        reached: NDArray[np.bool_] = np.array(
            [[[name in had for name in ACHIEVEMENTS] for had in episode.reached.values()] for episode in self.episodes],
            np.bool_,
        ).reshape(len(self.episodes), len(self.env.possible_agents), len(ACHIEVEMENTS))
        found: dict[str, NDArray[Any]] = {name: np.array(numbers) for name, numbers in columns.items()}
        return {**found, "team_reached": np.asarray(reached.any(axis=1)), "agent_reached": reached}

    def clone_state(self) -> Any:
        """An exact copy of the environment's state, with what was counted of the episode."""
        return self.env.clone_state(), copy.deepcopy(self._tally)

    def restore_state(self, snapshot: Any) -> None:
        """Goes back to a copy, which stays valid; episodes that ended since stay recorded."""
        state, tally = snapshot
        self.env.restore_state(state)
        self._tally = copy.deepcopy(tally)
