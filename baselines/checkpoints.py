"""Checkpoints of training runs as files.

* ``Checkpoint`` - what a run goes on from
* ``load_model`` - the networks of a run
* ``whole_checkpoints``, ``numbered`` - the folders of a run's checkpoints
* ``write_whole``, ``sync`` - files that are whole or not there
* ``seed_generators``, ``generator_states``, ``restore_generators`` - the global generators of random numbers
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

__all__ = [
    "Checkpoint",
    "generator_states",
    "load_model",
    "numbered",
    "restore_generators",
    "seed_generators",
    "sync",
    "whole_checkpoints",
    "write_whole",
]


@dataclass(frozen=True)
class Checkpoint:
    """What a run goes on from.

    Attributes:
        step: Environment steps taken.
        model: The networks' tensors.
        state: Everything else that the script gave to ``Run.save``.
    """

    step: int
    model: dict[str, torch.Tensor]
    state: dict[str, Any]


def write_whole(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    draft = path.with_name(f".draft-{path.name}")
    draft.write_text(text)
    sync(draft)
    draft.replace(path)


def sync(path: Path) -> None:
    """Waits until a file, or a folder's list of files, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load_model(folder: Path, best: bool = False) -> dict[str, torch.Tensor]:
    """Loads the networks' tensors of a run's newest checkpoint, or of the best by evaluation.

    Raises:
        FileNotFoundError: If there is none.
    """
    saved = whole_checkpoints(folder)
    if not saved:
        raise FileNotFoundError(f"{folder} has no checkpoint yet")
    chosen = saved[-1]
    if best:
        step = json.loads((folder / "checkpoints" / "best.json").read_text()).get("step", int(chosen.name))
        chosen = folder / "checkpoints" / numbered(step)
    tensors: dict[str, torch.Tensor] = load_file(chosen / "model.safetensors")
    return tensors


def numbered(step: int) -> str:
    """The name of a checkpoint's folder."""
    return f"{step:012d}"


def whole_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints, the newest last."""
    return sorted(path for path in (folder / "checkpoints").glob("[0-9]*") if path.is_dir())


def generator_states() -> dict[str, Any]:
    """Returns the states of the global generators of Python, NumPy and PyTorch."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - wrappers of others may draw from it
        "torch": torch.get_rng_state(),
        "cuda": cuda,
    }


def seed_generators(seed: int) -> None:
    """Seeds these generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def restore_generators(states: Mapping[str, Any]) -> None:
    """Sets these generators to what ``generator_states`` returned."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
