"""Bonuses for observations that are far from those seen before, in features of them.

* ``E3BTransform`` - by the inverse covariance of the episode's features (elliptical bonus)
* ``NGUTransform`` - by similarity to the nearest features of the episode (the episodic part of Never Give Up)
* ``RE3Transform`` - by the distance to the k-th nearest features (state entropy under a random encoder)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.arrays import NUMPY
from telos.wrappers.core import Library
from telos.wrappers.intrinsic import MemoryBonus, NeighbourMemory, RandomEncoder, check_whole, meant, products
from telos.wrappers.terms import Array, check_number

__all__ = ["E3BTransform", "NGUTransform", "RE3Transform"]

_PENDING = 16
"""Steps after which E3B's matrices are written. A vector of 8d bytes for each."""

_BLOCK = 2**16
"""Numbers of matrices to write at a time: half a megabyte."""


@dataclass(eq=False, repr=False)
class _EncodedBonus(MemoryBonus):
    """A bonus on given features, or on those of a random encoder."""

    libraries: ClassVar[tuple[Library, ...]] = ("numpy", "torch")

    encoder_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.public_name()
        self.encoder_size = check_whole(name, "encoder_size", self.encoder_size, least=0)
        self.seed = check_whole(name, "seed", self.seed, least=0)
        self._encode: RandomEncoder | None = None
        if self.encoder_size:
            self._encode = RandomEncoder(self.encoder_size, self.seed)

    def encoded(self, features: Array, rows: Array) -> Array:
        """Returns what novelty is judged by, shape ``(num_envs, d)``, 0 except in these rows."""
        if self._encode is None:
            return features
        return self.where(rows[:, None], self._encode(features, self.xp), 0.0)


@dataclass(eq=False, repr=False)
class _NeighbourBonus(_EncodedBonus):
    """A bonus by the nearest of the latest observations."""

    state: ClassVar[tuple[str, ...]] = ("fresh", "seen")

    k: int = 3
    capacity: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.public_name()
        self.k = check_whole(name, "k", self.k)
        self.capacity = check_whole(name, "capacity", self.capacity)

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.seen = NeighbourMemory(num_envs, self.capacity, self.xp)

    @override
    def forget(self, mask: Array) -> None:
        self.seen.forget(mask)


