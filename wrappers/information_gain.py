"""Dense turn rewards: how much each turn raised the belief in the right answer.

* ``InformationGainTransform`` - the turn reward of IGPO
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.signals import INFO, Signal, evaluate, function_name, load_function
from telos.wrappers.terms import Array, Terms, check_choice, check_number

__all__ = ["InformationGainTransform"]

_SAME = 1e-12
"""Gains whose standard deviation is not above this do not differ but by rounding."""


@dataclass(eq=False, repr=False)
class InformationGainTransform(RewardTransform):
    r"""Information gain (IGPO): pays the change of the belief in the right answer.

    With ``b_t`` the belief after turn t, the (mean) log-probability of the right answer, and ``b_0`` that before the
    first turn,

    ``g_t = b_t - b_{t-1}``  (``gain="log"``)  or  ``g_t = exp(b_t) - exp(b_{t-1})``  (``gain="probability"``).

    The term ``information_gain`` pays ``w (g_t - m) / s``:

    - ``normalise="std"``: s is the standard deviation of the gains so far, m = 0;
    - ``normalise="zscore"``: m is their mean as well, the paper's choice for a group of rollouts. It fines every turn
      that gains less than the average one, so that few turns beat many;
    - ``normalise="none"``: s = 1, m = 0.

    Gains so far are those of this environment, in this and earlier episodes, this one included; s = 1 as long as they
    do not differ. The paper normalises over a group of rollouts of one question, after the fact: a learner that has
    the group should use ``"none"`` and normalise itself.

    The turn that *terminates* the episode is paid no gain, as in the paper, where it is the answer and earns the
    outcome. With ``terminal_zero=True`` it pays ``-b_{T-1}`` instead (a belief of 0 after the end; ``-exp(b_{T-1})``
    with ``"probability"``), which takes back what was paid. A truncated episode's last turn is a turn like any other.

    Timing: ``causal``. Invariance: ``conditional``: exact with ``normalise="none"`` and ``terminal_zero=True`` for a
    learner that does not discount, bootstraps at truncations and sees the belief's history (it is then potential-based
    shaping with the belief as potential). Otherwise the reward adds a bonus ``w (b_{T-1} - b_0)`` for ending
    convinced, bounded above by ``-w b_0`` as long as beliefs are logarithms of probabilities.

    Args:
        belief: ``b_t``, log-probability of the right answer after the step: ``"info:key"``, or ``"module:function"`` of
            a batch of observations, shape ``(num_envs,)`` (then b_0 is that of the first observation).
        prior: ``b_0`` if the belief comes from ``info``, which a step does not show for the reset. None pays no gain
            in the first turn.
        gain: ``"log"`` or ``"probability"``.
        normalise: ``"std"``, ``"zscore"`` or ``"none"``. The default is ours: in our toy of finding clues with a
            start from random policies, subtracting the mean made training worse than the outcome alone.
        weight: Factor ``w``, any finite number. 0 pays the raw reward.
        terminal_zero: Whether the belief counts as 0 after a termination.

    Raises:
        ValueError: If an argument is of no use; if ``info`` lacks the belief in a step; if the environment has a term
            ``information_gain`` of its own.

    Source: IGPO (arXiv 2510.14967), turn reward; ``"probability"`` is the authors' code. Running statistics,
    ``"std"``, ``prior`` and ``terminal_zero`` are ours.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "conditional"
    observes: ClassVar[bool] = True
    state: ClassVar[tuple[str, ...]] = ("last", "count", "mean", "squares")

    belief: str | Callable[[Any], Array] = "info:answer_log_prob"
    prior: float | None = None
    gain: Literal["log", "probability"] = "log"
    normalise: Literal["std", "zscore", "none"] = "std"
    weight: float = 1.0
    terminal_zero: bool = False

    def __post_init__(self) -> None:
        name = self.public_name()
        check_choice(name, "gain", self.gain, ("log", "probability"))
        check_choice(name, "normalise", self.normalise, ("std", "zscore", "none"))
        self.weight = check_number(name, "weight", self.weight)
        self._signal: Signal | None = None
        if callable(self.belief):
            self.belief = function_name(name, "belief", self.belief)
        if self.belief.startswith(INFO):
            self._signal = Signal(name, "belief", self.belief)
        elif ":" in self.belief:
            self._function = load_function(name, "belief", self.belief)
        else:
            raise ValueError(f'{name}: belief={self.belief!r} must be "{INFO}key" or "module:function".')
        # Beliefs from info need no observations, which logged episodes may lack.
        vars(self)["observes"] = self._signal is None
        if self.prior is not None:
            if self._signal is None:
                raise ValueError(f"{name}: prior is for beliefs from info; {self.belief!r} knows the first one itself.")
            self.prior = check_number(name, "prior", self.prior)

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.last = np.full(num_envs, np.nan)
        self.count, self.mean, self.squares = np.zeros((3, num_envs))

    @override
    def reset(self, mask: Array) -> None:
        self.last[mask] = np.nan if self.prior is None else self._worth(np.asarray(self.prior))

    @override
    def update(self, step: Transition) -> Terms:
        if "information_gain" in step.terms:
            raise ValueError(f"{self.public_name()}: there already is a term 'information_gain'; wrap only once.")
        now = self._belief(step, step.next_obs)
        before = self.last if self._signal is not None else self._belief(step, step.obs)
        live = step.active & step.trainable
        if self.terminal_zero:
            now = np.where(step.terminated, 0.0, now)
        earns = live & ~np.isnan(before) & (self.terminal_zero | ~step.terminated)
        gain = np.where(earns, now - before, 0.0)
        self.last = np.where(live, now, self.last)
        paid = np.where(earns, self.weight * self._normalised(gain, earns), 0.0)
        return {**step.terms, "information_gain": paid}

    def _belief(self, step: Transition, obs: Any) -> Array:
        if self._signal is None:
            return self._worth(evaluate(self.public_name(), str(self.belief), self._function, obs, self.num_envs))
        belief = self._signal(step)
        if belief.shape != (self.num_envs,):
            raise ValueError(f"{self.public_name()}: {self.belief!r} has shape {belief.shape}, not {(self.num_envs,)}.")
        return self._worth(belief)

    def _worth(self, belief: Array) -> Array:
        return belief if self.gain == "log" else np.asarray(np.exp(belief))

    def _normalised(self, gain: Array, earns: Array) -> Array:
        if self.normalise == "none":
            return gain
        self.count = self.count + earns
        count = np.maximum(self.count, 1.0)
        off = np.where(earns, gain - self.mean, 0.0)
        self.mean = self.mean + off / count
        self.squares = self.squares + off * (gain - self.mean)
        deviation = np.sqrt(np.maximum(self.squares, 0.0) / count)
        scale = np.where(deviation > _SAME, deviation, 1.0)
        return (gain - (self.mean if self.normalise == "zscore" else 0.0)) / scale
