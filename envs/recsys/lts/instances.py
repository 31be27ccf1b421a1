"""Groups of users: the target, and the simulators that training has in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LADDER", "LOG_UNIFORM", "RECSIM_USERS", "candidate_groups", "edge_groups", "training_groups"]

#: Arguments of the three rungs of Sim2Rec's ladder, by name: the wider the gap, the less alike are training and target.
#: Its code has only the dial, with a default of 4; which gap is which rung is our reading.
LADDER: Mapping[str, Mapping[str, Any]] = {"LTS1": {"gap": 2.0}, "LTS2": {"gap": 3.0}, "LTS3": {"gap": 4.0}}

#: Arguments that make users, noise and start those of RecSim 0.2.4, but for its log-normal engagement.
RECSIM_USERS: Mapping[str, Any] = {
    "split": "test",
    "target": 5.0,
    "memory_discount": (0.7, 0.7),
    "sensitivity": (0.01, 0.01),
    "innovation_std": 0.05,
    "initial_exposure": (-0.5, 0.5),
    "choc_std": 1.0,
    "kale_std": 1.0,
    "horizon": 60,
}

#: Memory discount and sensitivity are by default the logarithm of a uniform draw between these (Sim2Rec).
LOG_UNIFORM = (1.01, 2.6)


def candidate_groups(target: float, group_range: int) -> tuple[float, ...]:
    """Choc means around the target, one apart: ``2 * group_range``, the upper bound not among them (Sim2Rec)."""
    return tuple(target + k for k in range(-group_range, group_range))


def training_groups(gap: float, target: float, group_range: int) -> tuple[float, ...]:
    """Choc means of the candidates that are further from the target than the gap.

    Raises:
        ValueError: If the gap leaves none, or is negative.
    """
    groups = tuple(mean for mean in candidate_groups(target, group_range) if abs(mean - target) > gap)
    if not groups or gap < 0.0:
        raise ValueError(f"gap must be at least 0 and below group_range={group_range}, got {gap}")
    return groups


def edge_groups(gap: float, target: float = 14.0, group_range: int = 8) -> tuple[float, float]:
    """The two training groups nearest to the target, below and above it.

    Training on the lower one alone is Sim2Rec's "direct transfer": ``groups=edge_groups(4.0)[:1]``.

    Raises:
        ValueError: If the gap leaves no group on one side.
    """
    groups = training_groups(gap, target, group_range)
    below, above = [mean for mean in groups if mean < target], [mean for mean in groups if mean > target]
    if not below or not above:
        raise ValueError(f"gap={gap} leaves no group on one side of the target; make it smaller")
    return max(below), min(above)
