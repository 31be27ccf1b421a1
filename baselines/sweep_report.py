"""What a sweep shows: a line a running job where a person watches, and tables at its end.

* ``progress_of`` - shows what runs
* ``report_sweep`` - prints how runs ended, and how to compare them
"""

from __future__ import annotations

import json
import shlex
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from telos.baselines.compare import load_comparison
from telos.baselines.compare_tables import print_comparison
from telos.baselines.input_errors import print_error
from telos.baselines.runs import find_runs
from telos.baselines.sweep import Outcome, PlannedRun, Running, Status, read_object

__all__ = ["exit_status_of", "progress_of", "report_sweep"]

_TAIL = 16_384
"""Bytes at the end of a log in which there is a whole line."""


@contextmanager
def progress_of(planned: Sequence[PlannedRun]) -> Iterator[Callable[[Sequence[Running], Sequence[Outcome]], None]]:
    """Lines of progress on standard error, if that is a terminal.

    Args:
        planned: All runs of the sweep.

    Yields:
        A function that shows what runs and what has ended.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"), TimeElapsedColumn())
    # Without a thread that refreshes: processes are forked from this one.
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True, auto_refresh=False
    ) as progress:
        whole = progress.add_task("sweep", total=len(planned), detail="")
        lines: dict[PlannedRun, TaskID] = {}

        def show(running: Sequence[Running], ended: Sequence[Outcome]) -> None:
            if progress.disable:
                return
            for each in running:
                if each.planned not in lines:
                    lines[each.planned] = progress.add_task(_name(each.planned), total=1.0, detail="starting")
                fraction, detail = _how_far(each.look())
                progress.update(lines[each.planned], completed=fraction, detail=detail)
            for gone in lines.keys() - {each.planned for each in running}:
                progress.remove_task(lines.pop(gone))
            counts = Counter(each.status for each in ended)
            detail = ", ".join(f"{count} {status}" for status, count in counts.items())
            progress.update(whole, completed=len(ended), detail=detail)
            progress.refresh()

        yield show


def report_sweep(outcomes: Sequence[Outcome], out: Path, console: Console, compare: bool) -> None:
    """Prints how many runs ended how, what the failed ones said, and the comparison of the finished ones.

    Args:
        outcomes: How each run ended.
        out: Folder of all runs.
        console: Where to print.
        compare: Whether to print the comparison, and not only its command line.
    """
    console.print(_table(outcomes))
    for each in outcomes:
        if each.status == "failed":
            how = f"exit status {each.exit_status}"
            if each.exit_status is not None and each.exit_status < 0:
                how = f"ended by {signal.Signals(-each.exit_status).name}"
            folder = each.planned.folder
            console.print(f"[red]failed:[/] {escape(each.planned.command)}", soft_wrap=True, highlight=False)
            console.print(f"  {how}; its output is in {escape(str(folder))}", soft_wrap=True, highlight=False)
            for line in each.last_lines().splitlines():
                console.print(f"  [dim]{escape(line)}[/]", soft_wrap=True, highlight=False)
    if any(each.status in ("stopped", "not begun") for each in outcomes):
        console.print("The same command line again goes on where these runs were stopped.")
    runs = [each.run for each in outcomes if each.status == "finished" and each.run is not None]
    if not runs:
        return
    paths = _paths(runs, out)
    if compare:
        try:
            print_comparison(load_comparison(paths), console)
        except ValueError as error:  # Such as runs that were not evaluated: the sweep itself went well.
            print_error(error)
    console.print(shlex.join(("telos", "compare", *map(str, paths))), soft_wrap=True, highlight=False)


def exit_status_of(outcomes: Sequence[Outcome], stopped_by: int) -> int:
    """0 if all runs finished, 130 or 143 after a signal, else 1.

    Args:
        outcomes: How each run ended.
        stopped_by: Number of the signal that asked to stop, or 0.
    """
    if stopped_by:
        return 128 + stopped_by
    return int(any(each.status != "finished" for each in outcomes))


def _name(planned: PlannedRun) -> str:
    return escape(f"{planned.environment}  {planned.label}  seed {planned.seed}")


def _how_far(run: Path | None) -> tuple[float, str]:
    """The share of the steps that are done, and steps and return as text."""
    last = {} if run is None else _last_line(run / "log.jsonl")
    if run is None or not last:
        return 0.0, "starting"
    total = read_object(run / "args.json").get("total_steps") or 1
    worth = last.get("charts/raw_return")
    detail = f"{last['step']:,} of {total:,} steps"
    return last["step"] / total, detail if worth is None else f"{detail}  return {worth:.4g}"


def _last_line(path: Path) -> dict[str, Any]:
    """The last whole line of a log with steps taken; empty if there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL))
            rows = log.read().split(b"\n")[:-1]
    except OSError:
        return {}
    for row in reversed(rows):
        try:
            line: dict[str, Any] = json.loads(row)
        except ValueError:
            continue
        return line
    return {}


def _table(outcomes: Sequence[Outcome]) -> Table:
    """How many runs of each environment and label ended how."""
    statuses: tuple[Status, ...] = get_args(Status)
    shown = [status for status in statuses if any(each.status == status for each in outcomes)]
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("environment", "label"):
        table.add_column(column, overflow="fold")
    for status in shown:
        table.add_column(status, justify="right")
    groups: dict[tuple[str, str], Counter[str]] = {}
    for each in outcomes:
        groups.setdefault((each.planned.environment, each.planned.label), Counter())[each.status] += 1
    for names, counts in groups.items():
        table.add_row(*map(escape, names), *(str(counts[status]) for status in shown))
    return table


def _paths(runs: Sequence[Path], out: Path) -> list[Path]:
    """The folder of all runs if there are no others in it, else the runs."""
    return [out] if set(find_runs([out]).runs) == set(runs) else sorted(runs)
