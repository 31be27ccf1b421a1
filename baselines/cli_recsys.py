"""``telos recsys``: logs of recommenders, and users fitted to them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from tyro.extras import SubcommandApp

__all__ = ["log_sessions", "recsys"]

recsys = SubcommandApp()
_console = Console()


@recsys.command(name="log")
def log_group() -> None:
    """Logs sessions with the exact probability of what is recommended: see `telos recsys log --help`."""
    log_sessions(["--help"])


def log_sessions(arguments: list[str]) -> None:
    """Logs sessions; its arguments are read here, because reading them imports what is run."""
    from telos.baselines.recsys_log_command import LogArgs, log

    log(tyro.cli(LogArgs, prog="telos recsys log", args=arguments))


@recsys.command(name="synthetic")
def synthetic_logs(
    layout: Literal["kuairand-pure", "kuairand-1k", "kuairec", "ml-1m", "ml-25m"],
    out: Path,
    users: int = 300,
    items: int = 200,
    categories: int = 8,
    seed: int = 0,
) -> None:
    """Writes synthetic logs in the layout of a known data set, of users whose parameters are known.

    Args:
        layout: Files and columns.
        out: Folder for the files.
        users: Users.
        items: Items.
        categories: Categories of items.
        seed: Decides all.
    """
    from telos.baselines.recsys_data import make_synthetic

    make_synthetic(layout, out, users, items, categories, seed)
    _console.print(f"written to {out}; `telos recsys fit --data-root {out}` fits users to it", soft_wrap=True)


@recsys.command(name="convert")
def convert_logs(
    data_root: Path,
    cache: Path | None = None,
    watch_threshold: float = 2.0,
    max_items: int = 10_000,
    num_categories: int = 16,
) -> None:
    """Checks logs that you supply and converts them to memory maps, once; nothing is downloaded.

    Args:
        data_root: Folder of the files of KuaiRand-Pure or -1K, KuaiRec, MovieLens 1M or 25M.
        cache: Folder for what is made; by default telos-cache in the data's folder.
        watch_threshold: Watch ratio above which a video of KuaiRec counts as watched.
        max_items: Items to recommend, those that are most shown.
        num_categories: Categories of items, those that are most shown and the rest.
    """
    from telos.baselines.recsys_data import convert_logs, describe

    _console.print(describe(convert_logs(data_root, cache, watch_threshold, max_items, num_categories)))


@recsys.command(name="fit")
def fit_logs(
    data_root: Path,
    cache: Path | None = None,
    watch_threshold: float = 2.0,
    max_items: int = 10_000,
    num_categories: int = 16,
    factors: int = 8,
    window: int = 10,
    iterations: int = 100,
    seed: int = 0,
) -> None:
    """Fits the users of LoggedRec-v0 to logs, and reports how faithful they are; converts the logs if need be.

    Args:
        data_root: See `telos recsys convert`.
        cache: See there, as for the next three.
        watch_threshold: See there.
        max_items: See there.
        num_categories: See there.
        factors: Dimensions of users and items.
        window: Items shown last that boredom looks back on.
        iterations: Of the search, at most.
        seed: Of the held-out sessions and of the start.
    """
    from telos.baselines.recsys_data import convert_logs, describe, fit_logs, print_report
    from telos.envs.recsys.logged.convert import cache_of

    log = convert_logs(data_root, cache, watch_threshold, max_items, num_categories)
    _console.print(describe(log))
    report, failed = fit_logs(log, cache_of(data_root, cache), factors, window, iterations, seed)
    print_report(report, failed, _console)
    sys.exit(1 if failed else 0)


@recsys.command(name="fidelity")
def fidelity(data_root: Path, cache: Path | None = None, seed: int = 0) -> None:
    """Compares simulated users with the logged ones anew, with other luck; the report is saved with the fit.

    Args:
        data_root: See `telos recsys convert`.
        cache: See there.
        seed: Of the simulated users.
    """
    from telos.baselines.recsys_data import examine_fit, print_report

    report, failed = examine_fit(data_root, cache, seed)
    print_report(report, failed, _console)
    sys.exit(1 if failed else 0)
