"""Worlds made up for tests: states that play would seldom reach."""

import numpy as np

from telos.envs.crafter.names import (
    ARROW,
    COW,
    DIRECTIONS,
    GRASS,
    LAVA,
    PATH,
    PLANT,
    SAND,
    SKELETON,
    WATER,
    ZOMBIE,
)
from telos.envs.crafter.params import CHUNK, GRASS_CELLS, IN_ORDER, KNOWN, PATH_CELLS

WALKABLE = (GRASS, SAND, PATH)
HEALTH = {COW: 3, ZOMBIE: 5, SKELETON: 3, PLANT: 1, ARROW: 0}


def scramble(env, rng, creatures=8):
    """Fills the (only) world of an environment at random, with all players and some creatures near each other."""
    state = env.unwrapped._batch.state
    agents, (width, height) = state.inventory.shape[1], state.material.shape[1:]
    weights = np.array([0, 2, 6, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1], float)
    state.material[0] = rng.choice(13, (width, height), p=weights / weights.sum())
    state.object_at[0], state.kind[0], state.count[0] = 0, 0, agents
    middle = rng.integers([3, 3], [width - 3, height - 3])
    if rng.random() < 0.2:  # at the edge
        middle[rng.integers(2)] = 0
    for agent in range(agents):
        x, y = free_cell(state, rng, middle, WALKABLE)
        state.kind[0, agent], state.x[0, agent], state.y[0, agent] = 13, x, y
        state.object_at[0, x, y] = agent + 1
        state.facing[0, agent] = DIRECTIONS[rng.integers(4)]
    tools = rng.random((agents, 6)) < 0.5
    state.inventory[0, :, :4] = np.where(rng.random((agents, 4)) < 0.5, 9, rng.integers(1, 10, (agents, 4)))
    state.inventory[0, :, 4:10] = rng.choice([0, 1, 2, 4, 8, 9], (agents, 6))
    state.inventory[0, :, 10:] = tools * rng.integers(1, 10, (agents, 6))
    state.sleeping[0] = rng.random(agents) < 0.25
    state.achievements[0] = rng.integers(0, 2, state.achievements.shape[1:])
    limits = np.array([[0, 26], [0, 21], [-11, 31], [-16, 26]])
    state.counters[0] = rng.integers(2 * limits[:, 0] + 1, 2 * limits[:, 1], (agents, 4)) / 2
    state.health_before[0] = state.inventory[0, :, :1]
    state.time[0] = rng.integers(0, 600)
    for _ in range(creatures):
        kind = int(rng.choice([COW, ZOMBIE, SKELETON, ARROW, PLANT]))
        ground = {ARROW: (*WALKABLE, WATER, LAVA), PLANT: (GRASS,)}.get(kind, WALKABLE)
        x, y = free_cell(state, rng, (state.x[0, 0], state.y[0, 0]), ground)
        slot = state.count[0]
        state.count[0] += 1
        state.kind[0, slot], state.x[0, slot], state.y[0, slot] = kind, x, y
        state.object_at[0, x, y] = slot + 1
        state.health[0, slot] = rng.integers(HEALTH[kind] > 1, HEALTH[kind] + 1)
        longest = {PLANT: (298, 302), ZOMBIE: (0, 6), SKELETON: (0, 5)}
        state.cooldown[0, slot] = rng.integers(*longest[kind]) if kind in longest else 0
        state.facing[0, slot] = DIRECTIONS[rng.integers(4)] if kind == ARROW else (0, 1)
    count_chunks(state)


def free_cell(state, rng, near, materials):
    """A free cell within 4 of a place, made walkable if it must be."""
    width, height = state.material.shape[1:]
    for tries in range(1000):
        x, y = np.clip(np.array(near) + rng.integers(-4, 5, 2), 0, (width - 1, height - 1)).tolist()
        if state.object_at[0, x, y] == 0 and (tries > 50 or state.material[0, x, y] in materials):
            if state.material[0, x, y] not in materials:
                state.material[0, x, y] = materials[0]
            return x, y
    raise AssertionError("no room")


def count_chunks(state):
    """Makes what a state knows of its chunks fit its map."""
    height = state.material.shape[2]
    rows = -(-height // CHUNK)
    state.chunk[0], state.known_chunks[0] = 0, 0
    for chunk in range(state.chunk.shape[1]):
        left, top = chunk // rows * CHUNK, chunk % rows * CHUNK
        cells = state.material[0, left : left + CHUNK, top : top + CHUNK]
        state.chunk[0, chunk, GRASS_CELLS] = (cells == GRASS).sum()
        state.chunk[0, chunk, PATH_CELLS] = (cells == PATH).sum()
    for slot in range(state.count[0]):
        chunk = state.x[0, slot] // CHUNK * rows + state.y[0, slot] // CHUNK
        if state.kind[0, slot] and not state.chunk[0, chunk, KNOWN]:
            state.chunk[0, chunk, KNOWN] = 1
            state.chunk[0, state.known_chunks[0], IN_ORDER] = chunk
            state.known_chunks[0] += 1


def mask_of(env):
    """The action masks of an environment's state as it is now, ``(agents, actions)``."""
    batch = env.unwrapped._batch
    # Begins no episode, and shows what there is.
    mask = batch.reset(np.zeros(batch.size, np.bool_), None).action_mask[0]
    return mask if mask.ndim == 2 else mask[None]
