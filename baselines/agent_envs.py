"""Environments with several agents as one vector environment: a row for each agent of each environment.

* ``AgentEnvs`` - what such views have in common
* ``BatchedAgentEnvs`` - the view of a native batch, without a loop over environments

``telos.baselines.parallel_agent_envs`` has the view of any PettingZoo ``ParallelEnv``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from telos.baselines.networks import ObservationEncoder
from telos.envs.engine.vector import SimulatedParallelVectorEnv
from telos.wrappers.arrays import arrays_of
from telos.wrappers.batching import batch_many
from telos.wrappers.infos import TERMS

__all__ = ["AgentEnvs", "BatchedAgentEnvs"]


class AgentEnvs(VectorEnv[Any, Any, Any]):
    """N environments with A agents each as N * A rows, those of the first environment first.

    All agents have the same spaces, so that one policy can act for all. An observation is a dict:

    * ``observation`` - the agent's own, without its action mask
    * ``agent`` - which agent, from 0 to A - 1
    * with ``central``: ``state`` - of the environment, the same for all its agents; ``alive`` - who acts, 0 or 1

    The state is the environment's, if it has one; else the observations of all agents behind each other as
    ``ObservationEncoder`` has them, 0 for agents that are gone. Images are joined along their channels.

    An agent's episode ends when it is terminated or truncated. Until the episode of its environment ends, which is when
    no agent is left, its row sees nothing (zeros, mostly) and earns 0, and its action is not used. Then the environment
    is reset in the same step.

    Infos have, by row:

    * ``acting``, bool - whether the next step is the agent's
    * ``episode_over``, bool - whether the environment's episode ended in this step
    * ``final_obs`` and ``_final_obs``, where an agent's episode ended - its last observation, before any reset; in the
      state, agents that this step terminated are gone
    * ``reward_terms`` and ``_reward_terms`` - terms, if any are named, and which agents took part in the step
    * ``action_mask``, bool - if there are masks, in observations or infos; all True of agents that are gone
    * ``trainable``, bool - if the environment says so

    Args:
        agents: Names of all agents that there can be.
        num_envs: N.
        observation_space: Of an agent, perhaps with an action mask.
        action_space: Of an agent.
        state_space: Of the environment's own state, if it has one that is to be seen.
        central: Whether observations tell of the state.

    Attributes:
        agents: As given.
        num_worlds: N; ``num_envs`` is N * A.
    """

    def __init__(
        self,
        agents: Sequence[str],
        num_envs: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        state_space: spaces.Box | None,
        central: bool,
    ) -> None:
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.agents, self.num_worlds, self.num_envs = tuple(agents), num_envs, num_envs * len(agents)
        self._own_space, self._state_space, self._central = _without_mask(observation_space), state_space, central
        self._nothing = _nothing(self._own_space)
        self._no_rows = batch_many(self._own_space, [self._nothing] * self.num_envs)
        self._agent_of_row = np.tile(np.arange(len(agents)), num_envs)
        self._world_of_row = np.repeat(np.arange(num_envs), len(agents))
        parts: dict[str, spaces.Space[Any]] = {"observation": self._own_space, "agent": spaces.Discrete(len(agents))}
        if central:
            parts |= {"alive": spaces.MultiBinary(len(agents)), "state": state_space or self._joined_space()}
        self.single_observation_space, self.single_action_space = spaces.Dict(parts), action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)

    @abstractmethod
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begins an episode in every environment; environment i gets ``seed + i``, or ``seed[i]``.

        Raises:
            ValueError: If there are options: there are none to give.
        """

    @abstractmethod
    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """Takes a step; actions, rewards and both flags are by row.

        A flag is True in the step in which the agent's episode ends, and not after it.
        """

    def _joined_space(self) -> spaces.Box:
        encode, count = ObservationEncoder(self._own_space, torch.device("cpu")), len(self.agents)
        if encode.image:
            *sides, channels = encode.shape
            return spaces.Box(0, int(encode.high), (*sides, channels * count), np.uint8)
        return spaces.Box(-np.inf, np.inf, (encode.shape[0] * count,), np.float32)

    def _compose(self, own: Any, alive: Any, shown: Any, states: Any = None) -> dict[str, Any]:
        """A batch of the view's observations.

        Args:
            own: The agents' own, by row.
            alive: Which agents act, bool ``(N, A)``.
            shown: Whose own observation is seen, bool ``(N, A)``.
            states: Of the environments, ``(N, ...)``, if they have any.
        """
        xp = arrays_of(alive)
        own = own if bool(shown.all()) else _chosen(xp, shown.reshape(-1), own, self._no_rows)
        seen = {"observation": own, "agent": xp.asarray(self._agent_of_row)}
        if self._central:
            world = xp.asarray(self._world_of_row)
            states = self._joined(own, alive) if states is None else states
            bit = np.int8 if isinstance(alive, np.ndarray) else torch.int8
            seen |= {"alive": xp.cast(alive[world], bit), "state": states[world]}
        return seen

    def _joined(self, own: Any, alive: Any) -> Any:
        """The observations of all agents of each environment, ``(N, ...)``."""
        on_host = isinstance(alive, np.ndarray)
        encode = ObservationEncoder(self._own_space, torch.device("cpu") if on_host else alive.device)
        rows = encode(own)
        there = torch.as_tensor(alive, device=rows.device).reshape(-1, *(1 for _ in encode.shape))
        joined = (rows * there).reshape(self.num_worlds, len(self.agents), *encode.shape)
        joined = joined.movedim(1, -2).flatten(-2) if encode.image else joined.flatten(1)
        return joined.numpy() if on_host else joined


