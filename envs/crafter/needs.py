"""What the actions of players need: one place for the rules, the masks, and whoever explains them."""

from __future__ import annotations

from telos.envs.crafter.names import (
    COW,
    DO,
    ENERGY,
    FURNACE,
    GIVE,
    MAKE_WOOD_PICKAXE,
    MOVE_DOWN,
    NOOP,
    PLACE_PLANT,
    PLANT,
    PLAYER,
    SAPLING,
    SKELETON,
    SLEEP,
    TABLE,
    ZOMBIE,
)
from telos.envs.crafter.objects import cell, is_free
from telos.envs.crafter.params import CAP, COLLECTED, DONE_BY, FRIENDLY_FIRE, NEAR, SHARE_RANGE, STRICT, TOOL, YIELDS
from telos.envs.engine.rules import rule

__all__ = [
    *("FULL", "RIPE", "blocks_near", "can_act", "can_collect", "can_give", "can_hit", "can_make", "can_place"),
    *("direction", "faced", "is_forced_to_sleep", "receiver"),
]

#: The most of a vital item that a player can have; energy is that of one who has slept enough.
FULL = 9
#: A plant that is older than this can be eaten.
RIPE = 300


@rule
def direction(action):
    """The step of a move."""
    if action <= 2:
        return 2 * action - 3, 0
    return 0, 2 * action - 7


@rule
def is_forced_to_sleep(i, agent, state):
    """Whether a player sleeps and is too tired to wake up: whatever its action, it sleeps on."""
    return state.sleeping[i, agent] and state.inventory[i, agent, ENERGY] < FULL


@rule
def faced(i, agent, state):
    """The cell in front of a player: x, y, its material, and the slot of what is on it or -1."""
    x = state.x[i, agent] + state.facing[i, agent, 0]
    y = state.y[i, agent] + state.facing[i, agent, 1]
    material, there = cell(i, x, y, state)
    return x, y, material, there - 1


@rule
def blocks_near(i, agent, state, params):
    """The blocks in the 3 x 3 cells around a player: 1 a table, 2 a furnace, 3 both.

    With ``strict``, there are none for a player in the first column or row.
    """
    px, py = state.x[i, agent], state.y[i, agent]
    width, height = state.material.shape[1], state.material.shape[2]
    if params.options[STRICT] and (px == 0 or py == 0):
        return 0
    blocks = 0
    for x in range(max(px - 1, 0), min(px + 2, width)):
        for y in range(max(py - 1, 0), min(py + 2, height)):
            if state.material[i, x, y] == TABLE:
                blocks |= 1
            elif state.material[i, x, y] == FURNACE:
                blocks |= 2
    return blocks


@rule
def can_hit(i, occupant, state, params):
    """Whether "do" has an effect on the object in a slot."""
    kind = state.kind[i, occupant]
    if kind == PLANT:
        return state.cooldown[i, occupant] > RIPE
    return kind in (COW, ZOMBIE, SKELETON) or (kind == PLAYER and params.options[FRIENDLY_FIRE])


@rule
def can_collect(i, agent, material, state, params):
    """Whether a player has the tool for a material, and the role."""
    if params.collecting[material, YIELDS] < 0 or not params.may[agent, params.collecting[material, COLLECTED]]:
        return False
    tool = params.collecting[material, TOOL]
    return tool < 0 or state.inventory[i, agent, tool] > 0


@rule
def can_pay(i, agent, action, state, params):
    """Whether a player has what an action uses up, and its role allows the action."""
    allowed = params.may[agent, params.crafting[action, DONE_BY]]
    for item in range(SAPLING, params.cost.shape[1]):
        allowed = allowed and state.inventory[i, agent, item] >= params.cost[action, item]
    return allowed


@rule
def can_place(i, agent, action, material, occupant, state, params):
    """Whether a player can place a thing on the cell in front."""
    if occupant >= 0 or not params.place_on[action, material]:
        return False
    if action == PLACE_PLANT and state.count[i] == state.kind.shape[1]:
        return False
    return can_pay(i, agent, action, state, params)


@rule
def can_make(i, agent, action, blocks, state, params):
    """Whether a player can make a tool with these blocks near."""
    need = params.crafting[action, NEAR]
    return (blocks & need) == need and can_pay(i, agent, action, state, params)


@rule
def receiver(i, agent, occupant, state, params):
    """Who gets a player's gift, or -1: the player in front, or the nearest within range, of several the first."""
    reach = params.options[SHARE_RANGE]
    if reach < 0:
        return occupant if 0 <= occupant < state.inventory.shape[1] else -1
    least, nearest = reach + 1, -1
    for other in range(state.inventory.shape[1]):
        if other != agent and state.kind[i, other] == PLAYER:
            distance = abs(state.x[i, other] - state.x[i, agent]) + abs(state.y[i, other] - state.y[i, agent])
            if distance < least:
                least, nearest = distance, other
    return nearest


@rule
def can_give(i, agent, action, other, state, params):
    """Whether a player has the gift, and the receiver, or -1, can carry it."""
    item = action - GIVE + SAPLING
    return other >= 0 and state.inventory[i, agent, item] > 0 and state.inventory[i, other, item] < params.options[CAP]


@rule
def can_act(i, agent, action, target, blocks, other, state, params):
    """Whether an action of a player who is awake has an effect.

    Args:
        i: The world.
        agent: The player.
        action: The action.
        target: What ``faced`` returns.
        blocks: What ``blocks_near`` returns.
        other: What ``receiver`` returns; only gifts ask.
        state: The state.
        params: The parameters.
    """
    _, _, material, occupant = target
    if action == NOOP:
        return True
    if action <= MOVE_DOWN:
        dx, dy = direction(action)
        if state.facing[i, agent, 0] != dx or state.facing[i, agent, 1] != dy:
            return True
        return is_free(i, state.x[i, agent] + dx, state.y[i, agent] + dy, PLAYER, state)
    if action == DO:
        if occupant >= 0:
            return can_hit(i, occupant, state, params)
        return can_collect(i, agent, material, state, params)
    if action == SLEEP:
        return state.inventory[i, agent, ENERGY] < FULL
    if action < MAKE_WOOD_PICKAXE:
        return can_place(i, agent, action, material, occupant, state, params)
    if action < GIVE:
        return can_make(i, agent, action, blocks, state, params)
    return can_give(i, agent, action, other, state, params)
