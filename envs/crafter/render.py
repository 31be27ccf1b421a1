"""What rendering needs besides the rules: pictures scaled to a size, and frames for people."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.names import ITEMS, MATERIALS
from telos.envs.crafter.render_rules import GREY, LEVELS, ONE, TINT, draw_agents, sprite_number
from telos.envs.crafter.textures import SIZE, Texture, agent_textures, textures
from telos.envs.engine.arrays import mapped
from telos.envs.engine.kernels import Kernel

__all__ = ["Pixels", "frame", "map_image", "new_pixels"]

_DIRECTIONS = ("left", "right", "up", "down")
_BEYOND = 127
#: Grey values of the noise, and how many are kept.
_NOISE, _PLACES = (32, 127), 8192


class Pixels(NamedTuple):
    """Pictures at the size that they are drawn in; a cell is ``(h, w)`` pixels.

    Attributes:
        tiles: Uint8 ``(129, 13, h, w, 3)``, materials in the light of half to full day; the first is beyond the map.
        sprites: Uint8 ``(9 + 5 * agents, h, w, 4)``, objects, RGB and opacity (0 or 255).
        items: Uint8 ``(16, 11, h, w, 3)``, each item with the number that there is of it; 10 is more than 9.
        vignette: Int32 ``(rows * h, columns * w)``, how much noise a pixel of the map takes at night, up to 2**15.
        noise: Uint8 ``(places,)``, grey values of noise.
        inventory_rows: Int64 scalar array, rows of items below the map.
    """

    tiles: NDArray[np.uint8]
    sprites: NDArray[np.uint8]
    items: NDArray[np.uint8]
    vignette: NDArray[np.int32]
    noise: NDArray[np.uint8]
    inventory_rows: NDArray[np.int64]


@lru_cache(maxsize=8)
def new_pixels(size: tuple[int, int], view: tuple[int, int], agents: int) -> Pixels:
    """Scales all pictures, by nearest neighbours as the original does.

    Args:
        size: Width and height of the image.
        view: Columns and rows of the map in view; rows of items come below.
        agents: Number of agents.

    Raises:
        ValueError: If the image has less than a pixel for a cell.
    """
    columns, rows = view
    inventory_rows = _item_rows(columns)
    width, height = size[0] // columns, size[1] // (rows + inventory_rows)
    if min(width, height) < 1:
        raise ValueError(
            f"an image of {size[0]} x {size[1]} pixels is too small for {columns} x {rows + inventory_rows} cells: "
            "make it at least as large, better 7 times"
        )
    unit = (height, width)
    pictures = textures()
    beyond = np.full((*unit, 3), _BEYOND, np.uint8)
    tiles = np.stack([beyond, *(_scaled(pictures[material], unit)[..., :3] for material in MATERIALS[1:])])
    arrows = (f"arrow-{direction}" for direction in _DIRECTIONS)
    sprites = [pictures[name] for name in ("cow", "zombie", "skeleton", *arrows, "plant", "plant-ripe")]
    for agent in range(agents):
        sprites += [agent_textures(agent)[look] for look in (*_DIRECTIONS, "sleep")]
    return Pixels(
        np.stack([_lit(tiles, level / (2 * LEVELS)) for level in range(LEVELS, 2 * LEVELS + 1)]),
        np.stack([_scaled(sprite, unit) for sprite in sprites]),
        np.stack([[_item(item, amount, unit) for amount in range(11)] for item in ITEMS]),
        _vignette(rows * height, columns * width),
        np.random.default_rng(0).integers(*_NOISE, size=_PLACES + columns * width, endpoint=True).astype(np.uint8),
        np.array(inventory_rows),
    )


def _item_rows(columns: int) -> int:
    return -(-len(ITEMS) // columns)


def _scaled(texture: Texture, unit: tuple[int, int]) -> NDArray[np.uint8]:
    # Summed up, as Pillow does: so ties fall as in the original's pictures.
    rows, columns = (np.cumsum([SIZE / 2 / n] + [SIZE / n] * (n - 1)).astype(int) for n in unit)
    scaled: NDArray[np.uint8] = texture[rows][:, columns]
    return scaled


def _item(item: str, amount: int, unit: tuple[int, int]) -> NDArray[np.uint8]:
    cell = np.zeros((*unit, 3), np.uint8)
    if amount == 0:
        return cell
    number = str(amount) if amount < 10 else "many"
    for name, corner, share in ((f"{item}-item", 0.1, 0.8), (number, 0.4, 0.6)):
        height, width = (max(1, int(share * pixels)) for pixels in unit)
        top, left = (int(corner * pixels) for pixels in unit)
        picture = _scaled(textures()[name], (height, width))
        part = cell[top : top + height, left : left + width]
        part[...] = np.where(picture[..., 3:] > 0, picture[..., :3], part)
    return cell


def _lit(colours: NDArray[np.uint8], daylight: float) -> NDArray[np.uint8]:
    """Colours in half to full daylight: of the light that is missing, half turns blue, and the rest is mostly grey."""
    night = (1.0 - daylight) / 2
    grey = (colours @ np.array(GREY) + ONE // 2) // ONE
    lit: NDArray[np.float64] = (
        (daylight + 0.4 * night) * colours + 0.6 * night * grey[..., None] + night * np.array(TINT)
    )
    return lit.astype(np.uint8)


def _vignette(height: int, width: int) -> NDArray[np.int32]:
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    return np.rint((1.0 - np.exp(-2.0 * (x * x + y * y))) * 2**15).astype(np.int32)


@cache
def _kernel() -> Kernel:
    return Kernel(draw_agents, Path(__file__).parent, f"the rule {draw_agents.__module__}.draw_agents")


def frame(
    state: Any,
    row: int,
    size: tuple[int, int] = (600, 600),
    view: tuple[int, int] = (9, 7),
    whole_map: bool = False,
    agents: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """What the agents of one world see, side by side, and on demand the whole map to the right of it.

    Args:
        state: The batch's, on the host.
        row: The world.
        size: Width and height of one agent's image.
        view: Columns and rows of the map in view.
        whole_map: Whether to show it, by day.
        agents: Whose images; None for everyone's.

    Returns:
        uint8 ``(height, width, 3)``: images of several agents in a grid that is about square.
    """
    world = mapped(lambda array: array[row : row + 1], state)
    everyone = world.sleeping.shape[1]
    shown = list(range(everyone) if agents is None else agents)
    across = int(np.ceil(np.sqrt(len(shown))))
    down = -(-len(shown) // across)
    grid = np.zeros((down * across, size[1], size[0], 3), np.uint8)
    _kernel()(1, (np.array(shown), world, new_pixels(size, view, everyone), grid))
    cells = grid.reshape(down, across, size[1], size[0], 3)
    image = cells.swapaxes(1, 2).reshape(down * size[1], across * size[0], 3)
    if not whole_map:
        return image
    drawn = map_image(state, row, max(1, len(image) // world.material.shape[2]))
    height = max(len(image), len(drawn))
    return np.hstack([_padded(part, height) for part in (image, drawn)])


def _padded(image: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """An image with black below it."""
    return np.concatenate([image, np.zeros((height - len(image), *image.shape[1:]), np.uint8)])


def map_image(state: Any, row: int, unit: int) -> NDArray[np.uint8]:
    """The whole map of one world by day.

    Args:
        state: The batch's, on the host.
        row: The world.
        unit: Pixels of a cell's side.

    Returns:
        uint8 ``(unit * H, unit * W, 3)``.
    """
    world = mapped(lambda array: array[row : row + 1], state)
    _, columns, rows = world.material.shape
    size = unit * columns, unit * (rows + _item_rows(columns))
    pixels = new_pixels(size, (columns, rows), world.sleeping.shape[1])
    cells = pixels.tiles[-1][world.material[0].T]
    for slot in range(world.count[0]):
        if world.kind[0, slot]:
            sprite = pixels.sprites[sprite_number(0, slot, world)]
            cell = cells[world.y[0, slot], world.x[0, slot]]
            cell[...] = np.where(sprite[..., 3:] > 0, sprite[..., :3], cell)
    image: NDArray[np.uint8] = cells.swapaxes(1, 2).reshape(unit * rows, unit * columns, 3)
    return image
