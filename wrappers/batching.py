"""Observations by row, for the transforms that look at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.vector.utils import concatenate, create_empty_array

__all__ = ["batch_one", "copied", "with_final"]


def batch_one(space: Space[Any], value: Any) -> Any:
    """Returns a copy of ``value``, an element of ``space``, as a vector environment of one would batch it."""
    if isinstance(space, (Box, MultiDiscrete, MultiBinary)):
        return np.array(value, dtype=space.dtype)[None]
    empty: Any = create_empty_array(space, 1)
    return concatenate(space, (value,), empty)


def copied(batch: Any) -> Any:
    """Returns a deep copy of a batch of observations: environments may write into theirs again."""
    if isinstance(batch, dict):
        return {key: copied(part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(copied(part) for part in batch)
    return batch.copy() if isinstance(batch, np.ndarray) else batch


def with_final(space: Space[Any], obs: Any, infos: Mapping[str, Any]) -> Any:
    """Returns a copy of ``obs`` in which finished rows hold their final observation instead of the reset one.

    Args:
        space: The space of one environment.
        obs: Batched observations after the step.
        infos: Infos of the step; under ``AutoresetMode.SAME_STEP`` they hold ``"final_obs"`` and ``"_final_obs"``.

    Returns:
        Batched observations.
    """
    obs = copied(obs)
    if "final_obs" in infos:
        finals = infos["final_obs"]
        for row in np.flatnonzero(infos.get("_final_obs", [final is not None for final in finals])):
            obs = _put(space, obs, int(row), finals[row])
    return obs


def _put(space: Space[Any], batch: Any, row: int, value: Any) -> Any:
    if isinstance(space, Dict):
        return {key: _put(space[key], batch[key], row, value[key]) for key in space}
    if isinstance(space, Tuple):
        return tuple(_put(part, batch[i], row, value[i]) for i, part in enumerate(space))
    if isinstance(batch, tuple):
        return (*batch[:row], value, *batch[row + 1 :])
    batch[row] = value
    return batch
