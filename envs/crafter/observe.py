"""What an agent sees of its world without pictures, and which actions have an effect."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.names import ARROW, ITEMS, MATERIALS, NOOP, NOTHING, PLANT, PLAYER, SAPLING
from telos.envs.crafter.needs import FULL, RIPE, blocks_near, can_act, faced, is_forced_to_sleep, receiver
from telos.envs.crafter.params import CAP, COLUMNS, ROWS
from telos.envs.engine.rules import rule

__all__ = [
    *("SIGHTS", "Symbols", "allow_actions", "flat_size", "observe_flat", "observe_map", "observe_nothing"),
    *("observe_symbols", "sight"),
]

#: What may be seen on a cell: nothing, or one of these in this state.
SIGHTS = (
    *("nothing", "cow", "zombie", "skeleton", "arrow_left", "arrow_right", "arrow_up", "arrow_down"),
    *("plant", "ripe_plant", "player_left", "player_right", "player_up", "player_down", "player_asleep"),
)
_ARROWS, _PLANTS, _PLAYERS, _ASLEEP = 4, 8, 10, 14


class Symbols(NamedTuple):
    """Symbolic observations of n worlds with A agents, each ``(n, A, ...)``, uint8 where nothing else is said.

    Attributes:
        inventory: ``(16,)``.
        material: ``(w, h)``, x first, the agent in the middle; 0 beyond the map.
        object: ``(w, h)``, numbered as in ``SIGHTS``.
        position: ``(2,)`` int16, cells to the right of and below the middle of the map.
        status: ``(3,)``: direction faced (left, right, up, down), asleep or not, daylight from 0 to 255.
    """

    inventory: NDArray[np.uint8]
    material: NDArray[np.uint8]
    object: NDArray[np.uint8]
    position: NDArray[np.int16]
    status: NDArray[np.uint8]


@rule
def _way(i, slot, state):
    """The number of a direction: left, right, up, down."""
    dx, dy = int(state.facing[i, slot, 0]), int(state.facing[i, slot, 1])
    return (dx + 1) // 2 if dy == 0 else 2 + (dy + 1) // 2


@rule
def sight(i, slot, state):
    """What is seen of the object in a slot."""
    kind = int(state.kind[i, slot])
    if kind == PLAYER:
        return _ASLEEP if state.sleeping[i, slot] else _PLAYERS + _way(i, slot, state)
    if kind == ARROW:
        return _ARROWS + _way(i, slot, state)
    if kind == PLANT:
        return _PLANTS + int(state.cooldown[i, slot] > RIPE)
    return kind - PLAYER


@rule
def _light(i, state):
    return int(255.0 * state.daylight[i] + 0.5)


@rule
def observe_symbols(i, state, params, observation):
    """Writes what every agent sees: see :class:`Symbols`."""
    width, height = params.options[COLUMNS], params.options[ROWS]
    for agent in range(state.inventory.shape[1]):
        left, top = state.x[i, agent] - width // 2, state.y[i, agent] - height // 2
        for dx in range(width):
            x = left + dx
            for dy in range(height):
                y = top + dy
                material, there = 0, 0
                if 0 <= x < state.material.shape[1] and 0 <= y < state.material.shape[2]:
                    material, there = int(state.material[i, x, y]), int(state.object_at[i, x, y])
                observation.material[i, agent, dx, dy] = material
                observation.object[i, agent, dx, dy] = sight(i, there - 1, state) if there > 0 else 0
        for item in range(state.inventory.shape[2]):
            observation.inventory[i, agent, item] = state.inventory[i, agent, item]
        observation.position[i, agent, 0] = state.x[i, agent] - state.material.shape[1] // 2
        observation.position[i, agent, 1] = state.y[i, agent] - state.material.shape[2] // 2
        observation.status[i, agent, 0] = _way(i, agent, state)
        observation.status[i, agent, 1] = int(state.sleeping[i, agent])
        observation.status[i, agent, 2] = _light(i, state)


#: Numbers of a cell in the flat observation.
_CELL = len(MATERIALS) + len(SIGHTS)
#: Numbers of an agent itself: inventory, direction, asleep, daylight.
_SELF = len(ITEMS) + 6


def flat_size(view: tuple[int, int]) -> int:
    """Numbers of a flat observation."""
    return view[0] * view[1] * _CELL + _SELF


@rule
def observe_flat(i, state, params, observation):
    """Writes the same as numbers in [0, 1]: each cell's material and object one-hot, then the agent itself."""
    width, height = params.options[COLUMNS], params.options[ROWS]
    for agent in range(state.inventory.shape[1]):
        for entry in range(observation.shape[2]):
            observation[i, agent, entry] = 0.0
        left, top = state.x[i, agent] - width // 2, state.y[i, agent] - height // 2
        entry = 0
        for dx in range(width):
            x = left + dx
            for dy in range(height):
                y = top + dy
                material, seen = 0, 0
                if 0 <= x < state.material.shape[1] and 0 <= y < state.material.shape[2]:
                    material = int(state.material[i, x, y])
                    there = int(state.object_at[i, x, y])
                    seen = sight(i, there - 1, state) if there > 0 else 0
                observation[i, agent, entry + material] = 1.0
                observation[i, agent, entry + len(MATERIALS) + seen] = 1.0
                entry += _CELL
        for item in range(state.inventory.shape[2]):
            most = FULL if item < SAPLING else params.options[CAP]
            observation[i, agent, entry + item] = state.inventory[i, agent, item] / most
        entry += state.inventory.shape[2]
        observation[i, agent, entry + _way(i, agent, state)] = 1.0
        observation[i, agent, entry + 4] = 1.0 if state.sleeping[i, agent] else 0.0
        observation[i, agent, entry + 5] = _light(i, state) / 255.0


@rule
def observe_map(i, state, params, whole):
    """Writes the whole map: of each cell the material, and the kind of the object on it."""
    for x in range(state.material.shape[1]):
        for y in range(state.material.shape[2]):
            there = state.object_at[i, x, y]
            whole[i, x, y, 0] = state.material[i, x, y]
            whole[i, x, y, 1] = state.kind[i, there - 1] if there > 0 else NOTHING


@rule
def observe_nothing(i, state, params, observation):
    """Of texts: they are not made by rules."""


@rule
def allow_actions(i, state, params, mask):
    """Sets which actions of every agent have an effect; of those who are gone or sleep on, only "noop"."""
    actions = mask.shape[2]
    for agent in range(state.inventory.shape[1]):
        if state.kind[i, agent] == NOTHING or is_forced_to_sleep(i, agent, state):
            for action in range(actions):
                mask[i, agent, action] = int(action == NOOP)
            continue
        target = faced(i, agent, state)
        blocks = blocks_near(i, agent, state, params)
        other = receiver(i, agent, target[3], state, params)
        for action in range(actions):
            mask[i, agent, action] = int(can_act(i, agent, action, target, blocks, other, state, params))
