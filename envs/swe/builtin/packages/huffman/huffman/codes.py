"""Code lengths from counts, and canonical codes from lengths."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush


class CodeError(ValueError):
    """Counts or lengths that no code fits."""


def count_bytes(data: bytes) -> dict[int, int]:
    """How often each byte value that occurs in `data` does so, by ascending value."""
    counts: dict[int, int] = {}
    for value in data:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items()))


def code_lengths(counts: Mapping[int, int]) -> dict[int, int]:
    """The bits that a Huffman code spends on each symbol, by ascending symbol.

    Again and again the two groups of the smallest count are joined, which makes the codes of
    their symbols one bit longer; of equal counts, the group with the smallest symbol goes first.
    A lone symbol gets 1 bit, no symbols give {}. A count below 1 raises CodeError.
    """
    if any(count < 1 for count in counts.values()):
        raise CodeError("counts must be at least 1")
    if len(counts) == 1:
        return dict.fromkeys(counts, 1)
    lengths = dict.fromkeys(sorted(counts), 0)
    groups = [(count, symbol, [symbol]) for symbol, count in counts.items()]
    heapify(groups)
    while len(groups) > 1:
        count_a, first_a, group_a = heappop(groups)
        count_b, first_b, group_b = heappop(groups)
        joined = group_a + group_b
        for symbol in joined:
            lengths[symbol] += 1
        heappush(groups, (count_a + count_b, min(first_a, first_b), joined))
    return lengths


def canonical_codes(lengths: Mapping[int, int]) -> dict[int, str]:
    """The canonical code of each symbol, as text of "0" and "1", shortest first.

    Codes ascend with their length and, within a length, with the symbol: the first is all
    zeros, and each next one is the one before plus 1, with zeros added up to its length. A
    length below 1, or lengths too short to tell the symbols apart, raise CodeError.
    """
    codes: dict[int, str] = {}
    code = 0
    width = 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        if length < 1:
            raise CodeError("lengths must be at least 1")
        code <<= length - width
        width = length
        if code >= 1 << width:
            raise CodeError("lengths are too short")
        codes[symbol] = f"{code:0{width}b}"
        code += 1
    return codes
