"""Crafter as a family: arguments to arrays and spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.crafter.names import ACHIEVEMENTS, ACTIONS, GIFTS, ITEMS, MATERIALS, PLANT, VITALS
from telos.envs.crafter.needs import FULL
from telos.envs.crafter.observe import (
    SIGHTS,
    Symbols,
    allow_actions,
    flat_size,
    observe_flat,
    observe_map,
    observe_nothing,
    observe_symbols,
)
from telos.envs.crafter.params import (
    CAP,
    COLUMNS,
    FRIENDLY_FIRE,
    GOAL,
    HOSTILE,
    REACH,
    RESPAWN,
    ROWS,
    SHARE_RANGE,
    SHUFFLED,
    STRICT,
    TEAM_REWARD,
    Params,
    State,
    new_state,
)
from telos.envs.crafter.recipes import CAPS, recipe_tables, role_table
from telos.envs.crafter.render import frame, new_pixels
from telos.envs.crafter.render_rules import observe_pixels
from telos.envs.crafter.rules import METRICS, TERMS, reset_world, step_world
from telos.envs.crafter.text import describe
from telos.envs.engine.family import Family
from telos.envs.spaces import UnicodeText

__all__ = ["Crafter"]

_MOST_AGENTS, _LEAST_SIDE, _MOST_SIDE = 64, 9, 256
#: Counters of achievements have 16 bits.
_LONGEST = 30_000
#: Characters of a text that are enough, whatever is in view.
_WORDS, _WORDS_OF_A_CELL = 4_000, 80


class Crafter(Family):
    """See :class:`telos.envs.crafter.env.CrafterEnv` for the arguments.

    Attributes:
        action_names: Of the actions, in their order.
        visibility: Who may know each part of what the environment shows: ``"local"``, an agent by itself; ``"team"``,
            what agents know together; ``"privileged"``, nobody in the world.
    """

    terms = TERMS
    metrics = METRICS
    render_modes = ("human", "rgb_array", "ansi")
    reset_rule, step_rule = staticmethod(reset_world), staticmethod(step_world)
    action_mask_rule = staticmethod(allow_actions)
    state_rule = staticmethod(observe_map)
    visibility: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("material", "object", "inventory", "position", "status", "action_mask"), "local"),
        **dict.fromkeys((*METRICS, "reward_terms"), "local"),
        "state": "privileged",
    }

    def __init__(
        self,
        num_agents: int = 1,
        size: Sequence[int] = (64, 64),
        length: int = 10_000,
        obs: str = "symbolic",
        view: Sequence[int] = (9, 9),
        image_size: Sequence[int] = (64, 64),
        share: str | int = "adjacent",
        team_reward: bool = False,
        respawn: bool = False,
        friendly_fire: bool = False,
        hostile: bool = True,
        costs: str = "crafter",
        goal: str | None = None,
        roles: Sequence[Sequence[str]] | None = None,
        order: str = "random",
        strict: bool | None = None,
    ) -> None:
        _check_choice("costs", costs, tuple(CAPS))
        _check_choice("order", order, ("random", "fixed"))
        if goal is not None:
            _check_choice("goal", goal, ACHIEVEMENTS)
        _check_number("num_agents", num_agents, 1, _MOST_AGENTS)
        _check_number("length", length, 1, _LONGEST)
        width, height = _pair("size", size, _LEAST_SIDE, _MOST_SIDE)
        columns, rows = _pair("view", view, 1, _MOST_SIDE)
        rows -= -(-len(ITEMS) // columns)
        if rows < 1:
            raise ValueError(f"view={tuple(view)} leaves no row for the map below its rows of items; try (9, 9)")
        self.size, self.view = (width, height), (columns, rows)
        self.image_size = _pair("image_size", image_size, 1, 4096)
        self.max_episode_steps = length
        self.state_space = spaces.Box(0, PLANT, (width, height, 2), np.uint8)
        self.agents = tuple(f"player_{k}" for k in range(num_agents))
        share_range = _share_range(share) * (num_agents > 1)
        self.action_names = ACTIONS + (tuple(f"give_{item}" for item in GIFTS) if share_range else ())
        self.action_space = spaces.Discrete(len(self.action_names))
        options = {
            **{COLUMNS: columns, ROWS: rows, CAP: CAPS[costs], SHARE_RANGE: share_range},
            REACH: 2 * max(columns, rows + -(-len(ITEMS) // columns)),
            GOAL: -1 if goal is None else ACHIEVEMENTS.index(goal),
            **{HOSTILE: hostile, FRIENDLY_FIRE: friendly_fire, RESPAWN: respawn, TEAM_REWARD: team_reward},
            SHUFFLED: order == "random" and num_agents > 1,
            STRICT: num_agents == 1 if strict is None else strict,
        }
        self.params = Params(
            options=np.array([int(options[entry]) for entry in range(len(options))]),
            start=_start_cells(num_agents, self.size),
            may=role_table(roles, num_agents),
            pixels=new_pixels(self.image_size, self.view, num_agents) if obs == "rgb" else (),
            **recipe_tables(costs),
        )
        self.observe_rule, self.observation_space = self._observation(obs)
        self.work = 2_000 + 2_000 * num_agents

    def _observation(self, obs: str) -> tuple[Callable[..., None], spaces.Space[Any]]:
        """Rule and space of a kind of observation."""
        _check_choice("obs", obs, ("symbolic", "flat", "rgb", "text"))
        if obs == "flat":
            return observe_flat, spaces.Box(0.0, 1.0, (flat_size(self.view),), np.float32)
        if obs == "rgb":
            return observe_pixels, spaces.Box(0, 255, (*self.image_size[::-1], 3), np.uint8)
        if obs == "text":
            self.text_observations = True
            return observe_nothing, UnicodeText(_WORDS + _WORDS_OF_A_CELL * self.view[0] * self.view[1])
        self.observation_type = Symbols
        most = [FULL] * len(VITALS) + [int(self.params.options[CAP])] * len(GIFTS)
        sizes = {
            "inventory": np.array(most) + 1,
            "material": np.full(self.view, len(MATERIALS)),
            "object": np.full(self.view, len(SIGHTS)),
            "status": np.array([4, 2, 256]),
        }
        boxes = {
            name: spaces.Box(np.zeros(n.shape, np.uint8), (n - 1).astype(np.uint8), dtype=np.uint8)
            for name, n in sizes.items()
        }
        far = _MOST_SIDE // 2
        return observe_symbols, spaces.Dict(boxes | {"position": spaces.Box(-far, far - 1, (2,), np.int16)})

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` worlds."""
        return new_state(num_envs, self.size, len(self.agents))

    def describe_row(self, state: State, row: int, agent: int) -> str:
        """What an agent sees, in words."""
        return describe(state, row, agent, self.params, self.action_names)

    def render_row(self, state: State, row: int, mode: str) -> NDArray[np.uint8] | str:
        """What each agent sees, side by side, or in words."""
        if mode == "ansi":
            return "\n\n".join(self.describe_row(state, row, agent) for agent in range(len(self.agents)))
        return frame(state, row, view=self.view)


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r} is unknown: choose from {', '.join(map(repr, choices))}")