class BatchedAgentEnvs(AgentEnvs):
    """The view of a native batch of environments with several agents.

    Args:
        envs: The batch, which resets itself in the same step.
        central: As in ``AgentEnvs``.

    Raises:
        ValueError: If it does not reset itself so.
    """

    def __init__(self, envs: SimulatedParallelVectorEnv, central: bool = True) -> None:
        if envs.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
            raise ValueError("make the environments with autoreset_mode='SameStep'")
        self._envs, family = envs, envs.family
        super().__init__(family.agents, envs.num_envs, family.observation_space, family.action_space, None, central)
        self._acting: Any = None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """See ``AgentEnvs``."""
        check_no_options(options)
        own, infos = self._envs.reset(seed=seed)
        rows = self._rows(own)
        xp = arrays_of(_leaf(rows))
        self._acting = ~xp.zeros((self.num_worlds, len(self.agents)), dtype=xp.bool)
        return self._compose(rows, self._acting, self._acting), self._told(infos)

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """See ``AgentEnvs``."""
        acted = self._acting
        joint = actions.reshape(self.num_worlds, len(self.agents), *actions.shape[1:])
        own, rewards, terminated, truncated, infos = self._envs.step(joint)
        gone = terminated | truncated
        over = gone.all(1)
        xp = arrays_of(rewards)
        each_over = over[xp.asarray(self._world_of_row)]
        # An agent that is gone stays terminated until the episode of its environment ends.
        terminated, truncated, self._acting = terminated & acted, truncated & acted, ~gone | over[:, None]
        rows = self._rows(own)
        told = self._told(infos) | {"episode_over": each_over, f"_{TERMS}": acted.reshape(-1)}
        parts = [part for part in (infos, infos.get("final_info")) if part is not None]
        names = [name for name in infos[TERMS] if not name.startswith("_")]
        told[TERMS] = {name: sum(part[TERMS][name] for part in parts).reshape(-1) for name in names}
        if (ended := terminated | truncated).any():
            last = rows
            if over.any():
                last = _chosen(xp, each_over, self._rows(infos["final_obs"]), rows)
            told |= {"final_obs": self._compose(last, acted & ~terminated, acted), "_final_obs": ended.reshape(-1)}
        flat = (values.reshape(-1) for values in (rewards, terminated, truncated))
        return self._compose(rows, self._acting, self._acting), *flat, told

    def _told(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Infos of a step or a reset."""
        told = {"acting": self._acting.reshape(-1)}
        if "action_mask" in infos:
            told["action_mask"] = (self._rows(infos["action_mask"]) != 0) | ~told["acting"][:, None]
        return told

    def _rows(self, values: Any) -> Any:
        """Arrays ``(N, A, ...)`` by row."""
        if isinstance(values, dict):
            return {name: self._rows(part) for name, part in values.items()}
        return values.reshape(self.num_envs, *values.shape[2:])

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the batch."""
        self._envs.close()


def check_no_options(options: dict[str, Any] | None) -> None:
    """Raises ``ValueError`` if there are options of a reset."""
    if options:
        raise ValueError(f"unknown reset option {next(iter(options))!r}: environments with several agents take none")


def _without_mask(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space of ``own_part``."""
    if not isinstance(space, spaces.Dict) or "action_mask" not in space.spaces:
        return space
    rest = {name: part for name, part in space.spaces.items() if name != "action_mask"}
    return next(iter(rest.values())) if len(rest) == 1 else spaces.Dict(rest)


def own_part(observation: Any) -> Any:
    """An observation without its action mask; what is beside the mask if that is one thing."""
    if not isinstance(observation, dict) or "action_mask" not in observation:
        return observation
    rest = {name: part for name, part in observation.items() if name != "action_mask"}
    return next(iter(rest.values())) if len(rest) == 1 else rest


def _nothing(space: spaces.Space[Any]) -> Any:
    """What an agent that is gone sees: zeros where these are in the space."""
    if isinstance(space, spaces.Dict):
        return {name: _nothing(part) for name, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_nothing(part) for part in space)
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        return space.start
    return np.zeros(space.shape or (), space.dtype)


def _chosen(xp: Any, rows: Any, values: Any, others: Any) -> Any:
    """A batch with some rows of one, and the rest of another."""
    if isinstance(values, dict):
        return {name: _chosen(xp, rows, part, others[name]) for name, part in values.items()}
    if isinstance(values, tuple):
        return tuple(_chosen(xp, rows, part, other) for part, other in zip(values, others, strict=True))
    return xp.where(rows.reshape(-1, *(1 for _ in values.shape[1:])), values, xp.asarray(others))


def _leaf(values: Any) -> Any:
    """Any array of a batch."""
    return _leaf(next(iter(values.values()))) if isinstance(values, dict) else values
