"""Rewards of several models that do not agree.

* ``RobustEnsembleRewardTransform`` - BRME's trade-off of a nominal and a worst-case reward, and plainer ones
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.signals import Signal
from telos.wrappers.terms import Array, Terms, check_choice, check_number

__all__ = ["RobustEnsembleRewardTransform"]

_Signals = Sequence[str | Callable[[Transition], Array]]


@dataclass(eq=False, repr=False)
class RobustEnsembleRewardTransform(RewardTransform):
    r"""Robust ensemble reward (BRME): between a nominal and the worst of several reward models.

    With heads ``mu_i`` and their standard deviations ``sigma_i``, the term ``ensemble`` pays

    - ``aggregate="robust"``: ``mixture * nominal + (1 - mixture) * worst``;
    - ``aggregate="mean"``: ``mean_i mu_i``, the plain ensemble. Always compare to it: in our toy of a bandit with
      noisy labels it beat the mixtures that were tried;
    - ``aggregate="worst"``: ``worst``.

    ``nominal`` is the head that is surest in this step (``"min_std"``) or the mean. ``worst`` is the lowest head of
    this step (``"step"``), or what the head with the lowest mean so far says (``"expected"``): the published minimum
    is over expectations. Means so far are those of this environment, over all its steps.

    Heads that are reward terms are paid 0 themselves; other terms are paid as they come.

    Timing: ``causal``. Invariance: ``none``.

    Info, at the end of each episode: ``robust_ensemble`` = the episode's sums of ``{"mean", "worst", "nominal"}`` and
    ``"disagreement"``, the mean over its steps of the standard deviation between heads.

    Args:
        heads: Signals with the heads' rewards, see ``telos.wrappers.signals.Signal``: terms, ``"info:key"`` or
            ``"module:function"`` of the ``Transition``; each gives shape ``(num_envs,)`` or ``(num_envs, heads)``.
        stds: Signals with their standard deviations, in the same order; only for ``"min_std"``.
        mixture: Weight of the nominal reward, in [0, 1]. Notes on the paper differ in which of the two its lambda
            multiplies and find 0.2 to 0.4 best; ours is defined above, with 0.4 as our default.
        aggregate: ``"robust"``, ``"mean"`` or ``"worst"``.
        nominal: ``"min_std"`` or ``"mean"``.
        worst: ``"step"`` or ``"expected"``.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term or an info key does not exist, or the
            numbers of heads and of standard deviations differ.

    Source: Reward-Robust RLHF (arXiv 2409.15360); ``aggregate`` other than ``"robust"``, ``worst="step"`` and
    ``nominal="mean"`` are ours.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"
    state: ClassVar[tuple[str, ...]] = ("sums", "steps", "head_sums")

    heads: _Signals = field(default_factory=lambda: ["info:reward_heads"])
    stds: _Signals | None = field(default_factory=lambda: ["info:reward_stds"])
    mixture: float = 0.4
    aggregate: Literal["robust", "mean", "worst"] = "robust"
    nominal: Literal["min_std", "mean"] = "min_std"
    worst: Literal["step", "expected"] = "step"

    def __post_init__(self) -> None:
        name = self.public_name()
        check_choice(name, "aggregate", self.aggregate, ("robust", "mean", "worst"))
        check_choice(name, "nominal", self.nominal, ("min_std", "mean"))
        check_choice(name, "worst", self.worst, ("step", "expected"))
        self.mixture = check_number(name, "mixture", self.mixture)
        if not 0 <= self.mixture <= 1:
            raise ValueError(f"{name}: mixture={self.mixture} must be in [0, 1].")
        if self.nominal == "min_std" and not self.stds:
            raise ValueError(f'{name}: nominal="min_std" needs stds; without any give nominal="mean".')
        self._heads = self._read("heads", self.heads)
        self._stds = self._read("stds", self.stds or []) if self.nominal == "min_std" else []
        if not self._heads:
            raise ValueError(f"{name}: heads is empty; name at least one signal.")
        self.heads = [signal.name for signal in self._heads]
        self.stds = [signal.name for signal in self._stds] or None

    def _read(self, argument: str, signals: _Signals) -> list[Signal]:
        if isinstance(signals, str):
            raise ValueError(f"{self.public_name()}: {argument}={signals!r} must be a list of signals.")
        return [Signal(self.public_name(), argument, signal) for signal in signals]

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.sums: Terms = {name: np.zeros(num_envs) for name in ("mean", "worst", "nominal", "disagreement")}
        self.steps = np.zeros(num_envs, np.int64)
        self.head_sums = np.zeros((num_envs, 0))

    @override
    def reset(self, mask: Array) -> None:
        for total in self.sums.values():
            total[mask] = 0.0
        self.steps[mask] = 0

    @override
    def named_terms(self) -> Iterable[str]:
        return [signal.term for signal in (*self._heads, *self._stds) if signal.term]

    @override
    def update(self, step: Transition) -> Terms:
        if "ensemble" in step.terms:
            raise ValueError(f"{self.public_name()}: there already is a term 'ensemble'; wrap only once.")
        live = step.active & step.trainable
        heads = np.where(live[:, None], self._columns(self._heads, step), 0.0)
        mean, worst = heads.mean(axis=1), self._worst(heads)
        nominal = mean
        if self.nominal == "min_std":
            stds = self._columns(self._stds, step)
            if stds.shape != heads.shape:
                raise ValueError(
                    f"{self.public_name()}: there are {heads.shape[1]} heads but {stds.shape[1]} standard deviations."
                )
            nominal = _picked(heads, np.where(live[:, None], stds, 0.0).argmin(axis=1))
        seen = {"mean": mean, "worst": worst, "nominal": nominal, "disagreement": heads.std(axis=1)}
        for name, value in seen.items():
            self.sums[name] += value
        self.steps += live
        robust = self.mixture * nominal + (1.0 - self.mixture) * worst
        paid = {"robust": robust, "mean": mean, "worst": worst}[self.aggregate]
        silent = {signal.term for signal in self._heads}
        others = {name: np.zeros_like(value) if name in silent else value for name, value in step.terms.items()}
        return {**others, "ensemble": paid}

    def _columns(self, signals: list[Signal], step: Transition) -> Array:
        return np.concatenate([signal(step).reshape(self.num_envs, -1) for signal in signals], axis=1)

    def _worst(self, heads: Array) -> Array:
        if self.worst == "step":
            return np.asarray(heads.min(axis=1))
        if self.head_sums.shape != heads.shape:
            self.head_sums = np.zeros_like(heads)
        self.head_sums = self.head_sums + heads
        return _picked(heads, self.head_sums.argmin(axis=1))

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        report = {name: total.copy() for name, total in self.sums.items()}
        report["disagreement"] /= np.maximum(self.steps, 1)
        return {"robust_ensemble": report}


def _picked(values: Array, column: Array) -> Array:
    """Returns one column of each row."""
    picked: Array = np.take_along_axis(values, column[:, None], axis=1)[:, 0]
    return picked
