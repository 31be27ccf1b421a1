"""What one agent knows of its world at a step, and the ways that lead through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.baselines.crafter.paths import FAR, cheapest_ways, first_step
from telos.baselines.crafter.recipe_plan import RecipePlan
from telos.envs.crafter.names import (
    COAL,
    DIAMOND,
    DIRECTIONS,
    DO,
    GRASS,
    IRON,
    MATERIALS,
    MOVE_LEFT,
    NOOP,
    PATH,
    PLACE_STONE,
    SAND,
    STONE,
    STONES,
    TREE,
    WATER,
    WOOD_PICKAXE,
)
from telos.envs.crafter.observe import SIGHTS
from telos.envs.crafter.teamwork.memory import MapMemory

__all__ = ["STEP", "Cell", "Surroundings"]

Cell = tuple[int, int]
#: Units of cost in a step.
STEP = 2
_WALKABLE = (GRASS, SAND, PATH)
_DIGGABLE = (TREE, STONE, COAL, IRON, DIAMOND)
#: Of a cell that is not known: now and then it has to be dug through or gone around. Ours.
_UNKNOWN_COST = 3
#: Added for who stands in the way, and may move on.
_CROWDED = 3 * STEP
_PLANTS = (SIGHTS.index("plant"), SIGHTS.index("ripe_plant"))


class Surroundings:
    """Known map, inventory, and cheapest ways from where the agent is.

    Args:
        observation: Its symbolic observation.
        memory: Its map, in whose arrays ``(w, h)`` cells are counted.
        world: Which of the map's cells are not beyond the world's edge, bool ``(w, h)``.
        plan: The game's recipes.

    Attributes:
        material: Of the cells, uint8 ``(w, h)``.
        known: Which cells are known, bool ``(w, h)``.
        position: Column and row of the agent.
        inventory: Int64 ``(16,)``.
        ahead: The cell that the agent faces.
        objects: What is in view beside the agent itself, by cell, numbered as in ``SIGHTS``.
        steps: To every cell, float64 ``(w, h)``, at least ``FAR`` where no way leads.
        steps_beside: To come next to every cell and face it, float64 ``(w, h)``.
    """

    def __init__(
        self,
        observation: Mapping[str, NDArray[Any]],
        memory: MapMemory,
        world: NDArray[np.bool_],
        plan: RecipePlan,
    ) -> None:
        self.material, self.known, self._world, self._plan = memory.material, memory.known, world, plan
        self.position: Cell = (memory.position[0] + memory.origin[0], memory.position[1] + memory.origin[1])
        self.inventory = observation["inventory"].astype(np.int64)
        self.asleep = bool(observation["status"][1])
        self.daylight = int(observation["status"][2]) / 255.0
        facing = int(observation["status"][0])
        dx, dy = DIRECTIONS[facing]
        self.ahead: Cell = (self.position[0] + dx, self.position[1] + dy)
        self.objects = self._objects_in(observation["object"])
        self._costs = self._costs_of_cells()
        self._blocked = np.isin(self.material, (*_DIGGABLE, WATER)) & self.known
        self._ways = cheapest_ways(self._costs, self._blocked, self.position, facing, STEP)
        self.steps, self.steps_beside = (
            np.where(far < FAR, far / STEP, FAR) for far in (self._ways.far, self._ways.beside)
        )

    def _objects_in(self, sights: NDArray[Any]) -> dict[Cell, int]:
        left, top = self.position[0] - sights.shape[0] // 2, self.position[1] - sights.shape[1] // 2
        cells = {(left + int(x), top + int(y)): int(sights[x, y]) for x, y in np.argwhere(sights)}
        cells.pop(self.position, None)
        return cells

    def _costs_of_cells(self) -> NDArray[np.int64]:
        by_material = np.zeros(len(MATERIALS), np.int64)
        by_material[list(_WALKABLE)] = STEP
        for material in _DIGGABLE:
            if self.can_collect(material):
                by_material[material] = 2 * STEP
        if self.inventory[STONES] and self.inventory[WOOD_PICKAXE]:
            by_material[WATER] = 3 * STEP
        costs = by_material[self.material]
        costs[~self.known & self._world] = _UNKNOWN_COST
        for cell, sight in self.objects.items():
            if self.inside(cell):
                costs[cell] = 0 if sight in _PLANTS else costs[cell] + _CROWDED * (costs[cell] > 0)
        return costs

    def inside(self, cell: Cell) -> bool:
        """Whether a cell is in the arrays."""
        return 0 <= cell[0] < self.material.shape[0] and 0 <= cell[1] < self.material.shape[1]

    def can_collect(self, material: int) -> bool:
        """Whether the agent has the tool for a material."""
        tool = int(self._plan.tool[material])
        return tool < 0 or bool(self.inventory[tool])

    def of(self, cell: Cell) -> int:
        """The material of a cell; 0 if it is beyond the map or not known."""
        return int(self.material[cell]) if self.inside(cell) and self.known[cell] else 0

    def is_free(self, cell: Cell) -> bool:
        """Whether an agent can safely go there."""
        return self.of(cell) in _WALKABLE and cell not in self.objects

    def around(self, cell: Cell) -> list[Cell]:
        """The four cells beside one, in the order of the moves."""
        return [(cell[0] + dx, cell[1] + dy) for dx, dy in DIRECTIONS]

    def move(self, to: Cell) -> int:
        """The action that turns towards a cell beside the agent, and goes there if it is free."""
        return MOVE_LEFT + DIRECTIONS.index((to[0] - self.position[0], to[1] - self.position[1]))

    def nearest(self, wanted: NDArray[np.bool_]) -> tuple[Cell, float] | None:
        """The wanted cell to which it is least far to come next to, and how many steps that is."""
        found = self.nearest_few(wanted, 1)
        return found[0] if found else None

    def nearest_few(self, wanted: NDArray[np.bool_], count: int) -> list[tuple[Cell, float]]:
        """As :meth:`nearest`, so many at most, the nearest first."""
        steps = np.where(wanted, self.steps_beside, FAR)
        order = np.argsort(steps, axis=None, kind="stable")[:count]
        cells = [(int(best) // steps.shape[1], int(best) % steps.shape[1]) for best in order]
        return [(cell, float(steps[cell])) for cell in cells if steps[cell] < FAR]

    def steps_from(self, cell: Cell) -> NDArray[np.float64]:
        """Steps from a cell to come next to every other one and face it, ``(w, h)``."""
        far = cheapest_ways(self._costs, self._blocked, cell, 0, STEP).beside
        return np.where(far < FAR, far / STEP, FAR)

    def known_cells(self, *materials: int) -> NDArray[np.bool_]:
        """Where these materials are known to be, bool ``(w, h)``."""
        return np.isin(self.material, materials) & self.known

    def act_on(self, target: Cell) -> int:
        """The next action of going beside a cell, facing it and doing what can be done with it."""
        if self.ahead == target:
            return DO
        step = first_step(self._ways, int(self._ways.stand[target]))
        return self.move(target) if step is None else self._enter(step)

    def go(self, target: Cell) -> int:
        """The next action on the way to a cell: a step, or what makes way for it."""
        step = first_step(self._ways, int(self._ways.arrival[target]))
        return NOOP if step is None else self._enter(step)

    def _enter(self, step: Cell) -> int:
        """The next action of going to a cell beside the agent."""
        if self.is_free(step) or self.ahead != step:
            # Nobody turns to lava: it is on no way. Who turns to what blocks the way stays where he is.
            return self.move(step)
        return PLACE_STONE if self.of(step) == WATER else DO
