"""A channel as part of the actions and observations of a PettingZoo ``ParallelEnv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo.utils import BaseParallelWrapper

from telos.envs.crafter.teamwork.channel import Channel, Transport
from telos.envs.crafter.teamwork.channel_spaces import (
    PRICE_TERM,
    FlatActions,
    check_positions,
    checked_recipients,
    joined,
    visibility_of,
    with_message,
    with_messages,
)
from telos.envs.crafter.teamwork.kinds import Fate

__all__ = ["ChannelParallelEnv", "Message"]

_FATES = [fate.name.lower().replace("_", " ") for fate in Fate]


@dataclass(frozen=True)
class Message:
    """A message in the log.

    Attributes:
        step: The step of the episode in which it was said, from 1.
        sender: Who said it.
        content: What was said.
        size: In the kind's unit.
        fates: By those to whom it was said, what became of it there: ``"delivered"``, ``"lost"``, ``"out of range"``,
            ``"gone"`` (dead when it came), ``"under way"``, or for what was not sent ``"too long"`` or ``"malformed"``.
    """

    step: int
    sender: str
    content: Any
    size: int
    fates: dict[str, str]


class ChannelParallelEnv(BaseParallelWrapper[str, Any, Any]):  # type: ignore[misc]  # It has no types.
    """Lets the agents of a PettingZoo ``ParallelEnv`` talk.

    An action is ``{"action": the environment's own, "message": ...}``, and ``"to"`` with an addressed channel; without
    a ``"message"`` an agent says nothing. An observation that is a ``Dict`` gets the entry ``"messages"``, what each of
    ``possible_agents`` said; another one becomes ``{"observation": ..., "messages": ...}``. Infos get
    ``"message_size"``, of what the agent sent in this step, and the reward term ``"message_price"``.

    Args:
        env: The environment; with a range it must have ``unwrapped.positions``, as ``telos.envs.crafter.parallel_env``.
        channel: How messages travel.
        flat_actions: Whether an action is one ``MultiDiscrete`` of the environment's own action, ``"to"``, and the
            symbols of the message, for learners that take no ``Dict``; action masks are as long as its options.

    Attributes:
        channel: As given.
        visibility: Who may know the parts of observations and infos, see ``telos.envs.crafter.family.Crafter``.

    Raises:
        ValueError: If the channel has a range and the environment no positions, or ``flat_actions`` is not for it.
    """

    def __init__(self, env: Any, channel: Channel, flat_actions: bool = False) -> None:
        super().__init__(env)
        check_positions(env, channel)
        self.channel = channel
        agents = list(env.possible_agents)
        self._transport = Transport(channel, 1, len(agents))
        self._log: list[Message] = []
        self._steps = 0
        self._seeded = False
        heard = channel.kind.heard_space(len(agents))
        # Each agent has spaces of its own, with random numbers of their own.
        self._observation_spaces = {agent: with_messages(env.observation_space(agent), heard) for agent in agents}
        self._flat = {
            agent: FlatActions(env.action_space(agent), channel, len(agents)) for agent in agents if flat_actions
        }
        self._action_spaces: dict[str, spaces.Space[Any]] = {
            agent: self._flat[agent].space
            if flat_actions
            else with_message(env.action_space(agent), channel, len(agents))
            for agent in agents
        }
        self.visibility = visibility_of(env)

    def observation_space(self, agent: str) -> spaces.Dict:
        """The space of an agent's observations, always the same object."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of an agent's actions, always the same object."""
        return self._action_spaces[agent]

    @property
    def traffic(self) -> list[Message]:
        """All that was said in the episode, in the order in which it arrived; what is under way comes last."""
        pending = self._transport.under_way
        first = self._steps + 1 - len(pending)
        left = (self._noted(first + k, said[0], fates[0]) for k, (said, fates) in enumerate(pending))
        return self._log + [message for step in left for message in step]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begins an episode; nobody has said anything."""
        if seed is None and not self._seeded:
            seed = int(seeding.np_random()[0].integers(2**63))
        observations, infos = self.env.reset(seed=seed, options=options)
        seeds = None if seed is None else np.array([seed], np.uint64)
        self._transport.begin(np.ones(1, np.bool_), seeds)
        self._seeded, self._steps, self._log = True, 0, []
        count = len(self.env.possible_agents)
        silence = self.channel.kind.silence((count, count))
        return self._observed(observations, silence), self._masked(infos)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Sends messages, takes a step, and delivers what is due.

        Raises:
            ValueError: If an action has no ``"action"``, or a message is not of the channel's kind.
        """
        env, kind = self.env, self.channel.kind
        agents = env.possible_agents
        if self._flat:
            actions = {agent: self._flat[agent].parted(action) for agent, action in actions.items()}
        if bare := [agent for agent, action in actions.items() if not _has_action(action)]:
            raise ValueError(f'the action of {bare[0]!r} must be {{"action": ..., "message": ...}}: see action_space()')
        acting = set(env.agents)
        speaking = [agent in acting and agent in actions for agent in agents]
        given = [actions[agent] if speaks else {} for agent, speaks in zip(agents, speaking, strict=True)]
        messages = kind.collect([action.get("message") for action in given])
        recipients = [action.get("to", 0) for action in given]
        to = checked_recipients(recipients, len(agents)) if self.channel.addressed else None
        positions = None if self.channel.range is None else env.unwrapped.positions
        inner = {agent: action["action"] for agent, action in actions.items()}
        observations, rewards, terminated, truncated, infos = env.step(inner)
        # Sent after the step's own checks: a step that raises leaves the messages under way as they were.
        sizes = self._transport.send(
            messages[None],
            None if to is None else to[None],
            np.array([speaking]),
            None if positions is None else positions[None],
        )[0]
        self._steps += 1
        here = (acting | set(env.agents)) - {agent for agent, ended in terminated.items() if ended}
        arrival = self._transport.arrive(np.array([[agent in here for agent in agents]]))
        self._log += self._noted(self._steps - self.channel.delay, arrival.said[0], arrival.fates[0])
        sent = dict(zip(agents, sizes.tolist(), strict=True))
        rewards, infos = self._charged(rewards, infos, sent)
        return self._observed(observations, arrival.heard[0]), rewards, terminated, truncated, self._masked(infos)

    def _charged(
        self, rewards: dict[str, float], infos: dict[str, dict[str, Any]], sent: dict[str, int]
    ) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
        """Rewards and infos with what messages cost."""
        costs = {agent: 0.0 - self.channel.price * sent[agent] for agent in rewards}
        infos = {agent: {**info, "message_size": sent[agent]} for agent, info in infos.items()}
        for agent, cost in costs.items():
            terms = infos[agent].get("reward_terms", {"reward": rewards[agent]})
            infos[agent]["reward_terms"] = {**terms, PRICE_TERM: cost}
        return {agent: reward + costs[agent] for agent, reward in rewards.items()}, infos

    def _masked(self, infos: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {agent: self._flat[agent].masked(info) for agent, info in infos.items()} if self._flat else infos

    def _observed(self, observations: dict[str, Any], heard: NDArray[Any]) -> dict[str, Any]:
        messages = dict(zip(self.env.possible_agents, map(self.channel.kind.heard, heard), strict=True))
        return {agent: joined(seen, messages[agent]) for agent, seen in observations.items()}

    def _noted(self, step: int, said: NDArray[Any], fates: NDArray[np.int8]) -> list[Message]:
        """Messages of a step as the log has them."""
        agents, kind = self.env.possible_agents, self.channel.kind
        sizes = kind.sizes(said).tolist()
        noted = []
        for k, row in enumerate(fates.tolist()):
            if to := {agents[j]: _FATES[fate] for j, fate in enumerate(row) if fate}:
                content = said[k] if kind.shape == () else said[k].copy()
                noted.append(Message(step, agents[k], content, sizes[k], to))
        return noted

    def clone_state(self) -> Any:
        """An exact copy of the environment's state, the messages under way and the log included."""
        return self.env.clone_state(), self._transport.clone(), list(self._log), self._steps

    def restore_state(self, snapshot: Any) -> None:
        """Goes back to a copy, which stays valid."""
        state, under_way, log, steps = snapshot
        self.env.restore_state(state)
        self._transport.restore(under_way)
        self._log, self._steps, self._seeded = list(log), steps, True


def _has_action(action: Any) -> bool:
    return isinstance(action, Mapping) and "action" in action
