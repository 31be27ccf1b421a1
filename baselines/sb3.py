"""Stable-Baselines3 on a native vector environment.

```python
import gymnasium as gym, telos
from stable_baselines3 import PPO
from telos.baselines.sb3 import SB3VecEnv

envs = gym.make_vec("CoRMABCapacity-v0", num_envs=1024, autoreset_mode="SameStep", invalid="project")
PPO("MlpPolicy", SB3VecEnv(envs), n_steps=20, batch_size=4096).learn(1_000_000)
```
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

__all__ = ["SB3VecEnv"]


class SB3VecEnv(VecEnv):
    """A Gymnasium vector environment in ``AutoresetMode.SAME_STEP``, as Stable-Baselines3 wants it.

    A finished episode's info has ``terminal_observation``, ``TimeLimit.truncated`` and ``episode`` (return ``r`` and
    length ``l``), from which Stable-Baselines3 bootstraps and logs. Other infos are left out: it wants one dictionary
    an environment, which would cost more than the step.

    Args:
        envs: The vector environment.

    Raises:
        ValueError: If its autoreset mode is another one, or its actions do not begin at 0.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        if envs.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ValueError("Stable-Baselines3 resets in the same step: gym.make_vec(..., autoreset_mode='SameStep')")
        first = getattr(envs.single_action_space, "start", 0)
        if np.any(first):
            raise ValueError(f"Stable-Baselines3 counts actions from 0, and these begin at {first}")
        self._envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._seed: int | None = None
        self._returns = np.zeros(envs.num_envs)
        self._lengths = np.zeros(envs.num_envs, np.int64)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Sets the seed of the next ``reset``; environment ``i`` gets ``seed + i``."""
        self._seed = seed
        return [None if seed is None else seed + i for i in range(self.num_envs)]

    def reset(self) -> VecEnvObs:
        """Begins an episode in every environment."""
        observations: VecEnvObs = self._envs.reset(seed=self._seed)[0]
        self._seed = None
        self._returns[:], self._lengths[:] = 0.0, 0
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions for :meth:`step_wait`. Stable-Baselines3 samples binary ones as floats."""
        self._actions = np.asarray(actions, self.action_space.dtype)

    def step_wait(self) -> VecEnvStepReturn:
        """Takes the step."""
        observations, rewards, terminated, truncated, infos = self._envs.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        done = terminated | truncated
        described: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            final = infos["final_obs"]
            described[i] = {
                "terminal_observation": {k: v[i] for k, v in final.items()} if isinstance(final, dict) else final[i],
                "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
                "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i])},
            }
        self._returns[done], self._lengths[done] = 0.0, 0
        return observations, rewards.astype(np.float32), done, described

    def close(self) -> None:
        """Closes the vector environment."""
        self._envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The vector environment's attribute, once for each environment."""
        return [getattr(self._envs, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Not offered: environments of a batch have no attributes of their own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("environments of a batch share their attributes; make the batch with other arguments")

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Not offered, as :meth:`set_attr`.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(f"call {method_name} on the vector environment itself")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """False: environments of a batch have no wrappers of their own."""
        return [False] * len(list(self._get_indices(indices)))
