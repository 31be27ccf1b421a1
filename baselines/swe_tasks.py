"""Makes the built-in tasks of SWEDocker-v0, and checks them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.envs.swe.grading import Grade, grade, judge
from telos.envs.swe.image import BASE_IMAGE
from telos.envs.swe.making.runner import SandboxRunner
from telos.envs.swe.pool import SandboxPool, SandboxSpec, acquire_pool, release_pool
from telos.envs.swe.repository import Repository
from telos.envs.swe.sandbox import SandboxLimits
from telos.envs.swe.task_writer import write_builtin
from telos.envs.swe.tasks import Task, load_tasks

__all__ = ["check_health", "make_builtin_tasks", "sandbox_pool"]


@contextmanager
def sandbox_pool(sandbox: str, warm: int) -> Iterator[SandboxPool]:
    """Sandboxes of the base image, as many kept ready as ``warm`` says."""
    user = object()
    pool = acquire_pool(SandboxSpec(sandbox, BASE_IMAGE, SandboxLimits(), 16_384), user, warm)
    try:
        yield pool
    finally:
        release_pool(pool, user)


def make_builtin_tasks(per_package: int, seed: int, jobs: int, sandbox: str) -> int:
    """Writes ``tasks.jsonl`` anew, keeping what is up to date; returns the number of tasks."""
    with sandbox_pool(sandbox, 2 * jobs) as pool:
        return write_builtin(per_package, seed, SandboxRunner(pool), jobs)


def _examine(pool: SandboxPool, task: Task, repeats: int) -> tuple[Task, list[Grade], list[Grade]]:
    """Grades the gold patch and the unchanged repository, ``repeats`` times each."""
    repository = Repository(task.files)
    try:
        gold = [grade(pool, repository, task, task.gold_patch) for _ in range(repeats)]
        return task, gold, [judge(pool, task, {}) for _ in range(repeats)]
    finally:
        repository.close()


def check_health(repeats: int, jobs: int, sandbox: str, out: Path | None, source: str = "builtin") -> bool:
    """Checks every task of a source and prints what was found.

    Args:
        repeats: Runs of each of the two checks.
        jobs: Tasks at a time.
        sandbox: ``"docker"`` or ``"bubblewrap"``.
        out: JSON file for the record of each task, or None.
        source: Where the tasks come from, as :func:`telos.envs.swe.load_tasks` takes it.

    Returns:
        Whether the gold patch passed and the unchanged repository failed on every task in every run.
    """
    console = Console()
    tasks = load_tasks(source)
    rows: list[dict[str, Any]] = []
    with sandbox_pool(sandbox, 2 * jobs) as pool, ThreadPoolExecutor(jobs) as threads, progress_bar("health") as bar:
        futures = [threads.submit(_examine, pool, task, repeats) for task in tasks]
        for done, future in enumerate(as_completed(futures), 1):
            task, gold, base = future.result()
            bar.update(task.id, done / len(tasks))
            fails = sum(set(verdict.failed) == set(task.fail_to_pass) and not verdict.detail for verdict in base)
            rows.append(
                {
                    "id": task.id,
                    "gold_passes": sum(verdict.resolved for verdict in gold),
                    "base_fails": fails,
                    "seconds": round(statistics.median(verdict.seconds for verdict in gold), 3),
                    "overhead": round(statistics.median(verdict.seconds - verdict.test_seconds for verdict in gold), 3),
                    "details": sorted({verdict.detail for verdict in gold + base if verdict.detail}),
                }
            )
    bad = [row for row in rows if row["gold_passes"] != repeats or row["base_fails"] != repeats]
    for row in bad:
        console.print(row)
    console.print(
        f"{len(rows) - len(bad)} of {len(rows)} tasks: gold patch passes {repeats}/{repeats}, "
        f"unchanged repository fails exactly its FAIL_TO_PASS tests {repeats}/{repeats} ({sandbox}); "
        f"median grading {statistics.median(row['seconds'] for row in rows):.2f} s, "
        f"of which {statistics.median(row['overhead'] for row in rows):.2f} s is not the test command"
    )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        record = {"machine": describe_machine(), "sandbox": sandbox, "repeats": repeats, "jobs": jobs}
        record["tasks"] = sorted(rows, key=lambda row: str(row["id"]))
        out.write_text(json.dumps(record, indent=1) + "\n")
    return not bad
