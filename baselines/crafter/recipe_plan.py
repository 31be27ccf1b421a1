"""What it still takes to make a tool, read from the game's own recipes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.names import (
    COAL,
    COALS,
    DIAMOND,
    DIAMONDS,
    IRON,
    IRON_PICKAXE,
    IRONS,
    MAKE_IRON_PICKAXE,
    MAKE_STONE_PICKAXE,
    MAKE_WOOD_PICKAXE,
    PLACE_FURNACE,
    PLACE_TABLE,
    STONE,
    STONE_PICKAXE,
    STONES,
    TREE,
    WOOD,
    WOOD_PICKAXE,
)
from telos.envs.crafter.params import NEAR, TOOL
from telos.envs.crafter.recipes import recipe_tables

__all__ = ["BLOCK_OF", "SOURCE_OF", "RecipePlan"]

#: Item: the material that gives it.
SOURCE_OF = {WOOD: TREE, STONES: STONE, COALS: COAL, IRONS: IRON, DIAMONDS: DIAMOND}
#: Action that places a block: its bit in ``Params.crafting``.
BLOCK_OF = {PLACE_TABLE: 1, PLACE_FURNACE: 2}
_PICKAXES = {
    WOOD_PICKAXE: MAKE_WOOD_PICKAXE,
    STONE_PICKAXE: MAKE_STONE_PICKAXE,
    IRON_PICKAXE: MAKE_IRON_PICKAXE,
}


class RecipePlan:
    """The way to an iron pickaxe under the game's costs.

    Args:
        costs: ``"crafter"`` or ``"damcs"``, as of the environment.

    Attributes:
        cost: What an action uses up, int64 ``(actions, items)``.
        near: Blocks that an action needs near, int64 ``(actions,)``: 1 a table, 2 a furnace, 3 both.
        tool: The item that collecting a material takes, or -1, int64 ``(materials,)``.
        place_on: On what an action can place its thing, bool ``(actions, materials)``.
    """

    def __init__(self, costs: str = "crafter") -> None:
        tables = recipe_tables(costs)
        self.cost: NDArray[np.int64] = tables["cost"]
        self.near: NDArray[np.int64] = tables["crafting"][:, NEAR]
        self.tool: NDArray[np.int64] = tables["collecting"][:, TOOL]
        self.place_on: NDArray[np.bool_] = tables["place_on"]

    def next_tool(self, inventory: NDArray[np.int64]) -> int | None:
        """The action that makes the next pickaxe on the way, or None if the iron one is there."""
        if inventory[IRON_PICKAXE]:
            return None
        if inventory[STONE_PICKAXE]:
            return MAKE_IRON_PICKAXE
        return MAKE_STONE_PICKAXE if inventory[WOOD_PICKAXE] else MAKE_WOOD_PICKAXE

    def lacking(self, inventory: NDArray[np.int64], blocks: int) -> dict[int, int]:
        """What is still to be collected until there is an iron pickaxe.

        Args:
            inventory: ``(16,)``.
            blocks: Those that need not be placed: 1 a table, 2 a furnace, 3 both.

        Returns:
            Amount by item, only positive ones. Blocks that are not in ``blocks`` are to be placed.
        """
        total = np.zeros(self.cost.shape[1], np.int64)
        for tool, action in _PICKAXES.items():
            if not inventory[tool]:
                total += self.cost[action]
        for placing, needs in self._blocks_to_place(inventory, blocks).items():
            total += needs * self.cost[placing]
        left = total - inventory
        return {item: int(left[item]) for item in SOURCE_OF if left[item] > 0}

    def _blocks_to_place(self, inventory: NDArray[np.int64], blocks: int) -> dict[int, int]:
        """How many blocks of each kind: one where wood and stone pickaxe are made, one for the iron one."""
        early = not inventory[WOOD_PICKAXE] or not inventory[STONE_PICKAXE]
        late = not inventory[IRON_PICKAXE]
        counts = {}
        for placing, bit in BLOCK_OF.items():
            if not blocks & bit:
                first = early and bool(self.near[MAKE_WOOD_PICKAXE] & bit)
                last = late and bool(self.near[MAKE_IRON_PICKAXE] & bit)
                counts[placing] = int(first) + int(last)
        return counts
