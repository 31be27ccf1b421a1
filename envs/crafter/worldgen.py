"""How a world begins: terrain from noise, creatures by chance, players around the middle.

Terrain and creatures do not depend on how many players there are, but for the cells on which they stand.
"""

from __future__ import annotations

import math

from telos.envs.crafter.luck import (
    COAL_LUCK,
    COW_LUCK,
    DIAMOND_LUCK,
    IRON_LUCK,
    NOISE,
    SKELETON_LUCK,
    START_CELLS,
    TREE_LUCK,
    ZOMBIE_LUCK,
)
from telos.envs.crafter.names import (
    COAL,
    COW,
    DIAMOND,
    GRASS,
    IRON,
    LAVA,
    NOTHING,
    PATH,
    PLAYER,
    SAND,
    SKELETON,
    STONE,
    TREE,
    WATER,
    ZOMBIE,
)
from telos.envs.crafter.noise import PRECISION, add_noise, noise, shuffle
from telos.envs.crafter.objects import add_object, chunk_of, know_chunk, put_object
from telos.envs.crafter.params import GRASS_CELLS, HOSTILE, PATH_CELLS, STRICT, STRIP
from telos.envs.engine.random import bits, integer, uniform
from telos.envs.engine.rules import rule

__all__ = ["creature_health", "generate_world"]

# Layers of noise.
_WATER_NOISE, _MOUNTAIN_NOISE, _START_NOISE = 0, 1, 2
#: Of each part of a layer: the layer, z, cells in a unit of noise, and weight.
_LAYERS = (
    (_WATER_NOISE, 3, 15, 1.0),
    (_WATER_NOISE, 3, 5, 0.15),
    (_MOUNTAIN_NOISE, 0, 15, 1.0 / 1.3),
    (_MOUNTAIN_NOISE, 0, 5, 0.3 / 1.3),
    (_START_NOISE, 8, 3, 2.0),
)
# Farther from the middle, the pull of the start on the terrain is below 4 * sigmoid(4 - 17 + 2 * 0.87) = 5.2e-5.
_START_REACH = 17
# Nearer to a threshold than this, a cell's noise is worked out exactly.
_MARGIN = 2 * PRECISION
_THRESHOLDS_OF_MOUNTAIN = (0.15, 0.18, 0.3)
_THRESHOLDS_OF_WATER = (0.25, 0.3, 0.35)


@rule
def generate_world(i, key, state, params):
    """Fills world ``i``: map, objects, and the counts of its chunks."""
    width, height = state.material.shape[1], state.material.shape[2]
    _clear(i, state, params)
    shuffle(i, bits(key, NOISE, 0), state.permutation)
    _place_players(i, key, state, params)
    for left in range(0, width, STRIP):
        right = min(left + STRIP, width)
        _fill_noise(i, left, right, width, state.permutation, state.noise)
        for x in range(left, right):
            for y in range(height):
                dx, dy = x - width // 2, y - height // 2
                distance, index = math.sqrt(dx * dx + dy * dy), x * height + y
                start = 0.0
                if distance <= _START_REACH:
                    start = _sigmoid(4.0 - distance + state.noise[i, _START_NOISE, x - left, y])
                water = state.noise[i, _WATER_NOISE, x - left, y] + 0.1 - 2.0 * start
                mountain = state.noise[i, _MOUNTAIN_NOISE, x - left, y] - 4.0 * start - 0.3 * water
                material, tunnel = GRASS, False
                taken = state.object_at[i, x, y] != 0
                if not taken:
                    material, tunnel = _terrain(
                        i, key, x, y, index, distance, start, water, mountain, state.permutation
                    )
                state.material[i, x, y] = material
                if material == GRASS:
                    state.chunk[i, chunk_of(x, y, height), GRASS_CELLS] += 1
                elif material == PATH:
                    state.chunk[i, chunk_of(x, y, height), PATH_CELLS] += 1
                kind = _creature(key, index, distance, material, tunnel, params.options[HOSTILE])
                if kind != NOTHING and not taken:
                    add_object(i, kind, x, y, creature_health(kind), state)


@rule
def _clear(i, state, params):
    for x in range(state.material.shape[1]):
        for y in range(state.material.shape[2]):
            state.object_at[i, x, y] = 0
    for slot in range(state.kind.shape[1]):
        state.kind[i, slot] = NOTHING
    state.count[i] = state.inventory.shape[1]
    state.known_chunks[i] = 0
    for chunk in range(state.chunk.shape[1]):
        for entry in range(state.chunk.shape[2]):
            state.chunk[i, chunk, entry] = 0
    for chunk in range(state.chunk.shape[1]):
        if not params.options[STRICT]:
            know_chunk(i, chunk, state)


