"""The face of a ``RewardTransform`` for ``gymnasium.vector.VectorEnv``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym
from gymnasium.logger import warn
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from telos.wrappers import batching
from telos.wrappers.arrays import NUMPY, Arrays, arrays_of
from telos.wrappers.infos import TERMS, VectorInfo, trainable_rows
from telos.wrappers.stacks import Face, StackStep
from telos.wrappers.terms import Array, check_sum, sum_terms

__all__ = ["VectorFace"]


class VectorFace(VectorWrapper[Any, Any, Any, Any, Array], Face):
    """A reward transform as a wrapper for a vector environment in any autoreset mode.

    Arrays stay what they are: of an environment that pays PyTorch tensors, terms and rewards are tensors on its device.
    See ``telos.wrappers.faces.vector_face``.
    """

    def __init__(self, env: VectorEnv[Any, Any, Array], *args: Any, **kwargs: Any) -> None:
        if isinstance(env, gym.Env) or not isinstance(env, VectorEnv):
            raise TypeError(f"vector.{type(self).__name__} wraps a VectorEnv; its namesake in telos.wrappers an Env.")
        VectorWrapper.__init__(self, env)
        self._begin(env, self.num_envs, args, kwargs)
        self._arrays: Arrays | None = None
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
        cursor, mask = self._cursor, self._every
        if options is not None and "reset_mask" in options:
            mask = options["reset_mask"]
            if self._arrays is not None:
                mask = self._arrays.asarray(mask)
            elif arrays_of(mask) is not NUMPY:
                mask = self._every  # No step yet, so there is nothing to keep.
        # SyncVectorEnv takes the mask out of the dict that it is given: give it its own.
        obs, infos = self._innermost.env.reset(
            seed=cast("int | None", seed), options=None if options is None else dict(options)
        )
        self._stack.reset(mask)
        cursor.waiting = cursor.waiting & ~mask
        if cursor.observed:
            cursor.obs = batching.copied(obs)
        return obs, infos

    def _use(self, xp: Arrays) -> None:
        """Learns, at the first step, in which library and on which device the environment keeps its arrays."""
        self._arrays = xp
        self._stack.use(xp)
        self._never = xp.zeros(self.num_envs, dtype=xp.bool)
        self._every = ~self._never
        self._cursor.waiting = xp.asarray(self._cursor.waiting)

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Steps all environments and pays the transform's reward; dummy autoreset steps are paid 0."""
        innermost, cursor = self._innermost, self._cursor
        obs, rewards, terminated, truncated, raw_infos = innermost.env.step(actions)
        if self._arrays is None:
            if tuple(rewards.shape) != (self.num_envs,):
                raise ValueError(
                    f"vector.{type(self).__name__} needs one reward an environment, shape ({self.num_envs},), and got "
                    f"{tuple(rewards.shape)}: wrap a multi-agent environment in telos.wrappers.parallel instead."
                )
            self._use(arrays_of(rewards))
        xp = cast("Arrays", self._arrays)
        ended = terminated | truncated
        all_active = not cursor.waiting.any()
        active = self._every if all_active else ~cursor.waiting
        done = ended if all_active else ended & active
        info = VectorInfo(raw_infos, self.num_envs, xp)
        next_obs = None
        if cursor.observed:
            next_obs = batching.with_final(self.single_observation_space, obs, raw_infos)
        if all_active or active.any():
            terms = info.read_terms(rewards, active)
            if not innermost._trusted:
                check_sum(type(innermost).__name__, terms, sum_terms(terms), rewards, active)
            trainable = trainable_rows(info, self._every)
            live = active if trainable is self._every else active & trainable
            reward = rewards if all_active else xp.where(active, rewards, 0.0)
            step = StackStep(
                xp,
                obs=cursor.obs,
                action=actions if cursor.observed else None,
                next_obs=next_obs,
                terms=terms,
                reward=reward,
                reward_dtype=rewards.dtype,
                terminated=terminated,
                truncated=truncated,
                active=active,
                trainable=trainable,
                info=info,
                done=done,
                ended=bool(done.any()),
            )
            whole = live is self._every or live.all()
            paid, notes = self._stack.pay(step, None if whole else ~live)
            info.write(TERMS, paid, active, blank=True)
            if not innermost._trusted:
                info.write("raw_reward", xp.cast(xp.copy(reward), xp.float64), active, keep=True, blank=True)
            for key, value in notes.items():
                info.write(key, value, done)
            payment = sum_terms(paid)
            payment = xp.cast(payment, xp.wider(payment.dtype, rewards.dtype))
        else:
            payment = xp.zeros(self.num_envs, dtype=rewards.dtype)
        if self._mode is AutoresetMode.NEXT_STEP:
            cursor.waiting = done
        elif self._mode is AutoresetMode.DISABLED:
            cursor.waiting = cursor.waiting | ended
        if cursor.observed:
            cursor.obs = next_obs if "final_obs" not in raw_infos else batching.copied(obs)
        return obs, payment, terminated, truncated, info.out

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the wrapper's state in the middle of episodes, without the wrapped environment's."""
        xp = self._arrays or NUMPY
        return {**super().state_dict(), "waiting": xp.copy(self._cursor.waiting)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues exactly from what ``state_dict`` returned; raises ValueError if it does not fit."""
        xp = arrays_of(state["waiting"])
        if xp is not NUMPY and self._arrays is not xp:
            self._use(xp)
        super().load_state_dict(state)
        self._cursor.waiting = xp.copy(state["waiting"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self.transform.described()}), {self.env}>"
