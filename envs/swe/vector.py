"""SWEDocker-v0 for many episodes at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from telos.envs.swe.cluster import Cluster, ClusterEnv
from telos.envs.swe.env import SWEDockerEnv
from telos.envs.thread_vector import ThreadVectorEnv

__all__ = ["SWEDockerVectorEnv"]


class SWEDockerVectorEnv(ThreadVectorEnv):
    """``num_envs`` episodes of SWEDocker-v0 in threads of this process, on one warm pool, or on a cluster.

    Args:
        num_envs: Number of sub-environments, at least 1.
        autoreset_mode: See :class:`~telos.envs.thread_vector.ThreadVectorEnv`.
        engine: ``"threads"``, or ``"ray"``: sandboxes run on the nodes of a Ray cluster, see
            :class:`~telos.envs.swe.cluster.ClusterEnv`.
        per_node: Episodes at a time on a node of the cluster, or None for no limit.
        **kwargs: Arguments of ``env_class``.

    Attributes:
        env_class: The class of the sub-environments.

    Raises:
        ModuleNotFoundError: If ``engine="ray"`` and Ray is not installed.
        ValueError: If ``num_envs`` is smaller than 1, or ``engine`` is unknown.
    """

    env_class: ClassVar[type[gym.Env[Any, Any]]] = SWEDockerEnv

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        engine: str = "threads",
        per_node: int | None = None,
        **kwargs: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        if engine not in ("threads", "ray"):
            raise ValueError(f"engine {engine!r} is unknown: choose 'threads' or 'ray'")
        make: Callable[[], gym.Env[Any, Any]] = partial(self.env_class, **kwargs)
        if engine == "ray":
            make = partial(ClusterEnv, Cluster(per_node), self.env_class, kwargs)
        super().__init__([make] * num_envs, autoreset_mode)