@rule
def _place_players(i, key, state, params):
    """Gives the agents the start cells, in random order."""
    agents = state.inventory.shape[1]
    for agent in range(agents):
        state.order[i, agent] = agent
    for agent in range(agents - 1, 0, -1):
        other = integer(key, START_CELLS, agent, agent + 1)
        kept = state.order[i, agent]
        state.order[i, agent] = state.order[i, other]
        state.order[i, other] = kept
    for agent in range(agents):
        place = state.order[i, agent]
        state.kind[i, agent] = PLAYER
        state.facing[i, agent, 0] = 0
        state.facing[i, agent, 1] = 1
        x = state.material.shape[1] // 2 + params.start[place, 0]
        put_object(i, agent, x, state.material.shape[2] // 2 + params.start[place, 1], state)


@rule
def _fill_noise(i, left, right, width, permutation, field):
    """Works out the noise of a strip of the map; that of the start only near the middle."""
    height = field.shape[3]
    for layer in range(3):
        for x in range(right - left):
            for y in range(height):
                field[i, layer, x, y] = 0.0
    for layer, z, size, weight in _LAYERS:
        reach = _START_REACH if layer == _START_NOISE else width + height
        if left <= width // 2 + reach and right > width // 2 - reach:
            top, bottom = max(0, height // 2 - reach), min(height, height // 2 + reach + 1)
            add_noise(i, permutation, field, layer, left, right, top, bottom, size, z, weight)


@rule
def _sigmoid(value):
    return 1.0 / (1.0 + math.exp(-value))


@rule
def _noise_at(i, permutation, x, y, z, size):
    return noise(i, permutation, x / size, y / size, z)


@rule
def _is_unsure(value, thresholds):
    unsure = False
    for threshold in thresholds:
        unsure = unsure or abs(value - threshold) < _MARGIN
    return unsure


@rule
def _terrain(i, key, x, y, index, distance, start, water, mountain, permutation):
    """Material of a cell, and whether it is part of a tunnel.

    ``start``, ``water`` and ``mountain`` come from ``add_noise``, and are worked out again where that could matter.
    """
    if (
        abs(start - 0.5) < _MARGIN
        or _is_unsure(mountain, _THRESHOLDS_OF_MOUNTAIN)
        or _is_unsure(water, _THRESHOLDS_OF_WATER)
    ):
        start = _sigmoid(4.0 - distance + 2.0 * _noise_at(i, permutation, x, y, 8, 3))
        water = _noise_at(i, permutation, x, y, 3, 15) + 0.15 * _noise_at(i, permutation, x, y, 3, 5)
        water += 0.1 - 2.0 * start
        mountain = (_noise_at(i, permutation, x, y, 0, 15) + 0.3 * _noise_at(i, permutation, x, y, 0, 5)) / 1.3
        mountain -= 4.0 * start + 0.3 * water
    if start > 0.5:
        return GRASS, False
    # Luck before noise: it is the quicker to work out, and most cells have none.
    if mountain > 0.15:
        if mountain > 0.3 and _noise_at(i, permutation, x, y, 6, 7) > 0.15:
            return PATH, False
        if noise(i, permutation, 2.0 * x / 3.0, y / 15.0, 7) > 0.4:
            return PATH, True
        if noise(i, permutation, x / 15.0, 2.0 * y / 3.0, 7) > 0.4:
            return PATH, True
        if uniform(key, COAL_LUCK, index) > 0.85 and _noise_at(i, permutation, x, y, 1, 8) > 0.0:
            return COAL, False
        if uniform(key, IRON_LUCK, index) > 0.75 and _noise_at(i, permutation, x, y, 2, 6) > 0.4:
            return IRON, False
        if mountain > 0.18 and uniform(key, DIAMOND_LUCK, index) > 0.994:
            return DIAMOND, False
        if mountain > 0.3 and _noise_at(i, permutation, x, y, 6, 5) > 0.35:
            return LAVA, False
        return STONE, False
    if 0.25 < water <= 0.35 and _noise_at(i, permutation, x, y, 4, 9) > -0.2:
        return SAND, False
    if water > 0.3:
        return WATER, False
    if uniform(key, TREE_LUCK, index) > 0.8 and _noise_at(i, permutation, x, y, 5, 7) > 0.0:
        return TREE, False
    return GRASS, False


@rule
def _creature(key, index, distance, material, tunnel, hostile):
    """What lives on a cell at the start: a kind, or NOTHING."""
    if material == GRASS and distance > 3.0 and uniform(key, COW_LUCK, index) > 0.985:
        return COW
    if material != GRASS and material != PATH and material != SAND:
        return NOTHING
    if distance > 10.0 and uniform(key, ZOMBIE_LUCK, index) > 0.993:
        return ZOMBIE if hostile else NOTHING
    return SKELETON if hostile and tunnel and uniform(key, SKELETON_LUCK, index) > 0.95 else NOTHING


@rule
def creature_health(kind):
    """Health of a new cow, zombie or skeleton."""
    return 5 if kind == ZOMBIE else 3
