from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from crafter_states import put, random_state

from telos.envs.crafter.names import ARROW, COW, GRASS, ITEMS, LAVA, MATERIALS, PLANT, PLAYER, SKELETON, ZOMBIE
from telos.envs.crafter.params import new_state
from telos.envs.crafter.render import frame, new_pixels
from telos.envs.crafter.render_rules import observe_pixels
from telos.envs.crafter.textures import SIZE, agent_textures, textures

SIZES = [(64, 64), (63, 63), (100, 150), (210, 205)]


class Pictures:
    """Our pictures for the original's renderer, which takes columns first."""

    def __init__(self, suffix=""):
        self.suffix = suffix

    def get(self, name, size):
        return self.scaled(name, *map(int, size))

    @cache  # noqa: B019 - there are but two
    def scaled(self, name, width, height):
        from PIL import Image

        if name.startswith("player-"):
            picture = agent_textures(0)[name.removeprefix("player-")]
        else:
            picture = textures()[name if name.isdigit() else name + self.suffix]
        return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)).swapaxes(0, 1)


@cache
def original_env(area, size):
    crafter = pytest.importorskip("crafter")
    env = crafter.Env(area=area, size=size)
    env._local_view._textures, env._item_view._textures = Pictures(), Pictures("-item")
    return env


def original(state, size):
    """The world as the original draws it with our pictures."""
    env = original_env(state.material.shape[1:], size)
    from crafter import objects

    world = env._world
    world.reset(seed=int(state.time[0]))
    world._mat_map = state.material[0].copy()
    world.daylight = float(state.daylight[0])
    player = env._player = objects.Player(world, (int(state.x[0, 0]), int(state.y[0, 0])))
    player.facing, player.sleeping = tuple(state.facing[0, 0]), bool(state.sleeping[0, 0])
    player.inventory = dict(zip(ITEMS, state.inventory[0, 0].tolist(), strict=True))
    world.add(player)
    for slot in range(1, state.count[0]):
        cell = int(state.x[0, slot]), int(state.y[0, slot])
        kind = state.kind[0, slot]
        if kind == ARROW:
            thing = objects.Arrow(world, cell, tuple(state.facing[0, slot]))
        elif kind in (ZOMBIE, SKELETON):
            thing = {ZOMBIE: objects.Zombie, SKELETON: objects.Skeleton}[kind](world, cell, player)
        else:
            thing = {COW: objects.Cow, PLANT: objects.Plant}[kind](world, cell)
            thing.grown = state.cooldown[0, slot]
        world.add(thing)
    return env.render(size).astype(int)


def drawn(state, size=(64, 64)):
    return frame(state, 0, size).astype(int)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("daylight", [1.0, 0.83, 0.5])
@pytest.mark.parametrize("sleeping", [False, True])
def test_by_day_every_pixel_is_the_originals(size, daylight, sleeping):
    for seed in range(3):
        state = random_state(seed, daylight=daylight)
        state.sleeping[0, 0] = sleeping
        difference = np.abs(drawn(state, size) - original(state, size))
        assert difference.max() <= 1
        assert difference.mean() < 0.5


def test_beyond_the_map_is_the_originals():
    for corner in [(0, 0), (23, 19), (0, 10)]:
        state = random_state(5, start=corner)
        assert np.abs(drawn(state) - original(state, (64, 64))).max() <= 1


@pytest.mark.parametrize("daylight", [0.0, 0.2, 0.45])
@pytest.mark.parametrize("sleeping", [False, True])
def test_nights_look_like_the_originals(daylight, sleeping):
    ours, theirs = [], []
    for seed in range(40):
        state = random_state(seed, daylight=daylight)
        state.sleeping[0, 0] = sleeping
        ours.append(drawn(state))
        theirs.append(original(state, (64, 64)))
    ours, theirs = np.array(ours), np.array(theirs)
    assert np.abs(ours[:, 49:] - theirs[:, 49:]).max() <= 1  # the inventory is never dark
    ours, theirs = ours[:, :49, :63], theirs[:, :49, :63]
    assert np.abs(ours.mean((0, 1, 2)) - theirs.mean((0, 1, 2))).max() < 0.75
    assert ours.std((0, 1, 2)) == pytest.approx(theirs.std((0, 1, 2)), rel=0.03, abs=0.2)
    # Around the player there is no noise, and at the edges there is as much in both.
    assert np.abs(ours[:, 24, 31] - theirs[:, 24, 31]).max() <= 2
    for along, across in ((1, 2), (2, 1)):
        steps = [np.diff(images.take([0, -1], along), axis=across).std() for images in (ours, theirs)]
        assert steps[0] == pytest.approx(steps[1], rel=0.05)


