"""What teams in Crafter need beside the game: a channel to talk over, maps in their heads, and measures of cooperation.

* :class:`Channel` - how messages travel; their kinds are :class:`Symbols`, :class:`Vectors`, :class:`Text` and
  :class:`Schema`
* :class:`ChannelParallelEnv`, :class:`ChannelParallelVectorEnv` - a channel as part of actions and observations
* :class:`MapMemory` - what an agent knows of the map, seen or told
* :class:`TeamRecorder` - who did how much, and how much they talked; :func:`crafter_score` and :func:`gini`
"""

from __future__ import annotations

from telos.envs.crafter.teamwork.channel import Channel
from telos.envs.crafter.teamwork.channel_parallel import ChannelParallelEnv, Message
from telos.envs.crafter.teamwork.channel_vector import ChannelParallelVectorEnv
from telos.envs.crafter.teamwork.kinds import Fate, Symbols, Vectors
from telos.envs.crafter.teamwork.measures import TeamEpisode, TeamRecorder, crafter_score, gini
from telos.envs.crafter.teamwork.memory import KnownCells, MapMemory
from telos.envs.crafter.teamwork.texts import Schema, Text

__all__ = [
    "Channel",
    "ChannelParallelEnv",
    "ChannelParallelVectorEnv",
    "Fate",
    "KnownCells",
    "MapMemory",
    "Message",
    "Schema",
    "Symbols",
    "TeamEpisode",
    "TeamRecorder",
    "Text",
    "Vectors",
    "crafter_score",
    "gini",
]
