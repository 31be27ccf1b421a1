"""The pixels that an agent sees, in integers: the same on every thread and device.

The picture is the original's: the map around the agent, then its inventory; darker and noisy at night, grey and dark
while it sleeps. Only the noise is another: it is drawn from the state, so that looking changes nothing.
"""

from __future__ import annotations

import numpy as np

from telos.envs.crafter.names import PLAYER
from telos.envs.crafter.objects import cell
from telos.envs.crafter.observe import sight
from telos.envs.engine.random import bits
from telos.envs.engine.rules import rule

__all__ = ["GREY", "LEVELS", "ONE", "SPRITES_OF_PLAYER", "TINT", "draw_agents", "observe_pixels", "sprite_number"]

#: Four directions, and asleep.
SPRITES_OF_PLAYER = 5
#: Weights are in units of 1 / 65536.
ONE, _SHIFT = 65536, 16
#: Tiles are kept in the light of ``LEVELS`` to ``2 * LEVELS`` times ``1 / (2 * LEVELS)``, half to full daylight.
LEVELS = 128
#: Of vignettes and the amount of noise, whose product must fit 31 bits.
_HALF_SHIFT = 15
#: What a dark pixel keeps of its colour, and what it takes of the night's.
_COLOUR_LEFT, TINT = 26214, (0, 16, 64)
#: Weights of red, green and blue in a grey (ITU-R 601-2).
GREY = (19595, 38470, 7471)


@rule
def observe_pixels(i, state, params, observation):
    """Writes the image of every agent, ``observation[i, agent]``, uint8 ``(height, width, 3)``."""
    for agent in range(state.sleeping.shape[1]):
        _draw(i, agent, state, params.pixels, observation[i, agent])


@rule
def draw_agents(i, agents, state, pixels, images):
    """Draws what some agents see; ``agents`` are their numbers, and ``images`` as many uint8 ``(height, width, 3)``."""
    for k in range(agents.shape[0]):
        _draw(i, agents[k], state, pixels, images[k])


@rule
def _draw(i, agent, state, pixels, image):
    daylight = int(state.daylight[i] * ONE + 0.5)
    level = LEVELS
    if daylight >= ONE // 2:
        level = (daylight + LEVELS) // (2 * LEVELS) - LEVELS
    top, left = _clear_margins(pixels, image)
    unit_y, unit_x = pixels.tiles.shape[2], pixels.tiles.shape[3]
    rows, columns = pixels.vignette.shape[0] // unit_y, pixels.vignette.shape[1] // unit_x
    _draw_map(i, agent, state, pixels, level, top, left, rows, columns, image)
    if daylight < ONE // 2:
        _darken(i, agent, state, pixels, daylight, top, left, image)
    if state.sleeping[i, agent]:
        _dream(top, left, rows * unit_y, columns * unit_x, image)
    _draw_inventory(i, agent, state, pixels, top + rows * unit_y, left, columns, image)


@rule
def _clear_margins(pixels, image):
    """Blackens what is left beside the cells; returns where these begin."""
    height = pixels.inventory_rows[()] * pixels.tiles.shape[2] + pixels.vignette.shape[0]
    width = pixels.vignette.shape[1]
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    for y in range(image.shape[0]):
        inside = top <= y < top + height
        for x in range(left if inside else image.shape[1]):
            _paint(image, y, x, 0, 0, 0)
        for x in range(left + width if inside else image.shape[1], image.shape[1]):
            _paint(image, y, x, 0, 0, 0)
    return top, left


@rule
def _paint(image, y, x, red, green, blue):
    image[y, x, 0] = red
    image[y, x, 1] = green
    image[y, x, 2] = blue


@rule
def _draw_map(i, agent, state, pixels, level, top, left, rows, columns, image):
    unit_y, unit_x = pixels.tiles.shape[2], pixels.tiles.shape[3]
    tiles = pixels.tiles[level]
    first_x, first_y = state.x[i, agent] - columns // 2, state.y[i, agent] - rows // 2
    for column in range(columns):
        x = first_x + column
        for row in range(rows):
            y = first_y + row
            material, there = cell(i, x, y, state)
            at_y, at_x = top + row * unit_y, left + column * unit_x
            _copy(tiles[material], at_y, at_x, image)
            if there > 0:
                sprite = pixels.sprites[sprite_number(i, there - 1, state)]
                _draw_sprite(sprite, (level + LEVELS) * 2 * LEVELS, at_y, at_x, image)


