"""What cows, zombies, skeletons, arrows and plants do in a step."""

from __future__ import annotations

from telos.envs.crafter.luck import CHASES, FLEES_ALONG, FOLLOWS, FOLLOWS_ALONG, LONG_AXIS, SHOOTS, WALKS, WANDER
from telos.envs.crafter.names import ARROW, COW, FURNACE, NOTHING, PATH, PLANT, SKELETON, TABLE, ZOMBIE
from telos.envs.crafter.needs import direction
from telos.envs.crafter.objects import (
    add_object,
    cell,
    hurt,
    is_free,
    is_walkable,
    move_object,
    nearest_player,
    remove_object,
    set_material,
)
from telos.envs.crafter.params import REACH, STRICT
from telos.envs.engine.random import integer, uniform
from telos.envs.engine.rules import rule

__all__ = ["update_objects"]

_DAMAGE, _DAMAGE_ASLEEP, _COOLDOWN = 2, 7, 5
_ARROW_DAMAGE, _RELOAD = 2, 4


@rule
def update_objects(i, key, count, state, params):
    """Lets the objects in the slots below ``count`` act that are near enough to a living player."""
    for slot in range(state.inventory.shape[1], count):
        kind = state.kind[i, slot]
        if kind == NOTHING:
            continue
        distance, player = nearest_player(i, state.x[i, slot], state.y[i, slot], state)
        if distance >= params.options[REACH]:
            continue
        if kind == PLANT:
            _update_plant(i, slot, state)
        elif kind == ARROW:
            _update_arrow(i, slot, state)
        elif not _is_dead(i, slot, state, params):
            if kind == COW:
                if uniform(key, WALKS, slot) < 0.5:
                    _wander(i, key, slot, COW, state)
            elif kind == ZOMBIE:
                _update_zombie(i, key, slot, distance, player, state)
            else:
                _update_skeleton(i, key, slot, distance, player, state)


@rule
def _is_dead(i, slot, state, params):
    """Removes a dead creature; with ``strict`` it still acts once."""
    dead = state.health[i, slot] <= 0
    if dead:
        remove_object(i, slot, state)
    return dead and not params.options[STRICT]


@rule
def _wander(i, key, slot, kind, state):
    dx, dy = direction(1 + integer(key, WANDER, slot, 4))
    move_object(i, slot, kind, dx, dy, state)


@rule
def _sign(value):
    return int(value > 0) - int(value < 0)


@rule
def _toward(i, slot, player, along_longer, state):
    """A step toward a player, along the longer or the shorter way; of two as long, y counts as the longer."""
    dx, dy = state.x[i, player] - state.x[i, slot], state.y[i, player] - state.y[i, slot]
    along_x = abs(dx) > abs(dy) if along_longer else abs(dx) <= abs(dy)
    return (_sign(dx), 0) if along_x else (0, _sign(dy))


@rule
def _update_zombie(i, key, slot, distance, player, state):
    if distance <= 8 and uniform(key, CHASES, slot) < 0.9:
        dx, dy = _toward(i, slot, player, uniform(key, LONG_AXIS, slot) < 0.8, state)
        move_object(i, slot, ZOMBIE, dx, dy, state)
    else:
        _wander(i, key, slot, ZOMBIE, state)
    if abs(state.x[i, player] - state.x[i, slot]) + abs(state.y[i, player] - state.y[i, slot]) > 1:
        return
    if state.cooldown[i, slot] > 0:
        state.cooldown[i, slot] -= 1
    else:
        hurt(i, player, _DAMAGE_ASLEEP if state.sleeping[i, player] else _DAMAGE, state)
        state.cooldown[i, slot] = _COOLDOWN


@rule
def _update_skeleton(i, key, slot, distance, player, state):
    state.cooldown[i, slot] = max(0, state.cooldown[i, slot] - 1)
    if distance <= 3:
        dx, dy = _toward(i, slot, player, uniform(key, FLEES_ALONG, slot) < 0.6, state)
        if move_object(i, slot, SKELETON, -dx, -dy, state):
            return
    if distance <= 5 and uniform(key, SHOOTS, slot) < 0.5:
        _shoot(i, slot, player, state)
    elif distance <= 8 and uniform(key, FOLLOWS, slot) < 0.3:
        dx, dy = _toward(i, slot, player, uniform(key, FOLLOWS_ALONG, slot) < 0.6, state)
        move_object(i, slot, SKELETON, dx, dy, state)
    elif uniform(key, WALKS, slot) < 0.2:
        _wander(i, key, slot, SKELETON, state)


@rule
def _shoot(i, slot, player, state):
    dx, dy = _toward(i, slot, player, True, state)
    x, y = state.x[i, slot] + dx, state.y[i, slot] + dy
    if state.cooldown[i, slot] > 0 or (dx == 0 and dy == 0) or not is_free(i, x, y, ARROW, state):
        return
    arrow = add_object(i, ARROW, x, y, 0, state)
    if arrow >= 0:
        state.facing[i, arrow, 0] = dx
        state.facing[i, arrow, 1] = dy
        state.cooldown[i, slot] = _RELOAD


@rule
def _update_arrow(i, slot, state):
    dx, dy = state.facing[i, slot, 0], state.facing[i, slot, 1]
    x, y = state.x[i, slot] + dx, state.y[i, slot] + dy
    material, there = cell(i, x, y, state)
    if there > 0:
        hurt(i, there - 1, _ARROW_DAMAGE, state)
        remove_object(i, slot, state)
    elif not is_walkable(material, ARROW):
        remove_object(i, slot, state)
        if material in (TABLE, FURNACE):
            set_material(i, x, y, PATH, state)
    else:
        move_object(i, slot, ARROW, dx, dy, state)


@rule
def _update_plant(i, slot, state):
    state.cooldown[i, slot] += 1
    eaten = False
    for way in range(1, 5):
        dx, dy = direction(way)
        _, there = cell(i, state.x[i, slot] + dx, state.y[i, slot] + dy, state)
        if there > 0:
            kind = state.kind[i, there - 1]
            eaten = eaten or kind in (ZOMBIE, SKELETON, COW)
    if eaten:
        state.health[i, slot] -= 1
    if state.health[i, slot] <= 0:
        remove_object(i, slot, state)
