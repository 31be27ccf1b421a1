"""Signs that training games its reward.

* ``CollapseAlarmTransform`` - the shaped return rises while the outcome falls
* ``spearman`` - rank correlation
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, Timing, Transition
from telos.wrappers.signals import Signal, SignalTransform
from telos.wrappers.terms import Array, Terms, check_number, check_numbers, sum_terms

__all__ = ["CollapseAlarmTransform", "spearman"]


def spearman(one: Array, other: Array) -> float:
    """Returns Spearman's rank correlation of two series, with mean ranks for ties.

    A series that never changes has no trend, so here it counts as uncorrelated. Where that is not to be mistaken for
    noise, ``telos.wrappers.diagnostics.hacking_gap`` is NaN instead.

    Args:
        one: Shape ``(n,)``, without NaN.
        other: Shape ``(n,)``.

    Returns:
        In [-1, 1]; 0 if either is constant, as series of less than two numbers are.
    """
    ranks = np.stack([_centred_ranks(one), _centred_ranks(other)])
    size = np.sqrt((ranks**2).sum(axis=1).prod())
    return float((ranks[0] * ranks[1]).sum() / size) if size > 0 else 0.0


def _centred_ranks(values: Array) -> Array:
    """Returns twice the mean ranks less twice their mean: whole numbers, so that sums of them are exact."""
    ordered = np.sort(values)
    twice = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    centred: Array = (twice - len(values)).astype(np.float64)
    return centred


@dataclass(eq=False, repr=False)
class CollapseAlarmTransform(SignalTransform):
    r"""Collapse alarm: reports when the return rises while the outcome falls. It pays what it is given.

    Put it outside of the wrappers that shape. Over the last ``window`` episodes of an environment, with returns
    ``R_i`` as they are paid and outcomes ``o_i``, it computes Spearman correlations

    - ``return_trend`` of ``R_i`` with i, ``outcome_trend`` of ``o_i`` with i, and
    - ``agreement`` of ``R_i`` with ``o_i``: below 0 the shaping pays for worse outcomes.

    The alarm is on if the window is full, ``return_trend >= threshold`` and ``outcome_trend <= -threshold``. For a
    policy that does not change, a trend has a standard deviation of ``1 / sqrt(window - 1)``, 0.1 for the default
    window, so that small windows raise false alarms.

    Episodes whose last step is not trainable are left out.

    Timing: ``causal``. Invariance: ``exact`` (it changes nothing).

    Info, at the end of each episode: ``collapse_alarm`` = ``{"alarm": bool, "return_trend", "outcome_trend",
    "agreement", "episodes": how many are in the window, "gates": {term: share of them that reached its gate}}``.

    Args:
        outcome: The outcome: a term, whose sum over the episode counts (as it is paid to this wrapper: name one that
            the shaping leaves alone); or ``"info:key"``, such as ``"info:grade.resolved"``, or ``"module:function"``
            of the last ``Transition``, see ``telos.wrappers.signals.Signal``.
        window: Episodes to look back, at least 2. Our default.
        threshold: Size of the trends that raise the alarm, in (0, 1]. Our default.
        gates: Term to a gate: which share of episodes reached it, by its sum as it is paid to this wrapper.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term does not exist; at the end of an episode,
            if ``info`` lacks the outcome.

    Source: the diagnosis of arXiv 2508.10548 (total reward rises while the outcome falls). The statistic is ours.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "exact"
    state: ClassVar[tuple[str, ...]] = (*SignalTransform.state, "total", "returns", "outcomes", "reached", "count")

    outcome: str | Callable[[Transition], Array] = "outcome"
    window: int = 100
    threshold: float = 0.5
    gates: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        name = self.public_name()
        window = check_number(name, "window", self.window)
        if window != int(window) or window < 2:
            raise ValueError(f"{name}: window={self.window} must be a whole number of at least 2 episodes.")
        self.window = int(window)
        self.threshold = check_number(name, "threshold", self.threshold)
        if not 0 < self.threshold <= 1:
            raise ValueError(f"{name}: threshold={self.threshold} must be in (0, 1].")
        self.gates = check_numbers(name, "gates", self.gates, infinite=True)
        self.signals = {"outcome": Signal(name, "outcome", self.outcome)}
        self.outcome = self.signals["outcome"].name

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.total = np.zeros(num_envs)
        self.returns, self.outcomes = np.zeros((2, num_envs, self.window))
        self.reached: Terms = {term: np.zeros((num_envs, self.window), np.bool_) for term in self.gates or ()}
        self.count = np.zeros(num_envs, np.int64)

    @override
    def reset(self, mask: Array) -> None:
        super().reset(mask)
        self.total[mask] = 0.0

    @override
    def named_terms(self) -> Iterable[str]:
        return dict.fromkeys((*super().named_terms(), *(self.gates or ())))

    @override
    def update(self, step: Transition) -> Terms:
        self.total += sum_terms(step.terms)
        self.add(step.terms)
        done = step.done & step.trainable
        if done.any():
            outcome = self.at_end(self.signals["outcome"], step, done)
            rows = np.flatnonzero(done)
            at = self.count[rows] % self.window
            self.returns[rows, at], self.outcomes[rows, at] = self.total[rows], outcome[rows]
            for gated, reached in self.reached.items():
                reached[rows, at] = self.sums[gated][rows] >= (self.gates or {})[gated]
            self.count[rows] += 1
        return dict(step.terms)

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        trends = {name: np.zeros(self.num_envs) for name in ("return_trend", "outcome_trend", "agreement")}
        gates = {term: np.zeros(self.num_envs) for term in self.reached}
        episodes = np.minimum(self.count, self.window)
        for env in np.flatnonzero(step.done & (episodes > 0)):
            # Episode i is at i % window: from the oldest on.
            order = np.arange(self.count[env] - episodes[env], self.count[env])
            returns, outcomes = (series[env, order % self.window] for series in (self.returns, self.outcomes))
            trends["return_trend"][env] = spearman(order, returns)
            trends["outcome_trend"][env] = spearman(order, outcomes)
            trends["agreement"][env] = spearman(returns, outcomes)
            for term, reached in self.reached.items():
                gates[term][env] = reached[env, order % self.window].mean()
        alarm = (
            (episodes == self.window)
            & (trends["return_trend"] >= self.threshold)
            & (trends["outcome_trend"] <= -self.threshold)
        )
        return {"collapse_alarm": {"alarm": alarm, **trends, "episodes": episodes, "gates": gates}}
