"""A small multi-agent environment with named reward terms."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv


class TeamEnv(ParallelEnv):
    """Agents that draw tool and format rewards, submit with action 2, and are cut after ``limit`` steps.

    What an agent sees and earns depends on its own seed and actions only: agent ``k`` after ``reset(seed)`` earns what
    a lone agent with ``first=k`` does. ``lag`` cuts agent ``k`` only ``lag * k`` steps later.
    """

    metadata = {"name": "team_v0"}  # noqa: RUF012
    render_mode = None

    def __init__(self, agents: int = 3, limit: int = 6, fail: float = 0.0, named: bool = True, lag: int = 1, first=0):
        self.limit, self.fail, self.named, self.lag, self.first = limit, fail, named, lag, first
        self.possible_agents = [f"agent_{first + k}" for k in range(agents)]
        self.observation_spaces = {agent: spaces.Box(-1e3, 1e3, (2,), np.float64) for agent in self.possible_agents}
        self.action_spaces = {agent: spaces.Discrete(3) for agent in self.possible_agents}

    def observation_space(self, agent):
        return self.observation_spaces[agent]

    def action_space(self, agent):
        return self.action_spaces[agent]

    def reset(self, seed=None, options=None):
        if seed is not None or not hasattr(self, "rngs"):
            self.rngs = {
                agent: np.random.default_rng([seed or 0, self.first + k])
                for k, agent in enumerate(self.possible_agents)
            }
        self.t = 0
        self.agents = list(self.possible_agents)
        return {agent: self.observe(agent) for agent in self.agents}, {agent: {} for agent in self.agents}

    def observe(self, agent):
        return np.array([self.t, self.rngs[agent].normal()])

    def step(self, actions):
        self.t += 1
        observations, rewards, terminations, truncations, infos = {}, {}, {}, {}, {}
        for agent in self.agents:
            rng, action = self.rngs[agent], actions[agent]
            limit = self.limit + self.lag * self.possible_agents.index(agent) + self.lag * self.first
            broken = bool(rng.random() < self.fail)
            submitted = bool(action == 2) and not broken
            terms = {
                "format": -0.1 * float(rng.integers(0, 3)),
                "outcome": float(rng.choice([-1.0, -0.5, 0.0, 1.0])) if submitted else 0.0,
                "tool": 0.3 * float(rng.random()) * (action == 1),
            }
            truncations[agent] = broken or (self.t >= limit and not submitted)
            terminations[agent] = submitted
            if truncations[agent]:
                terms["outcome"] = -1.0
            if broken:
                terms = dict.fromkeys(terms, 0.0)
            terms = {name: float(value) for name, value in terms.items()}
            observations[agent] = self.observe(agent)
            rewards[agent] = terms["format"] + terms["outcome"] + terms["tool"]
            infos[agent] = {"reward_terms": terms} if self.named else {}
            if broken:
                infos[agent]["trainable"] = False
        self.agents = [agent for agent in self.agents if not (terminations[agent] or truncations[agent])]
        return observations, rewards, terminations, truncations, infos


class AloneEnv(gym.Env):
    """One agent of a ``TeamEnv`` as a Gymnasium environment."""

    def __init__(self, index, **kwargs):
        self.team = TeamEnv(agents=1, first=index, **kwargs)
        (self.agent,) = self.team.possible_agents
        self.observation_space = self.team.observation_space(self.agent)
        self.action_space = self.team.action_space(self.agent)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        observations, infos = self.team.reset(seed=seed)
        return observations[self.agent], infos[self.agent]

    def step(self, action):
        return tuple(part[self.agent] for part in self.team.step({self.agent: action}))
