"""Gymnasium's ``VectorEnv`` of a family: one batch, no processes, all autoreset modes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from telos.envs.engine.arrays import mapped, on_host
from telos.envs.engine.batch import Batch, View
from telos.envs.engine.episodes import WhenDone
from telos.envs.engine.faces import Cloneable, batched, make_family, metadata_of, observation_of
from telos.envs.engine.family import Family

__all__ = ["SimulatedParallelVectorEnv", "SimulatedVectorEnv"]

_WHEN_DONE = {
    AutoresetMode.DISABLED: WhenDone.NOTHING,
    AutoresetMode.NEXT_STEP: WhenDone.RESET_IN_NEXT_STEP,
    AutoresetMode.SAME_STEP: WhenDone.RESET_AT_ONCE,
}


class SimulatedVectorEnv(Cloneable, VectorEnv[Any, Any, Any]):
    """Many environments of a family; subclasses name the family.

    Environment ``i`` after ``reset(seed=s)`` goes through the same states as an ``Env`` after ``reset(seed=s + i)``.

    Args:
        num_envs: Number of environments.
        max_episode_steps: Steps after which an episode is truncated, or None.
        autoreset_mode: Gymnasium's :class:`~gymnasium.vector.AutoresetMode`, or its value as text.
        num_threads: CPU threads at most; None for every core. Results do not depend on it.
        device: ``"cpu"``, or ``"cuda"`` for PyTorch's current GPU: the states stay there, and observations, rewards,
            ends and infos are PyTorch tensors there. Actions and reset masks come without a copy if they are tensors
            on that GPU (or have ``__cuda_array_interface__``), and may be NumPy arrays. The spaces stay NumPy's.
        render_mode: One of the family's, or None.
        **arguments: The family's arguments.
    """

    family_type: ClassVar[type[Family]]
    _keeps_agents: ClassVar[bool] = False

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        num_threads: int | None = None,
        device: str = "cpu",
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        if render_mode not in (None, *(modes := [mode for mode in self.family_type.render_modes if mode != "human"])):
            raise ValueError(f"render_mode {render_mode!r} is unknown to many environments: choose from {modes}")
        mode = AutoresetMode(autoreset_mode)
        self.metadata = metadata_of(self.family_type) | {"autoreset_mode": mode}
        self.num_envs, self.render_mode, self._when_done = num_envs, render_mode, _WHEN_DONE[mode]
        self.family: Any = make_family(self.family_type, arguments)
        self._batch = Batch(self.family, num_envs, max_episode_steps, num_threads, device, self._keeps_agents)
        self.single_observation_space = self._of_agents(self.family.observation_space)
        self.single_action_space = self._of_agents(self.family.action_space)
        self.observation_space = _batch_space(self.single_observation_space, num_envs)
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
        view = self._batch.reset(rows, seeds)
        return observation_of(self.family, view.observation), self._masks(view)

    def _of_agents(self, space: gym.Space[Any]) -> gym.Space[Any]:
        return batch_space(space, len(self.family.agents)) if self._keeps_agents else space

    def _masks(self, view: View) -> dict[str, Any]:
        """Action masks as infos."""
        if view.action_mask is None:
            return {}
        return {"action_mask": view.action_mask, "_action_mask": np.ones(self.num_envs, np.bool_)}

    def _rows(self, options: dict[str, Any]) -> Any:
        mask = options.pop("reset_mask", None)
        if options:
            raise ValueError(f"unknown reset option {next(iter(options))!r}; the only one is 'reset_mask'")
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        arrays = self._batch.arrays
        mask = arrays.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != arrays.bool_dtype or not mask.any():
            raise ValueError(
                f"reset_mask must be bool of shape ({self.num_envs},) with at least one True, got {mask.dtype} "
                f"{tuple(mask.shape)}"
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

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step in every environment.

        Raises:
            ResetNeeded: If episodes are over that this autoreset mode does not begin anew.
            ValueError: If an action is invalid.
        """
        batch, family = self._batch, self.family
        if not self._seeded or (self._when_done is WhenDone.NOTHING and batch.over.any()):
            rows = np.flatnonzero(on_host(batch.over))[:8].tolist()
            raise gym.error.ResetNeeded(
                f"episodes are over in environments {rows}...; call reset(options={{'reset_mask': mask}}) before step()"
            )
        done = batch.step(actions, self._when_done)
        ended = batch.of_environments(done.terminated | done.truncated)
        if done.final is not None and ended.any():
            ended_rows = ended if done.acted.ndim == 1 else ended[:, None]
            infos = batched(family, batch.arrays, done, done.acted & ~ended_rows, full=False)
            infos |= {"final_obs": observation_of(family, done.final.observation), "_final_obs": ended}
            infos["final_info"] = batched(family, batch.arrays, done, done.acted & ended_rows, full=False)
            infos["_final_info"] = ended
        else:
            infos = batched(family, batch.arrays, done, done.acted, full=True)
        infos |= self._masks(done.view)
        return observation_of(family, done.view.observation), done.rewards, done.terminated, done.truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """Renders every environment."""
        if self.render_mode is None:
            return None
        state = mapped(on_host, self._batch.state)
        return tuple(self.family.render_row(state, row, self.render_mode) for row in range(self.num_envs))


def _batch_space(space: gym.Space[Any], num_envs: int) -> gym.Space[Any]:
    """The space of a batch, with the environment as the first axis also of several agents' texts."""
    if isinstance(space, gym.spaces.Tuple):
        return gym.spaces.Tuple([copy.deepcopy(space) for _ in range(num_envs)])
    return batch_space(space, num_envs)


class SimulatedParallelVectorEnv(SimulatedVectorEnv):
    """Many environments of a multi-agent family; subclasses name the family.

    As :class:`SimulatedVectorEnv`, but every array has the agent as its second axis: observations and actions are
    ``(num_envs, agents, ...)``; rewards, ``terminated``, ``truncated``, reward terms and the other infos
    ``(num_envs, agents)``. The spaces have that axis, too. An agent that is done stays ``terminated`` until the episode
    of its environment ends, which is when all agents are done; until then it earns 0, and its action is not used, but
    must be valid. The masks of infos (``_reward_terms``) say which agents took part in the step. ``_final_obs`` and
    ``_final_info`` are ``(num_envs,)``: autoreset is of whole environments. Environment ``i`` goes through the same
    states as a :class:`~telos.envs.engine.parallel.SimulatedParallelEnv` after ``reset(seed=s + i)``.

    Gymnasium's own vector wrappers count one reward an environment and do not fit.
    """

    _keeps_agents = True

    @property
    def state_space(self) -> gym.spaces.Box | None:
        """The space of ``state()``, of one environment; None if the family has no state for centralised critics."""
        space: gym.spaces.Box | None = self.family.state_space
        return space

    def state(self) -> Any:
        """All there is to know of every environment, ``(num_envs, ...)``: for centralised critics' training only.

        Raises:
            NotImplementedError: If the family has no such state.
        """
        return self._batch.whole_states()

    @property
    def possible_agents(self) -> list[str]:
        """Names of the agents, in the order of the axis."""
        return list(self.family.agents)
