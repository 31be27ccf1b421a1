"""Logged episodes in files.

* ``save_episodes`` - writes episodes
* ``load_episodes`` - reads them
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.wrappers.episodes import Episode, as_episode

__all__ = ["load_episodes", "save_episodes"]

_FORMAT_KEY, _FORMAT, _NESTED_FORMAT = "format", "telos episodes 1", "telos episodes 2"
_TERMS, _INFOS, _HAS_INFO = "terms/", "infos/", "has_info/"

_Path = tuple[str | int, ...]
"""Where an array is in nested observations or actions: keys of dicts, places in tuples."""


def save_episodes(path: str | Path, episodes: Iterable[Any], infos: Collection[str] = ("trainable",)) -> None:
    """Saves episodes, compressed, as NumPy's ``.npz`` without pickled objects.

    Args:
        path: The file, as it is written: NumPy adds no ending.
        episodes: ``Episode`` objects, or Minari's episodes, at least one. Observations and actions must be numbers,
            arrays of one shape, or dicts and tuples of such; in all episodes or in none.
        infos: Which info keys to keep, where steps have them: numbers, or arrays of one shape.

    Raises:
        ValueError: If there are no episodes, or something cannot be an array of numbers.
    """
    logged = [as_episode(episode) for episode in episodes]
    if not logged:
        raise ValueError("There are no episodes to save.")
    arrays: dict[str, NDArray[Any]] = {
        _FORMAT_KEY: np.array(_FORMAT),
        "lengths": np.array([len(episode) for episode in logged]),
        "terminated": np.array([episode.terminated for episode in logged]),
        "truncated": np.array([episode.truncated for episode in logged]),
    }
    for name in ("obs", "actions"):
        parts = [getattr(episode, name) for episode in logged]
        given = [part is not None for part in parts]
        if any(given) and not all(given):
            raise ValueError(f"{name}: some episodes have them and some have not; save these in files of their own.")
        if all(given):
            arrays |= _flattened(name, parts, [len(episode) + (name == "obs") for episode in logged])
    if any(_is_nested(name) for name in arrays):
        arrays[_FORMAT_KEY] = np.array(_NESTED_FORMAT)
    for name in dict.fromkeys(name for episode in logged for name in episode.terms):
        arrays[_TERMS + name] = _joined(name, [episode.terms.get(name, np.zeros(len(episode))) for episode in logged])
    for key in infos:
        found = [episode.info(key, step, None) for episode in logged for step in range(len(episode))]
        if present := [value for value in found if value is not None]:
            arrays[_INFOS + key] = _joined(f"info {key!r}", [[value] for value in present])
            arrays[_HAS_INFO + key] = np.array([value is not None for value in found])
    with Path(path).open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_episodes(path: str | Path) -> list[Episode]:
    """Reads what ``save_episodes`` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file.
    """
    with Path(path).open("rb") as opened:
        if not zipfile.is_zipfile(opened):
            raise ValueError(f"{path} is no file of save_episodes: that would be an .npz.")
    with np.load(path, allow_pickle=False) as file:
        if _FORMAT_KEY not in file or str(file[_FORMAT_KEY]) not in (_FORMAT, _NESTED_FORMAT):
            raise ValueError(f"{path} is no file of save_episodes: it lacks the mark {_FORMAT!r}.")
        arrays: dict[str, NDArray[Any]] = dict(file)
    ends = np.cumsum(arrays["lengths"])
    starts = ends - arrays["lengths"]
    terms = {name.removeprefix(_TERMS): values for name, values in arrays.items() if name.startswith(_TERMS)}
    infos = _read_infos(arrays, int(ends[-1]))
    leaves = {name: _leaves(arrays, name) for name in ("obs", "actions")}
    episodes = []
    for k, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        episodes.append(
            Episode(
                # Each earlier episode has one observation more than it has steps.
                _nested(leaves["obs"], slice(start + k, end + k + 1)),
                _nested(leaves["actions"], slice(start, end)),
                {name: values[start:end] for name, values in terms.items()},
                bool(arrays["terminated"][k]),
                bool(arrays["truncated"][k]),
                infos[start:end] if infos else None,
            )
        )
    return episodes


def _read_infos(arrays: Mapping[str, NDArray[Any]], steps: int) -> list[dict[str, Any]]:
    """Returns an info a step; nothing if none were kept."""
    keys = [name.removeprefix(_INFOS) for name in arrays if name.startswith(_INFOS)]
    infos: list[dict[str, Any]] = [{} for _ in range(steps if keys else 0)]
    for key in keys:
        for step, value in zip(np.flatnonzero(arrays[_HAS_INFO + key]), arrays[_INFOS + key], strict=True):
            infos[step][key] = value
    return infos


def _is_nested(name: str) -> bool:
    return name.startswith(("obs/", "actions/"))


def _flattened(name: str, parts: Sequence[Any], lengths: Sequence[int], path: _Path = ()) -> dict[str, NDArray[Any]]:
    """Returns the arrays in the observations or actions of all episodes, by name and, behind a slash, path as JSON."""
    first = parts[0][0] if isinstance(parts[0], list) and parts[0] else parts[0]
    if not isinstance(first, (Mapping, tuple)):
        place = f"{name}{list(path)}" if path else name
        if wrong := [len(part) for part, length in zip(parts, lengths, strict=True) if len(part) != length]:
            raise ValueError(
                f"{place} cannot be saved: an episode has {wrong[0]} of them, which does not fit its steps."
            )
        return {f"{name}/{json.dumps(path)}" if path else name: _joined(place, parts)}
    keys = list(first) if isinstance(first, Mapping) else list(range(len(first)))
    if not keys:
        raise ValueError(f"{name} cannot be saved: there is nothing in {first!r}.")
    found: dict[str, NDArray[Any]] = {}
    for key in keys:
        try:
            inner = [[step[key] for step in part] if isinstance(part, list) else part[key] for part in parts]
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"{name} cannot be saved: not all have a part {key!r}.") from error
        found |= _flattened(name, inner, lengths, (*path, key))
    return found


def _leaves(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[_Path, NDArray[Any]]:
    """Returns the arrays of observations or actions by path, the empty one if they are not nested."""
    if name in arrays:
        return {(): arrays[name]}
    return {tuple(json.loads(key[len(name) + 1 :])): arrays[key] for key in arrays if key.startswith(f"{name}/")}


def _nested(leaves: Mapping[_Path, NDArray[Any]], steps: slice) -> Any:
    """Returns some steps of what ``_leaves`` found as dicts and tuples; None of nothing."""
    if not leaves:
        return None
    if () in leaves:
        return leaves[()][steps]
    parts: dict[str | int, dict[_Path, NDArray[Any]]] = {}
    for path, array in leaves.items():
        parts.setdefault(path[0], {})[path[1:]] = array
    inner = {key: _nested(part, steps) for key, part in parts.items()}
    return tuple(inner.values()) if isinstance(next(iter(inner)), int) else inner


def _joined(name: str, parts: Sequence[Any]) -> NDArray[Any]:
    """Returns the values of all episodes one after the other."""
    entries = [entry for part in parts for entry in (part if isinstance(part, list) else [part])]
    if other := [entry for entry in entries if not isinstance(entry, (bool, int, float, np.generic, np.ndarray))]:
        raise ValueError(f"{name} cannot be saved: only numbers and arrays of numbers can, not {type(other[0])}.")
    try:
        joined: NDArray[Any] = np.concatenate([np.asarray(part) for part in parts])
    except ValueError as error:
        raise ValueError(f"{name} cannot be saved: the arrays have several shapes ({error}).") from error
    if joined.dtype.kind not in "biuf":
        raise ValueError(f"{name} cannot be saved: only numbers and arrays of numbers can, not {joined.dtype}.")
    return joined
