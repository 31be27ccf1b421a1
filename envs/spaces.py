"""Spaces that Gymnasium lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Space

__all__ = ["UnicodeText"]

_SAMPLE_LENGTH = 64
_SURROGATES = (0xD800, 0xE000)


class UnicodeText(Space[str]):
    """Any Unicode text of ``min_length`` to ``max_length`` characters.

    :class:`gymnasium.spaces.Text` lists its characters one by one; this space is a rule instead, so
    constructing, pickling and printing it take constant time, and ``contains`` is one pass over the text.
    Lone surrogates are no Unicode text (UTF-8 cannot encode them) and are rejected.

    A batch of samples is a tuple of strings, as for ``Text``.

    Args:
        max_length: Largest number of characters (code points), at least ``min_length``.
        min_length: Smallest number of characters, 0 or more.
        seed: Seed of :meth:`sample`.

    Raises:
        ValueError: If the lengths are not ``0 <= min_length <= max_length``.

    Example:
        >>> space = UnicodeText(max_length=20, seed=1)
        >>> "grüße 🦉" in space
        True
        >>> "x" * 21 in space
        False
    """

    def __init__(self, max_length: int, *, min_length: int = 0, seed: int | np.random.Generator | None = None) -> None:
        if not 0 <= min_length <= max_length:
            raise ValueError(
                f"UnicodeText needs 0 <= min_length <= max_length, got min_length={min_length}, max_length={max_length}"
            )
        self.min_length = int(min_length)
        self.max_length = int(max_length)
        super().__init__(dtype=str, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """False: text has no natural fixed-size array form."""
        return False

    def sample(self, mask: None = None, probability: None = None) -> str:
        """Draws a short text: printable ASCII, white space and, one time in eight, any other character.

        The length is uniform from ``min_length`` to ``min(max_length, min_length + 64)``, so that a large
        ``max_length`` does not make samples slow.

        Raises:
            ValueError: If ``mask`` or ``probability`` is given; neither has a meaning here.
        """
        if mask is not None or probability is not None:
            raise ValueError("UnicodeText.sample() takes neither a mask nor a probability")
        longest = min(self.max_length, self.min_length + _SAMPLE_LENGTH)
        length = int(self.np_random.integers(self.min_length, longest + 1))
        codes = self.np_random.integers(0x20, 0x7F, size=length)
        first, end = _SURROGATES
        wide = self.np_random.integers(1, 0x110000 - (end - first), size=length)
        wide = np.where(wide >= first, wide + (end - first), wide)
        codes = np.where(self.np_random.random(length) < 0.125, wide, codes)
        return "".join(map(chr, codes))

    def contains(self, x: Any) -> bool:
        """Tells whether ``x`` is a ``str`` of allowed length without lone surrogates."""
        if not isinstance(x, str) or not self.min_length <= len(x) <= self.max_length:
            return False
        try:
            x.encode()
        except UnicodeEncodeError:
            return False
        return True

    def to_jsonable(self, sample_n: Any) -> list[str]:
        """Turns a batch of samples into a JSON-serialisable list."""
        return list(sample_n)

    def from_jsonable(self, sample_n: list[Any]) -> list[str]:
        """Turns what :meth:`to_jsonable` returned back into a list of samples."""
        return [str(sample) for sample in sample_n]

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length}, min_length={self.min_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText) and (self.min_length, self.max_length) == (
            other.min_length,
            other.max_length,
        )

    def __hash__(self) -> int:
        return hash((UnicodeText, self.min_length, self.max_length))
