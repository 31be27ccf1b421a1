"""PettingZoo's ``ParallelEnv`` of a multi-agent family: a batch of one."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from pettingzoo import ParallelEnv

from telos.envs.engine.batch import Batch, Snapshot, View
from telos.envs.engine.episodes import WhenDone
from telos.envs.engine.faces import Cloneable, Watchable, make_family, metadata_of, row_of, shown, signature_of
from telos.envs.engine.family import Family

__all__ = ["SimulatedParallelEnv"]


class SimulatedParallelEnv(Cloneable, Watchable, ParallelEnv[str, Any, Any]):
    """One environment of a multi-agent family; subclasses name the family and carry its documentation.

    An agent that is done leaves ``agents``; the episode is over when none is left. ``infos[agent]`` has
    ``"reward_terms"``, the family's metrics, and ``"action_mask"`` if the family has masks.

    Args:
        max_episode_steps: Steps after which the agents that are left are truncated, or None.
        render_mode: One of the family's, or None.
        **arguments: The family's arguments.

    Attributes:
        agents: Agents that are not done.
        possible_agents: All agents.
        observation_spaces: By agent.
        action_spaces: By agent.
        state_space: Of ``state()``, if the family has a state for centralised critics.
    """

    family_type: ClassVar[type[Family]]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes render modes and arguments from the family."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature_of(cls.family_type, max_episode_steps=None, render_mode=None)
        cls.metadata = metadata_of(cls.family_type) | {"name": cls.__name__, "is_parallelizable": True}

    def __init__(
        self, *, max_episode_steps: int | None = None, render_mode: str | None = None, **arguments: Any
    ) -> None:
        self._open(self.family_type, render_mode)
        self.family: Any = make_family(self.family_type, arguments)
        self._batch = Batch(self.family, 1, max_episode_steps, num_threads=1, keep_agents=True)
        self.possible_agents = list(self.family.agents)
        self.agents: list[str] = []
        # Each agent has spaces of its own, with random numbers of their own.
        self.observation_spaces = {agent: copy.deepcopy(self.family.observation_space) for agent in self.family.agents}
        self.action_spaces = {agent: copy.deepcopy(self.family.action_space) for agent in self.family.agents}
        if self.family.state_space is not None:
            self.state_space = self.family.state_space
        low, _ = self.family.action_bounds
        space = self.family.action_space
        self._idle = np.full(space.shape or (), low, space.dtype)
        self._seeded = False

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """The space of an agent's observations, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """The space of an agent's actions, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begins an episode with all agents: the seed's first, or without a seed the next one.

        Args:
            seed: The seed; the first reset without one draws one.
            options: Not used: PettingZoo's own tests pass an unknown one to every environment.
        """
        seeds = None
        if seed is not None or not self._seeded:
            chosen = seed if seed is not None else int(seeding.np_random()[0].integers(2**63))
            seeds, self._seeded = np.array([chosen], np.uint64), True
        view = self._batch.reset(np.ones(1, np.bool_), seeds)
        self._note_agents()
        self._watch()
        infos = {agent: shown(view, (0, k)) for k, agent in enumerate(self.possible_agents)}
        return self._observations(view, self.agents), infos

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Takes a step; returns what concerns the agents that were not done before.

        Args:
            actions: An action for each of ``agents``; those of agents that are done are ignored.

        Raises:
            ResetNeeded: Before the first ``reset`` and after an episode's end.
            ValueError: If an action is missing, invalid or of an unknown agent.
        """
        if not self.agents:
            raise gym.error.ResetNeeded("the episode is over, or none has begun; call reset() before step()")
        done = self._batch.step(self._joint(actions), WhenDone.NOTHING)
        family, acting = self.family, self.agents
        rewards, terminated, truncated = (
            dict(zip(self.possible_agents, values[0].tolist(), strict=True))
            for values in (done.rewards, done.terminated, done.truncated)
        )
        terms, metrics = done.terms[0].tolist(), done.metrics[0].tolist()
        infos = {}
        for k, agent in enumerate(self.possible_agents):
            info = {"reward_terms": dict(zip(family.terms, terms[k], strict=True))}
            infos[agent] = info | dict(zip(family.metrics, metrics[k], strict=True)) | shown(done.view, (0, k))
        self._note_agents()
        self._watch()
        rest = ({agent: values[agent] for agent in acting} for values in (rewards, terminated, truncated, infos))
        return (self._observations(done.view, acting), *rest)  # type: ignore[return-value]

    def _joint(self, actions: Mapping[str, Any]) -> Any:
        """The actions as a batch of one."""
        if missing := [agent for agent in self.agents if agent not in actions]:
            raise ValueError(f"an action is missing of {missing}: step() takes one of every agent in env.agents")
        if unknown := actions.keys() - self.action_spaces.keys():
            raise ValueError(f"unknown agents {sorted(unknown)}: choose from {self.possible_agents}")
        acting = set(self.agents)
        joint = [np.asarray(actions[agent]) if agent in acting else self._idle for agent in self.possible_agents]
        for agent, action in zip(self.possible_agents, joint, strict=True):
            if action.shape != self._idle.shape:
                raise ValueError(f"the action of {agent!r} must have shape {self._idle.shape}, got {action.shape}")
        return np.stack(joint)[None]

    def _observations(self, view: View, agents: list[str]) -> dict[str, Any]:
        rows = {agent: k for k, agent in enumerate(self.possible_agents)}
        return {agent: row_of(self.family, view.observation, (0, rows[agent])) for agent in agents}

    def _note_agents(self) -> None:
        over = self._batch.clock.over[0].tolist()
        self.agents = [agent for agent, gone in zip(self.possible_agents, over, strict=True) if not gone]

    def state(self) -> Any:
        """All there is to know, as ``state_space`` has it: for the training of centralised critics only.

        Raises:
            NotImplementedError: If the family has no such state.
        """
        return self._batch.whole_states()[0]

    def restore_state(self, snapshot: Snapshot) -> None:
        """Goes back to a copy, which stays valid; also as to which agents are left.

        Raises:
            ValueError: If the copy is of an environment with other arguments.
        """
        super().restore_state(snapshot)
        self._note_agents()
