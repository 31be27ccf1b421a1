"""Replays of Crafter as pictures and videos.

* ``birds_eye`` - the whole map with numbered agents
* ``agents_eyes`` - what agents see, side by side
* ``frames`` - all pictures of a replay
* ``write_video`` - pictures to MP4 or GIF
* ``tell_replay`` - what ``telos crafter replay`` does
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

from telos.baselines.crafter.replays import Replay, ReplayDivergedError, whole_file
from telos.baselines.input_errors import bad_input
from telos.envs.crafter.names import ACHIEVEMENTS, ITEMS, NOTHING
from telos.envs.crafter.render import frame, map_image
from telos.envs.crafter.textures import agent_colour

__all__ = ["VIEWS", "agents_eyes", "birds_eye", "frames", "tell_replay", "write_video"]

VIEWS = ("map", "agents")
_INK, _PAPER = (246, 246, 240), (24, 24, 32)
_INSTALL = "needs the extra `video`: pip install 'telos-gym[video]', or pip install 'imageio[ffmpeg]'"


def birds_eye(state: Any, row: int, unit: int = 9) -> NDArray[np.uint8]:
    """The whole map by day, which no agent sees, with the agents' numbers above them, and a line on how they fare.

    Args:
        state: A batch's, on the host, such as ``env.clone_state().state``.
        row: The world.
        unit: Pixels of a cell.

    Returns:
        uint8 ``(height, width, 3)``, both even, as videos need it.

    Raises:
        DependencyNotInstalled: Without Pillow.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise DependencyNotInstalled(f"a map with numbers {_INSTALL}") from error
    cells = map_image(state, row, unit)
    size = max(14, 3 * unit // 2)
    image = Image.new("RGB", (cells.shape[1] + cells.shape[1] % 2, cells.shape[0] + 2 * size), _PAPER)
    image.paste(Image.fromarray(cells), (0, 0))
    draw = ImageDraw.Draw(image)
    agents = state.inventory.shape[1]
    for agent in range(agents) if agents > 1 else ():
        if state.kind[row, agent] != NOTHING:
            place = (int(state.x[row, agent]) + 0.5) * unit, int(state.y[row, agent]) * unit
            draw.text(
                *(place, str(agent), agent_colour(agent)),
                anchor="mb",
                font_size=size,
                stroke_width=max(1, size // 8),
                stroke_fill=_PAPER,
            )
    achieved = int((state.achievements[row] > 0).any(0).sum())
    alive = int((state.kind[row, :agents] != NOTHING).sum())
    told = f"step {state.time[row]}   {achieved} of {len(ACHIEVEMENTS)} achieved   {alive} of {agents} alive"
    draw.text((size // 2, cells.shape[0] + size), told, _INK, anchor="lm", font_size=size)
    drawn = np.asarray(image)
    return drawn[: len(drawn) - len(drawn) % 2]


def agents_eyes(
    state: Any, row: int, view: tuple[int, int], height: int, agents: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """What agents see, in a grid that is about square, with lines between.

    Args:
        state: See :func:`birds_eye`.
        row: The world.
        view: Columns and rows of the map in view: the family's.
        height: Pixels of the whole, at most, unless cells would have less than two.
        agents: Which agents; None for all.

    Returns:
        uint8 ``(height, width, 3)``, both even, as videos need it.
    """
    columns, rows = view
    rows_in_all = rows + -(-len(ITEMS) // columns)
    shown = state.inventory.shape[1] if agents is None else len(agents)
    down = math.ceil(shown / math.ceil(math.sqrt(shown)))
    unit = max(1, height // (2 * down * rows_in_all)) * 2
    width, height = unit * columns, unit * rows_in_all
    image = frame(state, row, (width, height), view, agents=agents)
    for x in range(width, image.shape[1], width):
        image[:, x - 1 : x + 1] = _INK
    for y in range(height, len(image), height):
        image[y - 1 : y + 1] = _INK
    return image


def frames(replay: Replay, view: str = "map", height: int = 640) -> Iterator[NDArray[np.uint8]]:
    """Plays a replay again and draws it.

    Args:
        replay: The replay.
        view: ``"map"``, see :func:`birds_eye`, or ``"agents"``, see :func:`agents_eyes`.
        height: Pixels, about.

    Yields:
        uint8 ``(height, width, 3)``, one after the reset and one after each step; width and height are even.

    Raises:
        ReplayDivergedError: See :meth:`~telos.baselines.crafter.replays.Replay.play`.
        ValueError: If the view is unknown.
    """
    if view not in VIEWS:
        raise ValueError(f"view={view!r} is unknown: choose from {', '.join(map(repr, VIEWS))}")
    # Which observations there are does not matter to the game, and symbols are the cheapest.
    env = replay.make_env(obs="symbolic")
    for _ in replay.play(env):
        state = env.clone_state().state
        if view == "map":
            yield birds_eye(state, 0, max(1, height // env.family.size[1]))
        else:
            yield agents_eyes(state, 0, env.family.view, height)


def write_video(images: Iterable[NDArray[np.uint8]], path: str | Path, frames_per_second: float = 10.0) -> None:
    """Writes pictures to a file, whole or not at all.

    Args:
        images: uint8 ``(height, width, 3)`` each, of one size, with even width and height for MP4.
        path: File that ends in ``.mp4``, or in ``.gif``, which is for short episodes: all its pictures are in memory.
        frames_per_second: Pictures a second.

    Raises:
        DependencyNotInstalled: Without ``imageio-ffmpeg`` for MP4, and Pillow for GIF.
        ValueError: If the file ends otherwise.
    """
    writers = {".mp4": _write_mp4, ".gif": _write_gif}
    path = Path(path)
    if path.suffix not in writers:
        raise ValueError(f"{path.name!r} is neither MP4 nor GIF: let it end in .mp4 or .gif")
    try:
        with whole_file(path) as draft:
            writers[path.suffix](images, draft, frames_per_second)
    except ImportError as error:
        raise DependencyNotInstalled(f"a {path.suffix} file {_INSTALL}") from error


def _write_mp4(images: Iterable[NDArray[np.uint8]], path: Path, frames_per_second: float) -> None:
    import imageio.v2 as imageio

    writer: Any = imageio.get_writer(
        path, format="FFMPEG", fps=frames_per_second, macro_block_size=2, ffmpeg_log_level="fatal"
    )
    # As a context it would leave ffmpeg running after an exception.
    with closing(writer):
        for image in images:
            writer.append_data(image)


def _write_gif(images: Iterable[NDArray[np.uint8]], path: Path, frames_per_second: float) -> None:
    from PIL import Image

    # Pillow writes only what changes from picture to picture; imageio's files are 2 to 18 times as large.
    pictures = map(Image.fromarray, images)
    next(pictures).save(path, save_all=True, append_images=pictures, duration=round(1000 / frames_per_second), loop=0)


def tell_replay(
    path: Path, out: Path | None, view: str = "map", height: int = 640, frames_per_second: float = 10.0
) -> tuple[bool, str]:
    """Plays a replay again; returns whether it goes as it did, and in a line what happens.

    Args:
        path: The replay.
        out: Video to write, or None for none.
        view: See :func:`frames`.
        height: See :func:`frames`.
        frames_per_second: See :func:`write_video`.

    Raises:
        InputError: If the file is no replay, or the video cannot be made.
    """
    with bad_input():
        replay = Replay.load(path)
    try:
        if out is None:
            for _ in replay.play(replay.make_env(obs="symbolic")):
                pass
        else:
            with bad_input():
                write_video(frames(replay, view, height), out, frames_per_second)
    except ReplayDivergedError as error:
        return False, f"another episode: {error}"
    steps, agents = replay.actions.shape
    returns = ", ".join(f"{total:.1f}" for total in replay.rewards.sum(axis=0))
    told = f"the same episode: seed {replay.seed}, {steps} steps, {agents} agents, returns {returns}"
    return True, told if out is None else f"{told}; {out}"
