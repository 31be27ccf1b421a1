"""Creatures come and go: each chunk is kept near a number that depends on its terrain and the daylight."""

from __future__ import annotations

from telos.envs.crafter.luck import BALANCES, DESPAWNED, SPAWN_CELL
from telos.envs.crafter.names import COW, GRASS, PATH, SKELETON, ZOMBIE
from telos.envs.crafter.objects import add_object, chunk_of, nearest_player, remove_object
from telos.envs.crafter.params import CHUNK, CREATURES, GRASS_CELLS, HOSTILE, IN_ORDER, PATH_CELLS
from telos.envs.crafter.worldgen import creature_health
from telos.envs.engine.random import integer, uniform
from telos.envs.engine.rules import rule

__all__ = ["balance_chunks"]

# Places in `chunk_creatures`.
_ZOMBIES, _SKELETONS, _COWS = range(3)


@rule
def balance_chunks(i, key, state, params):
    """Adds or removes at most one zombie, skeleton and cow in every chunk that has ever had an object."""
    for chunk in range(state.chunk.shape[1]):
        for group in range(3):
            state.chunk[i, chunk, CREATURES + group] = 0
    height = state.material.shape[2]
    for slot in range(state.inventory.shape[1], state.count[i]):
        group = _group(state.kind[i, slot])
        if group >= 0:
            state.chunk[i, chunk_of(state.x[i, slot], state.y[i, slot], height), CREATURES + group] += 1
    light = state.daylight[i]
    # Chunks that become known here, by what is added to them, are known already.
    for k in range(state.known_chunks[i]):
        chunk = int(state.chunk[i, k, IN_ORDER])
        grass, path = state.chunk[i, chunk, GRASS_CELLS], state.chunk[i, chunk, PATH_CELLS]
        if params.options[HOSTILE]:
            most = int(3.5 - 3.0 * light)
            least = most if grass >= 50 else 0
            _balance(i, key, chunk, _ZOMBIES, least, most, 0.3, 0.4, 6, 0, state)
            least = 1 if path >= 6 else 0
            _balance(i, key, chunk, _SKELETONS, least, 2, 0.1, 0.1, 7, 7, state)
        least = 1 if grass >= 30 else 0
        _balance(i, key, chunk, _COWS, least, int(1.5 + light), 0.01, 0.1, 5, 5, state)


@rule
def _group(kind):
    if kind == ZOMBIE:
        return _ZOMBIES
    if kind == SKELETON:
        return _SKELETONS
    return _COWS if kind == COW else -1


@rule
def _balance(i, key, chunk, group, least, most, spawns, despawns, spawn_distance, despawn_distance, state):
    creatures = int(state.chunk[i, chunk, CREATURES + group])
    index = 3 * chunk + group
    if creatures < least:
        if uniform(key, BALANCES, index) < spawns:
            _spawn(i, key, chunk, group, spawn_distance, state)
    elif creatures > most and uniform(key, BALANCES, index) < despawns:
        _despawn(i, chunk, group, integer(key, DESPAWNED, index, creatures), despawn_distance, state)


@rule
def _spawn(i, key, chunk, group, distance, state):
    """Tries a cell of the right material, drawn at random."""
    if group == _SKELETONS:
        material, kind, cells = PATH, SKELETON, state.chunk[i, chunk, PATH_CELLS]
    else:
        material, kind, cells = GRASS, (ZOMBIE if group == _ZOMBIES else COW), state.chunk[i, chunk, GRASS_CELLS]
    wanted = integer(key, SPAWN_CELL, 3 * chunk + group, cells)
    rows = (state.material.shape[2] + CHUNK - 1) // CHUNK
    left, top = chunk // rows * CHUNK, chunk % rows * CHUNK
    for x in range(left, min(left + CHUNK, state.material.shape[1])):
        for y in range(top, min(top + CHUNK, state.material.shape[2])):
            if state.material[i, x, y] != material:
                continue
            if wanted == 0:
                near, _ = nearest_player(i, x, y, state)
                if state.object_at[i, x, y] == 0 and near >= distance:
                    add_object(i, kind, x, y, creature_health(kind), state)
                return
            wanted -= 1


@rule
def _despawn(i, chunk, group, wanted, distance, state):
    """Removes the creature of this number in the chunk, unless a player is near."""
    height = state.material.shape[2]
    for slot in range(state.inventory.shape[1], state.count[i]):
        if _group(state.kind[i, slot]) != group or chunk_of(state.x[i, slot], state.y[i, slot], height) != chunk:
            continue
        if wanted == 0:
            near, _ = nearest_player(i, state.x[i, slot], state.y[i, slot], state)
            if near >= distance:
                remove_object(i, slot, state)
            return
        wanted -= 1
