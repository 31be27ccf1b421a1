"""The one table of reward transforms.

``telos list wrappers`` prints it, and the contract tests run over every row. Transforms are named by strings, so that
listing them imports none of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telos.wrappers.core import Invariance, RewardTransform, Timing

__all__ = ["TRANSFORMS", "TransformEntry"]


@dataclass(frozen=True)
class TransformEntry:
    """One row of the table.

    Attributes:
        summary: What it does, in one line.
        paper: Where it comes from.
        timing: As the class declares it; a test compares.
        invariance: As the class declares it; a test compares.
        transform: ``"module:Class"`` of the ``RewardTransform``.
        neutral: Arguments with which it pays the raw reward to the bit; None if there are none.
        examples: Arguments to try it with, on an environment with the terms ``outcome``, ``tool`` and ``format``.
    """

    summary: str
    paper: str
    timing: Timing
    invariance: Invariance
    transform: str
    neutral: Mapping[str, Any] | None = None
    examples: tuple[Mapping[str, Any], ...] = ({},)

    def load(self) -> type[RewardTransform]:
        """Imports and returns the transform class."""
        module, name = self.transform.split(":")
        loaded: type[RewardTransform] = getattr(importlib.import_module(module), name)
        return loaded


TRANSFORMS: dict[str, TransformEntry] = {
    "AccumulatedReward": TransformEntry(
        summary="D-RA: pays the weighted sum of all terms as they are earned.",
        paper="arXiv 2508.10548",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.gating:AccumulatedRewardTransform",
        neutral={},
        examples=({}, {"weights": {"tool": 0.3, "format": 2.0}}),
    ),
    "GatedReward": TransformEntry(
        summary="G-RA: a term counts only if every term above it reached its gate.",
        paper="arXiv 2508.10548",
        timing="episode",
        invariance="none",
        transform="telos.wrappers.gating:GatedRewardTransform",
        neutral={"priorities": {}},
        examples=(
            {},
            {"pay": "hindsight", "weights": {"tool": 0.3}},
            {"threshold": 0.5, "strict": True, "low_cap": 0.25},
            {"priorities": {"outcome": 2, "tool": 1}, "gates": {"outcome": 0.0, "tool": 0.2}, "low_cap": 1.0},
        ),
    ),
}
