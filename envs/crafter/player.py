"""What a player does in a step, and what its body does by itself."""

from __future__ import annotations

from telos.envs.crafter.luck import SAPLING_LUCK
from telos.envs.crafter.names import (
    COW,
    DEFEAT_SKELETON,
    DEFEAT_ZOMBIE,
    DO,
    DRINK,
    EAT_COW,
    EAT_PLANT,
    ENERGY,
    FOOD,
    FURNACE,
    GIVE,
    GRASS,
    HEALTH,
    IRON_SWORD,
    LAVA,
    MAKE_WOOD_PICKAXE,
    MOVE_DOWN,
    NOOP,
    PLACE_FURNACE,
    PLACE_STONE,
    PLACE_TABLE,
    PLANT,
    PLAYER,
    SAPLING,
    SKELETON,
    SLEEP,
    STONE,
    STONE_SWORD,
    TABLE,
    WAKE_UP,
    WATER,
    WOOD_PICKAXE,
    WOOD_SWORD,
    ZOMBIE,
)
from telos.envs.crafter.needs import FULL, blocks_near, can_act, direction, faced, is_forced_to_sleep, receiver
from telos.envs.crafter.objects import add_object, hurt, move_object, set_material
from telos.envs.crafter.params import CAP, COLLECTED, DONE_BY, LEAVES, STRICT, YIELDS
from telos.envs.engine.random import uniform
from telos.envs.engine.rules import rule

__all__ = ["AT_STEP", "reset_player", "update_player"]

_HUNGER, _THIRST, _FATIGUE, _RECOVERY = range(4)
#: Entries of ``State.health_before``.
_AT_UPDATE, AT_STEP = range(2)
_SAPLING_PROBABILITY = 0.1
_PLANT_HEALTH = 1


@rule
def reset_player(i, agent, state):
    """Gives a player what it has at birth."""
    for item in range(state.inventory.shape[2]):
        state.inventory[i, agent, item] = FULL if item < SAPLING else 0
    for counter in range(state.counters.shape[2]):
        state.counters[i, agent, counter] = 0.0
    state.sleeping[i, agent] = False
    state.health_before[i, agent, _AT_UPDATE] = FULL
    state.health_before[i, agent, AT_STEP] = FULL


@rule
def update_player(i, key, agent, action, state, params, terms, metrics):
    """One step of a player. Pays 1 for each achievement that is its first in the episode."""
    if state.sleeping[i, agent] and not is_forced_to_sleep(i, agent, state):
        state.sleeping[i, agent] = False
        _achieve(i, agent, WAKE_UP, state, terms)
    drowned = False
    if state.sleeping[i, agent]:
        action = SLEEP
    if action <= MOVE_DOWN:
        if action != NOOP:
            drowned = _move(i, agent, action, state)
    else:
        target = faced(i, agent, state)
        blocks, other = 0, -1
        if MAKE_WOOD_PICKAXE <= action < GIVE:
            blocks = blocks_near(i, agent, state, params)
        elif action >= GIVE:
            other = receiver(i, agent, target[3], state, params)
        if can_act(i, agent, action, target, blocks, other, state, params):
            _act(i, key, agent, action, target, other, state, params, terms, metrics)
    _live(i, agent, state)
    _heal(i, agent, drowned and not params.options[STRICT], state)
    for item in range(state.inventory.shape[2]):
        most = FULL if item < SAPLING else int(params.options[CAP])
        if state.inventory[i, agent, item] > most:
            state.inventory[i, agent, item] = most
    if state.inventory[i, agent, HEALTH] < state.health_before[i, agent, _AT_UPDATE]:
        state.sleeping[i, agent] = False
    state.health_before[i, agent, _AT_UPDATE] = state.inventory[i, agent, HEALTH]


@rule
def _achieve(i, agent, achievement, state, terms):
    if state.achievements[i, agent, achievement] == 0:
        terms[i, agent, achievement] = 1.0
    state.achievements[i, agent, achievement] += 1


@rule
def _move(i, agent, action, state):
    """Turns and walks; returns whether the player walked into lava, or stands in it."""
    dx, dy = direction(action)
    state.facing[i, agent, 0] = dx
    state.facing[i, agent, 1] = dy
    move_object(i, agent, PLAYER, dx, dy, state)
    drowned = state.material[i, state.x[i, agent], state.y[i, agent]] == LAVA
    if drowned:
        state.inventory[i, agent, HEALTH] = 0
    return drowned


