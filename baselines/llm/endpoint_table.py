"""The table of episodes with an endpoint.

* ``summarise`` - rates and costs by difficulty
* ``print_results`` - the table
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from telos.baselines.llm.endpoint_episodes import EpisodeRecord

__all__ = ["print_results", "summarise"]


def summarise(records: Sequence[EpisodeRecord]) -> list[dict[str, Any]]:
    """One row a difficulty and one for all: how many episodes, of which those that failed are not counted further.

    ``completed``, ``modified`` and ``resolved`` are counts: the G-RA paper's completion, modification and resolution
    rates are these over ``episodes``. ``turns``, ``reward``, ``seconds`` are means; tokens are sums, None if the
    endpoint does not tell them.
    """
    rows = []
    counted = [record for record in records if not record.failure]
    for difficulty in (*sorted({record.difficulty for record in counted}), None):
        own = [record for record in counted if difficulty in (None, record.difficulty)]
        row: dict[str, Any] = {
            "difficulty": "all" if difficulty is None else str(difficulty),
            "episodes": len(own),
            "completed": sum(record.outcome > 0 for record in own),
            "modified": sum(record.modified for record in own),
            "resolved": sum(record.outcome == 3 for record in own),
        }
        for name in ("turns", "reward", "seconds"):
            row[name] = mean(getattr(record, name) for record in own) if own else 0.0
        for name in ("prompt_tokens", "completion_tokens"):
            values = [getattr(record, name) for record in own]
            row[name] = None if None in values else sum(values)
        rows.append(row)
    return rows


def print_results(records: Sequence[EpisodeRecord], console: Console) -> None:
    """Prints the table, and what failed."""
    table = Table(box=box.SIMPLE, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("level", no_wrap=True)
    for title in ("n", "submit", "edit", "solve", "turns", "reward", "seconds", "tokens in", "out"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in summarise(records):
        counts = (f"{row[name]}" for name in ("episodes", "completed", "modified", "resolved"))
        tokens = ("-" if row[name] is None else f"{row[name]:,}" for name in ("prompt_tokens", "completion_tokens"))
        means = (f"{row['turns']:.1f}", f"{row['reward']:+.2f}", f"{row['seconds']:.0f}")
        table.add_row(row["difficulty"], *counts, *means, *tokens)
    console.print(table)
    failed = [record for record in records if record.failure]
    for record in failed[:5]:
        console.print(f"{record.task}: {record.failure}", markup=False, soft_wrap=True)
    if failed:
        console.print(f"{len(failed)} episodes failed and are not counted; the same command plays them again")
