"""Logs of recommenders in files: Minari's datasets, and files of ``telos.wrappers.save_episodes``.

* ``write_log`` - writes sessions, of many of them block by block
* ``read_log`` - reads them
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from telos.baselines.recsys_log import SessionLog
from telos.wrappers.infos import TERMS

__all__ = ["PROPENSITY", "SLOT_PROPENSITY", "read_log", "write_log"]

SLOT_PROPENSITY = "slot_propensity"
"""Info key of the probability of each slot's item given those above it, float64 ``(slots,)``."""
PROPENSITY = "propensity"
"""Info key of the action's probability, of a slate that of all of it, float64."""

_ABOUT = "telos"
_FORMAT = "telos episodes 1"


def write_log(
    path: str | Path, blocks: Iterable[SessionLog], env: gym.Env[Any, Any], about: Mapping[str, Any]
) -> tuple[int, int]:
    """Writes sessions: to a file if the path ends in ``.npz``, and else to a folder that is a dataset of Minari.

    Nothing is left of what could not be finished.

    A file is one of ``telos.wrappers.save_episodes`` with the infos ``slot_propensity`` and ``propensity``; besides, it
    has ``seeds`` and ``about`` as JSON. All its sessions are in memory at once.

    A dataset is lossless. The folder's name is its id and its parent Minari's root: ``MINARI_DATASETS_PATH=parent`` for
    ``minari.load_dataset("name-v0")``. Minari keeps each session in a group of its own, with its seed; the infos are
    ``slot_propensity``, ``propensity`` and ``reward_terms``, which have, as Minari's do, one entry more than there are
    steps: the first is of the reset, and NaN. ``about`` is in its metadata, under ``"telos"``.

    Args:
        path: The file or folder; it must not be there.
        blocks: Sessions, as ``log_sessions`` hands them out.
        env: Where they were played, for its spaces and its spec.
        about: What else is to be known, as JSON has it.

    Returns:
        The number of sessions and of steps.

    Raises:
        FileExistsError: If the path is there.
        ValueError: If the folder's name is no name of a dataset.
        ModuleNotFoundError: If Minari or h5py is missing.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} is there already: remove it, or choose another --out")
    write = _write_file if path.suffix == ".npz" else _write_dataset
    if write is _write_dataset:
        _minari()
        _check_name(path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".draft-{path.name}")
    _remove(draft)
    try:
        counts = write(draft, path.name, blocks, env, dict(about))
        draft.rename(path)
        return counts
    finally:
        _remove(draft)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _minari() -> Any:
    try:
        import h5py  # noqa: F401 - Minari stores with it
        import minari
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"datasets of Minari need the package {error.name}: pip install 'telos-gym[minari]', or give --out a file "
            "that ends in .npz"
        ) from error
    return minari


def _check_name(name: str) -> None:
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        parse_dataset_id(name)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name!r} is no name of a dataset of Minari: it must end in a version, as {name}-v0"
        ) from error


def _write_dataset(
    draft: Path, name: str, blocks: Iterable[SessionLog], env: gym.Env[Any, Any], about: dict[str, Any]
) -> tuple[int, int]:
    minari = _minari()
    from minari.dataset.minari_storage import MinariStorage

    draft.mkdir(parents=True)
    storage = MinariStorage.new(
        draft / "data",
        observation_space=env.observation_space,
        action_space=env.action_space,
        env_spec=env.spec,
        data_format="hdf5",
        jpeg_encoding=False,
    )
    storage.update_metadata({"dataset_id": name, "minari_version": minari.__version__, _ABOUT: about})
    for block in blocks:
        storage.update_episodes(_buffers(block))
    return storage.total_episodes, storage.total_steps


def _buffers(log: SessionLog) -> Iterator[Any]:
    from minari.data_collector import EpisodeBuffer

    ends = np.cumsum(log.lengths)
    starts, propensities, rewards = ends - log.lengths, log.propensities, log.rewards
    for k, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        rows, final = slice(start, end), np.zeros(end - start, np.bool_)
        final[-1] = True
        yield EpisodeBuffer(
            seed=int(log.seeds[k]),
            observations=log.observations[start + k : end + k + 1],
            actions=log.actions[rows],
            rewards=rewards[rows],
            terminations=final & log.terminated[k],
            truncations=final & log.truncated[k],
            infos={
                SLOT_PROPENSITY: _after_reset(log.slots[rows]),
                PROPENSITY: _after_reset(propensities[rows]),
                TERMS: {name: _after_reset(values[rows]) for name, values in log.terms.items()},
            },
        )


def _after_reset(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.full((1, *values.shape[1:]), np.nan), values])


def _write_file(
    draft: Path, name: str, blocks: Iterable[SessionLog], env: gym.Env[Any, Any], about: dict[str, Any]
) -> tuple[int, int]:
    log = SessionLog.joined(list(blocks))
    infos = {SLOT_PROPENSITY: log.slots, PROPENSITY: log.propensities}
    everywhere = np.ones(len(log.actions), np.bool_)
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(_FORMAT),
        **{name: getattr(log, name) for name in ("lengths", "terminated", "truncated", "actions", "seeds")},
        "obs": log.observations,
        "about": np.array(json.dumps(about)),
        **{f"terms/{name}": values for name, values in log.terms.items()},
        **{f"infos/{key}": values for key, values in infos.items()},
        **{f"has_info/{key}": everywhere for key in infos},
    }
    with draft.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return len(log), len(log.actions)


def read_log(path: str | Path) -> tuple[SessionLog, dict[str, Any]]:
    """Reads what ``write_log`` wrote.

    Returns:
        The sessions, and what is known about them.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is something else.
        ModuleNotFoundError: If it is Minari's, and Minari or h5py is missing.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no log {path}")
    return _read_dataset(path) if path.is_dir() else _read_file(path)


def _read_file(path: Path) -> tuple[SessionLog, dict[str, Any]]:
    with np.load(path, allow_pickle=False) as file:
        if str(file.get("format")) != _FORMAT or f"infos/{SLOT_PROPENSITY}" not in file or "about" not in file:
            raise ValueError(f"{path} is no log: write one by `telos recsys log`")
        terms = {name.removeprefix("terms/"): file[name] for name in file.files if name.startswith("terms/")}
        log = SessionLog(
            file["obs"],
            file["actions"],
            file[f"infos/{SLOT_PROPENSITY}"],
            terms,
            *(file[name] for name in ("lengths", "terminated", "truncated", "seeds")),
        )
        return log, json.loads(str(file["about"]))


def _read_dataset(path: Path) -> tuple[SessionLog, dict[str, Any]]:
    _minari()
    from minari.dataset.minari_storage import MinariStorage

    storage = MinariStorage.read(path / "data")
    if _ABOUT not in storage.metadata:
        raise ValueError(f"{path} is no log: write one by `telos recsys log`")
    numbers = range(storage.total_episodes)
    found = list(storage.get_episodes(numbers))
    infos = [episode["infos"] for episode in found]
    log = SessionLog(
        np.concatenate([episode["observations"] for episode in found]),
        np.concatenate([episode["actions"] for episode in found]),
        np.concatenate([info[SLOT_PROPENSITY][1:] for info in infos]),
        {name: np.concatenate([info[TERMS][name][1:] for info in infos]) for name in infos[0][TERMS]},
        np.array([len(episode["rewards"]) for episode in found]),
        np.array([bool(episode["terminations"][-1]) for episode in found]),
        np.array([bool(episode["truncations"][-1]) for episode in found]),
        np.array([about["seed"] for about in storage.get_episode_metadata(numbers)]),
    )
    return log, storage.metadata[_ABOUT]
