"""A scripted mind for Crafter: it finds a diamond by itself, from what it has seen and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.baselines.crafter.recipe_plan import BLOCK_OF, SOURCE_OF, RecipePlan
from telos.baselines.crafter.routes import shortest_route
from telos.baselines.crafter.scouting import best_view, likely_rock
from telos.baselines.crafter.surroundings import Cell, Surroundings
from telos.baselines.crafter.survival import Survival
from telos.envs.crafter.names import (
    COAL,
    DIAMOND,
    DIRECTIONS,
    DO,
    FURNACE,
    IRON,
    MAKE_IRON_PICKAXE,
    NOOP,
    STONE,
    TABLE,
    TREE,
    WATER,
    WOOD_PICKAXE,
)
from telos.envs.crafter.teamwork.memory import MapMemory

__all__ = ["Planner"]

#: A block is worth going back to within so many steps; else a new one is placed. Ours.
_BACK = 6
#: Of each material so many of the nearest are considered. Ours.
_CHOICES = 3
_BLOCKS = {1: TABLE, 2: FURNACE}


class Planner:
    """Gathers, crafts, explores, and digs a diamond as soon as it can; eats, drinks, sleeps and fights as it must.

    It works from its symbolic observations and its memory of them only; of the game it knows the recipes, the size of
    the map, and that it starts in the middle. It always does the same under the same seed and observations.

    Args:
        costs: Those of the environment.
        size: Those of the map.
        view: Columns and rows that it sees.
        seed: Of its tastes: which of views that promise the same it prefers.

    Attributes:
        plan: The recipes.
        memory: What it has seen.
        now: What it knows at this step.
    """

    def __init__(self, costs: str = "crafter", size: Cell = (64, 64), view: Cell = (9, 7), seed: int = 0) -> None:
        self.plan = RecipePlan(costs)
        self.memory = MapMemory(view, size)
        shape = self.memory.step.shape
        self._world = np.zeros(shape, np.bool_)
        left, top = (self.memory.origin[k] - size[k] // 2 for k in range(2))
        self._world[left : left + size[0], top : top + size[1]] = True
        self._taste = 1.0 + 0.2 * np.random.default_rng(seed).random(shape)
        self.reset()

    def reset(self) -> None:
        """Forgets everything: an episode begins."""
        self.memory.forget()
        self._step = -1
        self._view_goal: Cell | None = None
        self._target: Cell | None = None
        self.survival = Survival()

    def act(self, observation: Mapping[str, NDArray[Any]], messages: Sequence[Any] = ()) -> tuple[int, Any]:
        """An action for an observation, and no message.

        Args:
            observation: The symbolic one of this step.
            messages: Not heeded.
        """
        self.notice(observation)
        return self.choose(), None

    def notice(self, observation: Mapping[str, NDArray[Any]]) -> None:
        """Takes in what is seen."""
        self._step += 1
        self.memory.see(observation, self._step)
        self.now = Surroundings(observation, self.memory, self._world, self.plan)
        self._target = None

    def choose(self) -> int:
        """The action for what has been noticed."""
        if self.now.asleep:
            return NOOP
        urgent = self.survival.defend(self.now)
        if urgent is None:
            urgent = self.survival.need(self.now, self)
        return self.work() if urgent is None else urgent

    def work(self) -> int:
        """The next action on the way to the diamond."""
        tool = self.plan.next_tool(self.now.inventory)
        if tool is None:
            return self.seek([DIAMOND])
        lacking = self.lacking()
        if tool != MAKE_IRON_PICKAXE:
            # The table goes to where the first stone is.
            if not lacking.keys() - {*self._underground()}:
                return self._make_at_rock(tool)
            wood = [SOURCE_OF[item] for item in lacking if self.now.can_collect(SOURCE_OF[item])]
            return self.seek(wood)
        if not lacking:
            return self.make(tool)
        return self.seek([SOURCE_OF[item] for item in lacking])

    def lacking(self) -> dict[int, int]:
        """What has to be collected still, as :meth:`RecipePlan.lacking`."""
        return self.plan.lacking(self.now.inventory, self.blocks_within(_BACK))

    def _underground(self) -> list[int]:
        return [item for item, material in SOURCE_OF.items() if material != TREE]

    def blocks_within(self, steps: float) -> int:
        """Which blocks are at most so many steps away: 1 a table, 2 a furnace, 3 both."""
        found = 0
        for bit, material in _BLOCKS.items():
            nearest = self.now.nearest(self.now.known_cells(material))
            found |= bit * (nearest is not None and nearest[1] <= steps)
        return found

    def _blocks_here(self) -> int:
        """Which blocks are in the 3 x 3 cells around."""
        x, y = self.now.position
        near = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
        return sum(bit for bit, material in _BLOCKS.items() if any(self.now.of(cell) == material for cell in near))

    def _make_at_rock(self, tool: int) -> int:
        """Makes a wood or stone pickaxe beside the first rock."""
        now = self.now
        payable = bool((now.inventory >= self.plan.cost[tool]).all())
        if now.inventory[WOOD_PICKAXE]:
            return self.make(tool) if payable else self.seek([STONE])
        if payable and self.plan.near[tool] & ~self._blocks_here() == 0:
            return tool
        rock = now.nearest(now.known_cells(STONE, COAL, IRON, DIAMOND))
        if rock is None:
            return self.explore(rock=True)
        if self.blocks_within(_BACK) & 1 or rock[1] <= 2.0:
            return self.make(tool)
        return now.go(min(now.around(rock[0]), key=lambda cell: now.steps[cell] if now.inside(cell) else np.inf))

    def make(self, tool: int) -> int:
        """Goes to the blocks that a tool needs, or places them, and makes it."""
        now, needed = self.now, int(self.plan.near[tool])
        missing = needed & ~self._blocks_here()
        if not missing:
            return tool
        near = self.blocks_within(_BACK)
        for placing, bit in BLOCK_OF.items():
            if missing & bit and not near & bit and (now.inventory >= self.plan.cost[placing]).all():
                return self.place(placing)
        for bit, material in _BLOCKS.items():
            if missing & bit:
                nearest = now.nearest(now.known_cells(material))
                if nearest is not None:
                    return now.act_on(nearest[0])
        return self.seek([SOURCE_OF[item] for item in self.lacking()])

    def place(self, placing: int) -> int:
        """Places a thing on the cell in front, or does what makes room for it there."""
        now = self.now
        if self._can_place(placing, now.ahead):
            return placing
        if now.of(now.ahead) in (STONE, TREE, COAL) and now.can_collect(now.of(now.ahead)):
            return DO
        moves = []
        for k, (dx, dy) in enumerate(DIRECTIONS):
            beside = now.around(now.position)[k]
            if now.is_free(beside):
                moves.append((0 if self._can_place(placing, (beside[0] + dx, beside[1] + dy)) else 2, k))
            elif now.of(beside) in (STONE, TREE, COAL) and now.can_collect(now.of(beside)):
                moves.append((1, k))
        return now.move(now.around(now.position)[min(moves)[1]]) if moves else NOOP

    def _can_place(self, placing: int, cell: Cell) -> bool:
        return bool(self.plan.place_on[placing, self.now.of(cell)]) and cell not in self.now.objects

    def seek(self, materials: Sequence[int]) -> int:
        """Collects these materials, in the order that makes the shortest way, or looks for them."""
        usable = [material for material in materials if self.now.can_collect(material)]
        self._target = self._first_of_route(usable)
        if self._target is not None:
            return self.now.act_on(self._target)
        return self.explore(rock=not set(materials) <= {TREE, WATER})

    def _first_of_route(self, materials: Sequence[int]) -> Cell | None:
        """Where the shortest way past one of each of these materials that are known, and on to a diamond, begins."""
        now = self.now
        left = ~self.claimed()
        stops = {material: now.nearest_few(now.known_cells(material) & left, _CHOICES) for material in materials}
        stops = {material: cells for material, cells in stops.items() if cells}
        last = now.nearest_few(now.known_cells(DIAMOND), _CHOICES) if TREE not in stops else []
        if not stops:
            return None
        if len(stops) == 1 and (not last or DIAMOND in stops):
            return next(iter(stops.values()))[0][0]
        return shortest_route(now, list(stops.values()), last)

    def explore(self, rock: bool) -> int:
        """Goes to where there is most to see of mountains, or of what is not mountain."""
        now = self.now
        rocky = likely_rock(now.material, now.known)
        promise = np.where(now.known | ~self._world, 0.0, rocky if rock else 1.0 - rocky)
        weights = self._taste * self.taken()
        self._view_goal = best_view(promise, now.steps, self.memory.view, self._view_goal, weights)
        self._target = self._view_goal
        return NOOP if self._view_goal is None else now.go(self._view_goal)

    def claimed(self) -> NDArray[np.bool_]:
        """Cells that are left to others: none."""
        return np.zeros(self._world.shape, np.bool_)

    def taken(self) -> Any:
        """What is left of the worth of going to each cell, as others go there: all of it."""
        return 1.0
