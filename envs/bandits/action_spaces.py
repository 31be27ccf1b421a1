"""Action spaces that hold the feasible actions only, so that ``sample()`` gives one that the environment takes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

__all__ = ["Constraint", "FeasibleBinary", "FeasibleLevels"]


class Constraint(Protocol):
    """Which joint actions are allowed."""

    def feasible_batch(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the actions ``(count, n)`` are."""

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """Random ones, ``(count, n)``."""


class _Feasible:
    """Mixed into a space of arrays ``(n,)`` or, for a batch, ``(num_envs, n)``."""

    constraint: Constraint
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    np_random: np.random.Generator

    def sample(self, mask: None = None, probability: None = None) -> NDArray[Any]:
        """A random feasible action; the law is the constraint's own.

        Raises:
            ValueError: For a mask: what is allowed depends on the whole action.
        """
        if mask is not None or probability is not None:
            raise ValueError("feasible actions cannot be sampled with a mask or probabilities")
        drawn = self.constraint.sample(self.np_random, self.shape[0] if len(self.shape) == 2 else 1)
        return np.asarray(drawn, self.dtype).reshape(self.shape)

    def contains(self, x: Any) -> bool:
        """Whether ``x`` is a feasible action."""
        inside = super().contains(x)  # type: ignore[misc]
        return bool(inside and self.constraint.feasible_batch(np.asarray(x).reshape(-1, self.shape[-1])).all())


class FeasibleBinary(_Feasible, spaces.MultiBinary):  # type: ignore[misc]
    """The 0/1 vectors that a constraint allows.

    Args:
        shape: Number of entries, or (environments, entries).
        constraint: What is allowed.
        seed: Seed of ``sample``.
    """

    def __init__(self, shape: int | tuple[int, ...], constraint: Constraint, seed: Any = None) -> None:
        self.constraint = constraint
        super().__init__(shape, seed)


class FeasibleLevels(_Feasible, spaces.MultiDiscrete):  # type: ignore[misc]
    """The vectors of levels that a constraint allows; arguments as :class:`FeasibleBinary`, ``nvec`` for the levels."""

    def __init__(self, nvec: NDArray[np.int64], constraint: Constraint, seed: Any = None) -> None:
        self.constraint = constraint
        super().__init__(nvec, seed=seed)


@batch_space.register(FeasibleBinary)
def _batch_binary(space: FeasibleBinary, n: int = 1) -> FeasibleBinary:
    return FeasibleBinary((n, *space.shape), space.constraint, int(space.np_random.integers(2**31)))


@batch_space.register(FeasibleLevels)
def _batch_levels(space: FeasibleLevels, n: int = 1) -> FeasibleLevels:
    return FeasibleLevels(np.tile(space.nvec, (n, 1)), space.constraint, int(space.np_random.integers(2**31)))
