"""Several scores, each paid at the end of its own kind of segment.

* ``SegmentRewardTransform`` - fine-grained rewards
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.signals import Signal
from telos.wrappers.terms import Array, Terms, check_choice, check_numbers

__all__ = ["SegmentRewardTransform"]


@dataclass(eq=False, repr=False)
class SegmentRewardTransform(RewardTransform):
    r"""Segment-wise rewards (fine-grained RLHF): each term is paid at the end of its own segments.

    With ``S_j`` the sum of term k over its j-th segment, which ends in step ``T_j``,

    ``r_t = sum_k sum_j 1[t = T_j^k] w_k (S_j^k - m_k) / s_k``.

    Inside a segment the term pays 0. The end of an episode, truncated or not, ends all segments; one whose last step
    is not trainable is paid nothing for them. Terms without boundaries are paid as they come. Boundaries ``"episode"``
    everywhere give the holistic reward that the paper compares to; without m_k all boundaries give the same
    undiscounted return.

    Timing: ``episode``. Invariance: ``none`` (weights and means make it another task; a mean other than 0 pays for
    having more, or fewer, segments).

    Info, at the end of each episode: ``segments`` = ``{term: number of segments}``.

    Args:
        boundaries: Term to where its segments end: ``"episode"``; a number n for every n steps; or a signal that is
            not 0 in the steps that end one, see ``telos.wrappers.signals.Signal``: a term, ``"info:key"`` or
            ``"module:function"``.
        weights: ``w_k``; 1 for those not listed.
        means: ``m_k``; 0 for those not listed.
        stds: ``s_k``, above 0; 1 for those not listed.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term does not exist; if ``info`` lacks a
            boundary.

    Source: Fine-Grained RLHF (arXiv 2306.01693), reward of the authors' code (there: relevance at 0.3 for each
    sub-sentence, factuality at 0.5 for each sentence, standardised completeness at 0.3 at the end).
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "none"
    state: ClassVar[tuple[str, ...]] = ("sums", "lengths", "segments")

    boundaries: Mapping[str, int | str | Callable[[Transition], Array]] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    means: Mapping[str, float] | None = None
    stds: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        name = self.public_name()
        if not isinstance(self.boundaries, Mapping):
            raise ValueError(f"{name}: boundaries={self.boundaries!r} must map terms to where their segments end.")
        self._every: dict[str, int] = {}
        self._signals: dict[str, Signal] = {}
        for term, boundary in self.boundaries.items():
            if isinstance(boundary, (int, np.integer)) and not isinstance(boundary, bool):
                if boundary < 1:
                    raise ValueError(f"{name}: boundaries[{term!r}]={boundary} must be at least 1 step.")
                self._every[term] = int(boundary)
            elif isinstance(boundary, str) or callable(boundary):
                if boundary != "episode":
                    self._signals[term] = Signal(name, f"boundaries[{term!r}]", boundary)
            else:
                raise ValueError(
                    f'{name}: boundaries[{term!r}]={boundary!r} must be "episode", a number of steps, or a signal.'
                )
        self.boundaries = {
            str(term): self._every.get(term) or (self._signals[term].name if term in self._signals else "episode")
            for term in self.boundaries
        }
        self.weights = check_numbers(name, "weights", self.weights)
        self.means = check_numbers(name, "means", self.means)
        self.stds = check_numbers(name, "stds", self.stds)
        for argument in ("weights", "means", "stds"):
            for term in getattr(self, argument) or ():
                check_choice(name, f"a term in {argument}", term, self.boundaries)
        for term, deviation in (self.stds or {}).items():
            if deviation <= 0:
                raise ValueError(f"{name}: stds[{term!r}]={deviation} must be above 0.")

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.sums: Terms = {term: np.zeros(num_envs) for term in self.boundaries}
        self.lengths: Terms = {term: np.zeros(num_envs, np.int64) for term in self.boundaries}
        self.segments: Terms = {term: np.zeros(num_envs, np.int64) for term in self.boundaries}

    @override
    def reset(self, mask: Array) -> None:
        for counters in (self.sums, self.lengths, self.segments):
            for values in counters.values():
                values[mask] = 0

    @override
    def named_terms(self) -> Iterable[str]:
        return [*self.boundaries, *(signal.term for signal in self._signals.values() if signal.term)]

    @override
    def update(self, step: Transition) -> Terms:
        paid = dict(step.terms)
        for term in self.boundaries:
            self.sums[term] += step.terms[term]
            self.lengths[term] += step.active
            ends = step.active & (step.done | self._ends(term, step))
            score = (self.sums[term] - (self.means or {}).get(term, 0.0)) / (self.stds or {}).get(term, 1.0)
            paid[term] = np.where(ends, (self.weights or {}).get(term, 1.0) * score, 0.0)
            self.segments[term] += ends
            self.sums[term][ends] = 0.0
            self.lengths[term][ends] = 0
        return paid

    def _ends(self, term: str, step: Transition) -> Array:
        """Returns where a segment of the term ends by its own boundary, shape ``(num_envs,)``, bool."""
        if term in self._every:
            return np.asarray(self.lengths[term] >= self._every[term])
        if term not in self._signals:
            return np.zeros(self.num_envs, np.bool_)
        ends = self._signals[term](step)
        if ends.shape != (self.num_envs,):
            raise ValueError(
                f"{self.public_name()}: boundaries[{term!r}] has shape {ends.shape}, not {(self.num_envs,)}."
            )
        return np.asarray((ends != 0) & ~np.isnan(ends))

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        return {"segments": {term: count.copy() for term, count in self.segments.items()}}
