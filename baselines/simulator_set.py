"""Simulators as one vector environment, and what a policy sees of the one that it is in.

* ``simulators_of`` - the simulators that an environment's arguments name, one a group of users
* ``SimulatorSet`` - several vector environments as one
* ``GroupContext`` - the previous action and the group's code beside each observation
* ``ContextEnvs`` - environments that show it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from telos.baselines.input_errors import InputError
from telos.baselines.networks import ObservationEncoder
from telos.baselines.set_vae import SetVAE
from telos.baselines.training_envs import make_envs

__all__ = ["ContextEnvs", "GroupContext", "SimulatorSet", "simulators_of"]

_CPU = torch.device("cpu")


def simulators_of(env_id: str, kwargs: dict[str, Any]) -> dict[float, dict[str, Any]]:
    """The arguments of one simulator for each group of users that an environment has, by group.

    Args:
        env_id: Gymnasium's id, of an environment whose family has ``groups`` and that takes them as an argument.
        kwargs: The environment's arguments.

    Raises:
        InputError: If the environment has no groups.
    """
    envs = make_envs(env_id, kwargs, 1)
    groups = getattr(getattr(envs.unwrapped, "family", None), "groups", None)
    envs.close()
    if not groups:
        raise InputError(f"{env_id} has no groups of users to make simulators of; LTSRec-v0 has")
    return {group: {**kwargs, "groups": (group,)} for group in groups}


class SimulatorSet(VectorEnv[Any, Any, Any]):
    """Vector environments of equal spaces as one, the rows of the first one first.

    Args:
        parts: The environments; they reset themselves in the same step, and their arrays are NumPy's.

    Attributes:
        membership: Which of them each row is of, int64 ``(num_envs,)``.
    """

    def __init__(self, parts: Sequence[VectorEnv[Any, Any, Any]]) -> None:
        if any(part.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP for part in parts):
            raise ValueError("simulators must reset themselves in the same step")
        self._parts, first = list(parts), parts[0]
        sizes = [part.num_envs for part in parts]
        self.membership = np.repeat(np.arange(len(parts)), sizes)
        self._ends = np.cumsum(sizes)
        self.num_envs, self.metadata, self.spec = int(self._ends[-1]), first.metadata, first.spec
        self.single_observation_space = first.single_observation_space
        self.single_action_space = first.single_action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins all episodes; row ``i`` has the seed ``seed + i``."""
        firsts = self._ends - [part.num_envs for part in self._parts]
        found = [
            part.reset(seed=None if seed is None else int(seed + first), options=options)
            for part, first in zip(self._parts, firsts, strict=True)
        ]
        return np.concatenate([observation for observation, _ in found]), self._joined([infos for _, infos in found])

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step in every environment."""
        given = np.split(actions, self._ends[:-1])
        *arrays, infos = zip(*(part.step(some) for part, some in zip(self._parts, given, strict=True)), strict=True)
        observations, rewards, terminated, truncated = (np.concatenate(parts) for parts in arrays)
        return observations, rewards, terminated, truncated, self._joined(infos)

    def hidden_users(self) -> NDArray[np.float32]:
        """What the simulators know of their users, ``(num_envs, numbers)``.

        Raises:
            ValueError: If they do not say.
        """
        parts: list[Any] = self._parts
        if not all(hasattr(part, "hidden_users") for part in parts):
            raise ValueError("these simulators do not tell their hidden users: they have no method hidden_users()")
        found = [np.stack(list(part.hidden_users()), axis=1) for part in parts]
        return np.concatenate(found).astype(np.float32)

    def close_extras(self, **kwargs: Any) -> None:
        """Closes all environments."""
        for part in self._parts:
            part.close(**kwargs)

    def _joined(self, infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Infos of all rows, with Gymnasium's masks of the rows that have a key."""
        joined: dict[str, Any] = {}
        for key in dict.fromkeys(key for info in infos for key in info if not key.startswith("_")):
            masks, found = [], [info.get(key) for info in infos]
            for part, info, value in zip(self._parts, infos, found, strict=True):
                masks.append(info.get(f"_{key}", np.full(part.num_envs, value is not None)))
            joined[f"_{key}"] = np.concatenate(masks)
            there = next(value for value in found if value is not None)
            if isinstance(there, dict):
                joined[key] = self._joined([value or {} for value in found])
            else:
                joined[key] = np.concatenate(
                    [
                        np.zeros((part.num_envs, *there.shape[1:]), there.dtype) if value is None else value
                        for part, value in zip(self._parts, found, strict=True)
                    ]
                )
        return joined


