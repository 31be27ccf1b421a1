"""Whether training farms a shaped reward at the outcome's expense."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from telos.wrappers.telemetry import spearman

__all__ = ["hacking_gap"]


def hacking_gap(total: ArrayLike, outcome: ArrayLike) -> float:
    """Spearman's rank correlation of total and outcome rewards over the course of training.

    Near 1, what the agent is paid and what it should do improve together. Negative, the total rises while the outcome
    falls: the reward is being hacked. Smooth noisy curves first: a rank correlation of noise is near 0.

    Args:
        total: Reward that is optimised, ``(n,)``: one number an evaluation, in the order of training. At least 2.
        outcome: Outcome reward of the same evaluations, ``(n,)``.

    Returns:
        In [-1, 1]; NaN if one of them never changes, when there is no order to compare (``spearman`` of
        ``telos.wrappers.telemetry`` is 0 then).

    Raises:
        ValueError: If the shapes differ, or a number is not finite.

    Source: ours, after the diagnosis of reward hacking in arXiv 2508.10548.
    """
    curves = np.asarray(total, np.float64), np.asarray(outcome, np.float64)
    if curves[0].ndim != 1 or curves[0].shape != curves[1].shape or len(curves[0]) < 2:
        raise ValueError(
            f"total and outcome must be two curves of one length of at least 2, got {curves[0].shape} and "
            f"{curves[1].shape}"
        )
    if not all(np.isfinite(curve).all() for curve in curves):
        raise ValueError("total and outcome must be finite: leave out evaluations without an episode")
    if any((curve == curve[0]).all() for curve in curves):
        return math.nan
    return spearman(*curves)
