"""Accumulated and gated rewards: what stepwise rewards are worth when the outcome is what matters.

* ``AccumulatedRewardTransform`` - D-RA, the weighted sum of all terms
* ``GatedRewardTransform`` - G-RA, terms that count only if those above them reach their gates

Both come from *Stabilizing Long-term Multi-turn Reinforcement Learning with Gated Rewards* (arXiv 2508.10548). Its
numbers for outcome levels, gates and turns could not be read when this was written: every default here is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, Library, RewardTransform, Timing, Transition
from telos.wrappers.hindsight import EpisodeLog, Hindsight, hindsight_info
from telos.wrappers.terms import Array, Terms, check_choice, check_integers, check_number, check_numbers, sum_terms

__all__ = ["AccumulatedRewardTransform", "GatedRewardTransform"]


class _EpisodeSums(RewardTransform):
    """Weights the terms, and keeps each one's sum over the running episode, raw and weighted."""

    weights: Mapping[str, float] | None
    state: ClassVar[tuple[str, ...]] = ("raw_sums",)

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.raw_sums: Terms = {}

    @override
    def reset(self, mask: Array) -> None:
        rows = self.xp.rows(mask)
        for name, total in self.raw_sums.items():
            self.raw_sums[name] = self.xp.blanked(total, rows)

    @override
    def named_terms(self) -> Iterable[str]:
        return self.weights or ()

    def _weigh(self, terms: Mapping[str, Array]) -> Terms:
        """Adds a step to the sums and returns its weighted terms."""
        sums = self.raw_sums
        for name, value in terms.items():
            total = sums.get(name)
            # Not in place: that is three times as slow for a single environment, and infos keep the arrays.
            sums[name] = (self.zeros() if total is None else total) + value
        return self._weighted(terms)

    def _weighted(self, terms: Mapping[str, Array]) -> Terms:
        weighted = dict(terms)
        for name, weight in (self.weights or {}).items():
            if name in weighted:
                weighted[name] = weight * weighted[name]
        return weighted

    @property
    def sums(self) -> Terms:
        """Term name to its weighted sum over the running episode."""
        return self._weighted(self.raw_sums)


