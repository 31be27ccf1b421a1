"""How often each environment has seen something, in NumPy's arrays or tensors.

* ``Counts`` - a hash table for each environment
* ``fingerprints`` - keys for it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from telos.wrappers.arrays import NUMPY, Arrays
from telos.wrappers.terms import Array

__all__ = ["Counts", "fingerprints"]


def _mixed(words: Array) -> Array:
    """SplitMix64's finaliser: a one-to-one map of 64-bit words in which all bits depend on all."""
    # Tensors have no unsigned words: products of signed ones wrap alike, and shifts need a mask.
    words = (words ^ _shifted(words, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    words = (words ^ _shifted(words, 27)) * (0x94D049BB133111EB - 2**64)
    return words ^ _shifted(words, 31)


def _shifted(words: Array, bits: int) -> Array:
    shifted: Array = (words >> bits) & (2 ** (64 - bits) - 1)
    return shifted


def fingerprints(numbers: Array, xp: Arrays = NUMPY) -> Array:
    """Returns a key for each row of numbers; one to one if there is one in a row.

    Args:
        numbers: Shape ``(n, d)``, float64 or int64.
        xp: Their library.

    Returns:
        Shape ``(n,)``, int64.
    """
    # + 0 makes one zero of the two.
    words = (numbers + 0).view(xp.int64)
    places = _mixed(xp.asarray(np.arange(1, words.shape[1] + 1)))
    keys: Array = _mixed(words ^ places).sum(axis=1)
    return keys


class Counts:
    """A hash table of counts for each environment, with linear probing, for one key of each at a time.

    Args:
        num_envs: Number of environments.
        xp: Library and device.
    """

    def __init__(self, num_envs: int, xp: Arrays = NUMPY) -> None:
        self._xp = xp
        self.keys, self.counts = (xp.zeros((num_envs, 16), dtype=xp.int64) for _ in range(2))
        self.used = xp.zeros(num_envs, dtype=xp.int64)

    def add(self, keys: Array, rows: Array, times: Array | int = 1) -> Array:
        """Counts a key in each of some rows and returns the new counts.

        Args:
            keys: One for each row, shape ``(n,)``, int64.
            rows: Indices of n different environments.
            times: How often it was seen.
        """
        if bool((2 * self.used[rows] >= self.keys.shape[1]).any()):
            self._grow()
        last = self.keys.shape[1] - 1
        slot = keys & last
        while True:
            other = (self.counts[rows, slot] > 0) & (self.keys[rows, slot] != keys)
            if not bool(other.any()):
                break
            slot = self._xp.where(other, (slot + 1) & last, slot)
        self.used[rows] += self.counts[rows, slot] == 0
        self.keys[rows, slot] = keys
        self.counts[rows, slot] += times
        found: Array = self.counts[rows, slot]
        return found

    def _grow(self) -> None:
        keys, counts, xp = self.keys, self.counts, self._xp
        envs = xp.asarray(np.arange(len(keys)))
        self.keys, self.counts = (xp.zeros((len(keys), 2 * keys.shape[1]), dtype=xp.int64) for _ in range(2))
        self.used = xp.zeros(len(keys), dtype=xp.int64)
        for slot in range(keys.shape[1]):
            rows = envs[counts[:, slot] > 0]
            self.add(keys[rows, slot], rows, counts[rows, slot])

    def forget(self, mask: Array) -> None:
        """Drops the counts of some environments."""
        for values in (self.keys, self.counts, self.used):
            values[mask] = 0

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state."""
        return {name: self._xp.copy(getattr(self, name)) for name in ("keys", "counts", "used")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self.keys, self.counts, self.used = (self._xp.copy(state[name]) for name in ("keys", "counts", "used"))
