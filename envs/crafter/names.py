"""The words of Crafter and their numbers: materials, objects, items, actions and achievements.

Numbers of materials and objects are those of the original's semantic view (``info["semantic"]``), those of items,
actions and achievements their places in the original's lists.
"""

from __future__ import annotations

__all__ = ["ACHIEVEMENTS", "ACTIONS", "DIRECTIONS", "GIFTS", "ITEMS", "MATERIALS", "OBJECTS", "VITALS"]

#: What a cell is made of; 0 is beyond the map.
MATERIALS = (
    *("none", "water", "grass", "stone", "path", "sand", "tree", "lava", "coal", "iron", "diamond", "table"),
    "furnace",
)
NONE, WATER, GRASS, STONE, PATH, SAND, TREE, LAVA, COAL, IRON, DIAMOND, TABLE, FURNACE = range(13)

#: What may stand on a cell; ``OBJECTS[kind - PLAYER]``.
OBJECTS = ("player", "cow", "zombie", "skeleton", "arrow", "plant")
NOTHING = 0
PLAYER, COW, ZOMBIE, SKELETON, ARROW, PLANT = range(13, 19)

#: What a player has; the first four are vital.
ITEMS = (
    *("health", "food", "drink", "energy", "sapling", "wood", "stone", "coal", "iron", "diamond"),
    *("wood_pickaxe", "stone_pickaxe", "iron_pickaxe", "wood_sword", "stone_sword", "iron_sword"),
)
HEALTH, FOOD, DRINK, ENERGY, SAPLING, WOOD, STONES, COALS, IRONS, DIAMONDS = range(10)
WOOD_PICKAXE, STONE_PICKAXE, IRON_PICKAXE, WOOD_SWORD, STONE_SWORD, IRON_SWORD = range(10, 16)
VITALS = ITEMS[:4]
#: Items that one agent can give to another.
GIFTS = ITEMS[4:]

#: What a player can do alone.
ACTIONS = (
    *("noop", "move_left", "move_right", "move_up", "move_down", "do", "sleep"),
    *("place_stone", "place_table", "place_furnace", "place_plant"),
    *("make_wood_pickaxe", "make_stone_pickaxe", "make_iron_pickaxe"),
    *("make_wood_sword", "make_stone_sword", "make_iron_sword"),
)
NOOP, MOVE_LEFT, MOVE_RIGHT, MOVE_UP, MOVE_DOWN, DO, SLEEP = range(7)
PLACE_STONE, PLACE_TABLE, PLACE_FURNACE, PLACE_PLANT = range(7, 11)
MAKE_WOOD_PICKAXE, MAKE_STONE_PICKAXE, MAKE_IRON_PICKAXE = range(11, 14)
MAKE_WOOD_SWORD, MAKE_STONE_SWORD, MAKE_IRON_SWORD = range(14, 17)
#: Action ``GIVE + k`` gives one of ``GIFTS[k]``; only where agents can share.
GIVE = 17

#: ``(x, y)`` of left, right, up and down, in the order of the moves; x grows to the right and y downwards.
DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))

#: What can be achieved, in the original's order.
ACHIEVEMENTS = (
    *("collect_coal", "collect_diamond", "collect_drink", "collect_iron", "collect_sapling", "collect_stone"),
    *("collect_wood", "defeat_skeleton", "defeat_zombie", "eat_cow", "eat_plant"),
    *("make_iron_pickaxe", "make_iron_sword", "make_stone_pickaxe", "make_stone_sword"),
    *("make_wood_pickaxe", "make_wood_sword"),
    *("place_furnace", "place_plant", "place_stone", "place_table", "wake_up"),
)
COLLECT_COAL, COLLECT_DIAMOND, COLLECT_DRINK, COLLECT_IRON, COLLECT_SAPLING, COLLECT_STONE = range(6)
COLLECT_WOOD, DEFEAT_SKELETON, DEFEAT_ZOMBIE, EAT_COW, EAT_PLANT = range(6, 11)
WAKE_UP = 21
