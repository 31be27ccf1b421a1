"""Reward wrappers: for one environment here, for batches and agents in ``vector`` and ``parallel``.

``telos.wrappers.vector`` has the same names for vector environments, ``telos.wrappers.parallel`` for PettingZoo's.
Each wrapper acts on the named terms in ``info["reward_terms"]`` (an environment without them has the single term
``"reward"``), pays terms that again sum to its reward bit for bit, and keeps the environment's own reward in
``info["raw_reward"]``::

    from telos.wrappers import GatedReward

    env = GatedReward(gym.make("SWEDocker-v0"), outcome="outcome", threshold=0.0)

``telos list wrappers`` prints the wrappers, ``telos.wrappers.registry`` is the table. Wrappers around wrappers run as
one: a stack costs little more than its transforms.

* ``wrap`` - wraps an environment of any kind by specs such as ``"gated:threshold=0.5"``
* ``relabel`` - the rewards of logged episodes
* ``save_episodes``, ``load_episodes`` - logged episodes in files
* ``split_reward`` - extrinsic and intrinsic reward apart, for learners with a value function for each
* ``RewardTransform`` - what a new idea subclasses; ``env_face``, ``vector_face`` and ``parallel_face`` wrap it
"""

from telos.wrappers.core import RewardTransform, Transition
from telos.wrappers.episode_files import load_episodes, save_episodes
from telos.wrappers.episodes import Episode
from telos.wrappers.faces import env_face, lazy_faces, parallel_face, vector_face
from telos.wrappers.hindsight import Hindsight, HindsightTransform
from telos.wrappers.logged import Relabelled, relabel
from telos.wrappers.registry import TRANSFORMS
from telos.wrappers.specs import wrap
from telos.wrappers.terms import sum_terms
from telos.wrappers.value_heads import split_reward

__all__ = [
    "Episode",
    "Hindsight",
    "HindsightTransform",
    "Relabelled",
    "RewardTransform",
    "Transition",
    "env_face",
    "load_episodes",
    "parallel",
    "parallel_face",
    "relabel",
    "save_episodes",
    "split_reward",
    "sum_terms",
    "vector",
    "vector_face",
    "wrap",
    *TRANSFORMS,
]

__getattr__, __dir__ = lazy_faces(globals(), env_face)

from telos.wrappers import parallel, vector  # noqa: E402
