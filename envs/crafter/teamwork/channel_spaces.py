"""What both faces of a channel share: spaces, and what they check."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.crafter.teamwork.channel import Channel
from telos.envs.crafter.teamwork.kinds import Symbols

__all__ = [
    *("PRICE_TERM", "FlatActions", "check_positions", "checked_recipients", "joined", "visibility_of"),
    *("with_message", "with_messages"),
]

#: The reward term of what messages cost.
PRICE_TERM = "message_price"

_VISIBILITY = {"observation": "local", "messages": "team", "message_size": "local", "message_fate": "privileged"}


def visibility_of(env: Any) -> dict[str, str]:
    """Who may know the parts of observations and infos: those of the environment's family, and those of a channel."""
    family = getattr(env.unwrapped, "family", None)
    return {**getattr(family, "visibility", {}), **_VISIBILITY}


class FlatActions:
    """An action and a message of symbols as one ``MultiDiscrete``, for learners that take no ``Dict``.

    The entries are the environment's own action, to whom (with an addressed channel), and the symbols.

    Args:
        space: Of the environment's own actions.
        channel: The channel.
        agents: Number of agents.

    Attributes:
        space: Of one action, ``MultiDiscrete``.

    Raises:
        ValueError: If the space is not ``Discrete`` from 0 on, or the messages are not symbols.
    """

    def __init__(self, space: spaces.Space[Any], channel: Channel, agents: int) -> None:
        if not isinstance(space, spaces.Discrete) or space.start != 0 or not isinstance(channel.kind, Symbols):
            raise ValueError(f"flat_actions is for Discrete actions and Symbols, not {space} and {channel.kind}")
        self._addressed = channel.addressed
        said = [agents + 1] * channel.addressed + [channel.kind.count + 1] * channel.kind.length
        self.space = spaces.MultiDiscrete([int(space.n), *said])
        self._free = np.ones(sum(said), np.int8)

    def parted(self, actions: Any) -> dict[str, NDArray[Any]]:
        """Actions ``(..., entries)`` as a ``Dict`` space has them."""
        given = np.asarray(actions)
        if given.shape[-1:] != self.space.shape:
            raise ValueError(f"actions must have {self.space.shape[0]} entries, got shape {given.shape}")
        parts = {"action": given[..., 0], "message": given[..., 1 + self._addressed :]}
        return parts | {"to": given[..., 1]} if self._addressed else parts

    def masked(self, info: dict[str, Any]) -> dict[str, Any]:
        """An info whose action mask, if it has one, covers all entries; all that can be said is allowed."""
        if "action_mask" not in info:
            return info
        mask = info["action_mask"]
        free = np.broadcast_to(self._free, (*mask.shape[:-1], len(self._free)))
        return {**info, "action_mask": np.concatenate([mask, free], axis=-1)}


def check_positions(env: Any, channel: Channel) -> None:
    """Raises ``ValueError`` if the channel has a range and the environment no positions."""
    if channel.range is not None and not hasattr(env.unwrapped, "positions"):
        raise ValueError(f"{type(env.unwrapped).__name__} has no positions: make the channel with range=None")


def checked_recipients(to: Any, agents: int) -> NDArray[np.int64]:
    """Recipients as integers.

    Raises:
        ValueError: If one is not from 0 to the number of agents.
    """
    given = np.asarray(to)
    if given.dtype.kind not in "biu" or given.min() < 0 or given.max() > agents:
        raise ValueError(f'"to" is 0 for everyone or k + 1 for the k-th of {agents} agents, got {given.tolist()}')
    return given.astype(np.int64, copy=False)


def with_message(space: spaces.Space[Any], channel: Channel, agents: int) -> spaces.Dict:
    """The space of actions with a message."""
    parts = {"action": copy.deepcopy(space), "message": copy.deepcopy(channel.kind.space)}
    if channel.addressed:
        parts["to"] = spaces.Discrete(agents + 1)
    return spaces.Dict(parts)


def with_messages(space: spaces.Space[Any], heard: spaces.Space[Any]) -> spaces.Dict:
    """The space of observations with messages."""
    parts = dict(space.items()) if isinstance(space, spaces.Dict) else {"observation": space}
    return spaces.Dict({**copy.deepcopy(parts), "messages": copy.deepcopy(heard)})


def joined(observation: Any, messages: Any) -> dict[str, Any]:
    """An observation with messages."""
    seen = observation if isinstance(observation, dict) else {"observation": observation}
    return {**seen, "messages": messages}
