"""Fixed-size bit sets, run-length coding, rank/select and a bloom filter."""

from .bitset import BitSet
from .bloom import BloomFilter, fnv1a
from .rank import RankSelect
from .runs import run_lengths, runs_to_bits

__all__ = [
    "BitSet",
    "BloomFilter",
    "RankSelect",
    "fnv1a",
    "run_lengths",
    "runs_to_bits",
]
