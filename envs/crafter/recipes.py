"""What collecting, placing and making need and give, as tables that the rules read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.names import ACHIEVEMENTS, ACTIONS, ITEMS, MATERIALS
from telos.envs.crafter.params import COLLECTED, DONE_BY, LEAVES, NEAR, TOOL, YIELDS

__all__ = ["CAPS", "recipe_tables", "role_table"]

#: The most of an item that is not vital; the paper's 999 is more than is ever collected.
CAPS = {"crafter": 9, "damcs": 99}

#: Material: the item it gives, the tool it takes, what is left.
_COLLECT = {
    "tree": ("wood", None, "grass"),
    "stone": ("stone", "wood_pickaxe", "path"),
    "coal": ("coal", "wood_pickaxe", "path"),
    "iron": ("iron", "stone_pickaxe", "path"),
    "diamond": ("diamond", "iron_pickaxe", "path"),
    "water": ("drink", None, "water"),
    "grass": ("sapling", None, "grass"),
}
_GROUND = ("grass", "sand", "path")
#: Action: what it uses up, and where the thing can be placed.
_PLACE = {
    "place_stone": ({"stone": 1}, (*_GROUND, "water", "lava")),
    "place_table": ({"wood": 2}, _GROUND),
    "place_furnace": ({"stone": 4}, _GROUND),
    "place_plant": ({"sapling": 1}, ("grass",)),
}
#: Action: what it uses up, and the blocks that must be near.
_MAKE = {
    "make_wood_pickaxe": ({"wood": 1}, ("table",)),
    "make_stone_pickaxe": ({"wood": 1, "stone": 1}, ("table",)),
    "make_iron_pickaxe": ({"wood": 1, "coal": 1, "iron": 1}, ("table", "furnace")),
    "make_wood_sword": ({"wood": 1}, ("table",)),
    "make_stone_sword": ({"wood": 1, "stone": 1}, ("table",)),
    "make_iron_sword": ({"wood": 1, "coal": 1, "iron": 1}, ("table", "furnace")),
}
_BLOCKS = {"table": 1, "furnace": 2}


def recipe_tables(costs: str) -> dict[str, NDArray[Any]]:
    """The tables of :class:`~telos.envs.crafter.params.Params` by name; ``costs`` is a key of ``CAPS``."""
    cost = np.zeros((len(ACTIONS), len(ITEMS)), np.int64)
    crafting = np.zeros((len(ACTIONS), 2), np.int64)
    place_on = np.zeros((len(ACTIONS), len(MATERIALS)), np.bool_)
    for name, (uses, needs) in (_PLACE | _MAKE).items():
        action = ACTIONS.index(name)
        crafting[action, DONE_BY] = ACHIEVEMENTS.index(name)
        for item, amount in uses.items():
            cost[action, ITEMS.index(item)] = amount
        if name in _PLACE:
            place_on[action, [MATERIALS.index(material) for material in needs]] = True
        else:
            blocks = ("furnace",) if costs == "damcs" and "furnace" in needs else needs
            crafting[action, NEAR] = sum(_BLOCKS[block] for block in blocks)
    collecting = np.full((len(MATERIALS), 4), -1, np.int64)
    for material, (gives, takes, leaves) in _COLLECT.items():
        row = collecting[MATERIALS.index(material)]
        row[YIELDS], row[COLLECTED] = ITEMS.index(gives), ACHIEVEMENTS.index(f"collect_{gives}")
        row[TOOL] = -1 if takes is None else ITEMS.index(takes)
        row[LEAVES] = MATERIALS.index(leaves)
    return {"collecting": collecting, "cost": cost, "crafting": crafting, "place_on": place_on}


def role_table(roles: Sequence[Sequence[str]] | None, agents: int) -> NDArray[np.bool_]:
    """Which achievements each agent's role allows, bool ``(agents, achievements)``.

    Args:
        roles: For each agent the collecting, placing and making that it can do, as names or patterns such as
            ``"collect_*"``; None for everything.
        agents: Number of agents.

    Raises:
        ValueError: If there are roles for another number of agents, or a name fits nothing.
    """
    if roles is None:
        return np.ones((agents, len(ACHIEVEMENTS)), np.bool_)
    if len(roles) != agents:
        raise ValueError(f"roles must be one list for each of the {agents} agents, got {len(roles)}")
    restricted = [name for name in ACHIEVEMENTS if name.startswith(("collect_", "place_", "make_"))]
    may = np.array([[name not in restricted for name in ACHIEVEMENTS]] * agents)
    for row, patterns in zip(may, roles, strict=True):
        for pattern in patterns:
            fits = [name for name in restricted if fnmatchcase(name, pattern)]
            if not fits:
                near = difflib.get_close_matches(pattern, restricted, n=1) or restricted
                raise ValueError(f"no role allows {pattern!r}; did you mean {', '.join(map(repr, near))}?")
            row[[ACHIEVEMENTS.index(name) for name in fits]] = True
    return may
