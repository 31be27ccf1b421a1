"""Costs beside rewards, and a guardian against what no data supports.

* ``SafetyCostTransform`` - adds up costs, compares them to limits and charges them
* ``OODGuardianTransform`` - punishes state-action pairs outside of the support of a data set, as in OGSRL
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.signals import SignalTransform, as_rows, function_name, load_function, side_by_side
from telos.wrappers.support import KernelSupport
from telos.wrappers.terms import Array, Terms, check_choice, check_number, check_numbers

__all__ = ["OODGuardianTransform", "SafetyCostTransform"]


@dataclass(eq=False, repr=False)
class SafetyCostTransform(SignalTransform):
    r"""Safety costs: charges costs that the environment reports, and says which limits an episode broke.

    ``r_t - sum_j w_j c_{j,t}``, each cost paid as the term ``cost.name``. With the weights as fixed multipliers this
    is the Lagrangian of ``max V_r  s.t.  V_{c_j} <= limit_j``; a learner that adapts multipliers sets ``weights`` to 0
    and reads the report.

    Timing: ``causal``. Invariance: ``none`` (weights of 0 pay the raw reward).

    Info, at the end of each episode: ``safety_cost`` = ``{"cost": {name: its undiscounted sum}, "exceeded": {name:
    whether the sum is above the limit}}``.

    Args:
        costs: Name to a signal, see ``telos.wrappers.signals.Signal``: ``"info:cost"``, ``"module:function"`` of the
            ``Transition``, or a term, which is read and still paid. A cost with several numbers per environment, shape
            ``(num_envs, k)``, counts as their sum.
        weights: Price of each cost, any finite number; 1 for those not listed.
        limits: Limit of each cost's sum; without one it is never exceeded.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term does not exist; if ``info`` lacks a cost.

    Source: the constrained problem of OGSRL (arXiv 2505.16242); ``info["cost"]`` is Safety-Gymnasium's convention.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"

    costs: Mapping[str, str | Callable[[Transition], Array]] = field(default_factory=lambda: {"cost": "info:cost"})
    weights: Mapping[str, float] | None = None
    limits: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        name = self.public_name()
        self.costs = self.read_signals("costs")
        self.weights = check_numbers(name, "weights", self.weights)
        self.limits = check_numbers(name, "limits", self.limits)
        for argument in ("weights", "limits"):
            for cost in getattr(self, argument) or ():
                check_choice(name, f"a cost in {argument}", cost, self.costs)

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.sums = {cost: np.zeros(num_envs) for cost in self.costs}

    @override
    def update(self, step: Transition) -> Terms:
        paid = dict(step.terms)
        live = step.active & step.trainable
        for cost, signal in self.signals.items():
            value = np.where(live, signal(step).reshape(self.num_envs, -1).sum(axis=1), 0.0)
            self.sums[cost] += value
            # 0 - and not -: a cost of 0 pays 0.0, not -0.0.
            paid[f"cost.{cost}"] = 0.0 - (self.weights or {}).get(cost, 1.0) * value
        return paid

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        limits = self.limits or {}
        exceeded = {cost: total > limits.get(cost, np.inf) for cost, total in self.sums.items()}
        return {
            "safety_cost": {"cost": {cost: total.copy() for cost, total in self.sums.items()}, "exceeded": exceeded}
        }


def actions_only(obs: Any, action: Any) -> Array:
    """Features of the action alone, shape ``(num_envs, d)``: support whatever the state."""
    return side_by_side(action)


