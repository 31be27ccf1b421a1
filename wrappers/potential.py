"""Potential-based shaping: the one bonus that cannot change what is best.

* ``PotentialShapingTransform`` - Ng, Harada and Russell (1999)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.signals import evaluate, function_name, load_function
from telos.wrappers.terms import Array, Terms, check_number

__all__ = ["PotentialShapingTransform", "first_feature"]


def first_feature(obs: Any) -> Array:
    """The first number of each observation as its potential, for observations that are one array."""
    rows: Array = np.asarray(obs, np.float64).reshape(len(obs), -1)[:, 0]
    return rows


@dataclass(eq=False, repr=False)
class PotentialShapingTransform(RewardTransform):
    r"""Potential-based shaping (PBRS): pays the discounted change of a potential of the observation.

    ``r_t + F_t``,  ``F_t = w (gamma Phi(s_{t+1}) - Phi(s_t))``,  with ``Phi(s_{t+1}) = 0`` where the episode
    *terminated*. Where it was *truncated* the final observation's potential counts: a learner that bootstraps there
    takes ``gamma V(s_{t+1})`` into its target, and the shaped value function is ``V - w Phi``. ``F_t`` is paid as the
    term ``potential``.

    Timing: ``causal``. Invariance: ``exact``: every policy's shaped value is its own minus ``w Phi(s_0)``, so all
    policies keep their order, if

    1. the learner maximises the discounted return with the same ``gamma``;
    2. the potential is a bounded, fixed function of the observation: one that is learned must not change in between,
       or it has to be evaluated at the time of each observation;
    3. the learner bootstraps at truncations and not at terminations. One that treats a time limit as an end (a sum of
       rewards that stops there) is paid ``gamma^T Phi(s_T)`` for being somewhere, and its optimum moves.

    Exact means that the *best* policies stay the best. It does not mean that learning gets faster, and a learner
    that has not converged may do worse.

    Args:
        potential: ``Phi``: a function of a batch of observations that returns shape ``(num_envs,)``, as
            ``"module:function"`` or itself, if it is at the top level of a module; or a (nested) list, the potential
            of each observation of a ``Discrete`` space that starts at 0, or with d axes of a ``MultiDiscrete`` one
            of length d. None is 0 everywhere. ``"info:KEY"`` is what the environment itself says of each step in
            ``info[KEY]``, such as ``"info:shadow"`` of SWEDocker-v0, and 0 at the start of an episode: progress that
            the agent need not observe.
        gamma: Discount factor of the learner, in [0, 1].
        weight: Factor ``w`` of the potential, any finite number. 0 pays the raw reward.

    Raises:
        ValueError: If an argument is of no use, or a potential is not finite or has the wrong shape; if the
            environment has a term ``potential`` of its own.

    Source: Ng, Harada, Russell, Policy invariance under reward transformations (ICML 1999), Theorem 1.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "exact"
    observes: ClassVar[bool] = True
    state: ClassVar[tuple[str, ...]] = ("_before",)

    potential: str | Callable[[Any], Array] | Sequence[Any] | None = None
    gamma: float = 0.99
    weight: float = 1.0

    def __post_init__(self) -> None:
        name = self.public_name()
        self.gamma = check_number(name, "gamma", self.gamma)
        self.weight = check_number(name, "weight", self.weight)
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"{name}: gamma={self.gamma} must be in [0, 1].")
        self._table: Array | None = None
        self._function: Callable[[Any], Any] | None = None
        self._key = ""
        if self.potential is None:
            return
        if callable(self.potential):
            self.potential = function_name(name, "potential", self.potential)
        if isinstance(self.potential, str) and self.potential.startswith("info:"):
            self._key = self.potential.removeprefix("info:")
            return
        if isinstance(self.potential, str):
            self._function = load_function(name, "potential", self.potential)
            return
        try:
            self._table = np.array(self.potential, np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: potential is no (rectangular) list of numbers: {error}.") from error
        if not self._table.size or self._table.ndim == 0 or not np.isfinite(self._table).all():
            raise ValueError(f"{name}: potential must be a non-empty list of finite numbers, or a function.")
        self.potential = self._table.tolist()

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self._before = self.zeros()

    @override
    def reset(self, mask: Array) -> None:
        self._before[mask] = 0.0

    @override
    def update(self, step: Transition) -> Terms:
        if "potential" in step.terms:
            raise ValueError(
                f"{self.public_name()}: there already is a term 'potential' (two potentials are one: add them up)."
            )
        if self._key:
            before, after = self._before.copy(), self._told(step)
            self._before = np.where(step.active, after, before)
        else:
            before, after = self._evaluate(step.obs, step.active), self._evaluate(step.next_obs, step.active)
        shaping = self.weight * (self.gamma * np.where(step.terminated, 0.0, after) - before)
        return {**step.terms, "potential": np.where(step.active, shaping, 0.0)}

    def _told(self, step: Transition) -> Array:
        """Returns what the environments say that their potential is now, shape ``(num_envs,)``."""
        values = np.asarray(step.info.get(self._key, np.nan), np.float64)
        if values.shape != (self.num_envs,) or not np.isfinite(values[step.active]).all():
            raise ValueError(
                f"{self.public_name()}: info[{self._key!r}] must be one finite number in each step, and is {values}; "
                "does the environment have an argument that turns it on?"
            )
        return values

    def _evaluate(self, obs: Any, active: Array) -> Array:
        """Returns the potential of a batch of observations, shape ``(num_envs,)``."""
        if self.potential is None:
            return np.zeros(self.num_envs)
        name = self.public_name()
        if self._function is not None:
            values = evaluate(name, str(self.potential), self._function, obs, self.num_envs)
        else:
            assert self._table is not None
            values = self._look_up(self._table, obs)
        if not np.isfinite(values[active]).all():
            raise ValueError(f"{name}: the potential is not finite: {values[active]}.")
        return values

    def _look_up(self, table: Array, obs: Any) -> Array:
        name = self.public_name()
        index = np.asarray(obs)
        if index.dtype.kind not in "iu" or index.shape != (self.num_envs, *(() if table.ndim == 1 else (table.ndim,))):
            raise ValueError(
                f"{name}: a list with {table.ndim} axes is for whole-number observations, {table.ndim} each; this "
                f"environment's batch has shape {index.shape} and dtype {index.dtype}. Give a function instead."
            )
        index = index.reshape(self.num_envs, -1)
        if (index < 0).any() or (index >= table.shape).any():
            raise ValueError(
                f"{name}: the potential has shape {table.shape}, but an observation is {index.max(axis=0)}."
            )
        values: Array = table[tuple(index.T)]
        return values
