"""A fixed number of bits with set algebra."""

from collections.abc import Iterable, Iterator


class BitSet:
    """``size`` bits, numbered from 0, all clear except those listed in ``indices``.

    An index outside ``0 <= index < size`` raises IndexError everywhere; negative indices do not
    count from the end. A negative size raises ValueError. The operators ``&``, ``|``, ``^``,
    ``-`` and ``~`` return new sets; the binary ones raise ValueError if the sizes differ.
    """

    def __init__(self, size: int, indices: Iterable[int] = ()) -> None:
        if size < 0:
            raise ValueError("size must not be negative")
        self._size = size
        self._value = 0
        for index in indices:
            self.set(index)

    @classmethod
    def from_string(cls, text: str) -> "BitSet":
        """Read a string of 0 and 1, the first character being bit 0; ValueError for others."""
        if text.strip("01"):
            raise ValueError("only 0 and 1 are allowed")
        return cls(len(text), (index for index, char in enumerate(text) if char == "1"))

    @classmethod
    def from_bytes(cls, data: bytes, size: int) -> "BitSet":
        """Read what ``to_bytes`` wrote.

        Raises ValueError if the number of bytes does not fit ``size`` or a bit beyond the size
        is set.
        """
        result = cls(size)
        if len(data) != (size + 7) // 8:
            raise ValueError("wrong number of bytes")
        result._value = int.from_bytes(data, "little")
        if result._value >> size:
            raise ValueError("bits set beyond the size")
        return result

    def to_bytes(self) -> bytes:
        """Return ``ceil(size / 8)`` bytes; bit i is bit ``i % 8`` of byte ``i // 8``."""
        return self._value.to_bytes((self._size + 7) // 8, "little")

    def to_string(self) -> str:
        """Return one character 0 or 1 per bit, bit 0 first."""
        return "".join("1" if self.test(index) else "0" for index in range(self._size))

    def __len__(self) -> int:
        """The fixed number of bits, set or not."""
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BitSet):
            return NotImplemented
        return self._size == other._size and self._value == other._value

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[int]:
        """Iterate over the indices of the set bits in ascending order."""
        index = self.next_set(0)
        while index is not None:
            yield index
            index = self.next_set(index + 1)

    def _check(self, index: int) -> None:
        if not 0 <= index < self._size:
            raise IndexError(f"bit {index} is outside 0..{self._size - 1}")

    def test(self, index: int) -> bool:
        """Return whether bit ``index`` is set."""
        self._check(index)
        return self._value >> index & 1 == 1

    def set(self, index: int) -> bool:
        """Set bit ``index`` and return whether it was clear before."""
        changed = not self.test(index)
        self._value |= 1 << index
        return changed

    def clear(self, index: int) -> bool:
        """Clear bit ``index`` and return whether it was set before."""
        changed = self.test(index)
        self._value &= ~(1 << index)
        return changed

    def flip(self, index: int) -> bool:
        """Invert bit ``index`` and return its new state."""
        self._check(index)
        self._value ^= 1 << index
        return self.test(index)

    def set_range(self, start: int, stop: int, state: bool = True) -> None:
        """Set (or, with ``state=False``, clear) the bits ``start <= i < stop``.

        An empty range changes nothing. Raises IndexError unless ``0 <= start <= stop <= size``.
        """
        if not 0 <= start <= stop <= self._size:
            raise IndexError(f"bad range: {start}..{stop}")
        mask = ((1 << (stop - start)) - 1) << start
        if state:
            self._value |= mask
        else:
            self._value &= ~mask

    def count(self) -> int:
        """Return the number of set bits."""
        return self._value.bit_count()

    def next_set(self, start: int) -> int | None:
        """Return the first set bit at or after ``start``, None if there is none.

        Raises IndexError if ``start`` is negative; a start beyond the end gives None.
        """
        if start < 0:
            raise IndexError("start must not be negative")
        rest = self._value >> start
        if rest == 0:
            return None
        return start + (rest ^ (rest - 1)).bit_length() - 1

    def next_clear(self, start: int) -> int | None:
        """Return the first clear bit at or after ``start``; otherwise like ``next_set``."""
        return (~self).next_set(start)

    def copy(self) -> "BitSet":
        """Return an independent set with the same bits."""
        return self._build(self._value)

    def _build(self, value: int) -> "BitSet":
        result = BitSet(self._size)
        result._value = value
        return result

    def _value_of(self, other: "BitSet") -> int:
        if other._size != self._size:
            raise ValueError(f"sizes differ: {self._size} and {other._size}")
        return other._value

    def __and__(self, other: "BitSet") -> "BitSet":
        return self._build(self._value & self._value_of(other))

    def __or__(self, other: "BitSet") -> "BitSet":
        return self._build(self._value | self._value_of(other))

    def __xor__(self, other: "BitSet") -> "BitSet":
        return self._build(self._value ^ self._value_of(other))

    def __sub__(self, other: "BitSet") -> "BitSet":
        return self._build(self._value & ~self._value_of(other))

    def __invert__(self) -> "BitSet":
        return self._build(self._value ^ ((1 << self._size) - 1))
