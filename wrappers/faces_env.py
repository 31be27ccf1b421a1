"""The face of a ``RewardTransform`` for ``gymnasium.Env``."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from telos.wrappers import batching
from telos.wrappers.arrays import NUMPY
from telos.wrappers.infos import TERMS, SingleInfo
from telos.wrappers.stacks import Face, StackStep
from telos.wrappers.terms import check_sum, sum_terms

__all__ = ["EnvFace"]

_FLOAT64 = NUMPY.float64


class EnvFace(gym.Wrapper[Any, Any, Any, Any], Face):
    """A reward transform as a wrapper for one environment; see ``telos.wrappers.faces.env_face``."""

    def __init__(self, env: gym.Env[Any, Any], *args: Any, **kwargs: Any) -> None:
        if isinstance(env, VectorEnv):
            raise TypeError(f"{type(self).__name__} wraps one Env; its namesake in telos.wrappers.vector a VectorEnv.")
        gym.Wrapper.__init__(self, env)
        self._begin(env, 1, args, kwargs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets the environment and starts a new episode of the transform."""
        obs, info = self._innermost.env.reset(seed=seed, options=options)
        self._stack.reset(self._every)
        if self._cursor.observed:
            self._cursor.obs = batching.batch_one(self.observation_space, obs)
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the environment and pays the transform's reward."""
        innermost, cursor, every = self._innermost, self._cursor, self._every
        obs, reward, terminated, truncated, raw_info = innermost.env.step(action)
        info = SingleInfo(raw_info)
        next_obs = batched_action = None
        if cursor.observed:
            next_obs = batching.batch_one(self.observation_space, obs)
            batched_action = batching.batch_one(self.action_space, action)
        terms, total = info.read_terms(float(reward))
        dead = None
        if "trainable" in raw_info and not np.not_equal(raw_info["trainable"], False):
            dead = every
        if total != reward and not innermost._trusted:
            column = {name: np.asarray(value, np.float64) for name, value in terms.items()}
            check_sum(type(innermost).__name__, column, np.array([total], np.float64), np.array([reward], np.float64))
        ended = bool(terminated or truncated)
        step = StackStep(
            NUMPY,
            obs=cursor.obs,
            action=batched_action,
            next_obs=next_obs,
            terms=terms,
            reward=None if total == reward else np.array([reward], _FLOAT64),
            reward_dtype=_FLOAT64,
            terminated=every if terminated else self._never,
            truncated=every if truncated else self._never,
            active=every,
            trainable=every if dead is None else self._never,
            info=info,
            done=every if ended else self._never,
            ended=ended,
        )
        paid, notes = self._stack.pay(step, dead)
        # Where the terms are float64 so are Python's floats, and add up to the same bit.
        values = {name: value.item() if value.dtype is _FLOAT64 else value[0] for name, value in paid.items()}
        out = info.out
        out[TERMS] = values
        if "raw_reward" not in out:
            out["raw_reward"] = float(reward)
        for key, note in notes.items():
            info.write(key, note)
        cursor.obs = next_obs
        return obs, float(sum_terms(values)), terminated, truncated, out

    def __str__(self) -> str:
        return f"<{type(self).__name__}({self.transform.described()}){self.env}>"
