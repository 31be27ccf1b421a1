"""Reward wrappers for PettingZoo's ``ParallelEnv``, agent by agent; the namesakes of those in ``telos.wrappers``."""

from telos.wrappers.faces import lazy_faces, parallel_face
from telos.wrappers.registry import TRANSFORMS

__all__ = [*TRANSFORMS]

__getattr__, __dir__ = lazy_faces(globals(), parallel_face)
