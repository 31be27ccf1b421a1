"""SWEDocker-v0 for many episodes at a time."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from telos.envs.swe.env import SWEDockerEnv
from telos.envs.thread_vector import ThreadVectorEnv

__all__ = ["SWEDockerVectorEnv"]


class SWEDockerVectorEnv(ThreadVectorEnv):
    """``num_envs`` episodes of SWEDocker-v0 in threads of this process, on one warm pool.

    Args:
        num_envs: Number of sub-environments, at least 1.
        autoreset_mode: See :class:`~telos.envs.thread_vector.ThreadVectorEnv`.
        **kwargs: Arguments of ``env_class``.

    Attributes:
        env_class: The class of the sub-environments.

    Raises:
        ValueError: If ``num_envs`` is smaller than 1.
    """

    env_class: ClassVar[type[gym.Env[Any, Any]]] = SWEDockerEnv

    def __init__(
        self, num_envs: int = 1, autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP, **kwargs: Any
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        super().__init__([partial(self.env_class, **kwargs)] * num_envs, autoreset_mode)
