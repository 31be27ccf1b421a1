"""Writes ``tasks.jsonl``: all packages, several at a time, with what is already there kept."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from telos.envs.swe.builtin_tasks import package_files
from telos.envs.swe.task_builder import Runner, build_rows

__all__ = ["write_builtin"]

Rows = list[dict[str, Any]]


def write_builtin(
    tasks_per_package: int,
    seed: int,
    runner: Runner,
    jobs: int = 2,
    progress: bool = True,
    folder: Path | None = None,
) -> int:
    """Makes the tasks of every package and writes them to ``tasks.jsonl``.

    The file is rewritten after each package. A package whose tree, seed and number of tasks are those of the file is
    kept as it is, so an interrupted run goes on where it stopped. After a change of this code, remove the file first.

    Args:
        tasks_per_package: How many tasks to make of each package, at most.
        seed: Decides which mutants are tried.
        runner: Runs tests, from ``jobs`` threads at once.
        jobs: How many packages are worked on at a time.
        progress: Whether to show a progress bar where standard error is a terminal.
        folder: The folder with ``packages/``; by default the one that comes with Telos.

    Returns:
        The number of tasks in the file.

    Raises:
        PackageError: If a package does not pass its own tests. Packages that were finished stay written.
    """
    folder = Path(str(resources.files("telos.envs.swe") / "builtin")) if folder is None else folder
    path = folder / "tasks.jsonl"
    packages = {entry.name: package_files(entry) for entry in sorted((folder / "packages").iterdir()) if entry.is_dir()}
    recipes = {name: _recipe(files, seed, tasks_per_package) for name, files in packages.items()}
    finished = {name: rows for name, rows in _read(path).items() if rows[0]["recipe"] == recipes.get(name)}
    lock = threading.Lock()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not (progress and console.is_terminal)) as bar:
        total = bar.add_task("tasks", total=tasks_per_package * len(packages))
        bar.advance(total, tasks_per_package * len(finished))

        def make(name: str) -> None:
            def advance() -> None:
                bar.advance(total)

            rows = build_rows(name, packages[name], seed, tasks_per_package, runner, advance)
            rows[0]["recipe"] = recipes[name]
            bar.advance(total, tasks_per_package - (len(rows) - 1))
            with lock:
                finished[name] = rows
                _write(path, finished)

        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(make, name) for name in packages if name not in finished]
            try:
                for future in as_completed(futures):
                    future.result()
            finally:
                pool.shutdown(cancel_futures=True)
    _write(path, finished)
    return sum(len(rows) - 1 for rows in finished.values())


def _recipe(files: Mapping[str, bytes], seed: int, wanted: int) -> str:
    """Stands for what decides a package's tasks, the code that makes them aside."""
    return hashlib.sha256(repr((sorted(files.items()), seed, wanted)).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Rows]:
    made: dict[str, Rows] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            made.setdefault(row["package"], []).append(row)
    return made


def _write(path: Path, finished: Mapping[str, Rows]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for name in sorted(finished) for row in finished[name]]
    partial = path.with_suffix(".partial")
    partial.write_text("".join(lines), encoding="utf-8")
    os.replace(partial, path)
