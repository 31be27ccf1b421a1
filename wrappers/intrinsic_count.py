"""Bonuses for observations that were seen seldom.

* ``CountBonusTransform`` - by exact counts, or by counts of a SimHash
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.intrinsic import IntrinsicBonus, check_whole, products
from telos.wrappers.terms import Array, check_choice

__all__ = ["CountBonusTransform"]


def _mixed(words: Array) -> Array:
    """SplitMix64's finaliser: a one-to-one map of 64-bit words in which all bits depend on all."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Array = words ^ (words >> np.uint64(31))
    return result


def _fingerprints(words: Array) -> Array:
    """64 bits for each row of words of shape ``(n, d)``; one to one if d is 1."""
    places = _mixed(np.arange(1, words.shape[1] + 1, dtype=np.uint64))
    result: Array = _mixed(words ^ places).sum(axis=1, dtype=np.uint64)
    return result


class _Counts:
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


@dataclass(eq=False, repr=False)
class CountBonusTransform(IntrinsicBonus):
    r"""Count bonus: pays for arriving at observations that were seen seldom.

    ``r_t + w / sqrt(n(s_{t+1}))``, with n how often this environment has seen the observation, this time included.
    With ``shift`` it pays ``w (1 / sqrt(n) - 1)``, which is never above 0 for w > 0. Greedy learners whose values start
    at 0 need it: with the plain bonus what was tried looks better than what was not. Where the agent decides how long
    an episode is, the constant -1 a step makes it end early: there it is the wrong choice. The bonus is the term
    ``count_bonus``.

    - ``key="exact"`` counts equal observations. Those of several numbers are told apart by 64 bits of a hash: N
      different ones are confused with a probability of about N^2 / 2^65.
    - ``key="simhash"`` counts ``sgn(A s)``, with A a matrix of ``bits`` rows of independent standard normals:
      observations at a small angle share a count. All that is on one side of a hyperplane through the origin shares a
      bit, so features should be centred.

    Each environment has counts of its own. Their tables are all as large as the largest one needs: 16 bytes for each of
    up to four times its distinct keys. Where ``memory="episodic"`` counts start anew with every episode. An episode's
    first observation is counted, at its first step, and earns nothing. Steps that are not trainable are neither paid
    nor counted.

    Timing: ``causal``. Invariance: ``none``: lifelong bonuses vanish as counts grow, episodic ones do not.

    Args:
        features: What is counted: a function of a batch of observations that returns shape ``(num_envs, ...)``, as
            ``"module:function"`` or itself, if it is at the top level of a module. None takes observations as they
            are, which must be arrays of numbers.
        weight: Factor ``w``, any finite number. 0 pays the raw reward. 0.01 is the paper's.
        memory: ``"lifelong"`` or ``"episodic"``.
        key: ``"exact"`` or ``"simhash"``.
        bits: Length of the hash, at least 1. More bits tell more apart; the paper has 16 to 256. From 65 on bits are
            hashed again, to 64.
        shift: Whether to pay ``1 / sqrt(n) - 1`` instead of ``1 / sqrt(n)``.
        seed: Of the matrix A, at least 0.

    Raises:
        ValueError: If an argument is of no use; if features are no finite numbers; if the environment has a term
            ``count_bonus`` of its own.

    Source: Tang et al., #Exploration (NeurIPS 2017, arXiv 1611.04717), Algorithm 1; ``shift`` is ours.
    """

    state: ClassVar[tuple[str, ...]] = ("fresh", "table")
    term: ClassVar[str] = "count_bonus"

    weight: float = 0.01
    key: Literal["exact", "simhash"] = "exact"
    bits: int = 32
    shift: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.public_name()
        check_choice(name, "key", self.key, ("exact", "simhash"))
        self.bits = check_whole(name, "bits", self.bits)
        self.seed = check_whole(name, "seed", self.seed, least=0)
        self._planes: Array | None = None

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.table = _Counts(num_envs)

    @override
    def forget(self, mask: Array) -> None:
        self.table.forget(mask)

    @override
    def remember(self, features: Array, rows: Array) -> Array:
        index = rows.nonzero()[0]
        bonus: Array = np.zeros(self.num_envs)
        bonus[index] = 1.0 / np.sqrt(self.table.add(self._keys(features[index]), index)) - self.shift
        return bonus

    def _keys(self, features: Array) -> Array:
        if self.key == "exact":
            # + 0 makes one zero of the two.
            return _fingerprints(np.ascontiguousarray(features + 0.0).view(np.uint64))
        width = features.shape[1]
        if self._planes is None or len(self._planes) != width:
            self._planes = np.random.default_rng(self.seed).normal(size=(width, self.bits))
        signs = products(features, self._planes) >= 0
        octets = np.packbits(signs, axis=1)
        words = np.zeros((len(octets), -(-octets.shape[1] // 8) * 8), np.uint8)
        words[:, : octets.shape[1]] = octets
        return _fingerprints(words.view("<u8"))
