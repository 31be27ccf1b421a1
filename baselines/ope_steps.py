"""What off-policy estimators start from and end with; ``telos.baselines.ope`` has the estimators.

* ``LoggedSteps`` - what estimators need of a log
* ``Estimate`` - an estimate, its interval and its overlap
* ``estimate`` - makes it from each session's part
* ``check_support`` - whether a logging policy can show what a target policy does
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Estimate", "Floats", "LoggedSteps", "OverlapWarning", "Solved", "check_support", "estimate"]

Floats = NDArray[np.float64]

_FEW = 30.0
"""Effective sessions below which an interval is not to be believed; ours."""


class OverlapWarning(UserWarning):
    """The log says too little of what the target policy does."""


@dataclass(frozen=True, eq=False)
class LoggedSteps:
    """n sessions with S steps in all, one behind the other.

    Attributes:
        rewards: ``(S,)``.
        lengths: Steps of each session, at least 1, ``(n,)``; they add up to S.
        behaviour: Probability of each action, of a slate that of all of it, under the policy that was logged, ``(S,)``.
        target: The same under the policy that is evaluated, ``(S,)``.
        gamma: Discount of a step, in (0, 1].

    Raises:
        ValueError: If shapes do not fit, a number is not finite, or probabilities are not in [0, 1]. Those of
            ``behaviour`` must be above 0, as those actions were taken; the message names the rows.
    """

    rewards: Floats
    lengths: NDArray[np.int64]
    behaviour: Floats
    target: Floats
    gamma: float = 1.0

    def __post_init__(self) -> None:
        lengths = np.asarray(self.lengths, np.int64)
        if lengths.ndim != 1 or not len(lengths) or (lengths < 1).any():
            raise ValueError("lengths must be (n,), with at least one session, each of at least one step")
        object.__setattr__(self, "lengths", lengths)
        for name in ("rewards", "behaviour", "target"):
            values = np.asarray(getattr(self, name), np.float64)
            if values.shape != (int(lengths.sum()),):
                raise ValueError(
                    f"{name} must be ({int(lengths.sum())},), as many as the steps of all sessions, got {values.shape}"
                )
            object.__setattr__(self, name, values)
        if not 0.0 < self.gamma <= 1.0:
            raise ValueError(f"gamma must be in (0, 1], got {self.gamma}")
        _refuse(~np.isfinite(self.rewards), "rewards are not finite")
        _refuse(~((self.target >= 0.0) & (self.target <= 1.0 + 1e-9)), "target probabilities are not in [0, 1]")
        _refuse(
            ~((self.behaviour > 0.0) & (self.behaviour <= 1.0 + 1e-9)),
            "logged probabilities are not in (0, 1]; what was logged cannot have had probability 0",
        )

    def __len__(self) -> int:
        """The number of sessions, n."""
        return len(self.lengths)

    @cached_property
    def alive(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """For each step t the sessions that have one, and its rows: whole numbers ``(m,)`` and ``(m,)``."""
        starts, found = np.cumsum(self.lengths) - self.lengths, []
        sessions = np.arange(len(self))
        for t in range(int(self.lengths.max())):
            sessions = sessions[self.lengths[sessions] > t]
            found.append((sessions, starts[sessions] + t))
        return found

    @cached_property
    def ratios(self) -> Floats:
        """``rho``, ``(S,)``."""
        return np.asarray(self.target / self.behaviour)

    @cached_property
    def weights(self) -> Floats:
        """``w_t``, ``(S,)``: the product of the ratios of a session up to and with each step."""
        weights = self.ratios.copy()
        for _, rows in self.alive[1:]:
            weights[rows] *= weights[rows - 1]
        return weights

    @cached_property
    def weights_before(self) -> Floats:
        """``w_{t-1}``, ``(S,)``."""
        before = np.ones(len(self.rewards))
        for _, rows in self.alive[1:]:
            before[rows] = self.weights[rows - 1]
        return before

    def carried(self, values: Floats) -> list[Floats]:
        """Numbers ``(S,)`` for all sessions at each step, ``(n,)`` each: those that have ended keep their last."""
        now, found = np.ones(len(self)), []
        for sessions, rows in self.alive:
            now = now.copy()
            now[sessions] = values[rows]
            found.append(now)
        return found

    def discounted(self, values: Floats) -> Floats:
        """Each session's discounted sum of numbers of its steps, ``(S,)`` to ``(n,)``."""
        total = np.zeros(len(self))
        for t, (sessions, rows) in enumerate(self.alive):
            total[sessions] += self.gamma**t * values[rows]
        return total

    def values(self, name: str, given: ArrayLike) -> Floats:
        """Numbers of all steps, float64 ``(S,)``.

        Raises:
            ValueError: If they are not, or not finite.
        """
        values = np.asarray(given, np.float64)
        if values.shape != self.rewards.shape or not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite and of shape {self.rewards.shape}, got {values.shape}")
        return values


def _refuse(wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong)
        some = ", ".join(map(str, rows[:8].tolist())) + (", ..." if len(rows) > 8 else "")
        raise ValueError(f"{what}: {len(rows)} of {len(wrong)} rows, {some}")


