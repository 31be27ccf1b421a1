"""Statistics over few runs: interquartile means, bootstrap intervals, profiles, probability of improvement.

Every table and figure of Telos takes its intervals from here.

* ``iqm`` - interquartile mean
* ``bootstrap_interval``, ``bootstrap_mean`` - a statistic with its stratified percentile bootstrap interval
* ``performance_profile`` - share of runs above each threshold
* ``probability_of_improvement`` - how often a run of one algorithm beats a run of another
* ``pass_at_k`` - how probably one of k tries succeeds

Scores of one task are ``(runs,)``. Those of several are an array ``(runs, tasks)``, or a list of one ``(runs,)`` a
task, whose numbers of runs may differ.

Source: Agarwal, Schwarzer, Castro, Courville and Bellemare, Deep Reinforcement Learning at the Edge of the Statistical
Precipice, NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "Profile",
    "Scores",
    "Statistic",
    "bootstrap_interval",
    "bootstrap_mean",
    "iqm",
    "pass_at_k",
    "performance_profile",
    "probability_of_improvement",
]

Floats = NDArray[np.float64]
Scores = ArrayLike
Statistic = Callable[[Floats], Floats]
"""Maps ``(..., n)``, the scores of all runs, one task after the other, to ``(...)``."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes:
        estimate: The statistic of the scores as they are.
        low: Lower limit.
        high: Upper limit.
    """

    estimate: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """As in tables: with ``.3f``, which is also what no format means, ``0.511 [0.502, 0.519]``."""
        estimate, low, high = (format(number, spec or ".3f") for number in (self.estimate, self.low, self.high))
        return f"{estimate} [{low}, {high}]"


@dataclass(frozen=True, eq=False)
class Profile:
    """A performance profile with pointwise intervals; all arrays are ``(t,)``.

    Attributes:
        thresholds: Scores to exceed.
        share: Share of runs above each threshold, 0 to 1.
        low: Lower limits of the shares.
        high: Upper limits.
    """

    thresholds: Floats
    share: Floats
    low: Floats
    high: Floats


def iqm(scores: ArrayLike) -> Floats:
    """The interquartile mean: the mean of the middle half, a quarter of the scores left out at each end.

    Args:
        scores: ``(..., n)``, n at least 1. ``n // 4`` scores are left out at each end.

    Returns:
        ``(...)``, float64.

    Source: Agarwal et al. 2021, section 4.3, where it is taken over all runs of all tasks.
    """
    ordered = np.sort(np.asarray(scores, np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))


def bootstrap_interval(
    scores: Scores, statistic: Statistic = iqm, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """A statistic, and its percentile bootstrap interval, in which the runs of each task are drawn anew by themselves.

    Args:
        scores: ``(runs,)``, ``(runs, tasks)`` or a list of ``(runs,)``, at least two runs of each task.
        statistic: Maps ``(..., n)`` to ``(...)``: ``iqm``, or for instance ``lambda scores: scores.max(axis=-1)``.
        level: Share of resampled statistics inside, in (0, 1).
        resamples: How many to draw.
        seed: Of these draws.

    Raises:
        ValueError: If a task has fewer than two runs, a score is not finite, or the level or number is out of range.

    Source: Agarwal et al. 2021, section 4.1 (stratified); Efron, Bootstrap methods: another look at the jackknife,
    Annals of Statistics 7, 1979.
    """
    tasks = _tasks(scores)
    _check(level, resamples)
    rng = np.random.default_rng(seed)
    drawn = [task[rng.integers(len(task), size=(resamples, len(task)))] for task in tasks]
    low, high = np.quantile(statistic(np.concatenate(drawn, axis=-1)), _limits(level))
    return Interval(float(statistic(np.concatenate(tasks))), float(low), float(high))


def bootstrap_mean(values: ArrayLike, level: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The mean of one number a repetition, ``(n,)``, and its interval; else as ``bootstrap_interval``."""
    return bootstrap_interval(np.asarray(values, np.float64), _mean, level=level, resamples=resamples, seed=seed)


def performance_profile(
    scores: Scores, thresholds: ArrayLike, *, level: float = 0.95, resamples: int = 2_000, seed: int = 0
) -> Profile:
    """The share of runs whose score is above each threshold, averaged over tasks.

    Args:
        scores: ``(runs,)``, ``(runs, tasks)`` or a list of ``(runs,)``, at least two runs of each task.
        thresholds: ``(t,)``.
        level: Share of resampled shares inside, at each threshold by itself, in (0, 1).
        resamples: How many to draw.
        seed: Of these draws.

    Raises:
        ValueError: As ``bootstrap_interval``.

    Source: Agarwal et al. 2021, section 4.2 (score distributions, and their pointwise bands).
    """
    tasks, at = _tasks(scores), np.asarray(thresholds, np.float64)
    _check(level, resamples)
    rng = np.random.default_rng(seed)
    above = [(task[:, None] > at).astype(np.float64) for task in tasks]
    share = np.mean([task.mean(axis=0) for task in above], axis=0)
    drawn = np.mean([_weights(len(task), resamples, rng) @ task for task in above], axis=0)
    low, high = np.quantile(drawn, _limits(level), axis=0)
    return Profile(at, share, low, high)