def test_noise_is_a_function_of_world_and_time():
    state = random_state(0, daylight=0.1)
    before = [array.copy() for array in state]
    image = drawn(state)
    assert (image == drawn(state)).all()
    assert all((was == array).all() for was, array in zip(before, state, strict=True))
    state.time[0] += 1
    later = drawn(state)
    assert (image[:49, :63] != later[:49, :63]).mean() > 0.2
    state.permutation[0, :2] = state.permutation[0, 1::-1]
    assert (drawn(state)[:49, :63] != later[:49, :63]).mean() > 0.2


@pytest.mark.parametrize("daylight", [0.1, 0.7])
def test_compiled_rules_draw_what_they_draw_as_plain_python(daylight):
    state = random_state(4, agents=2, daylight=daylight)
    state.sleeping[0, 1] = True
    images = np.zeros((1, 2, 64, 64, 3), np.uint8)
    params = SimpleNamespace(pixels=new_pixels((64, 64), (9, 7), 2))
    with np.errstate(over="ignore"):  # the mixing of random numbers is meant to overflow
        observe_pixels(0, state, params, images)
    assert (drawn(state) == np.hstack(images[0])).all()


def test_everything_can_be_told_apart_at_seven_pixels_a_cell():
    pixels = new_pixels((64, 64), (9, 7), 8)
    tiles, sprites, items = pixels.tiles[-1], pixels.sprites, pixels.items[:, 1:]
    assert tiles.shape == (len(MATERIALS), 7, 7, 3)
    for pictures in (tiles, sprites, items.reshape(-1, *items.shape[2:])):
        different = {picture.tobytes() for picture in pictures}
        assert len(different) == len(pictures)
    assert not pixels.items[:, 0].any()


def test_pictures_are_sixteen_pixels_wide_and_opaque_or_not():
    pictures = textures() | agent_textures(3)
    assert {picture.shape for picture in pictures.values()} == {(SIZE, SIZE, 4)}
    assert set(np.unique([picture[..., 3] for picture in pictures.values()])) == {0, 255}
    for material in MATERIALS[1:]:
        assert (pictures[material][..., 3] == 255).all()


def test_agents_see_each_other_in_their_own_colours():
    state = new_state(1, (24, 20), 2)
    state.material[0], state.daylight[0] = GRASS, 1.0
    put(state, 0, PLAYER, (12, 10))
    put(state, 1, PLAYER, (14, 9))
    images = drawn(state, (63, 63))
    first, second = images[:, :63], images[:, 63:]

    def cell(image, column, row):
        return image[7 * row : 7 * row + 7, 7 * column : 7 * column + 7]

    assert (cell(first, 4, 3) == cell(second, 2, 4)).all()
    assert (cell(second, 4, 3) == cell(first, 6, 2)).all()
    assert (cell(first, 4, 3) != cell(second, 4, 3)).any()
    assert (cell(first, 0, 0) == cell(second, 0, 0)).all()


def test_more_than_nine_is_a_plus():
    state = random_state(0)
    state.inventory[0, 0, 5] = 10
    many = drawn(state)
    state.inventory[0, 0, 5] = 200
    assert (drawn(state) == many).all()
    state.inventory[0, 0, 5] = 9
    assert (drawn(state) != many).any()


def test_frames_of_several_agents_are_a_grid_and_the_map_is_beside_it():
    state = random_state(0, agents=3)
    alone = frame(state, 0, (90, 90))
    assert alone.shape == (180, 180, 3)
    assert alone.dtype == np.uint8
    assert not alone[90:, 90:].any()
    both = frame(state, 0, (90, 90), whole_map=True)
    assert (both[:, :180] == alone).all()
    assert both.shape == (180, 180 + 24 * 9, 3)
    tiles = new_pixels((9 * 9, 9 * 9), (9, 7), 3).tiles[-1]
    x, y = np.argwhere((state.object_at[0] == 0) & (state.material[0] == LAVA))[0]
    assert (both[9 * y : 9 * y + 9, 180 + 9 * x : 189 + 9 * x] == tiles[LAVA]).all()


@pytest.mark.parametrize("size", [(9, 9), (12, 30), (40, 10)])
def test_maps_of_any_shape_are_drawn_whole(size):
    state = random_state(1, size=size)
    image = frame(state, 0, (90, 90), whole_map=True)
    unit = 90 // size[1]
    assert image.shape == (90, 90 + unit * size[0], 3)
    assert image[: unit * size[1], 90:].any((1, 2)).all()
    assert not image[unit * size[1] :, 90:].any()


def test_an_image_needs_a_pixel_a_cell():
    with pytest.raises(ValueError, match="9 x 9 cells"):
        new_pixels((64, 8), (9, 7), 1)
