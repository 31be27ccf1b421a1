"""Cells and the objects on them: adding, moving and removing, and the counts that balancing needs."""

from __future__ import annotations

from telos.envs.crafter.names import ARROW, GRASS, HEALTH, LAVA, NOTHING, PATH, PLAYER, SAND, WATER
from telos.envs.crafter.params import CHUNK, GRASS_CELLS, IN_ORDER, KNOWN, PATH_CELLS
from telos.envs.engine.rules import rule

__all__ = [
    *("add_object", "cell", "chunk_of", "compact", "hurt", "is_free", "is_walkable", "know_chunk", "move_object"),
    *("nearest_player", "put_object", "remove_object", "set_material"),
]

#: Farther than any cell.
FAR = 1 << 20


@rule
def cell(i, x, y, state):
    """Material and object of a cell: its slot plus 1, or 0. Beyond the map both are 0."""
    if x < 0 or y < 0 or x >= state.material.shape[1] or y >= state.material.shape[2]:
        return 0, 0
    return int(state.material[i, x, y]), int(state.object_at[i, x, y])


@rule
def is_walkable(material, kind):
    """Whether an object of this kind can be on a cell of this material."""
    if material in (GRASS, SAND, PATH):
        return True
    return (material == LAVA and (kind in (PLAYER, ARROW))) or (material == WATER and kind == ARROW)


@rule
def is_free(i, x, y, kind, state):
    """Whether an object of this kind can come to a cell."""
    material, there = cell(i, x, y, state)
    return there == 0 and is_walkable(material, kind)


@rule
def chunk_of(x, y, height):
    """The number of a cell's chunk, on a map of this height."""
    return (x // CHUNK) * ((height + CHUNK - 1) // CHUNK) + y // CHUNK


@rule
def know_chunk(i, chunk, state):
    """Notes that an object has been in a chunk: only such chunks are balanced."""
    if state.chunk[i, chunk, KNOWN] == 0:
        state.chunk[i, chunk, KNOWN] = 1
        state.chunk[i, state.known_chunks[i], IN_ORDER] = chunk
        state.known_chunks[i] += 1


@rule
def set_material(i, x, y, material, state):
    """Changes a cell."""
    chunk, before = chunk_of(x, y, state.material.shape[2]), state.material[i, x, y]
    state.chunk[i, chunk, GRASS_CELLS] += int(material == GRASS) - int(before == GRASS)
    state.chunk[i, chunk, PATH_CELLS] += int(material == PATH) - int(before == PATH)
    state.material[i, x, y] = material


@rule
def add_object(i, kind, x, y, health, state):
    """Puts a new object on a cell; returns its slot, or -1 if none is left."""
    slot = state.count[i]
    if slot == state.kind.shape[1]:
        return -1
    state.count[i] += 1
    state.kind[i, slot] = kind
    state.health[i, slot] = health
    state.cooldown[i, slot] = 0
    state.facing[i, slot, 0] = 0
    state.facing[i, slot, 1] = 1
    put_object(i, slot, x, y, state)
    return slot


@rule
def put_object(i, slot, x, y, state):
    """Puts an object that is nowhere on a cell."""
    state.x[i, slot] = x
    state.y[i, slot] = y
    state.object_at[i, x, y] = slot + 1
    know_chunk(i, chunk_of(x, y, state.material.shape[2]), state)


@rule
def remove_object(i, slot, state):
    """Takes an object away; its slot keeps its place until ``compact``."""
    state.kind[i, slot] = NOTHING
    state.object_at[i, state.x[i, slot], state.y[i, slot]] = 0


@rule
def move_object(i, slot, kind, dx, dy, state):
    """Moves an object by a step if it can; returns whether the cell was free.

    An object that has just been removed stays where it was, and is told the same.
    """
    x, y = int(state.x[i, slot]) + dx, int(state.y[i, slot]) + dy
    if not is_free(i, x, y, kind, state):
        return False
    if state.kind[i, slot] != NOTHING:
        state.object_at[i, state.x[i, slot], state.y[i, slot]] = 0
        put_object(i, slot, x, y, state)
    return True


@rule
def hurt(i, slot, damage, state):
    """Lowers the health of an object, to 0 at the least."""
    if slot < state.inventory.shape[1]:
        state.inventory[i, slot, HEALTH] = max(0, int(state.inventory[i, slot, HEALTH]) - damage)
    else:
        state.health[i, slot] = max(0, int(state.health[i, slot]) - damage)


@rule
def nearest_player(i, x, y, state):
    """Distance along the axes to the nearest living player, and which; of several the first."""
    least, nearest = FAR, 0
    for agent in range(state.inventory.shape[1]):
        if state.kind[i, agent] == PLAYER:
            distance = abs(state.x[i, agent] - x) + abs(state.y[i, agent] - y)
            if distance < least:
                least, nearest = distance, agent
    return least, nearest


@rule
def compact(i, state):
    """Closes the gaps that removed objects have left; the others keep their order."""
    last = state.inventory.shape[1]
    for slot in range(last, state.count[i]):
        kind = state.kind[i, slot]
        if kind == NOTHING:
            continue
        if slot != last:
            state.kind[i, last] = kind
            state.x[i, last] = state.x[i, slot]
            state.y[i, last] = state.y[i, slot]
            state.health[i, last] = state.health[i, slot]
            state.cooldown[i, last] = state.cooldown[i, slot]
            state.facing[i, last, 0] = state.facing[i, slot, 0]
            state.facing[i, last, 1] = state.facing[i, slot, 1]
            state.object_at[i, state.x[i, last], state.y[i, last]] = last + 1
            state.kind[i, slot] = NOTHING
        last += 1
    state.count[i] = last
