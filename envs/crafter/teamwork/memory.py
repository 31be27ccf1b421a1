"""What an agent knows of the map: cells that it has seen, or that it has been told of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.names import GRASS, MATERIALS, NONE, PATH, SAND
from telos.envs.crafter.observe import SIGHTS

__all__ = ["KnownCells", "MapMemory"]


@dataclass
class KnownCells:
    """Cells as one agent tells them to another: k rows of the same length, also as a field of a message's record.

    Attributes:
        x: Cells right of the middle of the map.
        y: Cells below it.
        material: Numbered as in ``telos.envs.crafter.names.MATERIALS``.
        object: What was on them, numbered as in ``telos.envs.crafter.observe.SIGHTS``.
        step: When they were seen.
    """

    x: list[int]
    y: list[int]
    material: list[int]
    object: list[int]
    step: list[int]

    def __len__(self) -> int:
        return len(self.x)


class MapMemory:
    """An agent's map, with the fog of war over what it has neither seen nor been told of.

    It is made of the agent's own symbolic observations and of what others tell it, and of nothing else. Positions are
    cells right of and below the middle of the map, as the observation's ``"position"`` has them; so those of all
    agents are the same. Arrays have x first; cell ``(x, y)`` is at ``[x + origin[0], y + origin[1]]``.

    Args:
        view: Columns and rows of what an agent sees, the shape of the observation's ``"material"``.
        size: The largest map that fits, at most 256 x 256. That an agent's map has this size does not tell how large
            the world is.

    Attributes:
        origin: Where cell (0, 0) is in the arrays.
        material: uint8; 0, beyond the map, also where nothing is known.
        object: uint8, what was on a cell when it was seen last, as ``telos.envs.crafter.observe.SIGHTS``; the agent
            itself is not noted.
        step: int32, when a cell was seen last, by whoever saw it; -1 if it is not known.
        position: Where the agent is, ``(x, y)``; (0, 0) before the first observation.
    """

    def __init__(self, view: tuple[int, int] = (9, 7), size: tuple[int, int] = (256, 256)) -> None:
        for name, pair in {"view": view, "size": size}.items():
            if len(pair) != 2 or not all(1 <= side <= 256 for side in pair):
                raise ValueError(f"{name} must be two numbers from 1 to 256, got {pair}")
        self.view = view
        # The view of an agent at the edge of the map fits.
        shape = (size[0] + view[0], size[1] + view[1])
        self.origin = ((size[0] + view[0]) // 2, (size[1] + view[1]) // 2)
        self.material = np.zeros(shape, np.uint8)
        self.object = np.zeros(shape, np.uint8)
        self.step = np.full(shape, -1, np.int32)
        self.position = (0, 0)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which cells were seen or told, those beyond the map's edge included."""
        return self.step >= 0

    @property
    def walkable(self) -> NDArray[np.bool_]:
        """Known cells of grass, sand or path, on which nothing was seen."""
        ground = (self.material == GRASS) | (self.material == SAND) | (self.material == PATH)
        return np.asarray(ground & (self.object == 0))

    @property
    def frontier(self) -> NDArray[np.bool_]:
        """Known cells within the map that have an unknown one beside them, along an axis."""
        unknown = np.pad(self.step < 0, 1)
        beside = unknown[:-2, 1:-1] | unknown[2:, 1:-1] | unknown[1:-1, :-2] | unknown[1:-1, 2:]
        return np.asarray(beside & (self.material != NONE))

    def forget(self) -> None:
        """Forgets everything, for a new episode."""
        self.material[...], self.object[...], self.step[...] = 0, 0, -1
        self.position = (0, 0)

    def see(self, observation: Mapping[str, NDArray[Any]], step: int) -> None:
        """Notes what the agent sees.

        Args:
            observation: One agent's, of ``obs="symbolic"``.
            step: The step of the episode, 0 after the reset.

        Raises:
            ValueError: If the view has another shape, or the position is beyond the largest map.
        """
        x, y = observation["position"].tolist()
        columns, rows = self.view
        left, top = x + self.origin[0] - columns // 2, y + self.origin[1] - rows // 2
        if observation["material"].shape != self.view:
            raise ValueError(f"the view is {observation['material'].shape}; make the memory with view= of that")
        if left < 0 or top < 0 or left + columns > self.step.shape[0] or top + rows > self.step.shape[1]:
            raise ValueError(f"the agent is at {(x, y)}, beyond a map of this size; make the memory with a larger one")
        seen = np.s_[left : left + columns, top : top + rows]
        self.material[seen] = observation["material"]
        self.object[seen] = observation["object"]
        self.step[seen] = step
        self.object[x + self.origin[0], y + self.origin[1]] = 0
        self.position = (x, y)

    def reveal(self, whole_map: NDArray[np.uint8], step: int) -> None:
        """Lifts the fog: for comparison with agents whose navigator knows the whole map, such as DAMCS's.

        Args:
            whole_map: What ``parallel_env.state()`` returns, ``(W, H, 2)``, which no agent knows; only its materials
                are noted.
            step: The step of the episode.
        """
        width, height = whole_map.shape[:2]
        left, top = self.origin[0] - width // 2, self.origin[1] - height // 2
        self.material[left : left + width, top : top + height] = whole_map[..., 0]
        self.step[left : left + width, top : top + height] = step

    def tell(self, since: int = 0, materials: Collection[int] | None = None, limit: int | None = None) -> KnownCells:
        """Known cells within the map, for a message; the latest first, of those the nearest.

        Args:
            since: Only those that were seen in this step or later.
            materials: Only those of these materials; None for all.
            limit: So many at most; None for all.
        """
        wanted = (self.step >= since) & (self.material != NONE)
        if materials is not None:
            wanted &= np.isin(self.material, list(materials))
        x, y = np.nonzero(wanted)
        steps = self.step[x, y]
        distance = np.abs(x - self.origin[0] - self.position[0]) + np.abs(y - self.origin[1] - self.position[1])
        chosen = np.lexsort((y, x, distance, -steps))[:limit]
        x, y = x[chosen], y[chosen]
        return KnownCells(
            *((x - self.origin[0]).tolist(), (y - self.origin[1]).tolist()),
            *(values[x, y].tolist() for values in (self.material, self.object, self.step)),
        )

    def hear(self, cells: KnownCells) -> int:
        """Notes what another agent tells, where it is newer than what is known.

        Returns:
            How many cells were new or newer.

        Raises:
            ValueError: If cells are beyond the largest map, or rows have different lengths or unknown numbers.
        """
        x, y, material, thing, step = (
            np.asarray(row, np.int64) for row in (cells.x, cells.y, cells.material, cells.object, cells.step)
        )
        if not len(x) == len(y) == len(material) == len(thing) == len(step):
            raise ValueError("the rows of told cells must have the same length")
        x, y = x + self.origin[0], y + self.origin[1]
        for name, row, most in (
            *(("x", x, self.step.shape[0]), ("y", y, self.step.shape[1])),
            *(("material", material, len(MATERIALS)), ("object", thing, len(SIGHTS)), ("step", step, 1 << 31)),
        ):
            if row.size and (row.min() < 0 or row.max() >= most):
                raise ValueError(f"told cells have an impossible {name}")
        newer = step > self.step[x, y]
        x, y = x[newer], y[newer]
        self.material[x, y], self.object[x, y], self.step[x, y] = material[newer], thing[newer], step[newer]
        return int(newer.sum())