@dataclass(eq=False, repr=False)
class AccumulatedRewardTransform(_EpisodeSums):
    r"""Direct reward accumulation (D-RA): pays every term when it is earned, weighted.

    ``r_t = sum_k w_k r_{k,t}``, so that a trajectory is worth ``R = sum_k w_k R_k`` with ``R_k = sum_t r_{k,t}``. This
    is the baseline that ``GatedReward`` answers: an agent that finds stepwise rewards easier than the outcome farms
    them. With all weights 1 it pays the raw reward, to the bit.

    Timing: ``causal``. Invariance: ``none`` (weights other than equal ones move the optimum).

    Info, at the end of each episode: ``accumulated_reward`` = ``{"raw": {term: R_k}, "paid": {term: w_k R_k}}``.

    Args:
        weights: Factor of each term; 1 for those not listed. Any finite number.

    Raises:
        ValueError: If a weight is not finite; at the first step, if a term does not exist.

    Source: arXiv 2508.10548 (D-RA). Weights are ours.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"
    libraries: ClassVar[tuple[Library, ...]] = ("numpy", "torch")

    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        self.weights = check_numbers(self.public_name(), "weights", self.weights)

    @override
    def update(self, step: Transition) -> Terms:
        return self._weigh(step.terms)

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        return {"accumulated_reward": {"raw": dict(self.raw_sums), "paid": self.sums}}


@dataclass(eq=False, repr=False)
class GatedRewardTransform(_EpisodeSums):
    r"""Gated reward accumulation (G-RA): a term counts only if every term above it reached its gate.

    With ``R_k = sum_t r_{k,t}`` over the episode, priorities ``o_k`` (larger is more important) and gates ``g_k``,

    ``R = sum_k m_k w_k R_k``,  ``m_k = prod_{j: o_j > o_k} 1[R_j >= g_j]``.

    The short form, ``GatedReward(env, outcome="outcome", threshold=0.0)``, has two levels: the outcome on top, all
    other terms below it. It is the same as ``priorities={outcome: 1}, gates={outcome: threshold}``.

    Gates compare the raw sums, before weights. A term above which no gate stands is *free* and paid when it is earned.
    The others are *gated*, and what they are worth is known only at the end:

    - ``pay="terminal"`` pays them 0 until the last step, and their gated sums then;
    - ``pay="hindsight"`` pays them nothing; ``info["hindsight"]`` (a ``Hindsight``) holds each step's rewards for the
      learner to write back. Both give the same undiscounted return. With a discount below 1 they differ. A learner of
      returns should take ``terminal``: in hindsight the step that opens the gate is not credited with the earlier
      scores that it releases, which biases its policy gradient.

    An episode that is truncated is scored with the outcome that it has. One that ends with
    ``info["trainable"] = False`` (an infrastructure failure) is paid exactly 0 in that step and no gated sum.
    A ``TimeLimit`` must be inside of this wrapper, or the end of the episode is not seen and gated sums are lost.

    Timing: ``episode``. Invariance: ``none``. Gating is not proof against farming: inside one outcome level the agent
    is still paid for loitering, once the gate is open. What ``low_cap`` adds is a ranking: if the gated terms' total
    is kept within ``[0, low_cap]``, and outcomes (the weighted free terms' total) differ by more than ``low_cap``, an
    episode with a worse outcome is never worth more than one with a better outcome. A gate at the lowest outcome
    makes it D-RA; one above the highest leaves the outcome only.

    Info, at the end of each episode: ``gated_reward`` = ``{"open": {gated term: bool}, "raw": {term: R_k},
    "paid": {term: what it contributed, also in hindsight}}``; with ``pay="hindsight"`` also ``hindsight``.

    Args:
        outcome: Short form: the term on top.
        threshold: Short form: its gate. Our default.
        priorities: General form: priority of each term; 0 for those not listed.
        gates: General form: gate of a term that ``priorities`` lists. Terms without a gate close nothing.
        weights: Factor of each term; 1 for those not listed.
        strict: Open a gate at ``R > g`` and not at ``R >= g``.
        pay: ``"terminal"`` or ``"hindsight"``.
        low_cap: Keeps the total of the gated terms within ``[0, low_cap]``, up to rounding: a total below 0 pays
            nothing, one above the cap is scaled down, each term in proportion. None leaves it as it is. Ours.

    Raises:
        ValueError: If an argument is of no use (the message says why); at the first step, if a term does not exist.

    Source: arXiv 2508.10548 (G-RA). ``weights``, ``strict``, ``pay``, ``low_cap`` and all defaults are ours.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "none"
    state: ClassVar[tuple[str, ...]] = (*_EpisodeSums.state, "log")

    outcome: str = "outcome"
    threshold: float = 0.0
    priorities: Mapping[str, int] | None = None
    gates: Mapping[str, float] | None = None
    weights: Mapping[str, float] | None = None
    strict: bool = False
    pay: Literal["terminal", "hindsight"] = "terminal"
    low_cap: float | None = None

    def __post_init__(self) -> None:
        name = self.public_name()
        check_choice(name, "pay", self.pay, ("terminal", "hindsight"))
        self.threshold = check_number(name, "threshold", self.threshold, infinite=True)
        self.weights = check_numbers(name, "weights", self.weights)
        self.gates = check_numbers(name, "gates", self.gates, infinite=True)
        if self.low_cap is not None:
            self.low_cap = check_number(name, "low_cap", self.low_cap, infinite=True)
            if self.low_cap < 0:
                raise ValueError(f"{name}: low_cap={self.low_cap} must be at least 0.")
        if self.priorities is None:
            if self.gates is not None:
                raise ValueError(f"{name}: gates need priorities; the short form takes outcome and threshold.")
            self._levels, self._gates = {self.outcome: 1}, {self.outcome: self.threshold}
            return
        if (self.outcome, self.threshold) != ("outcome", 0.0):
            raise ValueError(f"{name}: outcome and threshold are short for priorities and gates: give one form.")
        self.priorities = check_integers(name, "priorities", self.priorities)
        for term in self.gates or ():
            check_choice(name, "a term in gates", term, self.priorities)
        self._levels, self._gates = self.priorities, self.gates or {}

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.log = EpisodeLog(num_envs) if self.pay == "hindsight" else None

    @override
    def reset(self, mask: Array) -> None:
        super().reset(mask)
        if self.log is not None:
            self.log.reset(mask)

    @override
    def named_terms(self) -> Iterable[str]:
        return {**self._levels, **dict.fromkeys(self.weights or ())}

    @override
    def update(self, step: Transition) -> Terms:
        weighted = self._weigh(step.terms)
        if self.log is not None:
            self.log.append(step)
        above = {name: self._above(name) for name in weighted}
        paid = {name: np.zeros_like(value) if above[name] else value for name, value in weighted.items()}
        done = step.done
        if done.any():
            opened, factor = self._judge(step)
            self._closing = opened, factor
            if self.pay == "terminal":
                sums = self.sums
                for name, factors in factor.items():
                    paid[name] = np.where(done, _product(factors, sums[name]), 0.0)
        return paid

    def _above(self, name: str) -> list[str]:
        """Returns the terms whose gates must open for ``name`` to count."""
        level = self._levels.get(name, 0)
        return [other for other in self._gates if self._levels[other] > level]

    def _judge(self, step: Transition) -> tuple[Terms, Terms]:
        """Returns whether each gated term is open (bool), and the factor of its sum; shapes ``(num_envs,)``."""
        reached = {
            name: self.raw_sums[name] > gate if self.strict else self.raw_sums[name] >= gate
            for name, gate in self._gates.items()
        }
        opened: Terms = {}
        for name in self.raw_sums:
            if above := self._above(name):
                opened[name] = np.logical_and.reduce([step.trainable, *(reached[other] for other in above)])
        factor = {name: is_open.astype(np.float64) for name, is_open in opened.items()}
        if self.low_cap is not None and factor:
            sums = self.sums
            total = sum_terms({name: _product(share, sums[name]) for name, share in factor.items()})
            capped = np.clip(total, 0.0, self.low_cap)
            scale = np.divide(capped, total, out=np.ones_like(total), where=capped != total)
            factor = {name: share * scale for name, share in factor.items()}
        return opened, factor

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        opened, factor = self._closing
        worth = {
            name: _product(factor[name], total) if name in factor else total.copy() for name, total in self.sums.items()
        }
        info: dict[str, Any] = {"gated_reward": {"open": opened, "raw": dict(self.raw_sums), "paid": worth}}
        if self.log is not None:
            done = np.flatnonzero(step.done).tolist()
            finished = {env: self._rewritten(self.log.episode(env, step).terms, env) for env in done}
            info |= hindsight_info(self.num_envs, finished)
        return info

    def _rewritten(self, raw: Mapping[str, Array], env: int) -> Hindsight:
        weights, (_, factor) = self.weights or {}, self._closing
        terms = {name: weights.get(name, 1.0) * steps for name, steps in raw.items()}
        terms = {name: factor[name][env] * steps if name in factor else steps for name, steps in terms.items()}
        return Hindsight(dict(raw), terms)


def _product(factor: Array, total: Array) -> Array:
    """``factor * total``, but 0 where the factor is 0, even if the total is not finite."""
    product: Array = np.multiply(factor, total, out=np.zeros_like(total), where=factor != 0)
    return product
