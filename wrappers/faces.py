"""The wrapper classes of a ``RewardTransform``, made from it.

* ``env_face`` - makes the wrapper ``X(env, ...)`` for ``gymnasium.Env``
* ``vector_face`` - makes the wrapper ``X(envs, ...)`` for ``gymnasium.vector.VectorEnv``
* ``parallel_face`` - makes the wrapper ``X(env, ...)`` for PettingZoo's ``ParallelEnv``
* ``lazy_faces`` - gives a module one such wrapper for every row of ``telos.wrappers.registry``

Example:
    >>> from telos.wrappers.gating import AccumulatedRewardTransform
    >>> HalfReward = env_face(AccumulatedRewardTransform, __name__, "HalfReward")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, cast

import gymnasium as gym
from gymnasium.vector import VectorEnv

from telos.wrappers.core import RewardTransform
from telos.wrappers.faces_env import EnvFace
from telos.wrappers.faces_vector import VectorFace
from telos.wrappers.registry import TRANSFORMS
from telos.wrappers.terms import suggestion

if TYPE_CHECKING:
    from telos.wrappers.faces_parallel import ParallelFace

__all__ = ["EnvFace", "VectorFace", "env_face", "lazy_faces", "parallel_face", "vector_face"]

P = ParamSpec("P")

if TYPE_CHECKING:

    class EnvFaceType(type, Generic[P]):
        """For type checkers: a class that is called with an environment and the transform's arguments."""

        transform_type: type[RewardTransform]

        def __call__(cls, env: gym.Env[Any, Any], *args: P.args, **kwargs: P.kwargs) -> EnvFace:
            """Wraps ``env``."""

    class VectorFaceType(type, Generic[P]):
        """For type checkers: a class that is called with a vector environment and the transform's arguments."""

        transform_type: type[RewardTransform]

        def __call__(cls, env: VectorEnv[Any, Any, Any], *args: P.args, **kwargs: P.kwargs) -> VectorFace:
            """Wraps ``env``."""

    class ParallelFaceType(type, Generic[P]):
        """For type checkers: a class that is called with a ``ParallelEnv`` and the transform's arguments."""

        transform_type: type[RewardTransform]

        def __call__(cls, env: Any, *args: P.args, **kwargs: P.kwargs) -> ParallelFace:
            """Wraps ``env``."""


def env_face(transform: Callable[P, RewardTransform], module: str, name: str | None = None) -> EnvFaceType[P]:
    """Makes the wrapper class of a transform for ``gymnasium.Env``.

    Args:
        transform: The transform class.
        module: ``__name__`` of the module that binds the result: specs and pickles look it up there.
        name: The name it is bound to there; the transform's own, without ``Transform``, by default.

    Returns:
        A subclass of ``EnvFace`` with the transform's docstring, and its signature behind ``env``.
    """
    return cast("EnvFaceType[P]", _derive(EnvFace, transform, module, name, "The environment to wrap."))


def vector_face(transform: Callable[P, RewardTransform], module: str, name: str | None = None) -> VectorFaceType[P]:
    """Makes the wrapper class of a transform for ``gymnasium.vector.VectorEnv``; see ``env_face``."""
    made = _derive(VectorFace, transform, module, name, "The vector environment to wrap, in any autoreset mode.")
    return cast("VectorFaceType[P]", made)


def parallel_face(transform: Callable[P, RewardTransform], module: str, name: str | None = None) -> ParallelFaceType[P]:
    """Makes the wrapper class of a transform for PettingZoo's ``ParallelEnv``; see ``env_face``."""
    from telos.wrappers.faces_parallel import ParallelFace

    made = _derive(ParallelFace, transform, module, name, "The parallel environment to wrap.")
    return cast("ParallelFaceType[P]", made)


def lazy_faces(
    namespace: dict[str, Any], make: Callable[[Any, str], Any]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes a module's ``__getattr__`` and ``__dir__``, so that it has a wrapper for every registered transform.

    Each is made, and its transform imported, when it is first asked for.

    Args:
        namespace: ``globals()`` of the module.
        make: ``env_face``, ``vector_face`` or ``parallel_face``.
    """
    module = namespace["__name__"]

    def getattr_(name: str) -> Any:
        if name not in TRANSFORMS:
            hint = "" if name.startswith("_") else suggestion(name, TRANSFORMS)
            raise AttributeError(f"module {module!r} has no attribute {name!r}.{hint}")
        # Two threads may both get here; the first one's class is kept, so that pickles find it.
        return namespace.setdefault(name, make(TRANSFORMS[name].load(), module))

    def dir_() -> list[str]:
        return sorted({*namespace, *TRANSFORMS})

    return getattr_, dir_


def _derive(base: type, transform: Any, module: str, name: str | None, env_doc: str) -> type:
    name = name or transform.public_name()
    signature = inspect.signature(transform)
    leading = inspect.Parameter("env", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    doc = inspect.getdoc(transform) or ""
    body = {
        "transform_type": transform,
        "__doc__": doc.replace("Args:\n", f"Args:\n    env: {env_doc}\n", 1),
        "__module__": module,
        "__qualname__": name,
        "__signature__": signature.replace(parameters=[leading, *signature.parameters.values()]),
    }
    return type(name, (base,), body)
