"""A weighted trie with completion, wildcard search and serialisation."""

from .complete import common_prefix, complete
from .serial import dumps, loads
from .trie import Trie
from .wildcard import match, within_distance

__all__ = ["Trie", "common_prefix", "complete", "dumps", "loads", "match", "within_distance"]
