"""How the messages of a team travel: range, bandwidth, delay, loss and price."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.teamwork.kinds import Fate, MessageKind
from telos.envs.engine.random import bits, episode_key, step_key

__all__ = ["Arrival", "Channel", "Transport"]

#: The purpose of the random numbers of loss. They come from the key of the world's step, of which Crafter's own
#: purposes are far below.
_LOSS = 1 << 20
_MANTISSA_SHIFT, _ULP = np.uint64(11), 2.0**-53


@dataclass(frozen=True)
class Channel:
    """What agents can say to each other, and how it travels; one object for learned and for language agents.

    In every step each living agent says one message, or nothing, to all others, or with ``addressed`` to one of them.
    Who is in range is decided when it is sent, by the cells on which agents stand before the step. It is heard in the
    observation that the step returns, or ``delay`` steps later, by those who live then. The dead neither speak nor
    hear; what they said before still arrives. What is under way when the episode ends is not heard.

    Attributes:
        kind: What a message is: :class:`~telos.envs.crafter.teamwork.kinds.Symbols`, ``Vectors``, ``Text`` or
            ``Schema``.
        range: How far a message goes, in cells along both axes together (L1, as gifts are counted); None for
            everywhere.
        bandwidth: The largest size of a message, per step and agent, in the kind's unit: symbols or numbers that are
            not 0, or characters. A larger one is not sent. None for whatever the kind allows.
        delay: Steps that a message takes, at least 0.
        loss: Probability that it does not arrive, of each recipient by itself. Draws are a function of seed, episode,
            step, sender and recipient alone.
        price: What a sender pays for each unit of what it sends, arrived or not: the reward term ``message_price``.
        addressed: Whether a sender says to whom: 0 for everyone, ``k + 1`` for the k-th of ``possible_agents``.

    Raises:
        ValueError: If a number is out of its range.
    """

    kind: MessageKind
    range: int | None = None
    bandwidth: int | None = None
    delay: int = 0
    loss: float = 0.0
    price: float = 0.0
    addressed: bool = False

    def __post_init__(self) -> None:
        for name, least in {"range": 1, "bandwidth": 1, "delay": 0}.items():
            value = getattr(self, name)
            if value is not None and (value < least or value != int(value)):
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value}")
        if not 0.0 <= self.loss <= 1.0:
            raise ValueError(f"loss is a probability from 0 to 1, got {self.loss}")
        if not 0.0 <= self.price < np.inf:
            raise ValueError(f"price must be a number of at least 0, got {self.price}")


class Arrival(NamedTuple):
    """What comes in a step, of n worlds with A agents.

    Attributes:
        heard: Messages ``(n, A, A, *shape)``, by recipient and then sender; silence where there is none.
        said: The messages that were due, ``(n, A, *shape)``, by sender.
        fates: int8 ``(n, A, A)``, by sender and then recipient: :class:`~telos.envs.crafter.teamwork.kinds.Fate`.
    """

    heard: NDArray[Any]
    said: NDArray[Any]
    fates: NDArray[np.int8]


class Transport:
    """The messages of n worlds that are under way.

    Args:
        channel: How they travel.
        num_envs: n.
        num_agents: A.
    """

    def __init__(self, channel: Channel, num_envs: int, num_agents: int) -> None:
        self.channel, self._shape = channel, (num_envs, num_agents)
        self._seed, self._episode, self._step = (np.zeros(num_envs, np.uint64) for _ in range(3))
        self._under_way = deque(self._nothing() for _ in range(channel.delay))
        self._others = ~np.eye(num_agents, dtype=np.bool_)
        self._pairs = np.arange(num_agents**2, dtype=np.uint64).reshape(num_agents, num_agents)

    def _nothing(self) -> tuple[NDArray[Any], NDArray[np.int8]]:
        """Messages that nobody sent, and their fates."""
        return self.channel.kind.silence(self._shape), np.zeros((*self._shape, self._shape[1]), np.int8)

    def begin(self, rows: NDArray[np.bool_], seeds: NDArray[np.uint64] | None = None) -> None:
        """Begins an episode in some worlds: what was under way there is gone.

        Args:
            rows: Which, bool ``(n,)``.
            seeds: uint64 ``(n,)``, used in ``rows``; None goes on to each one's next episode.
        """
        self._episode[rows] += np.uint64(1)
        if seeds is not None:
            self._seed[rows], self._episode[rows] = seeds[rows], 0
        self._step[rows] = 0
        for messages, fates in self._under_way:
            messages[rows], fates[rows] = self.channel.kind.nothing, Fate.NONE

    def send(
        self,
        messages: NDArray[Any],
        to: NDArray[np.integer[Any]] | None,
        alive: NDArray[np.bool_],
        positions: NDArray[np.integer[Any]] | None,
    ) -> NDArray[np.int64]:
        """Sends what agents say in a step.

        Args:
            messages: ``(n, A, *shape)``, as the kind's ``checked`` returns them.
            to: Integers ``(n, A)``, 0 for everyone and k + 1 for agent k; None for everyone.
            alive: Bool ``(n, A)``.
            positions: Integers ``(n, A, 2)``; used only with a range.

        Returns:
            Sizes of what was sent, int64 ``(n, A)``, 0 for what was not.
        """
        channel, kind = self.channel, self.channel.kind
        self._step += np.uint64(1)
        sizes = np.where(alive, kind.sizes(messages), 0)
        faults = kind.faults(messages)
        if channel.bandwidth is not None:
            faults = np.where((faults == Fate.NONE) & (sizes > channel.bandwidth), np.int8(Fate.TOO_LONG), faults)
        pairs = (sizes > 0)[:, :, None] & alive[:, None, :] & self._others
        if to is not None:
            recipients = np.arange(1, self._shape[1] + 1)
            pairs &= (to[:, :, None] == 0) | (to[:, :, None] == recipients)
        fates = np.where(pairs, np.where(faults == Fate.NONE, np.int8(Fate.UNDER_WAY), faults)[:, :, None], np.int8(0))
        if channel.range is not None:
            assert positions is not None
            places = positions.astype(np.int32)
            distances = np.abs(places[:, :, None] - places[:, None]).sum(-1)
            fates[(fates == Fate.UNDER_WAY) & (distances > channel.range)] = Fate.OUT_OF_RANGE
        if channel.loss > 0.0:
            fates[(fates == Fate.UNDER_WAY) & (self._luck() < channel.loss)] = Fate.LOST
        self._under_way.append((messages.copy(), fates))
        return np.where(faults == Fate.NONE, sizes, 0)

    def _luck(self) -> NDArray[np.float64]:
        """A uniform draw for every sender and recipient."""
        # Rules have no types.
        keys = step_key(episode_key(self._seed, self._episode), self._step)  # type: ignore[no-untyped-call]
        drawn = bits(keys[:, None, None], _LOSS, self._pairs)  # type: ignore[no-untyped-call]
        return np.asarray((drawn >> _MANTISSA_SHIFT) * _ULP)

    def arrive(self, alive: NDArray[np.bool_]) -> Arrival:
        """Delivers what is due in the step that was sent last.

        Args:
            alive: Who can hear, bool ``(n, A)``.
        """
        messages, fates = self._under_way.popleft()
        due = fates == Fate.UNDER_WAY
        fates = np.where(due, np.where(alive[:, None, :], np.int8(Fate.DELIVERED), np.int8(Fate.GONE)), fates)
        arrives = (fates == Fate.DELIVERED).swapaxes(1, 2)
        extra = (1,) * len(self.channel.kind.shape)
        heard = np.where(arrives.reshape(*arrives.shape, *extra), messages[:, None], self.channel.kind.silence(()))
        return Arrival(heard, messages, fates)

    @property
    def under_way(self) -> list[tuple[NDArray[Any], NDArray[np.int8]]]:
        """Messages and fates of steps whose messages have not come yet, the oldest first."""
        return list(self._under_way)

    def clone(self) -> Any:
        """A copy of all that is under way, and of the random numbers to come."""
        return copy.deepcopy((self._seed, self._episode, self._step, self._under_way))

    def restore(self, snapshot: Any) -> None:
        """Goes back to a copy, which stays valid."""
        self._seed, self._episode, self._step, self._under_way = copy.deepcopy(snapshot)