@rule
def _act(i, key, agent, action, target, other, state, params, terms, metrics):
    """Carries out an action, other than a move, that can be."""
    x, y, material, occupant = target
    if action == DO:
        if occupant >= 0:
            _hit(i, agent, occupant, state, terms)
        else:
            _collect(i, key, agent, x, y, material, state, params, terms)
        return
    if action == SLEEP:
        state.sleeping[i, agent] = True
        return
    if action >= GIVE:
        item = action - GIVE + SAPLING
        state.inventory[i, agent, item] -= 1
        state.inventory[i, other, item] += 1
        metrics[i, agent, 2] = other + 1.0
        return
    for item in range(SAPLING, params.cost.shape[1]):
        state.inventory[i, agent, item] -= params.cost[action, item]
    if action >= MAKE_WOOD_PICKAXE:
        state.inventory[i, agent, action - MAKE_WOOD_PICKAXE + WOOD_PICKAXE] += 1
    elif action == PLACE_STONE:
        set_material(i, x, y, STONE, state)
    elif action == PLACE_TABLE:
        set_material(i, x, y, TABLE, state)
    elif action == PLACE_FURNACE:
        set_material(i, x, y, FURNACE, state)
    else:
        add_object(i, PLANT, x, y, _PLANT_HEALTH, state)
    _achieve(i, agent, params.crafting[action, DONE_BY], state, terms)


@rule
def _hit(i, agent, occupant, state, terms):
    """Strikes a creature or another player, or eats a ripe plant."""
    kind = state.kind[i, occupant]
    if kind == PLANT:
        state.cooldown[i, occupant] = 0
        state.inventory[i, agent, FOOD] += 4
        _achieve(i, agent, EAT_PLANT, state, terms)
        return
    damage = 1
    if state.inventory[i, agent, IRON_SWORD] > 0:
        damage = 5
    elif state.inventory[i, agent, STONE_SWORD] > 0:
        damage = 3
    elif state.inventory[i, agent, WOOD_SWORD] > 0:
        damage = 2
    hurt(i, occupant, damage, state)
    if kind == PLAYER or state.health[i, occupant] > 0:
        return
    if kind == ZOMBIE:
        _achieve(i, agent, DEFEAT_ZOMBIE, state, terms)
    elif kind == SKELETON:
        _achieve(i, agent, DEFEAT_SKELETON, state, terms)
    elif kind == COW:
        state.inventory[i, agent, FOOD] += 6
        state.counters[i, agent, _HUNGER] = 0.0
        _achieve(i, agent, EAT_COW, state, terms)


@rule
def _collect(i, key, agent, x, y, material, state, params, terms):
    if material == WATER:
        state.counters[i, agent, _THIRST] = 0.0
    if material == GRASS and uniform(key, SAPLING_LUCK, agent) > _SAPLING_PROBABILITY:
        return
    leaves = params.collecting[material, LEAVES]
    if leaves != material:
        set_material(i, x, y, leaves, state)
    state.inventory[i, agent, params.collecting[material, YIELDS]] += 1
    _achieve(i, agent, params.collecting[material, COLLECTED], state, terms)


@rule
def _live(i, agent, state):
    """Hunger, thirst and fatigue."""
    asleep = state.sleeping[i, agent]
    pace = 0.5 if asleep else 1.0
    if _tick(i, agent, _HUNGER, pace, 25.0, state) and state.inventory[i, agent, FOOD] > 0:
        state.inventory[i, agent, FOOD] -= 1
    if _tick(i, agent, _THIRST, pace, 20.0, state) and state.inventory[i, agent, DRINK] > 0:
        state.inventory[i, agent, DRINK] -= 1
    if asleep:
        state.counters[i, agent, _FATIGUE] = min(state.counters[i, agent, _FATIGUE] - 1.0, 0.0)
    else:
        state.counters[i, agent, _FATIGUE] += 1.0
    if state.counters[i, agent, _FATIGUE] < -10.0:
        state.counters[i, agent, _FATIGUE] = 0.0
        state.inventory[i, agent, ENERGY] += 1
    if _tick(i, agent, _FATIGUE, 0.0, 30.0, state) and state.inventory[i, agent, ENERGY] > 0:
        state.inventory[i, agent, ENERGY] -= 1


@rule
def _tick(i, agent, counter, pace, limit, state):
    """Advances a counter; returns whether it passed its limit, and begins anew then."""
    state.counters[i, agent, counter] += pace
    passed = state.counters[i, agent, counter] > limit
    if passed:
        state.counters[i, agent, counter] = 0.0
    return passed


@rule
def _heal(i, agent, lost, state):
    """Health comes back to those who lack nothing, and goes from the others; a ``lost`` player gets none."""
    asleep = state.sleeping[i, agent]
    rested = state.inventory[i, agent, ENERGY] > 0 or asleep
    if state.inventory[i, agent, FOOD] > 0 and state.inventory[i, agent, DRINK] > 0 and rested:
        state.counters[i, agent, _RECOVERY] += 2.0 if asleep else 1.0
    else:
        state.counters[i, agent, _RECOVERY] -= 0.5 if asleep else 1.0
    if state.counters[i, agent, _RECOVERY] > 25.0:
        state.counters[i, agent, _RECOVERY] = 0.0
        if not lost:
            state.inventory[i, agent, HEALTH] += 1
    if state.counters[i, agent, _RECOVERY] < -15.0:
        state.counters[i, agent, _RECOVERY] = 0.0
        hurt(i, agent, 1, state)
