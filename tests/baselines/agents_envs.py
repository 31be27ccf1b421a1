"""Small environments with several agents for the tests of their learners."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from gymnasium.utils import EzPickle
from pettingzoo import ParallelEnv


class Agents(ParallelEnv):
    """Agents that see numbers of their own seed; subclasses say what they earn."""

    metadata = {"name": "agents_v0"}  # noqa: RUF012
    render_mode = None

    def __init__(self, num_agents=2, length=4, shape=(2,), actions=None):
        self.possible_agents = [f"agent_{k}" for k in range(num_agents)]
        self.length, self.shape = length, shape
        actions = actions or spaces.Discrete(num_agents)
        self.observation_spaces = {agent: spaces.Box(-1.0, 1.0, shape) for agent in self.possible_agents}
        self.action_spaces = dict.fromkeys(self.possible_agents, actions)

    def observation_space(self, agent):
        return self.observation_spaces[agent]

    def action_space(self, agent):
        return self.action_spaces[agent]

    def reset(self, seed=None, options=None):
        if seed is not None or not hasattr(self, "rng"):
            self.rng = np.random.default_rng(seed)
        self.agents, self.t = list(self.possible_agents), 0
        return self.look(), {agent: {} for agent in self.agents}

    def look(self):
        self.seen = {agent: self.rng.uniform(-1, 1, self.shape).astype(np.float32) for agent in self.agents}
        return dict(self.seen)

    def earn(self, actions):
        raise NotImplementedError

    def step(self, actions):
        self.t += 1
        rewards, agents, over = self.earn(actions), self.agents, self.t >= self.length
        observations = self.look()
        self.agents = [] if over else agents
        flags = [dict.fromkeys(agents, flag) for flag in (over, False)]
        return observations, rewards, *flags, {agent: {} for agent in agents}


class Differ(Agents):
    """Pays each agent 1 where all choose different numbers: one policy for all must know who is who."""

    def earn(self, actions):
        return dict.fromkeys(self.agents, float(len({int(action) for action in actions.values()}) == len(self.agents)))


class OthersSecret(Agents):
    """Pays an agent what the other one sees, in episodes of one step: only the state tells."""

    def __init__(self):
        super().__init__(num_agents=2, length=1, shape=(1,))

    def earn(self, actions):
        one, two = (float(self.seen[agent][0]) for agent in self.agents)
        return dict(zip(self.agents, (two, one), strict=True))


class Mortal(Agents):
    """Agents that die or are cut at different times, with a mask, a state, terms and steps that are not to be learned.

    Agent k is cut after ``3 + 2 * k`` steps, and may die of action 1. With ``late`` the last one joins behind the first
    step.
    """

    def __init__(self, num_agents=3, mask="info", stateful=True, late=False):
        super().__init__(num_agents, actions=spaces.Discrete(3))
        self.mask, self.late = mask, late
        if stateful:
            self.state = self._state
        if mask == "obs":
            for agent, seen in self.observation_spaces.items():
                self.observation_spaces[agent] = spaces.Dict(
                    observation=seen, action_mask=spaces.Box(0, 1, (3,), np.int8)
                )

    def reset(self, seed=None, options=None):
        self.mood = 0.0
        super().reset(seed, options)
        if self.late:
            self.agents = self.agents[:-1]
        return self.show(self.look()), self.inform(self.agents)

    def _state(self):
        return np.array([self.t, self.mood, len(self.agents)])

    def show(self, observations):
        if self.mask != "obs":
            return observations
        return {a: {"observation": seen, "action_mask": self.allowed(a)} for a, seen in observations.items()}

    def allowed(self, agent):
        return np.array([1, 1, (self.t + self.possible_agents.index(agent)) % 2], np.int8)

    def inform(self, agents):
        return {agent: {"action_mask": self.allowed(agent)} if self.mask == "info" else {} for agent in agents}

    def step(self, actions):
        assert set(actions) == set(self.agents)
        for agent, action in actions.items():
            assert self.mask == "none" or self.allowed(agent)[action], "a forbidden action"
        agents, self.t = self.agents, self.t + 1
        self.mood += sum(int(action) for action in actions.values())
        dead = {a: bool(actions[a] == 1 and self.rng.random() < 0.3) for a in agents}
        cut = {a: not dead[a] and self.t >= 3 + 2 * self.possible_agents.index(a) for a in agents}
        observations = self.show(self.look())
        infos = self.inform(agents)
        rewards = {}
        for agent in agents:
            terms = {"work": 0.5 * int(actions[agent]), "death": -1.0 * dead[agent]}
            infos[agent] |= {"reward_terms": terms}
            rewards[agent] = terms["work"] + terms["death"]
            if self.rng.random() < 0.1:
                infos[agent]["trainable"] = False
        self.agents = [agent for agent in agents if not dead[agent] and not cut[agent]]
        if self.late and self.t == 1:
            self.agents.append(self.possible_agents[-1])
            observations |= self.show({self.agents[-1]: np.full(self.shape, 0.5, np.float32)})
            infos |= self.inform(self.agents[-1:])
        return observations, rewards, dead, cut, infos


class Watchers(Differ):
    """As ``Differ``, with images."""

    def __init__(self):
        super().__init__()
        for agent in self.possible_agents:
            self.observation_spaces[agent] = spaces.Box(0, 255, (36, 36, 3), np.uint8)

    def look(self):
        self.seen = {agent: self.rng.integers(0, 255, (36, 36, 3), np.uint8) for agent in self.agents}
        return dict(self.seen)


class Unsaved(EzPickle, Mortal):
    """Its pickle makes another one with the same arguments, which has not begun, as those of many PettingZoo's do."""

    def __init__(self):
        EzPickle.__init__(self)
        Mortal.__init__(self)
