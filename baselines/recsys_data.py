"""What ``telos recsys synthetic``, ``convert``, ``fit`` and ``fidelity`` do with logs of recommenders.

* ``make_synthetic`` - writes synthetic logs
* ``convert_logs`` - reads logs into memory maps
* ``fit_logs`` - fits users to logs and examines the fit
* ``examine_fit`` - examines a fit anew
* ``describe``, ``print_report`` - show what these found
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from telos.baselines.input_errors import bad_input
from telos.baselines.progress import progress_bar
from telos.envs.recsys.logged.convert import Interactions, cache_of, convert, load_interactions
from telos.envs.recsys.logged.fidelity import examine, failures
from telos.envs.recsys.logged.fitting import fit_users, load_fit, save_fit, with_report
from telos.envs.recsys.logged.synthetic import write_synthetic_logs

__all__ = ["convert_logs", "describe", "examine_fit", "fit_logs", "make_synthetic", "print_report"]


def make_synthetic(layout: str, out: Path, users: int, items: int, categories: int, seed: int) -> None:
    """Writes synthetic logs in a layout.

    Raises:
        InputError: If an argument is bad.
    """
    with bad_input():
        write_synthetic_logs(layout, out, users, items, categories, seed)


def convert_logs(
    data_root: Path, cache: Path | None, watch_threshold: float, max_items: int, num_categories: int
) -> Interactions:
    """Converts logs, unless that was done before.

    Raises:
        InputError: If files or columns are missing, or cannot be read.
    """
    with progress_bar("logs") as bar, bad_input():
        return convert(data_root, cache, watch_threshold, max_items, num_categories, bar.update)


def describe(log: Interactions) -> Table:
    """What a log has."""
    about = log.about
    table = Table.grid(padding=(0, 2))
    table.add_row("layout", about.layout)
    table.add_row("checked", about.checked)
    table.add_row("interactions", f"{len(log.user):,}, and {about.repeats:,} repeats within a session left out")
    table.add_row("sessions", f"{len(log.starts) - 1:,} in {about.days:,} days")
    table.add_row("users", f"{len(log.user_ids):,}")
    table.add_row("items", f"{about.num_items:,} in {len(about.categories)} categories")
    rates = log.feedback.mean(axis=0)
    table.add_row("rates", ", ".join(f"{name} {rate:.4g}" for name, rate in zip(about.signals, rates, strict=True)))
    return table


def fit_logs(
    log: Interactions, cache: Path, factors: int, window: int, iterations: int, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Fits users to a log, examines and saves the fit; returns the report and what failed.

    Raises:
        InputError: If an argument is bad.
    """
    with progress_bar("fit") as bar:
        with bad_input():
            fit = fit_users(log, factors, window, seed, iterations, bar.update)
        bar.update("examining", 0.99)
        fit = with_report(fit, examine(fit, log))
    save_fit(fit, cache)
    return fit.report, failures(fit)


def examine_fit(data_root: Path, cache: Path | None, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Examines the fit in a cache folder anew and saves the report with it; returns it and what failed.

    Raises:
        InputError: If there is no fit, or no log.
    """
    folder = cache_of(data_root, cache)
    with bad_input():
        fit, log = load_fit(folder), load_interactions(data_root, cache)
    with progress_bar("examining"):
        fit = with_report(fit, examine(fit, log, seed))
    save_fit(fit, folder)
    return fit.report, failures(fit)


def print_report(report: dict[str, Any], failed: list[str], console: Console) -> None:
    """Prints a fidelity report."""
    table = Table("", "logged", "simulated", "error", "limit", "", box=box.SIMPLE, title="fidelity")
    for row in report["checks"]:
        numbers = (f"{row[name]:.4g}" for name in ("logged", "simulated", "error", "limit"))
        table.add_row(row["name"], *numbers, "[green]passes[/]" if row["passes"] else "[red]fails[/]")
    console.print(table)
    console.print("of rates and session length the error is relative; calibration is that of held-out sessions, where")
    console.print("'simulated' is what a perfect model would show on as many rows, and the error what is beyond it")
    console.print(f"{len(failed)} checks failed: LoggedRec-v0 refuses this fit" if failed else "all checks passed")
