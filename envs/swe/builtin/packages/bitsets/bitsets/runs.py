"""Run-length coding of bit sets."""

from collections.abc import Iterable

from .bitset import BitSet


def run_lengths(bits: BitSet) -> list[int]:
    """Return the lengths of the runs of equal bits, starting with the run of clear bits.

    The first length is 0 if bit 0 is set; no other length is 0. An empty bit set has no runs.
    """
    lengths: list[int] = []
    state = False
    length = 0
    for index in range(len(bits)):
        if bits.test(index) != state:
            lengths.append(length)
            state = not state
            length = 0
        length += 1
    if length > 0:
        lengths.append(length)
    return lengths


def runs_to_bits(lengths: Iterable[int]) -> BitSet:
    """Rebuild the bit set from ``run_lengths``; its size is the sum of the lengths.

    Raises ValueError for a negative length, or for a length of 0 anywhere but first.
    """
    runs = list(lengths)
    if any(length < 0 for length in runs) or 0 in runs[1:]:
        raise ValueError("run lengths must be positive")
    bits = BitSet(sum(runs))
    start = 0
    for number, length in enumerate(runs):
        bits.set_range(start, start + length, number % 2 == 1)
        start += length
    return bits
