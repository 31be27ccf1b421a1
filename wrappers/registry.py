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
    "OutcomeReward": TransformEntry(
        summary="Pays the outcome when it is earned, and nothing else.",
        paper="arXiv 2508.10548 and 2410.15115, as a baseline",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.outcome:OutcomeRewardTransform",
        examples=({}, {"outcome": "tool"}),
    ),
    "MultiplicativeConsistency": TransformEntry(
        summary="R1-Reward: consistency multiplies the result instead of being added to it.",
        paper="arXiv 2505.02835",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.consistency:MultiplicativeConsistencyTransform",
        examples=({"consistency": "tool"}, {"consistency": "tool", "consistency_weight": 2.0, "format_weight": 0.0}),
    ),
    "NestedGates": TransformEntry(
        summary="UI-S1: in each step a score counts only if those before it passed.",
        paper="arXiv 2509.11543",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.nested_gates:NestedGatesTransform",
        neutral={"levels": {}},
        examples=(
            {"levels": {"format": 0.1, "tool": 0.4, "outcome": 0.5}, "gates": {"format": 0.0, "tool": 0.1}},
            {"levels": {"tool": 1.0, "format": 2.0}, "gates": {"tool": float("-inf")}},
        ),
    ),
    "PotentialShaping": TransformEntry(
        summary="Pays the discounted change of a potential of the observation; keeps what is optimal.",
        paper="Ng, Harada, Russell (ICML 1999)",
        timing="causal",
        invariance="exact",
        transform="telos.wrappers.potential:PotentialShapingTransform",
        neutral={"weight": 0.0},
        examples=({"potential": "telos.wrappers.potential:first_feature"}, {"gamma": 1.0, "weight": -0.5}),
    ),
    "ClipReward": TransformEntry(
        summary="Clip: step scores above a threshold pay nothing, those below cost.",
        paper="arXiv 2410.15115",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.clipping:ClipRewardTransform",
        examples=({"term": "tool", "threshold": 0.2}, {"term": "format", "threshold": -0.1, "weight": 0.3}),
    ),
    "DeltaReward": TransformEntry(
        summary="Delta: a step's score is paid back by the next step's, so that repeating it earns nothing.",
        paper="arXiv 2410.15115",
        timing="episode",
        invariance="none",
        transform="telos.wrappers.clipping:DeltaRewardTransform",
        examples=({"term": "tool"}, {"term": "tool", "weight": 0.3, "pay": "delayed"}),
    ),
    "ClipDeltaReward": TransformEntry(
        summary="Clip, then Delta.",
        paper="arXiv 2410.15115",
        timing="episode",
        invariance="none",
        transform="telos.wrappers.clipping:ClipDeltaRewardTransform",
        examples=({"term": "tool", "threshold": 0.2}, {"term": "tool", "threshold": 0.1, "pay": "delayed"}),
    ),
    "PreferenceAsReward": TransformEntry(
        summary="PAR: the probability that the episode's score beats reference scores.",
        paper="arXiv 2502.18770",
        timing="episode",
        invariance="conditional",
        transform="telos.wrappers.preference:PreferenceAsRewardTransform",
        examples=({}, {"term": "tool", "references": [0.1, 0.5], "slope": 3.0}),
    ),
    "ReNorm": TransformEntry(
        summary="Each step earns its own score and the episode's outcome, both centred.",
        paper="arXiv 2509.25598",
        timing="episode",
        invariance="none",
        transform="telos.wrappers.renorm:ReNormTransform",
        examples=({"process": "tool"}, {"process": "tool", "reduce": "sum", "pay": "hindsight"}),
    ),
    "InformationGain": TransformEntry(
        summary="IGPO: pays how much each turn raised the belief in the right answer.",
        paper="arXiv 2510.14967",
        timing="causal",
        invariance="conditional",
        transform="telos.wrappers.information_gain:InformationGainTransform",
        neutral={"belief": "telos.wrappers.potential:first_feature", "weight": 0.0},
        examples=(
            {"belief": "telos.wrappers.potential:first_feature"},
            {"belief": "telos.wrappers.potential:first_feature", "normalise": "zscore", "weight": 0.3},
            {"belief": "telos.wrappers.potential:first_feature", "normalise": "none", "terminal_zero": True},
        ),
    ),
    "EpisodicReward": TransformEntry(
        summary="Pays all reward in the last step of the episode.",
        paper="arXiv 2412.11120, as the setting",
        timing="episode",
        invariance="conditional",
        transform="telos.wrappers.redistribution:EpisodicRewardTransform",
        neutral={"terms": []},
        examples=({}, {"terms": ["tool"]}),
    ),
    "RewardRedistribution": TransformEntry(
        summary="Spreads the return over the steps in hindsight: evenly (IRCR), or by a learned model (RRD, LaRe).",
        paper="arXiv 2412.11120",
        timing="hindsight",
        invariance="conditional",
        transform="telos.wrappers.redistribution:RewardRedistributionTransform",
        neutral={"terms": []},
        examples=(
            {},
            {"method": "rrd", "terms": ["outcome", "tool"], "subsequence": 2, "hidden": [4], "updates": 1},
            {
                "method": "random",
                "factors": "telos.wrappers.redistribution:flat_features",
                "num_factors": 3,
                "hidden": [],
                "updates": 1,
                "capacity": 2,
                "batch_size": 1,
                "spread_residual": False,
            },
        ),
    ),
    "ChecklistReward": TransformEntry(
        summary="Pays the share of a checklist's items that the episode satisfies.",
        paper="after arXiv 2509.04903",
        timing="episode",
        invariance="none",
        transform="telos.wrappers.checklist:ChecklistRewardTransform",
        neutral={"items": {}},
        examples=(
            {"items": {"used_tools": "tool", "well_formed": "format"}, "weights": {"used_tools": 2.0}},
            {"items": {"used_tools": "tool", "solved": "outcome"}, "aggregate": "min", "weight": 0.5},
        ),
    ),
    "SegmentReward": TransformEntry(
        summary="Fine-grained rewards: each term is paid at the end of its own segments.",
        paper="arXiv 2306.01693",
        timing="episode",
        invariance="none",
        transform="telos.wrappers.segments:SegmentRewardTransform",
        neutral={"boundaries": {}},
        examples=(
            {"boundaries": {"tool": 3, "format": "episode"}},
            {"boundaries": {"format": "tool"}, "weights": {"format": 0.3}, "means": {"format": -0.1}},
        ),
    ),
    "RobustEnsembleReward": TransformEntry(
        summary="BRME: a mixture of the surest and the worst of several reward models; also their mean, or the worst.",
        paper="arXiv 2409.15360",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.ensemble:RobustEnsembleRewardTransform",
        examples=(
            {"heads": ["outcome", "tool"], "stds": ["tool", "outcome"]},
            {"heads": ["tool", "format"], "stds": None, "nominal": "mean", "worst": "expected"},
            {"heads": ["outcome", "tool", "format"], "stds": None, "nominal": "mean", "aggregate": "mean"},
        ),
    ),
    "SafetyCost": TransformEntry(
        summary="Charges costs beside the reward and reports which limits an episode broke.",
        paper="arXiv 2505.16242",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.safety:SafetyCostTransform",
        neutral={"costs": {}},
        examples=({"costs": {"tools": "tool"}, "weights": {"tools": 0.5}, "limits": {"tools": 0.3}},),
    ),
    "OODGuardian": TransformEntry(
        summary="OGSRL: punishes state-action pairs outside of the support of a data set.",
        paper="arXiv 2505.16242",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.safety:OODGuardianTransform",
        neutral={
            "data": [[0.0], [1.0]],
            "features": "telos.wrappers.safety:actions_only",
            "mode": "penalize",
            "penalty": 0.0,
        },
        examples=(
            {"data": [[0.0], [0.2], [1.0]], "features": "telos.wrappers.safety:actions_only", "quantile": 0.4},
            {
                "data": [[0.0], [1.0]],
                "features": "telos.wrappers.safety:actions_only",
                "mode": "penalize",
                "bandwidth": 0.2,
            },
        ),
    ),
    "CollapseAlarm": TransformEntry(
        summary="Changes nothing; reports when the shaped return rises while the outcome falls.",
        paper="arXiv 2508.10548, the diagnosis",
        timing="causal",
        invariance="exact",
        transform="telos.wrappers.telemetry:CollapseAlarmTransform",
        examples=({}, {"window": 3, "threshold": 0.4, "gates": {"tool": 0.3, "outcome": 0.0}}),
    ),
    "CountBonus": TransformEntry(
        summary="Pays for observations that were seen seldom, by exact counts or those of a SimHash.",
        paper="arXiv 1611.04717",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_count:CountBonusTransform",
        neutral={"weight": 0.0},
        examples=({}, {"key": "simhash", "bits": 3, "weight": 0.5, "shift": True}, {"memory": "episodic"}),
    ),
    "E3B": TransformEntry(
        summary="Pays for observations whose features the episode has not covered (elliptical bonus).",
        paper="arXiv 2210.05805",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_episodic:E3BTransform",
        neutral={"weight": 0.0},
        examples=({}, {"encoder_size": 0, "ridge": 1.0, "weight": -0.3}, {"encoder_size": 5, "memory": "lifelong"}),
    ),
    "NGU": TransformEntry(
        summary="Pays for observations that are not similar to others of the episode; NGU's episodic part.",
        paper="arXiv 2002.06038",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_episodic:NGUTransform",
        neutral={"weight": 0.0},
        examples=({}, {"encoder_size": 0, "k": 2, "capacity": 3, "weight": 0.3}, {"memory": "lifelong", "seed": 1}),
    ),
    "RE3": TransformEntry(
        summary="Pays the log distance to the k-th nearest observation under a fixed random encoder.",
        paper="arXiv 2102.09430",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_episodic:RE3Transform",
        neutral={"weight": 0.0},
        examples=({}, {"encoder_size": 0, "k": 1, "capacity": 4, "weight": 0.3}, {"memory": "episodic", "seed": 1}),
    ),
    "RND": TransformEntry(
        summary="Random network distillation: pays for observations whose random features cannot be predicted yet.",
        paper="arXiv 1810.12894",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_learned:RNDTransform",
        neutral={"weight": 0.0},
        examples=(
            {"hidden": 16, "size": 8, "warmup": 2, "batch_size": 4},
            {"hidden": 16, "size": 8, "warmup": 0, "batch_size": 2, "episodic_returns": True, "learning_rate": 0.01},
        ),
    ),
    "ICM": TransformEntry(
        summary="Intrinsic curiosity: pays for steps whose next features cannot be predicted yet.",
        paper="arXiv 1705.05363",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_dynamics:ICMTransform",
        neutral={"weight": 0.0, "num_actions": 3},
        examples=({"hidden": 16, "size": 8, "warmup": 2, "batch_size": 4, "num_actions": 3},),
    ),
    "Disagreement": TransformEntry(
        summary="Pays for steps on whose next features several models differ.",
        paper="arXiv 1906.04161",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_dynamics:DisagreementTransform",
        neutral={"weight": 0.0, "num_actions": 3},
        examples=({"hidden": 16, "size": 8, "warmup": 2, "batch_size": 4, "num_actions": 3},),
    ),
    "RIDE": TransformEntry(
        summary="Pays for actions that move the features far, to observations that are new to the episode.",
        paper="arXiv 2002.12292",
        timing="causal",
        invariance="none",
        transform="telos.wrappers.intrinsic_dynamics:RIDETransform",
        neutral={"weight": 0.0, "num_actions": 3},
        examples=({"hidden": 16, "size": 8, "warmup": 2, "batch_size": 4, "num_actions": 3},),
    ),
    "EpisodicMemoryReward": TransformEntry(
        summary="Memory-R+: pays episodes for being like earlier successes and unlike earlier failures.",
        paper="arXiv 2504.02273",
        timing="episode",
        invariance="none",
        transform="telos.wrappers.intrinsic_memory:EpisodicMemoryRewardTransform",
        neutral={"outcome": None, "success_weight": 0.0, "failure_weight": 0.0},
        examples=(
            {"threshold": -0.75},
            {"outcome": None, "threshold": 0.0, "warmup": 0, "k": 2, "window": 3, "success_weight": -0.5},
            {"threshold": -0.75, "warmup": 1, "k": 3, "max_contexts": 2, "max_responses": 1, "failure_weight": 0.3},
        ),
    ),
}