def _check_number(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most or value != int(value):
        raise ValueError(f"{name} must be a whole number from {least} to {most}, got {value}")


def _pair(name: str, values: Sequence[int], least: int, most: int) -> tuple[int, int]:
    if len(values) != 2:
        raise ValueError(f"{name} must be two numbers, width and height, got {values}")
    for value in values:
        _check_number(name, value, least, most)
    return int(values[0]), int(values[1])


def _share_range(share: str | int) -> int:
    """The range of gifts as ``Params`` has it."""
    ranges = {"off": 0, "adjacent": -1, "any": 2 * _MOST_SIDE}
    if isinstance(share, int) and not isinstance(share, bool) and share >= 1:
        return min(share, 2 * _MOST_SIDE)
    if share not in ranges:
        raise ValueError(f"share={share!r} is unknown: choose 'off', 'adjacent', 'any' or a distance of at least 1")
    return ranges[str(share)]


def _start_cells(agents: int, size: tuple[int, int]) -> NDArray[np.int64]:
    """Offsets from the middle for so many agents: every other cell, like the white ones of a chess board."""
    reach = _MOST_AGENTS
    offsets = [
        (x * x + y * y, x, y)
        for x in range(-min(reach, size[0] // 2), min(reach, (size[0] - 1) // 2) + 1)
        for y in range(-min(reach, size[1] // 2), min(reach, (size[1] - 1) // 2) + 1)
        if (x + y) % 2 == 0
    ]
    if len(offsets) < agents:
        raise ValueError(f"a map of {size} cells is too small for {agents} agents: make it larger")
    return np.array([offset[1:] for offset in sorted(offsets)[:agents]])
