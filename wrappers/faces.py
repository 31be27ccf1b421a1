"""The faces of a ``RewardTransform``: one wrapper for ``Env``, one for ``VectorEnv``, each written once.

* ``env_face`` - makes the wrapper class ``X(env, ...)`` of a transform
* ``vector_face`` - makes the wrapper class ``X(envs, ...)`` of a transform

Example:
    >>> from telos.wrappers.gating import AccumulatedRewardTransform
    >>> HalfReward = env_face(AccumulatedRewardTransform, __name__, "HalfReward")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, cast

import gymnasium as gym
import numpy as np
from gymnasium.logger import warn
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from telos.wrappers import batching
from telos.wrappers.core import RewardTransform, Transition
from telos.wrappers.infos import TERMS, SingleInfo, VectorInfo, common_dtype
from telos.wrappers.terms import Array, Terms, check_sum, sum_terms, unknown_term

__all__ = ["EnvFace", "VectorFace", "env_face", "vector_face"]

P = ParamSpec("P")


class _Face(RecordConstructorArgs):
    """What both faces share: the transform, its arguments, its state, and the arithmetic of one step."""

    transform_type: ClassVar[type[RewardTransform]]
    transform: RewardTransform
    _obs: Any

    def _begin(self, inside: Any, num_envs: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.transform = self.transform_type(*args, **kwargs)
        RecordConstructorArgs.__init__(self, **self.transform.arguments)
        self.transform.begin(num_envs)
        self._every = np.ones(num_envs, np.bool_)
        self._never = ~self._every
        self.transform.reset(self._every)
        self._checked = False
        self._trusted = isinstance(inside, _Face)
        self._obs = None

    def _trainable(self, info: SingleInfo | VectorInfo) -> Array:
        if not info.has("trainable"):
            return self._every
        return np.not_equal(info.get("trainable", True), False).astype(np.bool_)

    def _pay(self, step: Transition) -> tuple[Terms, Array]:
        """Runs the transform on a step with raw terms; returns the terms to pay, 0 in dead rows, and their sum."""
        name = type(self).__name__
        if not self._checked:
            for term in self.transform.named_terms():
                if term not in step.terms:
                    raise unknown_term(name, term, step.terms)
            self._checked = True
        # Identity first: in most steps of most environments every row is alive, and looking would cost more.
        whole = (step.active is self._every and step.trainable is self._every) or bool(
            (live := step.active & step.trainable).all()
        )
        if not self._trusted:
            total = sum_terms(step.terms)
            check_sum(name, step.terms, total if whole else np.where(step.active, total, 0), step.reward)
        dtype = common_dtype(step.terms)
        if not whole:
            step.terms = {term: np.where(live, value, dtype.type(0)) for term, value in step.terms.items()}
        paid = self.transform.update(step)
        if any(value.dtype != dtype for value in paid.values()):
            paid = {term: value.astype(dtype, copy=False) for term, value in paid.items()}
        if not whole:
            paid = {term: np.where(live, value, dtype.type(0)) for term, value in paid.items()}
        return paid, sum_terms(paid)

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the wrapper's state in the middle of episodes, without the wrapped environment's."""
        return {"transform": self.transform.state_dict(), "obs": deepcopy(self._obs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues exactly from what ``state_dict`` returned.

        Raises:
            ValueError: If the state is that of another transform or another number of environments.
        """
        self.transform.load_state_dict(state["transform"])
        self._obs = deepcopy(state["obs"])


class EnvFace(gym.Wrapper[Any, Any, Any, Any], _Face):
    """A reward transform as a wrapper for one environment; see ``env_face``."""

    def __init__(self, env: gym.Env[Any, Any], *args: Any, **kwargs: Any) -> None:
        if isinstance(env, VectorEnv):
            raise TypeError(f"{type(self).__name__} wraps one Env; its namesake in telos.wrappers.vector a VectorEnv.")
        gym.Wrapper.__init__(self, env)
        self._begin(env, 1, args, kwargs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets the environment and starts a new episode of the transform."""
        obs, info = self.env.reset(seed=seed, options=options)
        self.transform.reset(self._every)
        if self.transform.observes:
            self._obs = batching.batch_one(self.observation_space, obs)
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the environment and pays the transform's reward."""
        obs, reward, terminated, truncated, raw_info = self.env.step(action)
        info = SingleInfo(raw_info)
        next_obs = batching.batch_one(self.observation_space, obs) if self.transform.observes else None
        step = Transition(
            obs=self._obs,
            action=batching.batch_one(self.action_space, action) if self.transform.observes else None,
            next_obs=next_obs,
            terms=info.read_terms(float(reward)),
            reward=np.asarray(reward, np.float64)[None],
            terminated=self._every if terminated else self._never,
            truncated=self._every if truncated else self._never,
            active=self._every,
            trainable=self._trainable(info),
            info=info,
        )
        paid, payment = self._pay(step)
        info.write(TERMS, paid)
        info.out.setdefault("raw_reward", float(reward))
        if terminated or truncated:
            for key, value in self.transform.episode_info(step).items():
                info.write(key, value)
            self.transform.reset(self._every)
        self._obs = next_obs
        return obs, float(payment[0]), terminated, truncated, info.out

    def __str__(self) -> str:
        return f"<{type(self).__name__}({self.transform.described()}){self.env}>"


class VectorFace(VectorWrapper[Any, Any, Any, Any, Array], _Face):
    """A reward transform as a wrapper for a vector environment in any autoreset mode; see ``vector_face``."""

    def __init__(self, env: VectorEnv[Any, Any, Array], *args: Any, **kwargs: Any) -> None:
        if isinstance(env, gym.Env):
            raise TypeError(f"vector.{type(self).__name__} wraps a VectorEnv; its namesake in telos.wrappers an Env.")
        VectorWrapper.__init__(self, env)
        self._begin(env, self.num_envs, args, kwargs)
        self._waiting = np.zeros(self.num_envs, np.bool_)
        mode = env.metadata.get("autoreset_mode")
        if mode is None:
            warn(f"{env} has no metadata['autoreset_mode']; {type(self).__name__} assumes AutoresetMode.NEXT_STEP.")
            mode = AutoresetMode.NEXT_STEP
        if not isinstance(mode, AutoresetMode):
            raise TypeError(f"Expected metadata['autoreset_mode'] to be an AutoresetMode, got {mode!r}.")
        self._mode = mode

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets all environments, or those in ``options["reset_mask"]``, and their episodes of the transform."""
        mask = self._every if options is None else options.get("reset_mask", self._every)
        # SyncVectorEnv takes the mask out of the dict that it is given: give it its own.
        obs, infos = self.env.reset(seed=cast("int | None", seed), options=None if options is None else dict(options))
        self.transform.reset(mask)
        self._waiting = self._waiting & ~mask
        if self.transform.observes:
            self._obs = batching.copied(obs)
        return obs, infos

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Steps all environments and pays the transform's reward; dummy autoreset steps are paid 0."""
        obs, rewards, terminated, truncated, raw_infos = self.env.step(actions)
        active = ~self._waiting if self._waiting.any() else self._every
        info = VectorInfo(raw_infos, self.num_envs)
        next_obs = None
        if self.transform.observes:
            next_obs = batching.with_final(self.single_observation_space, obs, raw_infos)
        step = Transition(
            obs=self._obs,
            action=actions if self.transform.observes else None,
            next_obs=next_obs,
            terms=info.read_terms(rewards, active),
            reward=rewards if active is self._every else np.where(active, rewards, 0.0),
            terminated=terminated,
            truncated=truncated,
            active=active,
            trainable=self._trainable(info),
            info=info,
        )
        ended = terminated | truncated
        if active is self._every or active.any():
            paid, payment = self._pay(step)
            info.write(TERMS, paid, active)
            if not self._trusted:
                info.write("raw_reward", np.array(rewards, np.float64), active, keep=True)
            if (done := step.done).any():
                for key, value in self.transform.episode_info(step).items():
                    info.write(key, value, done)
                self.transform.reset(done)
            payment = payment.astype(np.result_type(payment, rewards), copy=False)
        else:
            payment = np.zeros_like(rewards)
        if self._mode is AutoresetMode.NEXT_STEP:
            self._waiting = ended & active
        elif self._mode is AutoresetMode.DISABLED:
            self._waiting = self._waiting | ended
        if self.transform.observes:
            self._obs = batching.copied(obs)
        return obs, payment, terminated, truncated, info.out

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the wrapper's state in the middle of episodes, without the wrapped environment's."""
        return {**super().state_dict(), "waiting": self._waiting.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues exactly from what ``state_dict`` returned; raises ValueError if it does not fit."""
        super().load_state_dict(state)
        self._waiting = state["waiting"].copy()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self.transform.described()}), {self.env}>"


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
