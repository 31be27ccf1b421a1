"""Rank and select queries on a frozen copy of a bit set."""

from bisect import bisect_right

from .bitset import BitSet


class RankSelect:
    """Counts of set bits before a position, and positions of the k-th set bit.

    The index is built from a copy, so later changes of ``bits`` do not matter. Counts are kept
    for blocks of ``block`` bits; the block size changes speed only, not results. Raises
    ValueError if ``block`` is less than 1.
    """

    def __init__(self, bits: BitSet, block: int = 32) -> None:
        if block < 1:
            raise ValueError("block must be at least 1")
        self._bits = bits.copy()
        self._block = block
        self._before = [0]
        for start in range(0, len(bits), block):
            stop = min(start + block, len(bits))
            self._before.append(self._before[-1] + self._count(start, stop))

    def _count(self, start: int, stop: int) -> int:
        return sum(self._bits.test(index) for index in range(start, stop))

    def rank(self, position: int, state: bool = True) -> int:
        """Return how many bits at ``i < position`` are set (clear with ``state=False``).

        ``position`` may equal the size. Raises IndexError if it is negative or greater.
        """
        if not 0 <= position <= len(self._bits):
            raise IndexError(f"position {position} is outside the bit set")
        number = position // self._block
        ones = self._before[number] + self._count(number * self._block, position)
        return ones if state else position - ones

    def select(self, k: int) -> int:
        """Return the position of the ``k``-th set bit, counting from 0.

        ``rank(select(k)) == k`` always holds. Raises IndexError if ``k`` is negative or there
        are no more than ``k`` set bits.
        """
        if not 0 <= k < self._before[-1]:
            raise IndexError(f"there is no set bit number {k}")
        number = bisect_right(self._before, k) - 1
        position = number * self._block
        missing = k - self._before[number]
        while missing > 0 or not self._bits.test(position):
            missing -= self._bits.test(position)
            position += 1
        return position
