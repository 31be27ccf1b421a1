"""A folder for temporary files that belongs to one process and goes with it, at the latest when the next one looks."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from telos.envs.swe.errors import InfrastructureError
from telos.envs.swe.locks import ForkSafeLock
from telos.envs.swe.sandbox.owner import alive, owner

__all__ = ["remove_dead_folders", "scratch_folder"]

_scratch_lock = ForkSafeLock()


def scratch_folder() -> Path:
    """This process's folder for temporary files; folders that dead processes left are removed."""
    top = Path(tempfile.gettempdir(), f"telos-swe-{os.getuid()}")
    with _scratch_lock:
        own = top / hashlib.sha256(owner().encode()).hexdigest()[:16]
        if not own.is_dir():
            top.mkdir(mode=0o700, exist_ok=True)
            if top.stat().st_uid != os.getuid():
                raise InfrastructureError("scratch", f"{top} belongs to another user")
            own.mkdir(mode=0o700, exist_ok=True)
            (own / "owner").write_text(owner())
            atexit.register(_remove_own, own, os.getpid())
            remove_dead_folders()
    return own


def _remove_own(folder: Path, pid: int) -> None:
    """Removes this process's folder at its end; a forked child leaves its parent's alone."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def remove_dead_folders() -> None:
    """Removes the scratch folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir(), f"telos-swe-{os.getuid()}").glob("*/"):
        with contextlib.suppress(OSError):
            if not alive((folder / "owner").read_text()):
                shutil.rmtree(folder, ignore_errors=True)