def probability_of_improvement(
    scores: Scores, baseline: Scores, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """How probably a run scores higher than a run of the baseline, averaged over tasks; a tie counts one half.

    Args:
        scores: ``(runs,)``, ``(runs, tasks)`` or a list of ``(runs,)``, at least two runs of each task.
        baseline: The same tasks in the same order; the numbers of runs may differ.
        level: Share of resampled probabilities inside, in (0, 1).
        resamples: How many to draw, of both independently.
        seed: Of these draws.

    Raises:
        ValueError: As ``bootstrap_interval``, or if the numbers of tasks differ.

    Source: Agarwal et al. 2021, section 4.3: the Mann-Whitney U statistic over the number of pairs.
    """
    tasks, others = _tasks(scores), _tasks(baseline)
    if len(tasks) != len(others):
        raise ValueError(f"scores have {len(tasks)} tasks and the baseline has {len(others)}; give the same tasks.")
    _check(level, resamples)
    rng = np.random.default_rng(seed)
    estimates, drawn = [], []
    for ours, theirs in zip(tasks, others, strict=True):
        difference = ours[:, None] - theirs
        wins = (difference > 0.0) + 0.5 * (difference == 0.0)
        estimates.append(wins.mean())
        left, right = _weights(len(ours), resamples, rng), _weights(len(theirs), resamples, rng)
        drawn.append(((left @ wins) * right).sum(axis=1))
    low, high = np.quantile(np.mean(drawn, axis=0), _limits(level))
    return Interval(float(np.mean(estimates)), float(low), float(high))


def pass_at_k(tries: int, successes: ArrayLike, k: int) -> Floats:
    """An unbiased estimate of the probability that at least one of k tries succeeds: ``1 - C(n - c, k) / C(n, k)``.

    Args:
        tries: n, how often each task was tried, at least 1.
        successes: c, how many tries of each task succeeded, whole numbers from 0 to n, of any shape.
        k: From 1 to n.

    Returns:
        One estimate a task, float64, of the shape of ``successes``.

    Raises:
        ValueError: If a number is out of range.

    Source: Chen et al., Evaluating Large Language Models Trained on Code (arXiv 2107.03374), equation 1.
    """
    solved = np.asarray(successes)
    if not 1 <= k <= tries:
        raise ValueError(f"k must be from 1 to the number of tries, {tries}, got {k}.")
    if solved.size and (solved.min() < 0 or solved.max() > tries):
        raise ValueError(
            f"successes must be from 0 to the number of tries, {tries}, got {solved.min()} to {solved.max()}."
        )
    failed = (tries - solved)[..., None]
    # C(n - c, k) / C(n, k), factor by factor: the i-th of k tries drawn without replacement fails, too.
    drawn = np.arange(k)
    return np.asarray(1.0 - np.prod(np.maximum(failed - drawn, 0) / (tries - drawn), axis=-1))


def _mean(scores: Floats) -> Floats:
    return np.asarray(scores.mean(axis=-1))


def _weights(runs: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each run is in a resample, over the number of runs, ``(resamples, runs)``: rows sum to 1."""
    return rng.multinomial(runs, np.full(runs, 1.0 / runs), size=resamples) / runs


def _limits(level: float) -> tuple[float, float]:
    return (1.0 - level) / 2.0, (1.0 + level) / 2.0


def _check(level: float, resamples: int) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be between 0 and 1, got {level}.")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}.")


def _tasks(scores: Scores) -> list[Floats]:
    """One array a task."""
    if isinstance(scores, Sequence) and any(np.ndim(task) for task in scores):
        tasks = [np.asarray(task, np.float64) for task in scores]
    else:
        table = np.asarray(scores, np.float64)
        tasks = [table] if table.ndim < 2 else list(np.moveaxis(table, 1, 0))
    if not tasks or any(task.ndim != 1 or len(task) < 2 or not np.isfinite(task).all() for task in tasks):
        shapes = ", ".join(str(task.shape) for task in tasks) or "none"
        raise ValueError(
            "an interval needs at least two finite values of each task, as an array (runs,) or (runs, tasks) or a list "
            f"of (runs,); got tasks of shape {shapes}."
        )
    return tasks
