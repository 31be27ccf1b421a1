"""Reward wrappers: for one environment here, for vector environments in ``telos.wrappers.vector``.

Each wrapper acts on the named terms in ``info["reward_terms"]`` (an environment without them has the single term
``"reward"``), pays terms that again sum to its reward bit for bit, and keeps the environment's own reward in
``info["raw_reward"]``::

    from telos.wrappers import GatedReward

    env = GatedReward(gym.make("SWEDocker-v0"), outcome="outcome", threshold=0.0)

* ``AccumulatedReward`` - D-RA: the weighted sum of all terms
* ``GatedReward`` - G-RA: terms that count only if those above them reach their gates

A new idea is a ``RewardTransform``; ``env_face`` and ``vector_face`` make its wrappers.
"""

from telos.wrappers.core import RewardTransform, Transition
from telos.wrappers.faces import env_face, vector_face
from telos.wrappers.gating import AccumulatedRewardTransform, GatedRewardTransform
from telos.wrappers.hindsight import Hindsight
from telos.wrappers.terms import sum_terms

__all__ = [
    "AccumulatedReward",
    "GatedReward",
    "Hindsight",
    "RewardTransform",
    "Transition",
    "env_face",
    "sum_terms",
    "vector",
    "vector_face",
]

AccumulatedReward = env_face(AccumulatedRewardTransform, __name__)
"""D-RA: pays the weighted sum of all terms as they are earned; see ``AccumulatedRewardTransform``."""

GatedReward = env_face(GatedRewardTransform, __name__)
"""G-RA: a term counts only if every term above it reached its gate; see ``GatedRewardTransform``."""

from telos.wrappers import vector  # noqa: E402
