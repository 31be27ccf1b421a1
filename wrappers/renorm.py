"""Process and outcome scores, centred and added.

* ``ReNormTransform`` - reward normalisation of Principle Process Reward, with a sum or a mean over steps
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, Timing
from telos.wrappers.episodes import Episode
from telos.wrappers.hindsight import HindsightTransform
from telos.wrappers.terms import Terms, check_choice, check_number

__all__ = ["ReNormTransform"]


@dataclass(eq=False, repr=False)
class ReNormTransform(HindsightTransform):
    r"""ReNorm: each step earns its own score and the episode's outcome, both centred.

    With step scores ``p_t`` and the outcome ``o = sum_t r_{outcome,t}`` of an episode of T steps,

    ``r_t = n ((p_t - c) + (o - c))``,  ``n = 1`` for ``reduce="sum"`` and ``1 / T`` for ``reduce="mean"``.

    For scores and outcomes in [0, 1] and ``c = 1/2`` that is ``n (p_t + o - 1)``: in [o - 1, o] before n, so that no
    step of a failed episode (o = 0) is paid more than 0, and none of a success (o = 1) less.

    ``p_t - c`` is paid as the term ``process`` and ``o - c`` as the term ``outcome``; other terms are paid as they
    come. Both are known only at the end:

    - ``pay="terminal"`` pays 0 until the last step, and both sums then;
    - ``pay="hindsight"`` pays nothing; ``info["hindsight"]`` (a ``Hindsight``) holds each step's rewards.

    A truncated episode is scored with the outcome that it has; one whose last step is not trainable is paid 0.

    Timing: ``episode``. Invariance: ``none``. With ``reduce="sum"`` a success earns more the longer it takes, as all
    its steps earn: the optimum loiters wherever loitering scores above 0. With ``"mean"`` length is worth nothing by
    itself, but an agent still loiters where loitering scores above its mean.

    Args:
        process: The term that holds the step's score.
        outcome: The term that holds the outcome.
        reduce: ``"mean"`` (our default) or ``"sum"``.
        centre: ``c``, any finite number. One half for scores and outcomes in [0, 1].
        pay: ``"terminal"`` or ``"hindsight"``.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term does not exist.

    Source: Principle Process Reward (arXiv 2509.25598). The formula is reconstructed from its abstract and public
    reviews and has not been compared to the paper's text; ``reduce``, ``centre`` and ``pay`` are ours.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "none"

    process: str = "process"
    outcome: str = "outcome"
    reduce: Literal["mean", "sum"] = "mean"
    centre: float = 0.5
    pay: Literal["terminal", "hindsight"] = "terminal"

    def __post_init__(self) -> None:
        name = self.public_name()
        check_choice(name, "reduce", self.reduce, ("mean", "sum"))
        check_choice(name, "pay", self.pay, ("terminal", "hindsight"))
        self.centre = check_number(name, "centre", self.centre)
        if self.process == self.outcome:
            raise ValueError(f"{name}: process and outcome are both {self.outcome!r}; they must be different terms.")

    @override
    def named_terms(self) -> Iterable[str]:
        return self.process, self.outcome

    @override
    def withheld(self, terms: Iterable[str]) -> Iterable[str]:
        return self.process, self.outcome

    @override
    def credit(self, episode: Episode, env: int) -> Terms:
        scores = episode.terms[self.process]
        share = 1.0 / len(scores) if self.reduce == "mean" else 1.0
        result = episode.terms[self.outcome].sum()
        return {
            self.process: share * (scores - self.centre),
            self.outcome: np.full_like(scores, share * (result - self.centre)),
        }