def check_support(behaviour: ArrayLike, target: ArrayLike) -> None:
    """Checks that the logging policy takes every action that the target policy takes.

    The actions that were logged cannot tell: those that are missing have no row.

    Args:
        behaviour: Probabilities of all actions, ``(S, actions)``.
        target: The same of the target policy.

    Raises:
        ValueError: If there are actions that only the target policy takes; the message names rows and actions, and says
            how much of the target's probability they have.
    """
    logged, wanted = np.asarray(behaviour, np.float64), np.asarray(target, np.float64)
    if logged.ndim != 2 or logged.shape != wanted.shape:
        raise ValueError(f"probabilities must be of one shape (S, actions), got {logged.shape} and {wanted.shape}")
    missing = (logged <= 0.0) & (wanted > 0.0)
    if missing.any():
        rows, actions = np.nonzero(missing)
        share = float(np.where(missing, wanted, 0.0).sum(axis=1).mean())
        some = ", ".join(f"row {r} action {a}" for r, a in zip(rows[:8].tolist(), actions[:8].tolist(), strict=True))
        raise ValueError(
            f"the logging policy never takes what the target policy takes with {share:.2%} of its probability: {some}"
            f"{', ...' if len(rows) > 8 else ''}. No weights mend that; log with some uniform actions (epsilon)"
        )


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate of the target policy's mean return.

    Attributes:
        value: The estimate.
        standard_error: By its linearisation: exact for means, the delta method for ratios.
        low: Lower end of the interval.
        high: Upper end.
        effective_sessions: Kish's effective sample size of the weights at each step, ``(T,)``: as many sessions of the
            target policy itself would be as good, if rewards were alike. Of ``importance_sampling`` only ``(1,)``.
        sessions: How many were logged.
    """

    value: float
    standard_error: float
    low: float
    high: float
    effective_sessions: Floats
    sessions: int


Solved = tuple[float, Floats, list[Floats]]
"""An estimate; each session's part, ``(n,)``, whose mean it is; and the weights of all sessions at each step."""


def estimate(
    steps: LoggedSteps,
    solve: Callable[[Floats], Solved],
    confidence: float,
    bootstrap: int,
    seed: int,
    multiplied: bool = True,
) -> Estimate:
    """An estimate with its interval, and warnings where the log says too little.

    Args:
        steps: The log.
        solve: How often each session counts, ``(n,)``, mean 1, to the estimate.
        confidence: Of the interval.
        bootstrap: Resamples of the percentile bootstrap over sessions (Efron, 1979); 0 for the normal interval.
        seed: Of the resamples.
        multiplied: Whether weights are products of logged ratios, whose mean must be 1.

    Raises:
        ValueError: If ``confidence`` or ``bootstrap`` is out of range.
    """
    if not 0.0 < confidence < 1.0 or bootstrap < 0:
        raise ValueError(f"confidence must be in (0, 1) and bootstrap at least 0, got {confidence} and {bootstrap}")
    n = len(steps)
    value, parts, weights = solve(np.ones(n))
    error = float(parts.std(ddof=1) / math.sqrt(n)) if n > 1 else math.inf
    if bootstrap:
        generator = np.random.default_rng(seed)
        resamples = (np.bincount(generator.integers(n, size=n), minlength=n) for _ in range(bootstrap))
        drawn = [solve(counts.astype(np.float64))[0] for counts in resamples]
        low, high = np.quantile(drawn, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]).tolist()
    else:
        reach = NormalDist().inv_cdf((1.0 + confidence) / 2.0) * error
        low, high = value - reach, value + reach
    effective = np.array([_effective(now) for now in weights])
    _warn(weights, effective, multiplied)
    return Estimate(value, error, low, high, effective, n)


def _effective(weights: Floats) -> float:
    """Kish's effective sample size, ``(sum w)^2 / sum w^2`` (Kish, Survey Sampling, 1965)."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _warn(weights: list[Floats], effective: Floats, multiplied: bool) -> None:
    t = int(effective.argmin())
    if effective[t] < min(_FEW, 0.9 * len(weights[t])):
        warnings.warn(
            f"{_where(t, weights)} the weights are worth {effective[t]:.1f} of {len(weights[t])} sessions: neither "
            "estimate nor interval can be trusted. Take a target policy nearer to the logged one, a shorter horizon "
            "or weights that do not multiply over steps (marginalised, double_reinforcement)",
            OverlapWarning,
            stacklevel=4,
        )
    for t, now in enumerate(weights if multiplied else []):
        mean, error = float(now.mean()), float(now.std() / math.sqrt(len(now)))
        if len(now) >= _FEW and abs(mean - 1.0) > 5.0 * error + 1e-9:
            warnings.warn(
                f"{_where(t, weights)} the weights average {mean:.3g} +- {error:.1g} and not 1: the logged "
                "probabilities are wrong, actions of the target policy were never logged, or the heaviest weights have "
                "not been seen",
                OverlapWarning,
                stacklevel=4,
            )
            break


def _where(t: int, weights: list[Floats]) -> str:
    return f"at step {t}" if len(weights) > 1 else "over whole sessions"
