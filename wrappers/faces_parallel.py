"""The face of a ``RewardTransform`` for PettingZoo's ``ParallelEnv``."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from telos.wrappers import batching
from telos.wrappers.arrays import NUMPY
from telos.wrappers.infos import TERMS, AgentInfos, trainable_rows
from telos.wrappers.stacks import Face, StackStep
from telos.wrappers.terms import Array, check_sum, sum_terms

__all__ = ["ParallelFace"]


class ParallelFace(BaseParallelWrapper[Hashable, Any, Any], Face):  # type: ignore[misc]  # It has no types.
    """A reward transform as a wrapper for a ``ParallelEnv``, one row for each possible agent.

    An agent's episode ends when it is terminated or truncated, or with the next ``reset``; agents that take no part in
    a step are paid 0. See ``telos.wrappers.faces.parallel_face``.
    """

    def __init__(self, env: ParallelEnv[Hashable, Any, Any], *args: Any, **kwargs: Any) -> None:
        if isinstance(env, (gym.Env, VectorEnv)) or not hasattr(env, "possible_agents"):
            raise TypeError(
                f"parallel.{type(self).__name__} wraps a PettingZoo ParallelEnv that has possible_agents; its "
                "namesakes in telos.wrappers and telos.wrappers.vector an Env and a VectorEnv."
            )
        BaseParallelWrapper.__init__(self, env)
        self._agents = list(env.possible_agents)
        self._begin(env, len(self._agents), args, kwargs)
        if self.transform.observes:
            for spaces in (env.observation_space, env.action_space):
                if any(spaces(agent) != spaces(self._agents[0]) for agent in self._agents):
                    raise ValueError(
                        f"parallel.{type(self).__name__} looks at observations and actions: all agents must have the "
                        "same spaces."
                    )

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Hashable, Any], dict[Hashable, dict[str, Any]]]:
        """Resets the environment and starts a new episode of every agent."""
        observations, infos = self._innermost.env.reset(seed=seed, options=options)
        self._stack.reset(self._every)
        if self._cursor.observed:
            self._cursor.obs = self._batched(self.env.observation_space, observations)
        return observations, infos

    def step(
        self, actions: dict[Hashable, Any]
    ) -> tuple[
        dict[Hashable, Any],
        dict[Hashable, float],
        dict[Hashable, bool],
        dict[Hashable, bool],
        dict[Hashable, dict[str, Any]],
    ]:
        """Steps the environment and pays each agent the transform's reward."""
        innermost, cursor = self._innermost, self._cursor
        before = set(innermost.env.agents)
        observations, rewards, terminations, truncations, raw_infos = innermost.env.step(actions)
        active = np.array([agent in before and agent in rewards for agent in self._agents])
        info = AgentInfos(raw_infos, self._agents)
        reward = np.array([float(rewards.get(agent, 0.0)) for agent in self._agents])
        terms = info.read_terms(rewards, active)
        if not innermost._trusted:
            check_sum(type(innermost).__name__, terms, sum_terms(terms), reward, active)
        trainable = trainable_rows(info, self._every)
        terminated, truncated = (self._flags(flags) for flags in (terminations, truncations))
        done = (terminated | truncated) & active
        next_obs = action = None
        if cursor.observed:
            next_obs = self._batched(self.env.observation_space, observations)
            action = self._batched(self.env.action_space, actions)
        step = StackStep(
            NUMPY,
            obs=cursor.obs,
            action=action,
            next_obs=next_obs,
            terms=terms,
            reward=np.where(active, reward, 0.0),
            reward_dtype=NUMPY.float64,
            terminated=terminated,
            truncated=truncated,
            active=active,
            trainable=trainable,
            info=info,
            done=done,
            ended=bool(done.any()),
        )
        live = active & trainable
        paid, notes = self._stack.pay(step, None if live.all() else ~live)
        payment = sum_terms(paid)
        for k in np.flatnonzero(active).tolist():
            info.out.setdefault(self._agents[k], {}).setdefault("raw_reward", float(reward[k]))
        info.write(TERMS, paid, active)
        for key, value in notes.items():
            info.write(key, value, done)
        cursor.obs = next_obs
        rows = {agent: k for k, agent in enumerate(self._agents)}
        paid_out = {agent: float(payment[rows[agent]]) for agent in rewards}
        return observations, paid_out, terminations, truncations, info.out

    def _flags(self, flags: Mapping[Hashable, bool]) -> Array:
        return np.array([bool(flags.get(agent, False)) for agent in self._agents])

    def _batched(self, spaces: Any, values: Mapping[Hashable, Any]) -> Any:
        """Returns a value a row, as a vector environment would batch them; any value for agents that are gone."""
        space = spaces(self._agents[0])
        rows = [values.get(agent) for agent in self._agents]
        given = next((value for value in rows if value is not None), None)
        return batching.batch_many(space, [given if value is None else value for value in rows])

    @property
    def agents(self) -> list[Hashable]:
        """The agents that are left."""
        return cast("list[Hashable]", self.env.agents)

    @property
    def possible_agents(self) -> list[Hashable]:
        """All agents."""
        return cast("list[Hashable]", self.env.possible_agents)

    def __str__(self) -> str:
        return f"<{type(self).__name__}({self.transform.described()}), {self.env}>"

    __repr__ = __str__