@dataclass(eq=False, repr=False)
class OODGuardianTransform(RewardTransform):
    r"""OOD guardian (OGSRL): punishes state-action pairs that the data do not support.

    A Gaussian kernel density over the data's features, scaled to [-1, 1] by their range, says where support ends: at
    the ``quantile`` of the data's own densities. A step outside

    - ``mode="absorb"``: is paid ``-penalty`` instead of all terms, and so is each later step of the episode, whatever
      the agent does. The published model environment also freezes the state there; a reward wrapper cannot, so an
      episode goes on until it ends by itself;
    - ``mode="penalize"``: is paid ``-penalty`` on top of its terms.

    The penalty is the term ``guardian``. A step counts by the observation before it and the action.

    Timing: ``causal``. Invariance: ``none``: an optimum that the data do not cover is lost, which is the point.

    Info, at the end of each episode: ``ood_guardian`` = ``{"cost": cost times the punished steps, "outside": steps
    outside the support, "first": index of the first of them, -1 if there is none}``.

    Args:
        data: Features of the data, N >= 2 rows of d numbers: a list, the path of a ``.npy`` file, or a
            ``"module:function"`` without arguments that returns them. There is no default: without data the first
            step raises.
        features: ``"module:function"``, or a function at the top level of a module, of ``(obs, action)`` that returns
            shape ``(num_envs, d)``. None puts both side by side, for spaces whose batches are arrays of
            numbers.
        penalty: What a punished step costs, at least 0. 25 is the paper's.
        cost: Cost of a punished step, at least 0, in the report. 1 is the paper's.
        mode: ``"absorb"`` or ``"penalize"``.
        quantile: Share of the data to leave outside, in [0, 1). 0.05 is the paper's.
        bandwidth: Of the kernel, above 0, after scaling. 0.535 is the paper's.

    Raises:
        ValueError: If an argument is of no use or there are no data; at the first step, if features do not fit.

    Source: OGSRL (arXiv 2505.16242), practical guardian of the authors' code; ``"penalize"`` is its penalty-only
    variant.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"
    observes: ClassVar[bool] = True
    state: ClassVar[tuple[str, ...]] = ("steps", "outside", "punished", "first")

    data: Sequence[Sequence[float]] | str | Callable[[], Array] | None = None
    features: str | Callable[[Any, Any], Array] | None = None
    penalty: float = 25.0
    cost: float = 1.0
    mode: Literal["absorb", "penalize"] = "absorb"
    quantile: float = 0.05
    bandwidth: float = 0.535

    def __post_init__(self) -> None:
        name = self.public_name()
        check_choice(name, "mode", self.mode, ("absorb", "penalize"))
        for argument in ("penalty", "cost", "quantile", "bandwidth"):
            setattr(self, argument, check_number(name, argument, getattr(self, argument)))
        if self.penalty < 0 or self.cost < 0:
            raise ValueError(f"{name}: penalty={self.penalty} and cost={self.cost} must be at least 0.")
        if not 0 <= self.quantile < 1:
            raise ValueError(f"{name}: quantile={self.quantile} must be in [0, 1).")
        if self.bandwidth <= 0:
            raise ValueError(f"{name}: bandwidth={self.bandwidth} must be above 0.")
        if callable(self.features):
            self.features = function_name(name, "features", self.features)
        self._features: Callable[..., Array] = side_by_side
        if self.features is not None:
            self._features = load_function(name, "features", self.features)
        self._support: KernelSupport | None = None
        if self.data is not None:
            self._support = KernelSupport(name, self._load(), self.quantile, self.bandwidth)

    def _load(self) -> Any:
        name = self.public_name()
        if callable(self.data):
            self.data = function_name(name, "data", self.data)
        if not isinstance(self.data, str):
            self.data = np.asarray(self.data, np.float64).tolist()
            return self.data
        if self.data.endswith(".npy"):
            return np.load(self.data, allow_pickle=False)
        return load_function(name, "data", self.data)()

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.steps, self.outside, self.punished, self.first = np.zeros((4, num_envs), np.int64)
        self.first -= 1

    @override
    def reset(self, mask: Array) -> None:
        for counter in (self.steps, self.outside, self.punished):
            counter[mask] = 0
        self.first[mask] = -1

    @override
    def update(self, step: Transition) -> Terms:
        name = self.public_name()
        if self._support is None:
            raise ValueError(f"{name}: give data, the features of the state-action pairs that are supported.")
        if "guardian" in step.terms:
            raise ValueError(f"{name}: there already is a term 'guardian'; wrap only once.")
        label = str(self.features or "observation and action")
        features = as_rows(name, label, self._features(step.obs, step.action), self.num_envs)
        live = step.active & step.trainable
        outside = live & ~self._support.contains(features)
        self.first = np.where(outside & (self.first < 0), self.steps, self.first)
        punished = live & (self.first >= 0) if self.mode == "absorb" else outside
        self.outside += outside
        self.punished += punished
        self.steps += step.active
        paid = dict(step.terms)
        if self.mode == "absorb":
            paid = {term: np.where(punished, 0.0, value) for term, value in paid.items()}
        return {**paid, "guardian": np.where(punished, 0.0 - self.penalty, 0.0)}

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        report = {"cost": self.cost * self.punished, "outside": self.outside.copy(), "first": self.first.copy()}
        return {"ood_guardian": report}
