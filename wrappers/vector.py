"""Reward wrappers for vector environments, in any autoreset mode; the namesakes of those in ``telos.wrappers``."""

from telos.wrappers.faces import lazy_faces, vector_face
from telos.wrappers.registry import TRANSFORMS

__all__ = [*TRANSFORMS]

__getattr__, __dir__ = lazy_faces(globals(), vector_face)
