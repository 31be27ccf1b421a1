"""Gates inside one step: a score counts only if those before it passed.

* ``NestedGatesTransform`` - format, then type, then accuracy, as in UI-S1
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.terms import Array, Terms, check_choice, check_number, check_numbers

__all__ = ["NestedGatesTransform"]


@dataclass(eq=False, repr=False)
class NestedGatesTransform(RewardTransform):
    r"""Nested step gates: in each step a level counts only if all levels before it reached their gates.

    With the levels' scores ``x_1, x_2, ...`` in order, weights ``w_k`` and gates ``g_k``,

    ``r_t = sum_k w_k x_{k,t} prod_{j<k} 1[x_{j,t} >= g_j]``.

    The defaults are those of UI-S1: ``0.1 format + 0.4 1[format] type + 0.5 1[format and type] accuracy``, for
    scores in {0, 1}. Unlike ``GatedReward`` it gates each step by that step's own scores and not by the episode's
    sums, so it pays at once. Terms that are no level are paid as they come.

    Timing: ``causal``. Invariance: ``none`` (it weights and closes terms).

    Info, at the end of each episode: ``nested_gates`` = ``{"open": {level: share of the episode's steps in which it
    counted}, "raw": {level: its raw sum}, "paid": {level: its paid sum}}``.

    Args:
        levels: Weight of each level, in order, the outermost first.
        gates: Gate of each level; 1 for those not listed. -inf never closes.

    Raises:
        ValueError: If a number is of no use or ``gates`` names no level; at the first step, if a term does not exist.

    Source: UI-S1 (arXiv 2509.11543), reward of the authors' code. Gates other than 1 are ours.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"
    state: ClassVar[tuple[str, ...]] = ("opened", "raw", "paid", "steps")

    levels: Mapping[str, float] = field(default_factory=lambda: {"format": 0.1, "type": 0.4, "accuracy": 0.5})
    gates: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        name = self.public_name()
        self.levels = check_numbers(name, "levels", self.levels) or {}
        self.gates = check_numbers(name, "gates", self.gates, infinite=True)
        for level in self.gates or ():
            check_choice(name, "a level in gates", level, self.levels)
            check_number(name, f"gates[{level!r}]", (self.gates or {})[level], infinite=True)

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.opened, self.raw, self.paid = ({level: np.zeros(num_envs) for level in self.levels} for _ in range(3))
        self.steps = np.zeros(num_envs, np.int64)

    @override
    def reset(self, mask: Array) -> None:
        for sums in (self.opened, self.raw, self.paid):
            for total in sums.values():
                total[mask] = 0.0
        self.steps[mask] = 0

    @override
    def named_terms(self) -> Iterable[str]:
        return self.levels

    @override
    def update(self, step: Transition) -> Terms:
        paid = dict(step.terms)
        is_open = step.active & step.trainable
        self.steps += step.active
        for level, weight in self.levels.items():
            score = step.terms[level]
            paid[level] = np.where(is_open, weight * score, 0.0)
            self.opened[level] += is_open
            self.raw[level] += score
            self.paid[level] += paid[level]
            is_open = is_open & (score >= (self.gates or {}).get(level, 1.0))
        return paid

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        share = {level: count / np.maximum(self.steps, 1) for level, count in self.opened.items()}
        raw, paid = ({level: total.copy() for level, total in sums.items()} for sums in (self.raw, self.paid))
        return {"nested_gates": {"open": share, "raw": raw, "paid": paid}}
