"""A channel as part of the actions and observations of many worlds at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from telos.envs.crafter.teamwork.channel import Channel, Transport
from telos.envs.crafter.teamwork.channel_spaces import (
    PRICE_TERM,
    FlatActions,
    check_positions,
    checked_recipients,
    joined,
    visibility_of,
    with_messages,
)

__all__ = ["ChannelParallelVectorEnv"]


class ChannelParallelVectorEnv(VectorWrapper):
    """Lets the agents of many worlds talk: as :class:`ChannelParallelEnv`, on arrays, for symbols and vectors.

    Actions are ``{"action": (num_envs, agents), "message": (num_envs, agents, length)}``, and with an addressed channel
    ``"to": (num_envs, agents)``. Observations get ``"messages"``, ``(num_envs, agents, agents, length)``, by recipient
    and then sender. Infos get ``"message_size"`` ``(num_envs, agents)`` and ``"message_fate"``, int8 ``(num_envs,
    agents, agents)`` by sender and then recipient: what became of the messages that were due in this step, see
    :class:`~telos.envs.crafter.teamwork.kinds.Fate`. World ``i`` goes through the same messages as a
    ``ChannelParallelEnv`` after ``reset(seed=s + i)``.

    Args:
        env: A :class:`~telos.envs.crafter.env.CrafterParallelVectorEnv` on the CPU.
        channel: How messages travel.
        flat_actions: As for a ``ChannelParallelEnv``: actions are ``(num_envs, agents, entries)``.

    Attributes:
        channel: As given.
        visibility: As that of a ``ChannelParallelEnv``.

    Raises:
        ValueError: If messages are text, the channel has a range and the environment no positions, or
            ``flat_actions`` is not for it.
    """

    def __init__(self, env: Any, channel: Channel, flat_actions: bool = False) -> None:
        super().__init__(env)
        if channel.kind.shape == ():
            raise ValueError("batches take Symbols and Vectors; for Text and Schema use ChannelParallelEnv")
        check_positions(env, channel)
        self.channel = channel
        self.visibility = visibility_of(env)
        self._game: Any = env.unwrapped
        self._agents = len(self._game.possible_agents)
        self._transport = Transport(channel, self.num_envs, self._agents)
        self._alive = np.zeros((self.num_envs, self._agents), np.bool_)
        self._mode = env.metadata["autoreset_mode"]
        self._heard = self._silence()
        self._seeded = False
        heard = batch_space(channel.kind.heard_space(self._agents), self._agents)
        self._flat = FlatActions(self._game.family.action_space, channel, self._agents) if flat_actions else None
        said = {"message": batch_space(channel.kind.space, self._agents)}
        if channel.addressed:
            said["to"] = spaces.MultiDiscrete(np.full(self._agents, self._agents + 1))
        batched = {name: batch_space(space, self.num_envs) for name, space in said.items()}
        self.single_observation_space = with_messages(env.single_observation_space, heard)
        self.observation_space = with_messages(env.observation_space, batch_space(heard, self.num_envs))
        self.single_action_space: spaces.Space[Any] = spaces.Dict({"action": env.single_action_space, **said})
        self.action_space: spaces.Space[Any] = spaces.Dict({"action": env.action_space, **batched})
        if self._flat is not None:
            self.single_action_space = batch_space(self._flat.space, self._agents)
            self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins episodes, in which nobody has said anything; see ``SimulatedVectorEnv.reset``.

        Raises:
            TypeError: If the environment is on a GPU.
        """
        seeds = self._seeds(seed)
        observation, infos = self.env.reset(seed=None if seeds is None else seeds.tolist(), options=options)
        if not isinstance(infos["action_mask"], np.ndarray):
            raise TypeError("messages are NumPy arrays: make the environment with device='cpu'")
        rows = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_)))
        self._transport.begin(rows, seeds)
        self._alive[rows], self._seeded = True, True
        self._heard = np.where(_like(rows, self._heard), self._silence(), self._heard)
        return joined(observation, self._heard.copy()), self._masked(infos)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> NDArray[np.uint64] | None:
        if isinstance(seed, int | np.integer):
            return np.arange(self.num_envs, dtype=np.uint64) + np.uint64(seed)
        if seed is None and self._seeded:
            return None
        given = [None] * self.num_envs if seed is None else list(seed)
        if len(given) != self.num_envs:
            raise ValueError(f"seed has {len(given)} entries for {self.num_envs} environments")
        rng = seeding.np_random()[0]
        return np.array([rng.integers(2**63) if s is None else s for s in given], np.uint64)

    def _silence(self) -> NDArray[Any]:
        return self.channel.kind.silence((self.num_envs, self._agents, self._agents))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Sends messages, takes a step, and delivers what is due."""
        channel, alive, shape = self.channel, self._alive, (self.num_envs, self._agents)
        if self._flat is not None:
            actions = self._flat.parted(actions)
        messages = channel.kind.checked(actions["message"])
        if messages.shape != (*shape, *channel.kind.shape):
            raise ValueError(f"messages must have shape {(*shape, *channel.kind.shape)}, got {messages.shape}")
        to = checked_recipients(actions["to"], self._agents) if channel.addressed else None
        positions = None if channel.range is None else self._game.positions
        begun = np.asarray(~alive.any(axis=1) & (self._mode is AutoresetMode.NEXT_STEP))
        observation, rewards, terminated, truncated, infos = self.env.step(actions["action"])
        sizes = self._transport.send(messages, to, alive, positions)
        arrival = self._transport.arrive(alive & ~terminated)
        # Agents that join later appear among those that act.
        acting = infos["_reward_terms"] | infos.get("final_info", {}).get("_reward_terms", False)
        self._alive = (alive | acting) & ~(terminated | truncated)
        over = np.asarray(~self._alive.any(axis=1) & ~begun)
        heard = arrival.heard
        if self._mode is AutoresetMode.SAME_STEP and over.any():
            infos["final_obs"] = joined(infos["final_obs"], np.where(_like(over, heard), heard, self._silence()))
            heard = np.where(_like(over, heard), self._silence(), heard)
            begun = over
        self._heard = heard.copy()  # what is returned may be written to
        if begun.any():
            self._transport.begin(begun)
            self._alive[begun] = True
        cost = 0.0 - channel.price * sizes
        for told in (infos, infos.get("final_info")):
            if told is not None:
                rows = told["_reward_terms"]
                terms = {**told["reward_terms"], PRICE_TERM: np.where(rows, cost, 0.0), f"_{PRICE_TERM}": rows}
                told.update({"reward_terms": terms, "message_size": np.where(rows, sizes, 0), "_message_size": rows})
        infos |= {"message_fate": arrival.fates, "_message_fate": np.ones(self.num_envs, np.bool_)}
        return joined(observation, heard), rewards + cost, terminated, truncated, self._masked(infos)

    def _masked(self, infos: dict[str, Any]) -> dict[str, Any]:
        return infos if self._flat is None else self._flat.masked(infos)

    def clone_state(self) -> Any:
        """An exact copy of all states, the messages under way included."""
        return self._game.clone_state(), self._transport.clone(), self._alive.copy(), self._heard.copy()

    def restore_state(self, snapshot: Any) -> None:
        """Goes back to a copy, which stays valid."""
        state, under_way, alive, heard = snapshot
        self._game.restore_state(state)
        self._transport.restore(under_way)
        self._alive, self._heard, self._seeded = alive.copy(), heard.copy(), True


def _like(rows: NDArray[np.bool_], array: NDArray[Any]) -> NDArray[np.bool_]:
    """Flags of rows with as many axes as an array."""
    return rows.reshape(-1, *(1,) * (array.ndim - 1))
