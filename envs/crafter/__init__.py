"""Crafter: an open world to survive in, for one agent or sixty-four.

``parallel_env`` is here, as PettingZoo's users look for it; it is imported when it is asked for.
"""

from __future__ import annotations

from typing import Any

__all__ = ["parallel_env"]


def __getattr__(name: str) -> Any:
    if name != "parallel_env":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from telos.envs.crafter.env import parallel_env

    return parallel_env
