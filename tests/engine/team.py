"""A small multi-agent family for the tests: agents walk along a corridor with pits to a common goal."""

from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.family import Family
from telos.envs.engine.parallel import SimulatedParallelEnv
from telos.envs.engine.random import integer, uniform
from telos.envs.engine.rules import rule
from telos.envs.engine.vector import SimulatedParallelVectorEnv, SimulatedVectorEnv

START, PIT = 0, 1


class Params(NamedTuple):
    length: NDArray[np.int64]
    pits: NDArray[np.float64]


class State(NamedTuple):
    place: NDArray[np.int64]  # (n, agents)
    fallen: NDArray[np.int64]  # (n, agents)


class Observation(NamedTuple):
    place: NDArray[np.int64]
    others: NDArray[np.float32]


@rule
def reset(i, key, state, params):
    for agent in range(state.place.shape[1]):
        state.place[i, agent] = integer(key, START, agent, 2)
        state.fallen[i, agent] = 0


@rule
def step(i, key, actions, state, params, terms, metrics, terminated):
    arrived = False
    for agent in range(state.place.shape[1]):
        if terminated[i, agent]:
            continue
        # A jump, action 2, is allowed from even places only.
        stride = actions[i, agent]
        if stride == 2 and state.place[i, agent] % 2 == 1:
            stride = 0
        state.place[i, agent] += stride
        terms[i, agent, 0] = -0.25 * stride
        if stride > 0 and uniform(key, PIT, agent) < params.pits[()]:
            state.fallen[i, agent] = 1
            terminated[i, agent] = True
        elif state.place[i, agent] >= params.length[()]:
            arrived = True
    for agent in range(state.place.shape[1]):
        metrics[i, agent, 0] = state.place[i, agent]
        if arrived:
            # Also for the fallen, who must not get it if they fell in an earlier step.
            terms[i, agent, 1] = 1.0
            terminated[i, agent] = True


@rule
def observe(i, state, params, observation):
    agents = state.place.shape[1]
    for agent in range(agents):
        observation.place[i, agent, 0] = state.place[i, agent]
        observation.others[i, agent, 0] = 0.0
        for other in range(agents):
            if other != agent:
                observation.others[i, agent, 0] += state.place[i, other] * (1 - state.fallen[i, other])


@rule
def allow(i, state, params, mask):
    for agent in range(state.place.shape[1]):
        mask[i, agent, 0] = 1
        mask[i, agent, 1] = 1
        mask[i, agent, 2] = 1 - state.place[i, agent] % 2


class Team(Family):
    terms = ("effort", "goal")
    metrics = ("place",)
    observation_type = Observation
    render_modes = ("ansi",)
    reset_rule, step_rule, observe_rule = staticmethod(reset), staticmethod(step), staticmethod(observe)
    action_mask_rule = staticmethod(allow)

    def __init__(self, num_agents: int = 2, length: int = 8, pits: float = 0.15) -> None:
        self.agents = tuple(f"walker_{k}" for k in range(num_agents))
        self.params = Params(np.array(length), np.array(pits))
        self.observation_space = spaces.Dict(
            place=spaces.Box(0, length + 2, (1,), np.int64),
            others=spaces.Box(0, num_agents * (length + 2), (1,), np.float32),
        )
        self.action_space = spaces.Discrete(3)

    def new_state(self, num_envs):
        return State(*(np.zeros((num_envs, len(self.agents)), np.int64) for _ in State._fields))

    def render_row(self, state, row, mode):
        return " ".join(map(str, state.place[row].tolist()))


class TeamEnv(SimulatedEnv):
    family_type = Team


class TeamVectorEnv(SimulatedVectorEnv):
    family_type = Team


class TeamParallelEnv(SimulatedParallelEnv):
    family_type = Team


class TeamParallelVectorEnv(SimulatedParallelVectorEnv):
    family_type = Team
