"""What an agent sees and can do, in words: concise, complete, and with exact offsets on both axes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.manual import BLOCKS, in_words
from telos.envs.crafter.names import (
    ACHIEVEMENTS,
    DIRECTIONS,
    DO,
    GIVE,
    GRASS,
    ITEMS,
    LAVA,
    MAKE_WOOD_PICKAXE,
    MATERIALS,
    MOVE_DOWN,
    NONE,
    NOOP,
    NOTHING,
    PLACE_PLANT,
    PLANT,
    PLAYER,
    SAPLING,
    SLEEP,
    VITALS,
    WATER,
)
from telos.envs.crafter.needs import FULL, blocks_near, can_act, direction, faced, is_forced_to_sleep, receiver
from telos.envs.crafter.objects import cell, is_free
from telos.envs.crafter.observe import SIGHTS, sight
from telos.envs.crafter.params import GOAL, Params, State

__all__ = ["describe", "reasons"]

_SIDES = ("left", "right", "up", "down")


def describe(state: State, row: int, agent: int, params: Params, action_names: Sequence[str]) -> str:
    """What an agent sees of its world, what it has, and what it can do.

    The text holds all that the symbolic observation does. Beyond that it names the other players, the goal, and what
    the agent has achieved. Positions are counted from the agent, and only the commonest material in view is not listed
    cell by cell. "give_*" stands for all gifts. What needs no repetition in every step, the rules, is in
    :func:`telos.envs.crafter.manual.manual`.

    Args:
        state: The batch's, on the host.
        row: The world.
        agent: The agent.
        params: The family's, on the host.
        action_names: Of the actions, in their order.
    """
    if state.kind[row, agent] == NOTHING:
        return f"You are player_{agent}. You are dead."
    x, y = int(state.x[row, agent]), int(state.y[row, agent])
    width, height = state.material.shape[1:]
    place = _place((x - width // 2,) * 2, (y - height // 2,) * 2)
    inventory = state.inventory[row, agent].tolist()
    vitals = ", ".join(f"{item} {inventory[k]}" for k, item in enumerate(VITALS))
    carried = [f"{item} {inventory[k]}" for k, item in enumerate(ITEMS) if k >= SAPLING and inventory[k]]
    looks, asleep = _SIDES[_way(state, row, agent)], "asleep" if state.sleeping[row, agent] else "awake"
    refused = reasons(state, row, agent, params, action_names)
    possible = []
    impossible: dict[str, list[str]] = {}
    for action, action_name in enumerate(action_names):
        if refused[action_name]:
            impossible.setdefault(refused[action_name], []).append(action_name)
        else:
            effect = _effect(state, row, agent, action, params)
            possible.append(f"{action_name} ({effect})" if effect else action_name)
    lines = [
        f"You are player_{agent}, {asleep}, on {MATERIALS[state.material[row, x, y]]}, facing {looks}: "
        f"{_ahead(state, row, agent)}.",
        f"Counted from the middle of the map you are {place}.",
        f"Of {FULL} each you have: {vitals}. You carry: {', '.join(carried) or 'nothing'}.",
        _achieved(state, row, agent, params),
        f"Daylight: {state.daylight[row]:.3f}.",
        *_view(state, row, agent, params),
        f"You can: {'; '.join(possible)}.",
        *(f"You cannot {_grouped(names, action_names)}: {reason}." for reason, names in impossible.items()),
    ]
    return "\n".join(lines)


def _achieved(state: State, row: int, agent: int, params: Params) -> str:
    done = [name for name, times in zip(ACHIEVEMENTS, state.achievements[row, agent].tolist(), strict=True) if times]
    goal = int(params.options[GOAL])
    aim = f" The goal of all: {ACHIEVEMENTS[goal]}." if goal >= 0 else ""
    return f"Achieved, {len(done)} of {len(ACHIEVEMENTS)}: {', '.join(done) or 'nothing yet'}.{aim}"


def _grouped(names: Sequence[str], action_names: Sequence[str]) -> str:
    """Names of actions, with one word for all but ``noop`` and for all gifts."""
    if len(names) == len(action_names) - 1:
        return "do anything else"
    gifts = action_names[GIVE:]
    if not gifts or not set(gifts) <= set(names):
        return ", ".join(names)
    return ", ".join([*(name for name in names if name not in gifts), "give_*"])


def reasons(state: State, row: int, agent: int, params: Params, action_names: Sequence[str]) -> dict[str, str]:
    """Why each action of an agent would have no effect, and ``""`` for those that have one: the action mask in words.

    Arguments are those of :func:`describe`.
    """
    if state.kind[row, agent] == NOTHING:
        return {name: "" if action == NOOP else "you are dead" for action, name in enumerate(action_names)}
    if is_forced_to_sleep(row, agent, state):
        waking = f"you sleep until energy is {FULL}"
        return {name: "" if action == NOOP else waking for action, name in enumerate(action_names)}
    target, blocks = faced(row, agent, state), blocks_near(row, agent, state, params)
    other = receiver(row, agent, target[3], state, params)
    found = {}
    for action, name in enumerate(action_names):
        allowed = can_act(row, agent, action, target, blocks, other, state, params)
        found[name] = "" if allowed else _refusal(state, row, agent, action, target, blocks, other, params)
    return found


def _refusal(
    state: State,
    row: int,
    agent: int,
    action: int,
    target: tuple[int, int, int, int],
    blocks: int,
    other: int,
    params: Params,
) -> str:
    """What is missing for an action that has no effect."""
    _, _, material, occupant = target
    ahead = _ahead(state, row, agent)
    if action <= MOVE_DOWN:
        return f"{ahead} in the way"
    if action == DO:
        if occupant >= 0:
            unripe = state.kind[row, occupant] == PLANT
            return f"{ahead} cannot be eaten yet" if unripe else f"nothing to do with {ahead}"
        if params.yields[material] < 0:
            return f"nothing to collect from {ahead}"
        if not params.may[agent, params.collected[material]]:
            return "not your role"
        return f"{ahead} needs {ITEMS[params.tool[material]]}"
    if action == SLEEP:
        return "not tired"
    if action >= GIVE:
        item = action - GIVE + SAPLING
        if other < 0:
            return "no player in front" if params.share_range < 0 else f"no player within {params.share_range}"
        return f"player_{other} has no room" if state.inventory[row, agent, item] else f"no {ITEMS[item]}"
    missing = [] if params.may[agent, params.done_by[action]] else ["not your role"]
    cost = params.cost[action]
    lacking = np.where(cost > state.inventory[row, agent], cost, 0)
    missing += [f"needs {in_words(lacking)}"] * bool(lacking.any())
    if action >= MAKE_WOOD_PICKAXE:
        absent = [name for bit, name in BLOCKS.items() if int(params.near[action]) & ~blocks & bit]
        at_edge = params.strict and (state.x[row, agent] == 0 or state.y[row, agent] == 0)
        where = "counts at this edge of the map" if at_edge else "within 1"
        return "; ".join(missing + [f"no {' or '.join(absent)} {where}"] * bool(absent))
    if occupant >= 0:
        missing.append(f"{ahead} in the way")
    elif not params.place_on[action, material]:
        missing.append(f"not on {ahead}")
    elif action == PLACE_PLANT and not missing:
        missing.append("the world has no room for more objects")
    return "; ".join(missing)


def _effect(state: State, row: int, agent: int, action: int, params: Params) -> str:
    """What is worth saying of an action that has an effect."""
    if action == NOOP:
        return ""
    if action <= MOVE_DOWN:
        dx, dy = direction(action)
        x, y = int(state.x[row, agent]) + dx, int(state.y[row, agent]) + dy
        if not is_free(row, x, y, PLAYER, state):
            return f"only turns: {_thing(state, row, x, y)} in the way"
        return "deadly: lava" if state.material[row, x, y] == LAVA else ""
    _, _, material, occupant = faced(row, agent, state)
    if action == DO:
        if occupant >= 0:
            return f"{'eats' if state.kind[row, occupant] == PLANT else 'hits'} {_ahead(state, row, agent)}"
        if material == WATER:
            return "drinks"
        chance = ", 1 time in 10" if material == GRASS else ""
        return f"collects {ITEMS[params.yields[material]]}{chance}"
    if action == SLEEP:
        return f"until energy is {FULL}, or something hurts"
    if action >= GIVE:
        return f"to player_{receiver(row, agent, occupant, state, params)}"
    uses = f"uses {in_words(params.cost[action])}"
    return f"on {_material(material)}, {uses}" if action < MAKE_WOOD_PICKAXE else uses


def _way(state: State, row: int, agent: int) -> int:
    return DIRECTIONS.index(tuple(state.facing[row, agent].tolist()))


def _ahead(state: State, row: int, agent: int) -> str:
    x, y, _, _ = faced(row, agent, state)
    return _thing(state, row, int(x), int(y))


def _thing(state: State, row: int, x: int, y: int) -> str:
    """The object on a cell, or else its material."""
    material, there = cell(row, x, y, state)
    return _object(state, row, there - 1) if there else _material(material)


def _material(material: int) -> str:
    return "beyond the map" if material == NONE else MATERIALS[material]


def _object(state: State, row: int, slot: int) -> str:
    name, _, manner = SIGHTS[sight(row, slot, state)].partition("_")
    if name == "player":
        return f"player_{slot} asleep" if manner == "asleep" else f"player_{slot} facing {manner}"
    if name == "arrow":
        return f"arrow flying {manner}"
    return "ripe plant" if name == "ripe" else "unripe plant" if name == "plant" else name


def _view(state: State, row: int, agent: int, params: Params) -> list[str]:
    """Objects and materials in view."""
    columns, rows = params.window.tolist()
    half_x, half_y = columns // 2, rows // 2
    left, top = int(state.x[row, agent]) - half_x, int(state.y[row, agent]) - half_y
    materials = np.zeros((columns, rows), np.int64)
    objects: dict[str, list[tuple[int, int]]] = {}
    for column in range(columns):
        for line in range(rows):
            materials[column, line], there = cell(row, left + column, top + line, state)
            if there and there - 1 != agent:
                objects.setdefault(_object(state, row, there - 1), []).append((column - half_x, line - half_y))
    commonest = Counter(materials.ravel().tolist()).most_common(1)[0][0]
    reach = f"{_span(-half_x, columns - 1 - half_x, *_SIDES[:2])}, {_span(-half_y, rows - 1 - half_y, *_SIDES[2:])}"
    seen = [
        f"{name}: {', '.join(_place((x, x), (y, y)) for x, y in sorted(places, key=_distance))}"
        for name, places in sorted(objects.items(), key=lambda entry: min(map(_distance, entry[1])))
    ]
    listed = []
    for material in sorted(set(materials.ravel().tolist()) - {commonest}):
        areas = [
            _place((x - half_x, x_end - half_x), (y - half_y, y_end - half_y))
            for x, x_end, y, y_end in _rectangles(materials == material)
        ]
        listed.append(f"{_material(material)}: {', '.join(areas)}")
    return [
        f"You see {reach}; an axis that is not named is 0.",
        f"Objects: {'; '.join(seen) or 'none'}.",
        f"Materials: {'; '.join([*listed, f'{_material(commonest)}: everywhere else'])}.",
    ]


def _distance(place: tuple[int, int]) -> int:
    return abs(place[0]) + abs(place[1])


def _rectangles(cells: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Rectangles that cover these cells once: first and last column, first and last row."""
    left = cells.copy()
    found = []
    for y in range(cells.shape[1]):
        for x in range(cells.shape[0]):
            if not left[x, y]:
                continue
            x_end, y_end = x, y
            while x_end + 1 < cells.shape[0] and left[x_end + 1, y]:
                x_end += 1
            while y_end + 1 < cells.shape[1] and left[x : x_end + 1, y_end + 1].all():
                y_end += 1
            left[x : x_end + 1, y : y_end + 1] = False
            found.append((x, x_end, y, y_end))
    return found


def _place(x: tuple[int, int], y: tuple[int, int]) -> str:
    parts = [_span(*x, *_SIDES[:2]), _span(*y, *_SIDES[2:])]
    return " ".join(filter(None, parts)) or "here"


def _span(low: int, high: int, negative: str, positive: str) -> str:
    """Cells from ``low`` to ``high`` on an axis, "1-3 left" or "2 left to 1 right"."""
    if low == high:
        return f"{abs(low)} {negative if low < 0 else positive}" if low else ""
    if low >= 0:
        return f"{low}-{high} {positive}"
    if high <= 0:
        return f"{-high}-{-low} {negative}"
    return f"{-low} {negative} to {high} {positive}"
