"""Tables of a comparison: on the terminal, in Markdown and for pages.

* ``comparison_tables`` - titles, columns and cells as text
* ``print_comparison``, ``to_markdown`` - these on the terminal and as Markdown
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from telos.baselines.compare import Comparison, EnvironmentComparison, Overall, Reached
from telos.baselines.stats import Interval

__all__ = [
    "CAPTION",
    "TextTable",
    "comparison_tables",
    "describe_machines",
    "environment_table",
    "metric_name",
    "overall_table",
    "print_comparison",
    "to_markdown",
]

CAPTION = "Interquartile means over runs, with 95 % stratified bootstrap intervals."


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        title: What it is about.
        columns: Their heads; the first column names the row.
        rows: One cell a column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Prints the tables, the runs left out and the warnings."""
    for table in comparison_tables(comparison):
        console.print(_to_rich(table))
    console.print(f"[dim]{CAPTION}[/]")
    for run, why in comparison.left_out:
        console.print(f"[red]left out:[/] {escape(str(run.path))}: {escape(why)}", soft_wrap=True, highlight=False)
    for text in comparison.warnings:
        console.print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True, highlight=False)


def comparison_tables(comparison: Comparison) -> list[TextTable]:
    """One table an environment, and one over all if there are several."""
    tables = [environment_table(comparison, each) for each in comparison.environments]
    return [*tables, overall_table(comparison)] if comparison.overall else tables


def environment_table(comparison: Comparison, compared: EnvironmentComparison) -> TextTable:
    """Labels of one environment, those with the highest scores first."""
    columns = ["label", "runs", f"{metric_name(comparison)} at {compared.step:,}", "average over training"]
    columns += [f"steps to {comparison.threshold:g}"] if comparison.threshold is not None else []
    columns += [f"P(better than {comparison.baseline})"] if comparison.baseline is not None else []
    rows = []
    for group in sorted(compared.groups, key=lambda group: -group.final.estimate):
        cells = [group.label, str(len(group.runs)), cell(group.final), cell(group.average)]
        cells += [_reached(group.reached, len(group.runs))] if group.reached is not None else []
        if comparison.baseline is not None:
            cells.append("baseline" if group.label == comparison.baseline else cell(group.improvement, ".2f"))
        rows.append(tuple(cells))
    return TextTable(compared.environment, tuple(columns), tuple(rows))


def overall_table(comparison: Comparison) -> TextTable:
    """Labels over all environments, the best first."""
    columns, rows = ["label"], []
    columns += [metric_name(comparison)] if comparison.normalise else []
    columns += [f"P(better than {comparison.baseline})"] if comparison.baseline is not None else []
    for each in sorted(comparison.overall, key=_overall_order):
        cells = [each.label]
        cells += [cell(each.final)] if comparison.normalise else []
        if comparison.baseline is not None:
            cells.append("baseline" if each.label == comparison.baseline else cell(each.improvement, ".2f"))
        rows.append(tuple(cells))
    return TextTable("All environments", tuple(columns), tuple(rows))


def metric_name(comparison: Comparison) -> str:
    """The metric, marked if it is normalised."""
    return f"normalised {comparison.metric}" if comparison.normalise else comparison.metric


def cell(interval: Interval | None, digits: str | None = None) -> str:
    """An interval; only the estimate if there is one run, and a dash if there is nothing."""
    if interval is None:
        return "-"
    spec = _digits(interval) if digits is None else digits
    return format(interval.estimate, spec) if math.isnan(interval.low) else format(interval, spec)


def to_markdown(table: TextTable) -> str:
    """For a text file, with the title as a heading."""
    marks = ["---", *["---:"] * (len(table.columns) - 1)]
    lines = [_line(table.columns), _line(marks), *map(_line, table.rows)]
    return f"## {table.title}\n\n" + "\n".join(lines) + "\n"


def describe_machines(comparison: Comparison) -> list[str]:
    """A line for each machine, version and commit of the runs."""
    lines = []
    for machine in comparison.machines():
        plural = "runs" if machine["runs"] > 1 else "run"
        hardware = _joined(machine.get("cpu"), _unit(machine.get("cores"), "cores"), machine.get("gpu"))
        code = _joined(_prefixed("Telos", machine.get("telos")), _prefixed("commit", machine.get("commit")))
        lines.append(f"{machine['runs']} {plural}: " + "; ".join(part for part in (hardware, code) if part))
    return lines


def _to_rich(table: TextTable) -> Table:
    """For the terminal."""
    shown = Table(title=escape(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(table.columns):
        shown.add_column(escape(column), justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    return shown


def _overall_order(row: Overall) -> float:
    """The best first: by score, or else by the probability of improvement; the baseline's is one half."""
    interval = row.final or row.improvement
    return -(0.5 if interval is None else interval.estimate)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


def _reached(reached: Reached, runs: int) -> str:
    """Steps, and how many runs get there if not all do; the mean is then a lower bound."""
    there = round(reached.share * runs)
    if there == 0:
        return f"never (0 of {runs})"
    interval = reached.steps
    steps = _short(interval.estimate)
    if not math.isnan(interval.low):
        steps += f" [{_short(interval.low)}, {_short(interval.high)}]"
    return steps if there == runs else f"over {steps} ({there} of {runs})"


def _short(steps: float) -> str:
    """Three significant digits, as 1.23M or 45.6k."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if steps >= size:
            return f"{steps / size:.3g}{unit}"
    return f"{steps:.0f}"


def _digits(interval: Interval) -> str:
    """Four significant digits of the largest number, three if it is below 1."""
    numbers = (interval.estimate, interval.low, interval.high)
    size = max(abs(number) for number in numbers if math.isfinite(number))
    whole = math.floor(math.log10(size)) + 1 if size > 0.0 else 0
    return f",.{max(0, 4 - whole if whole > 0 else 3 - whole)}f"


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _unit(number: Any, unit: str) -> str:
    return f"{number} {unit}" if number else ""


def _prefixed(name: str, value: Any) -> str:
    return f"{name} {value}" if value else ""
