"""How often each environment has seen something.

* ``Counts`` - a hash table for each environment
* ``fingerprints`` - keys for it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from telos.wrappers.terms import Array

__all__ = ["Counts", "fingerprints"]


def _mixed(words: Array) -> Array:
    """SplitMix64's finaliser: a one-to-one map of 64-bit words in which all bits depend on all."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Array = words ^ (words >> np.uint64(31))
    return result


def fingerprints(numbers: Array) -> Array:
    """Returns 64 bits for each row of numbers, shape ``(n, d)``, 8 bytes each; one to one if d is 1."""
    # + 0 makes one zero of the two.
    words = np.ascontiguousarray(numbers + 0).view(np.uint64)
    places = _mixed(np.arange(1, words.shape[1] + 1, dtype=np.uint64))
    result: Array = _mixed(words ^ places).sum(axis=1, dtype=np.uint64)
    return result


class Counts:
    """A hash table of counts for each environment, with linear probing, for one key of each at a time."""

    def __init__(self, num_envs: int) -> None:
        self.keys = np.zeros((num_envs, 16), np.uint64)
        self.counts = np.zeros((num_envs, 16), np.int64)
        self.used = np.zeros(num_envs, np.int64)

    def add(self, keys: Array, rows: Array, times: Array | int = 1) -> Array:
        """Counts a key in each of some rows and returns the new counts.

        Args:
            keys: One for each row, shape ``(n,)``, uint64.
            rows: Indices of n different environments.
            times: How often it was seen.
        """
        if (2 * self.used[rows] >= self.keys.shape[1]).any():
            self._grow()
        last = np.uint64(self.keys.shape[1] - 1)
        slot = (keys & last).astype(np.int64)
        while True:
            other = (self.counts[rows, slot] > 0) & (self.keys[rows, slot] != keys)
            if not other.any():
                break
            slot = np.where(other, (slot + 1) & int(last), slot)
        self.used[rows] += self.counts[rows, slot] == 0
        self.keys[rows, slot] = keys
        self.counts[rows, slot] += times
        found: Array = self.counts[rows, slot]
        return found

    def _grow(self) -> None:
        keys, counts = self.keys, self.counts
        wider = (len(keys), 2 * keys.shape[1])
        self.keys, self.counts = np.zeros(wider, np.uint64), np.zeros(wider, np.int64)
        self.used = np.zeros_like(self.used)
        for slot in range(keys.shape[1]):
            rows = counts[:, slot].nonzero()[0]
            self.add(keys[rows, slot], rows, counts[rows, slot])

    def forget(self, mask: Array) -> None:
        """Drops the counts of some environments."""
        for values in (self.keys, self.counts, self.used):
            values[mask] = 0

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state."""
        return {"keys": self.keys.copy(), "counts": self.counts.copy(), "used": self.used.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self.keys, self.counts, self.used = (state[name].copy() for name in ("keys", "counts", "used"))
