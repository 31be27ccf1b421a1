"""Reward wrappers for vector environments, in any autoreset mode; the namesakes of those in ``telos.wrappers``."""

from telos.wrappers.faces import vector_face
from telos.wrappers.gating import AccumulatedRewardTransform, GatedRewardTransform

__all__ = ["AccumulatedReward", "GatedReward"]

AccumulatedReward = vector_face(AccumulatedRewardTransform, __name__)
"""D-RA: pays the weighted sum of all terms as they are earned; see ``AccumulatedRewardTransform``."""

GatedReward = vector_face(GatedRewardTransform, __name__)
"""G-RA: a term counts only if every term above it reached its gate; see ``GatedRewardTransform``."""
