"""A bloom filter with deterministic hashing."""

from math import ceil, log

from .bitset import BitSet


def fnv1a(data: bytes, seed: int = 0xCBF29CE484222325) -> int:
    """Return the 64-bit FNV-1a hash of ``data``.

    Start from ``seed``; for each byte, xor it in, then multiply by 0x100000001B3 modulo 2**64.
    """
    value = seed
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


class BloomFilter:
    """Approximate membership of strings: no false negatives, some false positives.

    The filter has ``size`` bits and sets ``hashes`` of them for an item. Raises ValueError if
    either is less than 1.
    """

    def __init__(self, size: int, hashes: int = 4) -> None:
        if size < 1 or hashes < 1:
            raise ValueError("size and hashes must be at least 1")
        self._bits = BitSet(size)
        self._hashes = hashes

    @classmethod
    def for_capacity(cls, capacity: int, error_rate: float = 0.01) -> "BloomFilter":
        """Return a filter sized for ``capacity`` items at the given rate of false positives.

        With n items and rate p the size is ``ceil(-n * ln(p) / ln(2)**2)`` bits and the number of
        hashes is ``round(size / n * ln(2))``, at least 1. Raises ValueError if ``capacity`` is
        less than 1 or the rate is not strictly between 0 and 1.
        """
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        if not 0 < error_rate < 1:
            raise ValueError("error_rate must be between 0 and 1")
        size = ceil(-capacity * log(error_rate) / log(2) ** 2)
        return cls(size, max(1, round(size / capacity * log(2))))

    @property
    def size(self) -> int:
        """Number of bits."""
        return len(self._bits)

    @property
    def hashes(self) -> int:
        """Number of positions computed for an item."""
        return self._hashes

    def positions(self, item: str) -> list[int]:
        """Return the bit positions of ``item``, in order of computation, repeats possible.

        With h the FNV-1a hash of the UTF-8 bytes and g the FNV-1a hash of the same bytes with
        seed h, made odd by setting its lowest bit, position i is ``(h + i * g) % size``.
        """
        data = item.encode()
        first = fnv1a(data)
        step = fnv1a(data, first) | 1
        return [(first + i * step) % self.size for i in range(self._hashes)]

    def add(self, item: str) -> bool:
        """Add ``item`` and return True if it was certainly new (some bit was still clear)."""
        changed = [self._bits.set(position) for position in self.positions(item)]
        return any(changed)

    def __contains__(self, item: str) -> bool:
        """Whether all bits of ``item`` are set: always after adding it, rarely otherwise."""
        return all(self._bits.test(position) for position in self.positions(item))

    def fill_ratio(self) -> float:
        """Return the share of bits that are set, from 0.0 to 1.0."""
        return self._bits.count() / self.size

    def union(self, other: "BloomFilter") -> "BloomFilter":
        """Return a new filter that contains whatever either contains.

        Raises ValueError if the two differ in size or number of hashes.
        """
        if (self.size, self._hashes) != (other.size, other._hashes):
            raise ValueError("filters have different shapes")
        result = BloomFilter(self.size, self._hashes)
        result._bits = self._bits | other._bits
        return result
