"""The outcome alone: what every other reward idea has to beat.

* ``OutcomeRewardTransform`` - pays one term and nothing else
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.terms import Array, Terms

__all__ = ["OutcomeRewardTransform"]


@dataclass(eq=False, repr=False)
class OutcomeRewardTransform(RewardTransform):
    r"""Outcome only: pays the outcome when it is earned, and 0 for every other term.

    ``r_t = r_{outcome,t}``. The baseline that needs no shaping: where exploration is easy it is hard to beat. It is
    what ``GatedReward`` pays with a gate above the highest outcome.

    Timing: ``causal``. Invariance: ``none`` with regard to the sum of all terms. With regard to the outcome it is the
    task itself.

    Args:
        outcome: The term to pay.

    Raises:
        ValueError: At the first step, if the term does not exist.

    Source: common practice; the comparison in arXiv 2508.10548 and arXiv 2410.15115.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"

    outcome: str = "outcome"

    @override
    def reset(self, mask: Array) -> None:
        pass

    @override
    def named_terms(self) -> Iterable[str]:
        return (self.outcome,)

    @override
    def update(self, step: Transition) -> Terms:
        return {name: value if name == self.outcome else np.zeros_like(value) for name, value in step.terms.items()}
