"""Recorded episodes of SWEDocker-v0: printed, and played again."""

from __future__ import annotations

from pathlib import Path

from telos.baselines.input_errors import bad_input
from telos.envs.swe.env import SWEDockerEnv
from telos.envs.swe.trace import ReplayDivergedError, read_trace
from telos.envs.swe.transcript import Transcript

__all__ = ["replay_trace", "transcript_of"]


def transcript_of(path: Path) -> str:
    """A recorded episode as text.

    Raises:
        InputError: If the file is no trace.
    """
    with bad_input():
        return Transcript.of(read_trace(path)).text()


def replay_trace(path: Path, sandbox: str | None) -> tuple[bool, str]:
    """Plays a recorded episode again; returns whether all was the same, and what happened in one line.

    Args:
        path: The trace.
        sandbox: Where commands run; None is where they ran.

    Raises:
        InputError: If the file is no trace, or its task is not to be had.
    """
    with bad_input():
        events = read_trace(path)
        arguments = events[0]["arguments"] | ({} if sandbox is None else {"sandbox": sandbox}) | {"trace": None}
        env = SWEDockerEnv(**arguments)
    try:
        with bad_input():
            env.replay(events)
    except ReplayDivergedError as error:
        return False, f"another episode: {error}"
    finally:
        env.close()
    return True, f"the same episode: {sum(event['event'] == 'step' for event in events)} actions"