@rule
def _copy(tile, at_y, at_x, image):
    for y in range(tile.shape[0]):
        source, line = tile[y], image[at_y + y][at_x : at_x + tile.shape[1]]
        for x in range(tile.shape[1]):
            for c in range(3):
                line[x, c] = source[x, c]


@rule
def sprite_number(i, slot, state):
    """The number of an object's sprite: as it is seen, but players after the first have their own."""
    return sight(i, slot, state) - 1 + (SPRITES_OF_PLAYER * slot if state.kind[i, slot] == PLAYER else 0)


@rule
def _grey(red, green, blue):
    return (red * GREY[0] + green * GREY[1] + blue * GREY[2] + ONE // 2) >> _SHIFT


@rule
def _draw_sprite(sprite, daylight, at_y, at_x, image):
    night = (ONE - daylight) // 2
    kept = daylight + ((night * _COLOUR_LEFT) >> _SHIFT)
    greyed = daylight + night - kept
    for y in range(sprite.shape[0]):
        for x in range(sprite.shape[1]):
            if sprite[y, x, 3] > 0:
                red, green, blue = int(sprite[y, x, 0]), int(sprite[y, x, 1]), int(sprite[y, x, 2])
                grey = greyed * _grey(red, green, blue)
                image[at_y + y, at_x + x, 0] = (kept * red + grey + night * TINT[0]) >> _SHIFT
                image[at_y + y, at_x + x, 1] = (kept * green + grey + night * TINT[1]) >> _SHIFT
                image[at_y + y, at_x + x, 2] = (kept * blue + grey + night * TINT[2]) >> _SHIFT


@rule
def _darken(i, agent, state, pixels, daylight, top, left, image):
    """Night: noise towards the edges, which is grey, less colour, and blue."""
    night = (ONE - daylight) // 2
    kept = (night * _COLOUR_LEFT) >> _SHIFT
    greyed = night - kept
    amount = ONE // 2 - daylight
    key = _noise_key(i, state)
    height, width = pixels.vignette.shape
    places = np.uint64(pixels.noise.shape[0] - width)
    for y in range(height):
        start = int(bits(key, agent, y) % places)
        noise = pixels.noise[start : start + width]
        vignette = pixels.vignette[y]
        # A row by itself: Numba need not look out for indices below zero.
        line = image[top + y][left : left + width]
        for x in range(width):
            mask = (amount * vignette[x]) >> _HALF_SHIFT
            clear = ONE // 2 - mask
            own = daylight + ((kept * clear) >> _HALF_SHIFT)
            red, green, blue = int(line[x, 0]), int(line[x, 1]), int(line[x, 2])
            grey = ((greyed * clear) >> _HALF_SHIFT) * _grey(red, green, blue)
            grey += ((night * mask) >> _HALF_SHIFT) * noise[x]
            line[x, 0] = (own * red + grey + night * TINT[0]) >> _SHIFT
            line[x, 1] = (own * green + grey + night * TINT[1]) >> _SHIFT
            line[x, 2] = (own * blue + grey + night * TINT[2]) >> _SHIFT


@rule
def _noise_key(i, state):
    """A number of the world and its time: noise needs no state of its own, and a copied world shows the same."""
    key = np.uint64(state.time[i])
    for k in range(6):
        key = (key << np.uint64(8)) | np.uint64(state.permutation[i, k])
    return key


@rule
def _dream(top, left, height, width, image):
    """Sleep: half as bright, without colour, and a little blue."""
    for y in range(top, top + height):
        line = image[y][left : left + width]
        for x in range(width):
            grey = _grey(int(line[x, 0]), int(line[x, 1]), int(line[x, 2]))
            line[x, 0] = grey >> 1
            line[x, 1] = grey >> 1
            line[x, 2] = (grey + 16) >> 1


@rule
def _draw_inventory(i, agent, state, pixels, top, left, columns, image):
    unit_y, unit_x = pixels.tiles.shape[2], pixels.tiles.shape[3]
    items = state.inventory.shape[2]
    for place in range(columns * pixels.inventory_rows[()]):
        amount = min(state.inventory[i, agent, place], pixels.items.shape[1] - 1) if place < items else 0
        tile = pixels.items[place if place < items else 0, amount]
        _copy(tile, top + place // columns * unit_y, left + place % columns * unit_x, image)
