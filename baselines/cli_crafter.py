"""``telos crafter`` and ``telos play``: replays and games."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from tyro.extras import SubcommandApp

__all__ = ["crafter", "games"]

crafter, games = SubcommandApp(), SubcommandApp()
_console = Console()


@crafter.command(name="replay")
def crafter_replay(
    replay: Annotated[Path, tyro.conf.Positional],
    out: Path | None = None,
    view: Literal["map", "agents"] = "map",
    height: int = 640,
    fps: float = 10.0,
) -> None:
    """Plays an episode that was recorded again, tells whether it goes as it did, and writes a video on demand.

    Args:
        replay: The file.
        out: Video, an .mp4 or .gif file.
        view: The whole map, or what each agent sees.
        height: Pixels of the video, about.
        fps: Steps a second.
    """
    from telos.baselines.crafter.videos import tell_replay

    same, told = tell_replay(replay, out, view, height, fps)
    _console.print(escape(told), soft_wrap=True)
    sys.exit(0 if same else 1)


@games.command(name="crafter")
def play_crafter(
    agents: int = 1,
    others: Literal["idle", "random"] = "idle",
    seed: int | None = None,
    env_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    fps: float = 5.0,
    wait: bool = False,
    record: Path | None = None,
) -> None:
    """Opens a window in which you play Crafter; it prints what the keys do.

    Args:
        agents: Players in the world; you play one at a time.
        others: What the others do.
        seed: Of the worlds.
        env_arg: Argument of the environment, such as "hostile=false"; repeat it for more.
        fps: Steps a second.
        wait: Whether the game waits for you.
        record: File for a replay, see `telos crafter replay`.
    """
    from functools import partial

    from telos.baselines.crafter.play import play
    from telos.baselines.input_errors import bad_input
    from telos.wrappers.specs import parse_arguments

    tell = partial(_console.print, markup=False, highlight=False)
    with bad_input():
        arguments = {"num_agents": agents, **parse_arguments(env_arg)}
    play(arguments, others=others, seed=seed, frames_per_second=fps, wait=wait, record=record, tell=tell)
