"""A vector environment that steps its sub-environments in threads.

For environments that wait (for a container, a server): as fast as processes there, without pickling, and
without forks. For environments that compute, use native batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

__all__ = ["ThreadVectorEnv"]

Batch = tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


@dataclass
class _Step:
    """What one sub-environment returned."""

    observation: Any
    info: dict[str, Any]
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    final: dict[str, Any] = field(default_factory=dict)


def _same(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    return env


class ThreadVectorEnv(SyncVectorEnv):
    """:class:`gymnasium.vector.SyncVectorEnv` with one thread a sub-environment.

    ``reset`` and ``step`` behave as there, in all three autoreset modes. ``send`` and ``recv`` let a learner go
    on with whatever has answered while stragglers work.

    Args:
        env_fns: One function for each sub-environment.
        autoreset_mode: When a finished sub-environment is reset; ``AutoresetMode.NEXT_STEP`` by default.
    """

    def __init__(
        self,
        env_fns: Iterable[Callable[[], gym.Env[Any, Any]]],
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    ) -> None:
        envs: list[gym.Env[Any, Any]] = []
        try:
            envs.extend(env_fn() for env_fn in env_fns)
            super().__init__([partial(_same, env) for env in envs], copy=False, autoreset_mode=autoreset_mode)
        except BaseException:
            for env in envs:
                env.close()
            raise
        self._threads = ThreadPoolExecutor(self.num_envs, thread_name_prefix="telos-vector")
        self._pending: dict[Future[_Step], int] = {}

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets all sub-environments, or those of ``options["reset_mask"]``, at the same time.

        Args:
            seed: Sub-environment ``i`` gets ``seed + i``, or item ``i`` of a list.
            options: Passed on, without ``"reset_mask"`` (bool array of shape ``(num_envs,)``).
        """
        if self._pending:
            raise gym.error.AlreadyPendingCallError("recv() what was sent before reset()", "send")
        if seed is None or isinstance(seed, int):
            seeds: Sequence[int | None] = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = seed
        if len(seeds) != self.num_envs:
            raise ValueError(f"got {len(seeds)} seeds for {self.num_envs} environments")
        options = dict(options) if options else {}
        mask = np.asarray(options.pop("reset_mask", np.ones(self.num_envs, np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(f"reset_mask must be a bool array of shape ({self.num_envs},) with a True in it")
        chosen = np.flatnonzero(mask).tolist()
        resets = [self._threads.submit(self.envs[i].reset, seed=seeds[i], options=options or None) for i in chosen]
        wait(resets)
        infos: dict[str, Any] = {}
        for i, result in zip(chosen, resets, strict=True):
            self._env_obs[i], info = result.result()
            infos = self._add_info(infos, info, i)
            self._autoreset_envs[i] = False
        return self._batch(self._env_obs), infos

    def step(self, actions: Any) -> Batch:
        """Steps all sub-environments at the same time."""
        self.send(actions, range(self.num_envs))
        try:
            observations, rewards, terminated, truncated, infos, _ = self.recv(self.num_envs)
        except BaseException:
            # No one will ask for what the others return.
            wait(self._pending)
            self._pending.clear()
            raise
        return observations, rewards, terminated, truncated, infos

    def send(self, actions: Any, env_ids: Iterable[int]) -> None:
        """Starts a step of some sub-environments and returns at once.

        Args:
            actions: A batch of one action for each of ``env_ids``, in their order.
            env_ids: Indexes of sub-environments without a step under way.

        Raises:
            AlreadyPendingCallError: If one of them is still busy.
            ResetNeeded: If one of them has ended and the autoreset mode is ``DISABLED``.
        """
        ids = [int(i) for i in env_ids]
        if len(set(ids)) != len(ids) or not set(ids) <= set(range(self.num_envs)):
            raise ValueError(f"env_ids {ids} must be different numbers from 0 to {self.num_envs - 1}")
        busy = set(ids) & set(self._pending.values())
        if busy:
            raise gym.error.AlreadyPendingCallError(f"environments {sorted(busy)} are busy: recv() first", "send")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._autoreset_envs[ids].any():
            ended = [i for i in ids if self._autoreset_envs[i]]
            raise gym.error.ResetNeeded(f"environments {ended} have ended: reset() with a reset_mask first")
        chosen = list(actions) if isinstance(actions, (tuple, list)) else list(iterate(self.action_space, actions))
        if len(chosen) != len(ids):
            raise ValueError(f"got {len(chosen)} actions for {len(ids)} environments")
        for i, action in zip(ids, chosen, strict=True):
            self._pending[self._threads.submit(self._advance, i, action)] = i

    def recv(self, min_envs: int = 1, timeout: float | None = None) -> tuple[*Batch, npt.NDArray[np.int64]]:
        """Waits until ``min_envs`` of the sent steps are done and returns all that are.

        Args:
            min_envs: How many to wait for, at most as many as are under way.
            timeout: Limit in seconds; None waits for ever.

        Returns:
            Observations, rewards, terminated, truncated, infos, and the indexes of the sub-environments, ascending.
            Every batch has one entry for each of these indexes.

        Raises:
            Exception: Whatever a sub-environment raised, alone: results of others can be received later.
            NoAsyncCallError: If fewer than ``min_envs`` steps are under way.
            TimeoutError: If they took longer than ``timeout``; the steps go on and can be received later.
        """
        if not 1 <= min_envs <= len(self._pending):
            raise gym.error.NoAsyncCallError(f"recv({min_envs}) with {len(self._pending)} steps under way", "recv")
        done: set[Future[_Step]] = {future for future in self._pending if future.done()}
        deadline = None if timeout is None else time.monotonic() + timeout
        while len(done) < min_envs:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            fresh, _ = wait(set(self._pending) - done, left, FIRST_COMPLETED)
            if not fresh:
                raise TimeoutError(f"{len(done)} of {min_envs} environments answered within {timeout} s")
            done |= fresh
        for future in sorted(done, key=self._pending.__getitem__):
            error = future.exception()
            if error is not None:
                del self._pending[future]
                raise error
        ready = {self._pending.pop(future): future for future in done}
        ids = sorted(ready)
        steps = [ready[i].result() for i in ids]
        batcher: VectorEnv[Any, Any, Any] = VectorEnv()
        batcher.num_envs = len(ids)
        infos: dict[str, Any] = {}
        for position, step in enumerate(steps):
            for info in (step.final, step.info):
                if info:
                    infos = batcher._add_info(infos, info, position)
        return (
            self._batch([step.observation for step in steps]),
            np.array([step.reward for step in steps], np.float64),
            np.array([step.terminated for step in steps], np.bool_),
            np.array([step.truncated for step in steps], np.bool_),
            infos,
            np.array(ids, np.int64),
        )

    def close_extras(self, **kwargs: Any) -> None:
        """Waits for the steps that were sent and closes the sub-environments."""
        self._threads.shutdown(wait=True)
        super().close_extras(**kwargs)

    def _batch(self, observations: Sequence[Any]) -> Any:
        space = self.single_observation_space
        return concatenate(space, observations, cast(Any, create_empty_array(space, n=len(observations), fn=np.zeros)))

    def _advance(self, i: int, action: Any) -> _Step:
        """One step of one sub-environment with its autoreset; runs in a thread."""
        env = self.envs[i]
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and self._autoreset_envs[i]:
            step = _Step(*env.reset())
        else:
            observation, reward, terminated, truncated, info = env.step(action)
            step = _Step(observation, info, float(reward), terminated, truncated)
            if self.autoreset_mode is AutoresetMode.SAME_STEP and (terminated or truncated):
                step.final = {"final_obs": observation, "final_info": info}
                step.observation, step.info = env.reset()
        self._autoreset_envs[i] = step.terminated or step.truncated
        self._env_obs[i] = step.observation
        return step
