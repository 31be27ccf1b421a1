"""Copies of a PettingZoo ``ParallelEnv`` as one vector environment: a row for each agent of each copy.

* ``ParallelAgentEnvs`` - the view
* ``RawTerms`` - keeps the reward terms that reward wrappers change
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import iterate
from numpy.typing import NDArray
from pettingzoo.utils import BaseParallelWrapper

from telos.baselines.agent_envs import AgentEnvs, check_no_options, own_part
from telos.wrappers.batching import batch_many
from telos.wrappers.infos import TERMS, AgentInfos, trainable_rows
from telos.wrappers.stacks import Face
from telos.wrappers.terms import REWARD

__all__ = ["RAW_TERMS", "ParallelAgentEnvs", "RawTerms"]

RAW_TERMS = "raw_terms"
"""Key of infos for the reward terms below the reward wrappers."""


class RawTerms(BaseParallelWrapper[str, Any, Any]):  # type: ignore[misc]  # It has no types.
    """Tells each agent's reward terms under a second name, which reward wrappers outside of it leave alone."""

    def step(self, actions: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Takes a step."""
        observations, rewards, terminated, truncated, infos = super().step(actions)
        infos = {agent: dict(info) for agent, info in infos.items()}
        for agent, reward in rewards.items():
            info = infos.setdefault(agent, {})
            info[RAW_TERMS] = info.get(TERMS) or {REWARD: float(reward)}
        return observations, rewards, terminated, truncated, infos


class ParallelAgentEnvs(AgentEnvs):
    """Copies of a PettingZoo ``ParallelEnv``, stepped one after another.

    Environment i does the same as one of them alone after ``reset(seed=s + i)``, which is reset without a seed when no
    agent is left. The first one is reset once before, to see whether it has a state and masks.

    Args:
        make: Makes one of them.
        num_envs: How many.
        central: As in ``AgentEnvs``.

    Raises:
        TypeError: If what is made is no ``ParallelEnv`` that has ``possible_agents``.
        ValueError: If agents have different spaces.
    """

    def __init__(self, make: Callable[[], Any], num_envs: int, central: bool = True) -> None:
        self._envs: list[Any] = []
        try:
            for _ in range(num_envs):
                self._envs.append(make())
            first = self._envs[0]
            agents = _agents_of(first)
            spaces_of = {
                what: _common(agents, getattr(first, f"{what}_space"), what) for what in ("observation", "action")
            }
            observations, infos = first.reset(seed=0)
            masks = [mask_of(observations[agent], infos.get(agent, {})) for agent in first.agents]
            self._all_allowed = next((np.ones_like(mask) for mask in masks if mask is not None), None)
            state_space = _state_space(first) if central else None
            super().__init__(agents, num_envs, spaces_of["observation"], spaces_of["action"], state_space, central)
        except BaseException:
            self.close_extras()
            raise
        self._acting = np.zeros((num_envs, len(agents)), np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """See ``AgentEnvs``.

        Raises:
            ValueError: If there are not as many seeds as environments.
        """
        check_no_options(options)
        seeds = [None] * self.num_worlds if seed is None else seed
        if isinstance(seeds, (int, np.integer)):
            seeds = [int(seeds) + n for n in range(self.num_worlds)]
        if len(seeds) != self.num_worlds:
            raise ValueError(f"seed has {len(seeds)} entries for {self.num_worlds} environments")
        now = self._moment()
        for n in range(self.num_worlds):
            self._see(now, n, *self._begin(n, seeds[n]))
        return self._observation(now, self._acting, self._acting), self._told(now)

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """See ``AgentEnvs``.

        Raises:
            ValueError: If an agent leaves without being terminated or truncated.
        """
        count, acted = len(self.agents), self._acting.copy()
        rewards, over = np.zeros(acted.shape), np.zeros(self.num_worlds, np.bool_)
        terminated, truncated, trainable = np.zeros_like(acted), np.zeros_like(acted), np.ones_like(acted)
        terms: dict[str, dict[str, NDArray[Any]]] = {TERMS: {}, RAW_TERMS: {}}
        chosen = list(iterate(self.action_space, actions))
        last, now = self._moment(), self._moment()
        for n, env in enumerate(self._envs):
            playing = {k: self.agents[k] for k in np.flatnonzero(acted[n]).tolist()}
            joint = {agent: chosen[n * count + k] for k, agent in playing.items()}
            observations, paid, ends, cuts, infos = env.step(joint)
            for k, agent in playing.items():
                rewards[n, k], terminated[n, k], truncated[n, k] = paid[agent], ends[agent], cuts[agent]
            info = AgentInfos(infos, self.agents)
            trainable[n] = trainable_rows(info, trainable[n])
            raw = {agent: {TERMS: told[RAW_TERMS]} for agent, told in infos.items() if RAW_TERMS in told}
            for key, found in ((TERMS, info), (RAW_TERMS, AgentInfos(raw, self.agents) if raw else None)):
                for name, term in found.read_terms(paid, acted[n]).items() if found else ():
                    terms[key].setdefault(name, np.zeros(acted.shape))[n] = term
            done = terminated[n] | truncated[n]
            self._acting[n] = self._left(env, acted[n], done)
            over[n] = not self._acting[n].any()
            if done.any():
                # The environment may write into what it handed out.
                self._see(last, n, copy.deepcopy(observations) if over[n] else observations, infos)
            self._see(now, n, *(self._begin(n) if over[n] else (observations, infos)))
        told = self._told(now) | {"episode_over": np.repeat(over, count)}
        for key, named in terms.items():
            if named:
                told |= {key: {name: term.reshape(-1) for name, term in named.items()}, f"_{key}": acted.reshape(-1)}
        if not trainable.all():
            told["trainable"] = trainable.reshape(-1)
        if (ended := terminated | truncated).any():
            still = (acted | (self._acting & ~over[:, None])) & ~terminated
            told |= {"final_obs": self._observation(last, still, still | ended), "_final_obs": ended.reshape(-1)}
        seen = self._observation(now, self._acting, self._acting)
        return seen, rewards.reshape(-1), terminated.reshape(-1), truncated.reshape(-1), told

    def _begin(self, n: int, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begins an episode of one environment."""
        env = self._envs[n]
        observations, infos = env.reset(seed=seed)
        self._acting[n] = [agent in env.agents for agent in self.agents]
        if not self._acting[n].any():
            raise ValueError(f"{env} has no agents after reset()")
        return observations, infos

    def _left(self, env: Any, acted: NDArray[np.bool_], done: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which agents are left, ``(A,)``."""
        there = np.array([agent in env.agents for agent in self.agents])
        for k in np.flatnonzero(acted & ~there & ~done).tolist():
            raise ValueError(
                f"agent {self.agents[k]!r} of {env} left without being terminated or truncated: its step() must say "
                "which, as PettingZoo has it"
            )
        return there & ~done

    def _moment(self) -> _Moment:
        """A moment at which nothing was seen yet."""
        space = self._state_space
        states = None if space is None else np.zeros((self.num_worlds, *space.shape), space.dtype)
        return _Moment([None] * self.num_envs, [None] * self.num_envs, states)

    def _see(self, moment: _Moment, n: int, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> None:
        """Notes what one environment shows now."""
        for k, agent in enumerate(self.agents):
            if agent in observations:
                row = n * len(self.agents) + k
                moment.own[row] = own_part(observations[agent])
                moment.masks[row] = mask_of(observations[agent], infos.get(agent, {}))
        if moment.states is not None:
            moment.states[n] = np.asarray(self._envs[n].state()).reshape(moment.states.shape[1:])

    def _observation(self, moment: _Moment, alive: NDArray[np.bool_], shown: NDArray[np.bool_]) -> dict[str, Any]:
        own = batch_many(self._own_space, [self._nothing if seen is None else seen for seen in moment.own])
        return self._compose(own, alive, shown, moment.states)

    def _told(self, now: _Moment) -> dict[str, Any]:
        """Infos of a step or a reset."""
        acting = self._acting.reshape(-1).copy()
        told: dict[str, Any] = {"acting": acting}
        if self._all_allowed is not None:
            masks = [self._all_allowed if mask is None else mask for mask in now.masks]
            told["action_mask"] = np.stack(masks) | ~acting[:, None]
        return told

    @property
    def reward_wrappers(self) -> list[Face]:
        """The reward wrappers of all environments."""
        found: list[Face] = []
        for env in self._envs:
            while isinstance(env, BaseParallelWrapper):
                if isinstance(env, Face):
                    found.append(env)
                env = env.env
        return found

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the environments."""
        for env in self._envs:
            env.close()


@dataclass
class _Moment:
    """What there is to see at one moment.

    Attributes:
        own: By row; None of agents that see nothing.
        masks: By row; None of agents without one.
        states: ``(N, ...)``; None if environments have none.
    """

    own: list[Any]
    masks: list[NDArray[np.bool_] | None]
    states: NDArray[Any] | None


def mask_of(observation: Any, info: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """The action mask of an agent's observation or info, bool ``(entries,)``; None without one."""
    inside = isinstance(observation, dict) and "action_mask" in observation
    mask = observation["action_mask"] if inside else info.get("action_mask")
    return None if mask is None else np.asarray(mask).reshape(-1) != 0


def _agents_of(env: Any) -> list[str]:
    if not hasattr(env, "possible_agents") or not hasattr(env, "observation_space") or hasattr(env, "agent_iter"):
        raise TypeError(
            f"{type(env).__name__} is no PettingZoo ParallelEnv with possible_agents; pettingzoo.utils.aec_to_parallel "
            "turns an AECEnv into one"
        )
    return list(env.possible_agents)


def _common(agents: Sequence[str], space_of: Callable[[str], spaces.Space[Any]], what: str) -> spaces.Space[Any]:
    """The space that all agents have."""
    first = space_of(agents[0])
    for agent in agents:
        if space_of(agent) != first:
            raise ValueError(
                f"all agents share one policy and must have the same {what} space, but {agents[0]!r} has {first} and "
                f"{agent!r} has {space_of(agent)}: make them equal, as by padding"
            )
    return first


def _state_space(env: Any) -> spaces.Box | None:
    """The space of the environment's state, an image or flat; None if it has no state."""
    try:
        state = np.asarray(env.state())
    except (AttributeError, NotImplementedError):
        return None
    if state.dtype == np.uint8 and state.ndim == 3:
        return spaces.Box(0, 255, state.shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, (state.size,), np.float32)
