"""Means over repetitions of an experiment, with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["MeanInterval", "bootstrap_mean"]


@dataclass(frozen=True)
class MeanInterval:
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """As in tables: with ``.3f``, which is also what no format means, ``0.511 [0.502, 0.519]``."""
        mean, low, high = (format(number, spec or ".3f") for number in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}]"


def bootstrap_mean(values: ArrayLike, level: float = 0.95, resamples: int = 10_000, seed: int = 0) -> MeanInterval:
    """The mean, and its percentile bootstrap interval.

    Args:
        values: One number a repetition, ``(n,)``, n at least 2.
        level: Share of resampled means inside, in (0, 1).
        resamples: Means to draw.
        seed: Of these draws.

    Raises:
        ValueError: If there are fewer than two values, one is not finite, or the level is out of range.

    Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1979.
    """
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all():
        raise ValueError(f"an interval needs at least two finite values of shape (n,), got shape {found.shape}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    rows = np.random.default_rng(seed).integers(len(found), size=(resamples, len(found)))
    low, high = np.quantile(found[rows].mean(axis=1), [(1.0 - level) / 2, (1.0 + level) / 2])
    return MeanInterval(float(found.mean()), float(low), float(high))
