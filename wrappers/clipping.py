"""Step scores that cannot be farmed: clipped, differenced, or both.

* ``ClipRewardTransform`` - scores above a threshold are worth nothing, those below cost
* ``DeltaRewardTransform`` - a score is paid back by the next one
* ``ClipDeltaRewardTransform`` - first one, then the other

All come from *On Designing Effective RL Reward at Training Time for LLM Reasoning* (arXiv 2410.15115). A raw process
reward model as a training reward is hacked by repeating trivially right steps; these bound what that can earn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.episodes import Episode
from telos.wrappers.hindsight import HindsightTransform
from telos.wrappers.terms import Array, Terms, check_choice, check_number

__all__ = ["ClipDeltaRewardTransform", "ClipRewardTransform", "DeltaRewardTransform"]


@dataclass(eq=False, repr=False)
class ClipRewardTransform(RewardTransform):
    r"""Clip: a step's score is worth at most nothing.

    ``r_k <- w min(r_k - eta, 0)``: steps that score ``eta`` or more pay 0, worse ones cost. Other terms are paid as
    they come. It is not ``gymnasium.wrappers.ClipReward``, which clips the total to an interval.

    Timing: ``causal``. Invariance: ``none``. A longer episode never earns more, so repeating good steps is not worth
    while; but as each imperfect step costs, ending early is, if ``weight`` is large against the outcome.

    Args:
        term: The term that holds the step's score.
        threshold: ``eta``, any finite number. Pick it so that most steps pay 0. Our default, for scores in [0, 1].
        weight: Factor ``w``, any finite number. 1 is our default.

    Raises:
        ValueError: If a number is not finite; at the first step, if the term does not exist.

    Source: arXiv 2410.15115 (Clip mechanism).
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"

    term: str = "process"
    threshold: float = 0.9
    weight: float = 1.0

    def __post_init__(self) -> None:
        self.threshold = check_number(self.public_name(), "threshold", self.threshold)
        self.weight = check_number(self.public_name(), "weight", self.weight)

    @override
    def reset(self, mask: Array) -> None:
        pass

    @override
    def named_terms(self) -> Iterable[str]:
        return (self.term,)

    @override
    def update(self, step: Transition) -> Terms:
        score = self.weight * np.minimum(step.terms[self.term] - self.threshold, 0.0)
        return {**step.terms, self.term: np.where(step.active, score, 0.0)}


class _Differences(HindsightTransform):
    """Pays each score minus the one after it; the last one in full."""

    term: str
    weight: float
    pay: Literal["hindsight", "delayed"]
    state: ClassVar[tuple[str, ...]] = (*HindsightTransform.state, "previous", "begun")

    def __post_init__(self) -> None:
        check_choice(self.public_name(), "pay", self.pay, ("hindsight", "delayed"))
        self.weight = check_number(self.public_name(), "weight", self.weight)

    def score(self, value: Array) -> Array:
        """Returns what is differenced, of any shape."""
        return self.weight * value

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.previous = np.zeros(num_envs)
        self.begun = np.zeros(num_envs, np.bool_)

    @override
    def reset(self, mask: Array) -> None:
        super().reset(mask)
        self.begun[mask] = False

    @override
    def named_terms(self) -> Iterable[str]:
        return (self.term,)

    @override
    def withheld(self, terms: Iterable[str]) -> Iterable[str]:
        return (self.term,)

    @override
    def credit(self, episode: Episode, env: int) -> Terms:
        score = self.score(episode.terms[self.term])
        score[:-1] -= score[1:]
        return {self.term: score}

    @override
    def update(self, step: Transition) -> Terms:
        if self.pay == "hindsight":
            return super().update(step)
        score = self.score(np.asarray(step.terms[self.term], np.float64))
        # The last step owes both r_{K-2} - r_{K-1} and r_{K-1}.
        owed = np.where(step.done, 0.0, score)
        paid = np.where(self.begun, self.previous - owed, np.where(step.done, score, 0.0))
        self.previous = np.where(step.active, score, self.previous)
        self.begun = self.begun | step.active
        return {**step.terms, self.term: np.where(step.active, paid, 0.0)}


@dataclass(eq=False, repr=False)
class DeltaRewardTransform(_Differences):
    r"""Delta: a step's score is paid back by the next step's.

    ``r_k <- w (r_k - r_{k+1})`` for all steps but the last, ``r_{K-1} <- w r_{K-1}``. The undiscounted rewards from
    step k on add up to ``w r_k``, and those of an episode to ``w`` times its first score, however long it is. Other
    terms are paid as they come.

    ``r_{k+1}`` is known only one step later:

    - ``pay="hindsight"`` pays 0, and ``info["hindsight"]`` (a ``Hindsight``) holds the rewards of each step in its
      place, as published. Learn from these;
    - ``pay="delayed"`` pays ``w (r_k - r_{k+1})`` in step k + 1, and with the last step also what it is due itself.
      The episode's sum is the same, the credit is not: undiscounted, the rewards from step k >= 1 on add up to
      ``w r_{k-1}``, whatever is done from step k on, so that only the first action is credited. No payment that looks
      at the past alone can do better. It is there for logs and for one-step credit with small discounts.

    A truncated episode is closed like a terminated one. One whose last step is not trainable is paid 0 there.

    Timing: ``episode``. Invariance: ``none``: it looks like potential-based shaping, but the last score is paid in
    full, and is a potential of the state only if the score is.

    Args:
        term: The term that holds the step's score.
        weight: Factor ``w``, any finite number. 1 is our default.
        pay: ``"hindsight"`` or ``"delayed"``.

    Raises:
        ValueError: If an argument is of no use; at the first step, if the term does not exist.

    Source: arXiv 2410.15115 (Delta mechanism). ``pay`` is ours.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "none"

    term: str = "process"
    weight: float = 1.0
    pay: Literal["hindsight", "delayed"] = "hindsight"


@dataclass(eq=False, repr=False)
class ClipDeltaRewardTransform(_Differences):
    r"""Clip, then Delta: differences of clipped scores.

    ``c_k = min(r_k - eta, 0)``;  ``r_k <- w (c_k - c_{k+1})``, the last step ``w c_{K-1}``. The undiscounted rewards
    of an episode add up to ``w c_0 <= 0``, however long it is. See ``DeltaReward`` for ``pay``.

    Timing: ``episode``. Invariance: ``none``.

    Args:
        term: The term that holds the step's score.
        threshold: ``eta``, any finite number. Our default, for scores in [0, 1].
        weight: Factor ``w``, any finite number. 1 is our default.
        pay: ``"hindsight"`` or ``"delayed"``.

    Raises:
        ValueError: If an argument is of no use; at the first step, if the term does not exist.

    Source: arXiv 2410.15115 (Clip and Delta together). ``pay`` is ours.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "none"

    term: str = "process"
    threshold: float = 0.9
    weight: float = 1.0
    pay: Literal["hindsight", "delayed"] = "hindsight"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.threshold = check_number(self.public_name(), "threshold", self.threshold)

    @override
    def score(self, value: Array) -> Array:
        return self.weight * np.minimum(value - self.threshold, 0.0)
