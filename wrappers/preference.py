"""A bounded reward: the probability of being preferred to reference behaviour.

* ``PreferenceAsRewardTransform`` - PAR
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.signals import INFO, Signal
from telos.wrappers.terms import Array, Terms, check_number

__all__ = ["PreferenceAsRewardTransform"]


@dataclass(eq=False, repr=False)
class PreferenceAsRewardTransform(RewardTransform):
    r"""Preference as reward (PAR): how likely the episode beats reference episodes of the same start.

    With ``S = sum_t r_{term,t}`` the episode's score and ``S_1 .. S_M`` scores of references,

    ``R = 1/M sum_m sigmoid(k (S - S_m))``, in (0, 1),

    paid with the last step; until then the term pays 0. Other terms are paid as they come. By the Bradley-Terry model
    of the score each sigmoid is the probability that a judge prefers this episode to the reference. The sums over
    steps are ours: the paper scores one response, an episode of one step.

    References should come from the policy that training starts from, one set for each start: let the environment put
    them into ``info`` at the end of its episodes, or, if all starts are alike, give them as numbers.

    Timing: ``episode``. Invariance: ``conditional``: R increases strictly in S. Deterministic optimal policies stay
    optimal if dynamics and scores are deterministic, the learner does not discount, the term is the only one, and the
    references depend on the start alone. With chance, R prefers many small wins to a rare large one. In floating
    point R saturates: at ``k (S - S_m)`` above about 37 all scores pay 1.

    A truncated episode is judged like a terminated one; one whose last step is not trainable is paid 0.

    Info, at the end of each episode: ``preference`` = ``{"score": S, "reward": R}``.

    Args:
        term: The term that holds the score.
        references: Scores of the references: one or more numbers; or ``"info:key"`` or ``"module:function"``, which
            give shape ``(num_envs,)`` or ``(num_envs, M)`` at the last step, see ``telos.wrappers.signals.Signal``.
        slope: ``k``, above 0. 1 is the value of the authors' code.

    Raises:
        ValueError: If an argument is of no use; at the first step, if the term does not exist; at the end of an
            episode, if ``info`` holds no references.

    Source: PAR (arXiv 2502.18770), reward of the authors' code, with M = 10 there; the paper finds one reference
    enough. PAR bounds what a wrong score can earn. It does not stop a policy from finding it.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "conditional"
    state: ClassVar[tuple[str, ...]] = ("score",)

    term: str = "outcome"
    references: Sequence[float] | str = field(default_factory=lambda: [0.0])
    slope: float = 1.0

    def __post_init__(self) -> None:
        name = self.public_name()
        self.slope = check_number(name, "slope", self.slope)
        if self.slope <= 0:
            raise ValueError(f"{name}: slope={self.slope} must be above 0.")
        self._signal: Signal | None = None
        if isinstance(self.references, str):
            if ":" not in self.references:
                raise ValueError(
                    f'{name}: references={self.references!r} must be numbers, "{INFO}key" or "module:function".'
                )
            self._signal = Signal(name, "references", self.references)
            return
        self.references = [check_number(name, "references", value) for value in self.references]
        if not self.references:
            raise ValueError(f"{name}: references is empty; give at least one score of a reference.")

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.score = np.zeros(num_envs)

    @override
    def reset(self, mask: Array) -> None:
        self.score[mask] = 0.0

    @override
    def named_terms(self) -> Iterable[str]:
        return (self.term,)

    @override
    def update(self, step: Transition) -> Terms:
        self.score += step.terms[self.term]
        self._paid = np.zeros(self.num_envs)
        done = step.done & step.trainable
        if done.any():
            self._paid[done] = self._win_rate(step)[done]
        return {**step.terms, self.term: self._paid}

    def _win_rate(self, step: Transition) -> Array:
        if self._signal is None:
            references = np.broadcast_to(np.asarray(self.references, np.float64), (self.num_envs, len(self.references)))
        else:
            # Rows that do not end need not hold references.
            references = self._signal(step, step.done & step.trainable).reshape(self.num_envs, -1)
        # tanh and not 1 / (1 + exp): it cannot overflow.
        margin = self.slope * (self.score[:, None] - references)
        rate: Array = (0.5 * (1.0 + np.tanh(0.5 * margin))).mean(axis=1)
        return rate

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        return {"preference": {"score": self.score.copy(), "reward": self._paid.copy()}}
