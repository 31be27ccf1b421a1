"""Huffman coding: codes, bits, runs, and a framed format that checks itself."""

from huffman.bits import BitError, BitReader, BitWriter
from huffman.codes import CodeError, canonical_codes, code_lengths, count_bytes
from huffman.frame import FrameError, checksum, decode, encode
from huffman.runs import RunError, expand_runs, pack_runs

__all__ = [
    "BitError",
    "BitReader",
    "BitWriter",
    "CodeError",
    "FrameError",
    "RunError",
    "canonical_codes",
    "checksum",
    "code_lengths",
    "count_bytes",
    "decode",
    "encode",
    "expand_runs",
    "pack_runs",
]
