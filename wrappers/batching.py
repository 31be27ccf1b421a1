"""Observations and actions by row, for the transforms that look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.vector.utils import concatenate, create_empty_array

__all__ = ["batch_many", "batch_one", "columns", "copied", "row_in", "stacked", "step_of", "with_final"]


def batch_one(space: Space[Any], value: Any) -> Any:
    """Returns a copy of ``value``, an element of ``space``, as a vector environment of one would batch it."""
    if isinstance(space, (Box, MultiDiscrete, MultiBinary)):
        return np.array(value, dtype=space.dtype)[None]
    return batch_many(space, [value])


def batch_many(space: Space[Any], values: Sequence[Any]) -> Any:
    """Returns a copy of ``values``, elements of ``space``, as a vector environment would batch them."""
    empty: Any = create_empty_array(space, len(values))
    return concatenate(space, values, empty)


def copied(batch: Any) -> Any:
    """Returns a deep copy of a batch of observations: environments may write into theirs again."""
    if isinstance(batch, dict):
        return {key: copied(part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(copied(part) for part in batch)
    if isinstance(batch, np.ndarray):
        return batch.copy()
    return batch.clone() if hasattr(batch, "clone") else batch


def row_in(batch: Any, row: int) -> Any:
    """Returns one row of a batch, as the space of one environment has it."""
    if isinstance(batch, dict):
        return {key: row_in(part, row) for key, part in batch.items()}
    if isinstance(batch, tuple) and isinstance(batch[0], (np.ndarray, dict, tuple)):
        return tuple(row_in(part, row) for part in batch)
    return batch[row]


def stacked(values: list[Any]) -> Any:
    """Returns values of one space as an array with a new first axis, or as they are if that cannot be."""
    return np.stack(values) if isinstance(values[0], (np.ndarray, np.generic)) else values


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
    if "final_obs" not in infos:
        return obs
    finals = infos["final_obs"]
    if not (isinstance(finals, np.ndarray) and finals.dtype == object):
        return _overlaid(obs, finals, infos["_final_obs"])  # A native environment, which keeps them batched.
    for row in np.flatnonzero(infos.get("_final_obs", [final is not None for final in finals])):
        obs = _put(space, obs, int(row), finals[row])
    return obs


def _overlaid(batch: Any, finals: Any, rows: Any) -> Any:
    if isinstance(batch, dict):
        return {key: _overlaid(part, finals[key], rows) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(_overlaid(part, final, rows) for part, final in zip(batch, finals, strict=True))
    batch[rows] = finals[rows]
    return batch


def _put(space: Space[Any], batch: Any, row: int, value: Any) -> Any:
    if isinstance(space, Dict):
        return {key: _put(space[key], batch[key], row, value[key]) for key in space}
    if isinstance(space, Tuple):
        return tuple(_put(part, batch[i], row, value[i]) for i, part in enumerate(space))
    if isinstance(batch, tuple):
        return (*batch[:row], value, *batch[row + 1 :])
    batch[row] = value
    return batch


class _Objects:
    """What cannot be an array, such as texts: one list an episode."""

    def __init__(self, lists: Sequence[Sequence[Any]]) -> None:
        self._lists = lists

    def at(self, step: int) -> tuple[Any, ...]:
        return tuple(values[min(step, len(values) - 1)] for values in self._lists)


def columns(parts: Sequence[Any], length: int) -> Any:
    """Lays episodes out beside each other, for ``step_of``; those that are shorter repeat their last entry.

    Args:
        parts: One an episode: an array whose first axis is the step, a dict or a tuple of such, or a list with an
            entry a step.
        length: Steps of the longest.
    """
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: columns([part[key] for part in parts], length) for key in first}
    if isinstance(first, tuple):
        return tuple(columns([part[k] for part in parts], length) for k in range(len(first)))
    if isinstance(first, list):
        entry = first[0]
        if isinstance(entry, Mapping):
            return {key: columns([[value[key] for value in part] for part in parts], length) for key in entry}
        if isinstance(entry, tuple):
            return tuple(columns([[value[k] for value in part] for part in parts], length) for k in range(len(entry)))
        if not isinstance(entry, (bool, int, float, np.generic, np.ndarray)):
            return _Objects(parts)
    arrays = [np.asarray(part) for part in parts]
    out = np.empty((length, len(arrays), *arrays[0].shape[1:]), np.result_type(*arrays))
    for row, array in enumerate(arrays):
        out[: len(array), row] = array
        out[len(array) :, row] = array[-1]
    return out


def step_of(laid_out: Any, step: int) -> Any:
    """Returns the batch of one step of what ``columns`` laid out; None of None."""
    if isinstance(laid_out, dict):
        return {key: step_of(part, step) for key, part in laid_out.items()}
    if isinstance(laid_out, tuple):
        return tuple(step_of(part, step) for part in laid_out)
    if isinstance(laid_out, _Objects):
        return laid_out.at(step)
    return None if laid_out is None else laid_out[step]
