"""A self-contained frame around Huffman-coded data.

A frame is: the magic bytes `HF`, a flags byte (1 if runs were packed), the length of the coded
payload in 4 bytes, its checksum in 2 bytes, the number of symbols in 2 bytes, then for each symbol
in ascending order its value and the length of its code in a byte each, and last the code bits,
filled up with zeros to a whole byte. Numbers have their highest byte first.
"""

from __future__ import annotations

from huffman.bits import BitError, BitReader, BitWriter
from huffman.codes import CodeError, canonical_codes, code_lengths, count_bytes
from huffman.runs import RunError, expand_runs, pack_runs

MAGIC = 0x4846
PACKED = 1


class FrameError(ValueError):
    """A frame that is malformed, cut short, or damaged."""


def checksum(data: bytes) -> int:
    """The 16-bit Fletcher checksum of `data`.

    The low byte is the sum of all bytes modulo 255, the high byte the sum of all the values that
    the low byte goes through, modulo 255 as well. 0 for no data.
    """
    low = high = 0
    for value in data:
        low = (low + value) % 255
        high = (high + low) % 255
    return high << 8 | low


def encode(data: bytes, runs: bool | None = None) -> bytes:
    """The frame that holds `data`.

    `runs` says whether runs are packed first; by default they are if that makes the payload
    shorter.
    """
    payload = pack_runs(data)
    if runs is None:
        runs = len(payload) < len(data)
    if not runs:
        payload = data
    lengths = code_lengths(count_bytes(payload))
    codes = canonical_codes(lengths)
    writer = BitWriter()
    writer.write(MAGIC, 16)
    writer.write(PACKED if runs else 0, 8)
    writer.write(len(payload), 32)
    writer.write(checksum(payload), 16)
    writer.write(len(lengths), 16)
    for symbol, length in lengths.items():
        writer.write(symbol, 8)
        writer.write(length, 8)
    for value in payload:
        writer.write(int(codes[value], 2), len(codes[value]))
    return writer.to_bytes()


def decode(frame: bytes) -> bytes:
    """The data in a frame.

    FrameError for another magic or flag, symbols that do not ascend, a code that does not exist,
    a payload that fails its checksum, a frame that is cut short, padding that is not zero, or
    bytes after the end.
    """
    reader = BitReader(frame)
    try:
        data = _decode(reader)
        reader.align()
    except (BitError, CodeError, RunError) as error:
        raise FrameError(str(error)) from error
    if reader.remaining():
        raise FrameError("bytes after the end of the frame")
    return data


def _decode(reader: BitReader) -> bytes:
    if reader.read(16) != MAGIC:
        raise FrameError("this is not a Huffman frame")
    flags = reader.read(8)
    if flags > PACKED:
        raise FrameError(f"unknown flags {flags}")
    size = reader.read(32)
    expected = reader.read(16)
    symbols = _read_symbols(reader)
    payload = bytearray()
    longest = max((len(code) for code in symbols), default=0)
    while len(payload) < size:
        code = ""
        while code not in symbols:
            if len(code) == longest:
                raise FrameError(f"no symbol has the code {code!r}")
            code += str(reader.read(1))
        payload.append(symbols[code])
    data = bytes(payload)
    if checksum(data) != expected:
        raise FrameError("the checksum does not match")
    return expand_runs(data) if flags == PACKED else data


def _read_symbols(reader: BitReader) -> dict[str, int]:
    lengths: dict[int, int] = {}
    for _ in range(reader.read(16)):
        symbol = reader.read(8)
        if lengths and symbol <= max(lengths):
            raise FrameError("symbols do not ascend")
        lengths[symbol] = reader.read(8)
    return {code: symbol for symbol, code in canonical_codes(lengths).items()}
