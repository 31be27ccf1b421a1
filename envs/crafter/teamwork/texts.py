"""Messages of language agents: text, and typed records as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.crafter.teamwork.kinds import Fate, MessageKind, at_least_one
from telos.envs.spaces import UnicodeText

__all__ = ["Schema", "Text"]


@dataclasses.dataclass(frozen=True)
class Text(MessageKind):
    """Text of at most ``max_chars`` characters; ``""`` is silence. A longer one is not sent.

    Attributes:
        max_chars: Characters (Unicode code points) in a message, at least 1.
    """

    unit: ClassVar[str] = "characters"
    dtype: ClassVar[Any] = object
    nothing: ClassVar[Any] = ""

    max_chars: int = 400

    def __post_init__(self) -> None:
        at_least_one(max_chars=self.max_chars)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Of one message in an array of objects."""
        return ()

    @property
    def space(self) -> UnicodeText:
        """Any text that is short enough."""
        return UnicodeText(self.max_chars)

    def heard_space(self, senders: int) -> spaces.Tuple[Any]:
        """A ``Tuple`` of a text of each agent."""
        return spaces.Tuple([self.space for _ in range(senders)])

    def heard(self, messages: NDArray[Any]) -> tuple[str, ...]:
        """A tuple of texts."""
        return tuple(messages.tolist())

    def collect(self, messages: Sequence[Any]) -> NDArray[Any]:
        """See :meth:`MessageKind.collect`."""
        array = self.silence((len(messages),))
        array[:] = [self.nothing if message is None else message for message in messages]
        return self.checked(array)

    def checked(self, messages: Any) -> NDArray[Any]:
        """See :meth:`MessageKind.checked`."""
        given = np.asarray(messages, object)
        for message in given.flat:
            if not isinstance(message, str):
                raise ValueError(f"a message must be text, got {type(message).__name__}; Schema.encode() makes text")
        return given

    def sizes(self, messages: NDArray[Any]) -> NDArray[np.int64]:
        """How many characters."""
        return np.array([len(text) for text in messages.flat], np.int64).reshape(messages.shape)

    def faults(self, messages: NDArray[Any]) -> NDArray[np.int8]:
        """``TOO_LONG`` for more than ``max_chars``."""
        return np.where(self.sizes(messages) > self.max_chars, Fate.TOO_LONG, Fate.NONE).astype(np.int8)


@dataclasses.dataclass(frozen=True)
class Schema(Text):
    """Records of a dataclass, as JSON of at most ``max_chars`` characters; what is none is not sent.

    What goes through the environment is the JSON text, so that it is measured, logged and priced as such:
    :meth:`encode` and :meth:`decode` are for the agents at both ends.

    Attributes:
        record: The dataclass. Its fields may be of any type that pydantic knows: numbers, texts, lists, ``Literal``,
            optional ones, other dataclasses.

    Raises:
        TypeError: If ``record`` is no dataclass.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Plan:
        ...     goal: str
        ...     needs: dict[str, int]
        >>> schema = Schema(record=Plan)
        >>> schema.encode(Plan("table", {"wood": 2}))
        '{"goal":"table","needs":{"wood":2}}'
        >>> schema.decode('{"goal":"table","needs":{"wood":2}}')
        Plan(goal='table', needs={'wood': 2})
        >>> schema.decode('{"goal":"table"}') is None
        True
    """

    record: type[Any] = dataclasses.field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.record, type) and dataclasses.is_dataclass(self.record)):
            raise TypeError(f"record must be a dataclass, got {self.record!r}; decorate the class with @dataclass")

    @property
    def _adapter(self) -> Any:
        return _adapter_of(self.record)  # type: ignore[arg-type]  # Classes are hashable.

    def encode(self, record: Any) -> str:
        """A record as compact JSON, its fields in their order."""
        return str(self._adapter.dump_json(record).decode())

    def decode(self, text: str) -> Any:
        """The record of a text, or None if it is none, as silence is; fields that the record lacks are passed over."""
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(text)
        except ValidationError:
            return None

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of a record, as language models are asked for structured output."""
        return dict(self._adapter.json_schema())

    def faults(self, messages: NDArray[Any]) -> NDArray[np.int8]:
        """``TOO_LONG``, or ``MALFORMED`` for what is no record."""
        faults = super().faults(messages)
        for k, text in enumerate(messages.flat):
            if text and faults.flat[k] == Fate.NONE and self.decode(text) is None:
                faults.flat[k] = Fate.MALFORMED
        return faults


@cache
def _adapter_of(record: Any) -> Any:
    """What reads and writes records."""
    from pydantic import TypeAdapter

    return TypeAdapter(record)
