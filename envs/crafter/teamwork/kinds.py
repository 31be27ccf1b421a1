"""What a message is: symbols or numbers; texts and typed records are in :mod:`.texts`.

The channel keeps the messages of n worlds with A agents in one array ``(n, A, *shape)``, whatever their kind; texts are
objects in it. Size 0 is silence.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

__all__ = ["Fate", "MessageKind", "Symbols", "Vectors", "at_least_one"]


class Fate(IntEnum):
    """What becomes of a message on its way to one recipient."""

    NONE = 0
    """Nothing was said to this recipient."""
    UNDER_WAY = 1
    DELIVERED = 2
    LOST = 3
    OUT_OF_RANGE = 4
    GONE = 5
    """The recipient was dead when it came."""
    TOO_LONG = 6
    """Not sent: larger than the bandwidth, or than a message can be."""
    MALFORMED = 7
    """Not sent: no record of the schema."""


class MessageKind(abc.ABC):
    """What a message is.

    Attributes:
        unit: In what sizes are counted.
        space: Of one message.
        shape: Of one message in an array.
        dtype: Of that array.
        nothing: Every entry of a silent message.
    """

    unit: ClassVar[str]
    shape: tuple[int, ...]
    dtype: ClassVar[Any]
    nothing: ClassVar[Any] = 0

    @property
    @abc.abstractmethod
    def space(self) -> spaces.Space[Any]:
        """The space of one message."""

    @abc.abstractmethod
    def heard_space(self, senders: int) -> spaces.Space[Any]:
        """The space of what an agent hears in a step: one message, or silence, of each of so many agents."""

    def heard(self, messages: NDArray[Any]) -> Any:
        """Messages ``(senders, *shape)`` as an element of ``heard_space``, for one agent."""
        return messages

    def collect(self, messages: Sequence[Any]) -> NDArray[Any]:
        """Messages of agents, None for silence, as one array ``(agents, *shape)``.

        Raises:
            ValueError: If one is not of this kind.
        """
        given = [self.silence(()) if message is None else np.asarray(message) for message in messages]
        for message in given:
            if message.shape != self.shape:
                raise ValueError(f"a message must have shape {self.shape}, got {message.shape}: see {self.space}")
        return self.checked(np.stack(given))

    @abc.abstractmethod
    def checked(self, messages: Any) -> NDArray[Any]:
        """Messages ``(..., *shape)`` as an array of the right dtype.

        Raises:
            ValueError: If one is not of this kind.
        """

    def silence(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Silent messages ``(*shape, *self.shape)``."""
        return np.full((*shape, *self.shape), self.nothing, self.dtype)

    @abc.abstractmethod
    def sizes(self, messages: NDArray[Any]) -> NDArray[np.int64]:
        """The sizes ``(...)`` of messages ``(..., *shape)``; 0 for silence."""

    def faults(self, messages: NDArray[Any]) -> NDArray[np.int8]:
        """What keeps messages from being sent, as :class:`Fate`; ``NONE`` if nothing does."""
        return np.zeros(messages.shape[: messages.ndim - len(self.shape)], np.int8)


@dataclass(frozen=True)
class Symbols(MessageKind):
    """Words of ``length`` symbols, each 1 to ``count``, or 0, which says nothing and costs nothing.

    Attributes:
        count: How many symbols there are, at least 1.
        length: Symbols in a message, at least 1.
    """

    unit: ClassVar[str] = "symbols"
    dtype: ClassVar[Any] = np.int64

    count: int
    length: int = 1

    def __post_init__(self) -> None:
        at_least_one(count=self.count, length=self.length)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Of one message in an array."""
        return (self.length,)

    @property
    def space(self) -> spaces.MultiDiscrete:
        """``MultiDiscrete`` ``(length,)``."""
        return spaces.MultiDiscrete(np.full(self.length, self.count + 1))

    def heard_space(self, senders: int) -> spaces.MultiDiscrete:
        """``MultiDiscrete`` ``(senders, length)``."""
        return spaces.MultiDiscrete(np.full((senders, self.length), self.count + 1))

    def checked(self, messages: Any) -> NDArray[np.int64]:
        """See :meth:`MessageKind.checked`."""
        given = np.asarray(messages)
        if given.dtype.kind not in "biu" or (given.size and (given.min() < 0 or given.max() > self.count)):
            raise ValueError(f"symbols are whole numbers from 0 (silence) to {self.count}, got {given.tolist()}")
        return given.astype(np.int64, copy=False)

    def sizes(self, messages: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many symbols are not 0."""
        return np.asarray(np.count_nonzero(messages, axis=-1))


@dataclass(frozen=True)
class Vectors(MessageKind):
    """``length`` float32 numbers from -1 to 1; zeros say nothing and cost nothing.

    Attributes:
        length: Numbers in a message, at least 1.
    """

    unit: ClassVar[str] = "floats"
    dtype: ClassVar[Any] = np.float32

    length: int

    def __post_init__(self) -> None:
        at_least_one(length=self.length)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Of one message in an array."""
        return (self.length,)

    @property
    def space(self) -> spaces.Box:
        """``Box`` ``(length,)``."""
        return spaces.Box(-1.0, 1.0, self.shape, np.float32)

    def heard_space(self, senders: int) -> spaces.Box:
        """``Box`` ``(senders, length)``."""
        return spaces.Box(-1.0, 1.0, (senders, self.length), np.float32)

    def checked(self, messages: Any) -> NDArray[np.float32]:
        """See :meth:`MessageKind.checked`."""
        given = np.asarray(messages, np.float32)
        # Written so that it refuses NaN as well.
        if not (np.abs(given) <= 1.0).all():
            raise ValueError("numbers of a message must be from -1 to 1: clip them, or scale them with tanh")
        return given

    def sizes(self, messages: NDArray[np.float32]) -> NDArray[np.int64]:
        """How many numbers are not 0."""
        return np.asarray(np.count_nonzero(messages, axis=-1))


def at_least_one(**numbers: int) -> None:
    """Raises ``ValueError`` for a number that is not whole or below 1."""
    for name, number in numbers.items():
        if number < 1 or number != int(number):
            raise ValueError(f"{name} must be a whole number of at least 1, got {number}")