@dataclass(eq=False, repr=False)
class E3BTransform(_EncodedBonus):
    r"""E3B: pays for observations whose features the episode has not covered.

    ``r_t + w phi^T C^{-1} phi``,  ``C = ridge I + sum_i phi_i phi_i^T``,  with ``phi = phi(s_{t+1})`` and the sum over
    the episode's earlier observations, the first one included. It is a count bonus for features that are not
    discrete: with one-hot features it pays ``w / (ridge + n)``, n the visits before. ``C^{-1}`` is kept, and changed
    by the Sherman-Morrison formula: ``O(d^2)`` a step. The bonus is the term ``e3b_bonus``.

    The paper learns the features with an inverse dynamics model. Here they are fixed: the encoder does not drift while
    an episode runs. Features that a learner trains can be given as a function, and should change between episodes only.

    Each environment has a matrix of its own, ``8 d^2`` bytes. Where ``memory="lifelong"`` it outlives the episode, and
    the bonus vanishes. An episode's first observation is remembered, at its first step, and earns nothing. Steps that
    are not trainable are neither paid nor remembered.

    Timing: ``causal``. Invariance: ``none``.

    Args:
        features: A function of a batch of observations that returns shape ``(num_envs, ...)``, as
            ``"module:function"`` or itself, if it is at the top level of a module. None takes observations as they
            are, which must be arrays of numbers.
        weight: Factor ``w``, any finite number. 0 pays the raw reward.
        memory: ``"episodic"``, as in the paper, or ``"lifelong"``.
        encoder_size: Number d of outputs of a fixed random network on the features, see
            ``telos.wrappers.intrinsic.RandomEncoder``. 0 uses the features themselves.
        seed: Of the random network, at least 0.
        ridge: Above 0; the paper's lambda. A first step pays at most ``w |phi|^2 / ridge``. 0.1 is the paper's.

    Raises:
        ValueError: If an argument is of no use; if features are no finite numbers, or change their number; if the
            environment has a term ``e3b_bonus`` of its own.

    Source: Henaff et al., Exploration via Elliptical Episodic Bonuses (NeurIPS 2022, arXiv 2210.05805).
        The random encoder, and that the first observation counts, are ours.
    """

    state: ClassVar[tuple[str, ...]] = ("fresh", "inverse", "pending", "held")
    term: ClassVar[str] = "e3b_bonus"

    memory: Literal["lifelong", "episodic"] = "episodic"
    ridge: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ridge = check_number(self.public_name(), "ridge", self.ridge)
        if self.ridge <= 0:
            raise ValueError(f"{self.public_name()}: ridge={self.ridge} must be above 0.")

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self._allocate(0)

    def _allocate(self, width: int) -> None:
        # In double precision: features that are nearly dependent make single precision wrong by factors, even negative.
        # C^-1 is `inverse` less the outer products of the rows of `pending`, of which `held` are in use: a matrix is
        # written once in 16 steps, and only read in the others.
        self.inverse = self.zeros(width, width) + self._unit(width)
        self.pending, self.held = self.zeros(_PENDING, width), self.zeros(dtype=self.xp.int64)
        self._envs = self.xp.asarray(np.arange(self.num_envs))

    def _unit(self, width: int) -> Array:
        unit: Array = self.xp.asarray(np.eye(width) / self.ridge)
        return unit

    @override
    def forget(self, mask: Array) -> None:
        if bool(mask.any()):
            self.inverse[mask] = self._unit(self.inverse.shape[1])
            self.pending[mask] = 0.0
            self.held[mask] = 0

    @override
    def remember(self, features: Array, rows: Array) -> Array:
        phi = self.encoded(features, rows)
        width, before = phi.shape[1], self.inverse.shape[1]
        if not before:
            self._allocate(width)
        elif width != before:
            raise ValueError(f"{self.public_name()}: features have {width} numbers, but had {before} before.")
        part = meant(rows, self.xp)
        phi, pending = phi[part], self.pending[part]
        along = products(phi, pending.swapaxes(1, 2))
        towards = products(phi, self.inverse[part]) - products(along, pending)
        bonus = self.zeros()
        bonus[part] = (phi * towards).sum(axis=1)
        # Rows that are not meant have features of 0, which change nothing.
        self.pending[self._envs[part], self.held[part]] = towards / ((1.0 + bonus[part]) ** 0.5)[:, None]
        self.held = self.held + rows
        full = self._envs[self.held == _PENDING]
        block = max(1, _BLOCK // width**2) if self.xp is NUMPY else self.num_envs
        for start in range(0, len(full), block):
            part = full[start : start + block]
            self.inverse[part] -= self.pending[part].swapaxes(1, 2) @ self.pending[part]
        self.pending[full], self.held[full] = 0.0, 0
        return bonus


@dataclass(eq=False, repr=False)
class NGUTransform(_NeighbourBonus):
    r"""NGU's episodic bonus: pays for observations that are not similar to others of the episode.

    ``r_t + w b``,  ``b = 1 / s`` if ``s <= max_similarity``, else 0,  with ``s = sqrt(sum_i K_i) + constant`` over the
    k nearest earlier observations of the episode (all, as long as there are fewer), and

    ``K_i = epsilon / (max(d_i^2 / m - cluster, 0) + epsilon)``.

    ``d_i`` is the Euclidean distance between the features of ``s_{t+1}`` and of the neighbour, ``m`` the mean of all
    such squared distances so far, those of this step and of earlier episodes included (if it is 0, so are all ratios).
    The bonus is the term ``ngu_bonus``. It is only the episodic half of NGU: the paper multiplies it by a factor from
    random network distillation, which decays over the agent's life.

    Each environment has a memory and a mean of its own: 8 bytes for each number of up to ``capacity`` observations.
    Where ``memory="lifelong"`` they outlive the episode. An episode's first observation is remembered, at its first
    step, and earns nothing. Steps that are not trainable are neither paid nor remembered.

    Timing: ``causal``. Invariance: ``none``.

    Args:
        features: A function of a batch of observations that returns shape ``(num_envs, ...)``, as
            ``"module:function"`` or itself, if it is at the top level of a module. None takes observations as they
            are, which must be arrays of numbers.
        weight: Factor ``w``, any finite number. 0 pays the raw reward. With the other defaults b is often in the tens.
        memory: ``"episodic"``, as in the paper, or ``"lifelong"``.
        encoder_size: Number of outputs of a fixed random network on the features, see
            ``telos.wrappers.intrinsic.RandomEncoder``. 0 uses the features themselves. The paper learns an encoder of
            what the agent controls; give its output as ``features`` and 0 here.
        seed: Of the random network, at least 0.
        k: Neighbours, at least 1.
        epsilon: Of the kernel, above 0.
        cluster: Ratios of squared distances up to it count as the same observation, at least 0.
        constant: Added to the similarity, above 0. The bonus is at most ``w / constant``.
        max_similarity: At least 0.
        capacity: Observations to remember, at least 1; older ones are forgotten. Ours.

    Raises:
        ValueError: If an argument is of no use; if features are no finite numbers, or change their number; if the
            environment has a term ``ngu_bonus`` of its own.

    Source: Badia et al., Never Give Up (ICLR 2020, arXiv 2002.06038), Algorithm 1. The random encoder,
        and that the first observation counts, are ours.
    """

    state: ClassVar[tuple[str, ...]] = ("fresh", "seen", "total", "distances")
    term: ClassVar[str] = "ngu_bonus"

    memory: Literal["lifelong", "episodic"] = "episodic"
    k: int = 10
    epsilon: float = 1e-4
    cluster: float = 0.008
    constant: float = 0.001
    max_similarity: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.public_name()
        for argument in ("epsilon", "cluster", "constant", "max_similarity"):
            setattr(self, argument, check_number(name, argument, getattr(self, argument)))
        if self.epsilon <= 0 or self.constant <= 0:
            raise ValueError(f"{name}: epsilon={self.epsilon} and constant={self.constant} must be above 0.")
        if self.cluster < 0 or self.max_similarity < 0:
            raise ValueError(
                f"{name}: cluster={self.cluster} and max_similarity={self.max_similarity} must be at least 0."
            )

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.total, self.distances = self.zeros(), self.zeros()

    @override
    def remember(self, features: Array, rows: Array) -> Array:
        points = self.encoded(features, rows)
        squared = self.seen.nearest(points, self.k, rows)
        self.seen.add(points, rows)
        known = rows[:, None] & self.xp.isfinite(squared)
        squared = self.where(known, squared, 0.0)
        self.total = self.total + squared.sum(axis=1)
        self.distances = self.distances + known.sum(axis=1)
        mean = self.total / self.distances.clip(min=1.0)
        ratio = squared / self.where(mean > 0, mean, 1.0)[:, None]
        kernel = self.where(known, self.epsilon / ((ratio - self.cluster).clip(min=0.0) + self.epsilon), 0.0)
        similarity = kernel.sum(axis=1) ** 0.5 + self.constant
        return self.where(similarity > self.max_similarity, 0.0, 1.0 / similarity)


@dataclass(eq=False, repr=False)
class RE3Transform(_NeighbourBonus):
    r"""RE3: pays for observations that are far from those seen before; maximises the entropy of visited states.

    ``r_t + w log(1 + |y - y_k|)``, with y the features of ``s_{t+1}`` and ``y_k`` its k-th nearest neighbour among the
    observations remembered (the farthest, as long as there are fewer than k). The mean of the bonus is, up to
    constants, a particle estimate of the entropy. The bonus is the term ``re3_bonus``.

    In the paper neighbours come from a replay buffer, which may also hold later observations. Here they are earlier
    ones of the same environment, so that a reward never changes: 8 bytes for each number of up to ``capacity``
    observations. Where ``memory="episodic"`` they are those of the episode. An episode's first observation is
    remembered, at its first step, and earns nothing. Steps that are not trainable are neither paid nor remembered.

    Timing: ``causal``. Invariance: ``none``.

    Args:
        features: A function of a batch of observations that returns shape ``(num_envs, ...)``, as
            ``"module:function"`` or itself, if it is at the top level of a module. None takes observations as they
            are, which must be arrays of numbers.
        weight: Factor ``w``, any finite number. 0 pays the raw reward.
        memory: ``"lifelong"`` or ``"episodic"``.
        encoder_size: Number of outputs of a fixed random network on the features, see
            ``telos.wrappers.intrinsic.RandomEncoder``. 0 uses the features themselves.
        seed: Of the random network, at least 0.
        k: Which neighbour, at least 1. 3 is the paper's.
        capacity: Observations to remember, at least 1; older ones are forgotten. Ours.

    Raises:
        ValueError: If an argument is of no use; if features are no finite numbers, or change their number; if the
            environment has a term ``re3_bonus`` of its own.

    Source: Seo et al., State Entropy Maximization with Random Encoders (ICML 2021, arXiv 2102.09430); the
        encoder is a small dense network instead of a convolutional one.
    """

    term: ClassVar[str] = "re3_bonus"

    @override
    def remember(self, features: Array, rows: Array) -> Array:
        points = self.encoded(features, rows)
        squared = self.seen.nearest(points, self.k, rows)
        self.seen.add(points, rows)
        known = self.where(self.xp.isfinite(squared), squared, 0.0)
        bonus: Array = self.xp.log1p((-self.xp.smallest(-known, 1)[:, 0]) ** 0.5)
        return bonus
