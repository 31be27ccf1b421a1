"""``@rule``: a function of one environment that compiles for CPU threads and for CUDA from one source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba.extending import register_jitable

__all__ = ["rule"]

F = TypeVar("F", bound=Callable[..., object])


def rule(function: F) -> F:
    """Marks a function that kernels may call. It stays an ordinary Python function, too.

    A rule allocates nothing and uses no Python objects: scalars, arrays and named tuples of arrays only. Scratch space
    belongs to the state.
    """
    return register_jitable(function)
