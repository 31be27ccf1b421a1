"""Consistency that multiplies the result instead of being added to it.

* ``MultiplicativeConsistencyTransform`` - R1-Reward
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.terms import Array, Terms, check_number

__all__ = ["MultiplicativeConsistencyTransform"]


@dataclass(eq=False, repr=False)
class MultiplicativeConsistencyTransform(RewardTransform):
    r"""R1-Reward: consistency is worth something only together with a right result.

    ``r_t = result_t + w_c max(result_t, 0) C_t + w_f format_t``,  ``C_t = 1/t sum_{k<=t} consistency_k``.

    In a task of one step with results in {0, 1} this is the published reward, ``Result (1 + 0.5 Consistency) +
    0.5 Format``. Three things are ours: the mean over the steps so far (so that consistency in [0, 1] is never worth
    more than ``w_c`` times the result, however long the episode), paying ``format`` in every step, and leaving
    results below 0 alone (a wrong answer is not punished for being consistent).

    The paid terms keep the names: ``result_t`` under ``result``, the product under ``consistency``, ``w_f format_t``
    under ``format``. Other terms are paid as they come.

    Timing: ``causal``. Invariance: ``none``. Among episodes with the same positive result the consistent one is worth
    more; ``format`` pays whatever the result is, and in long episodes can be farmed.

    Args:
        result: The term of the result.
        consistency: The term of the consistency score, in [0, 1] for the bound above.
        format: The term of the format score.
        consistency_weight: ``w_c``, at least 0. 0.5 is the paper's.
        format_weight: ``w_f``, any finite number. 0.5 is the paper's.

    Raises:
        ValueError: If two terms are the same or a weight is of no use; at the first step, if a term does not exist.

    Source: R1-Reward (arXiv 2505.02835), reward of the authors' code.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"
    state: ClassVar[tuple[str, ...]] = ("total", "steps")

    result: str = "outcome"
    consistency: str = "consistency"
    format: str = "format"
    consistency_weight: float = 0.5
    format_weight: float = 0.5

    def __post_init__(self) -> None:
        name = self.public_name()
        self.consistency_weight = check_number(name, "consistency_weight", self.consistency_weight)
        self.format_weight = check_number(name, "format_weight", self.format_weight)
        if self.consistency_weight < 0:
            raise ValueError(f"{name}: consistency_weight={self.consistency_weight} must be at least 0.")
        if len({self.result, self.consistency, self.format}) < 3:
            raise ValueError(
                f"{name}: result={self.result!r}, consistency={self.consistency!r} and format={self.format!r} must be "
                "three different terms."
            )

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.total = np.zeros(num_envs)
        self.steps = np.zeros(num_envs, np.int64)

    @override
    def reset(self, mask: Array) -> None:
        self.total[mask] = 0.0
        self.steps[mask] = 0

    @override
    def named_terms(self) -> Iterable[str]:
        return self.result, self.consistency, self.format

    @override
    def update(self, step: Transition) -> Terms:
        self.total += step.terms[self.consistency]
        self.steps += step.active
        mean = self.total / np.maximum(self.steps, 1)
        return {
            **step.terms,
            self.consistency: self.consistency_weight * np.maximum(step.terms[self.result], 0.0) * mean,
            self.format: self.format_weight * step.terms[self.format],
        }
