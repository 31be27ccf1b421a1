"""Gymnasium's ``VectorEnv`` of a family: one batch, no processes, all autoreset modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from telos.envs.engine.batch import Batch, Snapshot, WhenDone
from telos.envs.engine.faces import batched, make_family, observation_of
from telos.envs.engine.family import Family

__all__ = ["SimulatedVectorEnv"]

_WHEN_DONE = {
    AutoresetMode.DISABLED: WhenDone.NOTHING,
    AutoresetMode.NEXT_STEP: WhenDone.RESET_IN_NEXT_STEP,
    AutoresetMode.SAME_STEP: WhenDone.RESET_AT_ONCE,
}


class SimulatedVectorEnv(VectorEnv[Any, Any, Any]):
    """Many environments of a family; subclasses name the family.

    Environment ``i`` after ``reset(seed=s)`` goes through the same states as an ``Env`` after ``reset(seed=s + i)``.

    Args:
        num_envs: Number of environments.
        max_episode_steps: Steps after which an episode is truncated, or None.
        autoreset_mode: Gymnasium's :class:`~gymnasium.vector.AutoresetMode`, or its value as text.
        num_threads: CPU threads at most; None for every core. Results do not depend on it.
        render_mode: One of the family's, or None.
        **arguments: The family's arguments.
    """

    family_type: ClassVar[type[Family]]

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        num_threads: int | None = None,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        modes = list(self.family_type.render_modes)
        if render_mode not in (None, *modes):
            raise ValueError(f"render_mode {render_mode!r} is unknown: choose from {modes}")
        mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": modes, "render_fps": 10, "autoreset_mode": mode}
        self.num_envs, self.render_mode, self._when_done = num_envs, render_mode, _WHEN_DONE[mode]
        self.family: Any = make_family(self.family_type, arguments)
        self.single_observation_space = self.family.observation_space
        self.single_action_space = self.family.action_space
        self._batch = Batch(self.family, num_envs, max_episode_steps, num_threads)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seeded = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode in every environment, or in those of ``options={"reset_mask": bool (num_envs,)}``.

        Args:
            seed: Environment ``i`` gets ``seed + i``, or ``seed[i]``. None goes on to the next episode of each.
            options: See above.

        Raises:
            ValueError: If seeds or mask do not fit ``num_envs``, or an option is unknown.
        """
        rows = self._rows(dict(options or {}))
        seeds = self._seeds(seed)
        observation = self._batch.reset(rows, seeds)
        return observation_of(self.family, observation), {}

    def _rows(self, options: dict[str, Any]) -> NDArray[np.bool_]:
        mask = options.pop("reset_mask", None)
        if options:
            raise ValueError(f"unknown reset option {next(iter(options))!r}; the only one is 'reset_mask'")
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(
                f"reset_mask must be bool of shape ({self.num_envs},) with at least one True, got {mask.dtype} "
                f"{mask.shape}"
            )
        return mask

    def _seeds(self, seed: int | Sequence[int | None] | None) -> NDArray[np.uint64] | None:
        if isinstance(seed, int | np.integer):
            super().reset(seed=int(seed))
            self._seeded = True
            return np.arange(self.num_envs, dtype=np.uint64) + np.uint64(seed)
        if seed is None and self._seeded:
            return None
        given = [None] * self.num_envs if seed is None else list(seed)
        if len(given) != self.num_envs:
            raise ValueError(f"seed has {len(given)} entries for {self.num_envs} environments")
        drawn = self.np_random.integers(2**63, size=self.num_envs)
        self._seeded = True
        return np.array([d if s is None else s for s, d in zip(given, drawn, strict=True)], np.uint64)

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Takes a step in every environment.

        Raises:
            ResetNeeded: If episodes are over that this autoreset mode does not begin anew.
            ValueError: If an action is invalid.
        """
        batch, over = self._batch, self._batch.clock.over
        if not self._seeded or (self._when_done is WhenDone.NOTHING and over.any()):
            rows = np.flatnonzero(over)[:8].tolist()
            raise gym.error.ResetNeeded(
                f"episodes are over in environments {rows}...; call reset(options={{'reset_mask': mask}}) before step()"
            )
        actions = np.asarray(actions)
        if len(actions) != self.num_envs:
            raise ValueError(
                f"actions must have shape ({self.num_envs}, ...), one for each environment; got {actions.shape}"
            )
        done = batch.step(self.family.check_actions(actions, batch.state), self._when_done)
        ended = done.terminated | done.truncated
        if self._when_done is WhenDone.RESET_AT_ONCE and ended.any():
            infos = batched(self.family, done, ~ended)
            infos |= {"final_obs": observation_of(self.family, done.final_observation), "_final_obs": ended}
            infos |= {"final_info": batched(self.family, done, ended), "_final_info": ended}
        else:
            infos = batched(self.family, done, ~done.began)
        return observation_of(self.family, done.observation), done.rewards, done.terminated, done.truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """Renders every environment."""
        if self.render_mode is None:
            return None
        return tuple(self.family.render_row(self._batch.state, row, self.render_mode) for row in range(self.num_envs))

    def clone_state(self) -> Snapshot:
        """An exact copy of the states of all environments, random numbers to come included."""
        return self._batch.clone()

    def restore_state(self, snapshot: Snapshot) -> None:
        """Goes back to a copy, which stays valid.

        Raises:
            ValueError: If the copy is of another number of environments, or of other arguments.
        """
        self._batch.restore(snapshot)
        self._seeded = True
