"""Run-length packing: a pass that shortens repeats before they are coded."""

from __future__ import annotations

SHORTEST = 4
LONGEST = SHORTEST + 255


class RunError(ValueError):
    """Packed data that ends within a run."""


def pack_runs(data: bytes) -> bytes:
    """`data` with every run of 4 to 259 equal bytes written as 4 of them and a count byte.

    The count is the length of the run less 4. Shorter runs are kept; longer ones are split, with
    as much as possible in front.
    """
    packed = bytearray()
    start = 0
    while start < len(data):
        end = start
        while end < len(data) and data[end] == data[start] and end - start < LONGEST:
            end += 1
        length = end - start
        packed.extend(data[start : start + min(length, SHORTEST)])
        if length >= SHORTEST:
            packed.append(length - SHORTEST)
        start = end
    return bytes(packed)


def expand_runs(packed: bytes) -> bytes:
    """The data that `pack_runs` made `packed` of; RunError when the last count is missing."""
    data = bytearray()
    run = 0
    for value in packed:
        if run == SHORTEST:
            data.extend(data[-1:] * value)
            run = 0
            continue
        run = run + 1 if data[-1:] == bytes([value]) else 1
        data.append(value)
    if run == SHORTEST:
        raise RunError("a run lacks its count")
    return bytes(data)
