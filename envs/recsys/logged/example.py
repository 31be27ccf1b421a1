"""A small fit on synthetic logs, to try the environment with."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from telos.envs.recsys.logged.convert import cache_of, convert, runs_elsewhere

__all__ = ["example_root", "fit_synthetic_logs"]

_PREFIX = "telos-logged-"


@cache
def example_root(layout: str = "kuairand-pure") -> str:
    """A folder with small synthetic logs and users fitted to them, which goes when the process ends.

    ``gym.make("LoggedRec-v0", data_root=example_root())``. It takes a few seconds, once in a process.
    """
    maker = os.getpid()
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):  # of processes that were killed
        process = old.name.removeprefix(_PREFIX).partition("-")[0]
        if process.isdigit() and int(process) != maker and not runs_elsewhere(int(process)):
            shutil.rmtree(old, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{maker}-")

    def remove() -> None:
        if os.getpid() == maker:  # not in a forked child
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    fit_synthetic_logs(folder, layout, users=150, items=40, categories=5, iterations=60)
    return folder


def fit_synthetic_logs(
    folder: str | Path, layout: str, users: int, items: int, categories: int, seed: int = 0, iterations: int = 100
) -> None:
    """Writes synthetic logs to a folder, fits users to them, and examines the fit."""
    from telos.envs.recsys.logged.fidelity import examine
    from telos.envs.recsys.logged.fitting import fit_users, save_fit, with_report
    from telos.envs.recsys.logged.synthetic import write_synthetic_logs

    write_synthetic_logs(layout, folder, users, items, categories, seed)
    log = convert(folder)
    fit = fit_users(log, seed=seed, iterations=iterations)
    save_fit(with_report(fit, examine(fit, log)), cache_of(folder))
