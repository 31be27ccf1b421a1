"""Bits packed into bytes, the highest bit of each byte first."""

from __future__ import annotations


class BitError(ValueError):
    """Bits that cannot be written or read."""


class BitWriter:
    """Collects bits."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._free = 0

    def __len__(self) -> int:
        """The number of bits written."""
        return len(self._bytes) * 8 - self._free

    def write(self, value: int, width: int) -> None:
        """Append the lowest `width` bits of `value`, highest first.

        BitError, with nothing written, for a negative width or a value outside 0..2**width - 1.
        """
        if width < 0 or not 0 <= value < 1 << width:
            raise BitError(f"{value} does not fit {width} bits")
        for shift in reversed(range(width)):
            if self._free == 0:
                self._bytes.append(0)
                self._free = 8
            self._free -= 1
            self._bytes[-1] |= (value >> shift & 1) << self._free

    def to_bytes(self) -> bytes:
        """What was written so far, the last byte filled up with zero bits."""
        return bytes(self._bytes)


class BitReader:
    """Reads bits from the start of `data`, of which it keeps a copy."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = bytes(data)
        self._position = 0

    def remaining(self) -> int:
        """The number of bits not read yet."""
        return len(self._data) * 8 - self._position

    def read(self, width: int) -> int:
        """The next `width` bits as a number, highest first; 0 for a width of 0.

        BitError, with nothing read, for a negative width or when fewer bits remain.
        """
        if not 0 <= width <= self.remaining():
            raise BitError(f"cannot read {width} of {self.remaining()} bits")
        value = 0
        for position in range(self._position, self._position + width):
            bit = self._data[position // 8] >> (7 - position % 8) & 1
            value = value << 1 | bit
        self._position += width
        return value

    def align(self) -> None:
        """Skip to the next byte boundary; BitError if a bit that is skipped is not zero."""
        if self.read(self.remaining() % 8):
            raise BitError("padding bits are not zero")