class GroupContext:
    """What is known of users beside what is observed of each: the action before, and the code of their group.

    The code is that of the set of first observations, in their episodes, of all rows of a group. It is made anew when
    an episode of the group begins.

    Args:
        observations: The space of one environment's observations.
        actions: The space of one environment's actions.
        remembers: Whether to show the action before; 0 where an episode begins.
        extractor: Makes codes of sets of observations; None to show none.
        membership: The group of each row, from 0, int64 ``(n,)``; None if all rows are of one group.

    Attributes:
        space: Of one row with its context.
    """

    def __init__(
        self,
        observations: gym.Space[Any],
        actions: gym.Space[Any],
        remembers: bool,
        extractor: SetVAE | None,
        membership: NDArray[np.int64] | None = None,
    ) -> None:
        self._observed, self._acted = (ObservationEncoder(space, _CPU) for space in (observations, actions))
        self._remembers, self._extractor, self._membership = remembers, extractor, membership
        sizes = [self._observed.shape[0]]
        sizes += [self._acted.shape[0]] * remembers + ([] if extractor is None else [extractor.code_size])
        self.space = spaces.Box(-np.inf, np.inf, (sum(sizes),), np.float32)
        self._previous = self._firsts = self._codes = torch.zeros(0)

    def join(self, observations: Any, begins: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Observations with their context, ``(n, *space.shape)``.

        Args:
            observations: A batch of n; at the first call all of them begin.
            begins: Where an episode begins, bool ``(n,)``.
        """
        rows, new = self._observed(observations), torch.as_tensor(begins)
        if len(self._previous) != len(rows):
            self._previous, self._firsts = torch.zeros(len(rows), *self._acted.shape), torch.zeros_like(rows)
        self._previous[new] = 0.0
        if self._extractor is not None and new.any():
            self._firsts[new] = rows[new]
            self._codes = self._codes_of(len(rows))
        return self._beside(rows)

    def final(self, observations: Any) -> NDArray[np.float32]:
        """The same of observations with which episodes ended, before those that follow are joined."""
        return self._beside(self._observed(observations))

    def take(self, actions: Any) -> None:
        """Remembers the actions that are taken now, a batch of n."""
        self._previous = self._acted(actions).clone()

    def _codes_of(self, count: int) -> torch.Tensor:
        assert self._extractor is not None
        membership = torch.zeros(count, dtype=torch.int64)
        if self._membership is not None:
            membership = torch.as_tensor(self._membership)
        groups = [self._extractor.code(self._firsts[membership == k]) for k in range(int(membership.max()) + 1)]
        return torch.stack(groups)[membership]

    def _beside(self, rows: torch.Tensor) -> NDArray[np.float32]:
        parts = [self._previous] * self._remembers + ([] if self._extractor is None else [self._codes])
        return torch.cat([*parts, rows], dim=1).numpy()


class ContextEnvs(VectorWrapper[Any, Any, Any, Any, Any]):
    """Environments whose observations have their context beside them.

    Args:
        env: Environments that reset themselves in the same step.
        context: Theirs.
        simulators: Whose hidden users are to be shown behind it; None to show none.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], context: GroupContext, simulators: SimulatorSet | None = None
    ) -> None:
        super().__init__(env)
        self._context, self._simulators = context, simulators
        told = 0 if simulators is None else simulators.hidden_users().shape[1]
        self._single_observation_space = spaces.Box(-np.inf, np.inf, (context.space.shape[0] + told,), np.float32)
        self._observation_space = batch_space(self._single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins all episodes."""
        observations, infos = super().reset(seed=seed, options=options)
        return self._told(self._context.join(observations, np.ones(self.num_envs, np.bool_))), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step."""
        observations, rewards, terminated, truncated, infos = super().step(actions)
        self._context.take(actions)
        if "final_obs" in infos:
            infos = {**infos, "final_obs": self._told(self._context.final(infos["final_obs"]))}
        joined = self._told(self._context.join(observations, terminated | truncated))
        return joined, rewards, terminated, truncated, infos

    def _told(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows if self._simulators is None else np.concatenate([rows, self._simulators.hidden_users()], axis=1)
