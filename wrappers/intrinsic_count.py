"""Bonuses for observations that were seen seldom.

* ``CountBonusTransform`` - by exact counts, or by counts of a SimHash
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Library
from telos.wrappers.counts import Counts, fingerprints
from telos.wrappers.intrinsic import MemoryBonus, check_whole, products
from telos.wrappers.terms import Array, check_choice

__all__ = ["CountBonusTransform"]


@dataclass(eq=False, repr=False)
class CountBonusTransform(MemoryBonus):
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

    libraries: ClassVar[tuple[Library, ...]] = ("numpy", "torch")
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
        self.table = Counts(num_envs, self.xp)
        self._envs = self.xp.asarray(np.arange(num_envs))

    @override
    def forget(self, mask: Array) -> None:
        self.table.forget(mask)

    @override
    def remember(self, features: Array, rows: Array) -> Array:
        index = self._envs[rows]
        bonus = self.zeros()
        times = self.xp.cast(self.table.add(self._keys(features[index]), index), self.xp.float64)
        bonus[index] = 1.0 / times**0.5 - float(self.shift)
        return bonus

    def _keys(self, features: Array) -> Array:
        if self.key == "exact":
            return fingerprints(features, self.xp)
        width = features.shape[1]
        if self._planes is None or len(self._planes) != width:
            self._planes = self.xp.asarray(np.random.default_rng(self.seed).normal(size=(width, self.bits)))
        signs = products(features, self._planes) >= 0
        powers = self.xp.asarray(np.int64(1) << np.arange(64))
        words = self.xp.zeros((len(signs), -(-self.bits // 64)), dtype=self.xp.int64)
        for word in range(words.shape[1]):
            part = signs[:, 64 * word : 64 * (word + 1)]
            words[:, word] = (part * powers[: part.shape[1]]).sum(axis=1)
        return fingerprints(words, self.xp)
