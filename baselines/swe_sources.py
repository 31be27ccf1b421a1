"""What is in a source of SWEDocker tasks, which of its images are here, and how to get the others."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from telos.baselines.progress import progress_bar
from telos.envs.swe.datasets.dataset_tasks import DatasetTasks
from telos.envs.swe.datasets.images import disk_budget, ensure_image, images_present
from telos.envs.swe.grading import grade, judge
from telos.envs.swe.pool import SandboxSpec, acquire_pool, release_pool
from telos.envs.swe.repository import Repository
from telos.envs.swe.sandbox import SandboxLimits
from telos.envs.swe.tasks import Task, TaskSource, load_tasks

__all__ = ["check_source", "describe_source"]

#: Room for the repositories of published data sets; ours.
_LIMITS = SandboxLimits(memory=4 << 30, disk=1 << 30, pids=512)


def _image_of(source: TaskSource, task: str) -> str:
    image = source.image_of(task) if isinstance(source, DatasetTasks) else source.by_id(task).image
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def describe_source(name: str, pull: int, limit: int, console: Console) -> None:
    """Prints a source's tasks and images; pulls images first if asked to.

    Args:
        name: Source of tasks, for :func:`telos.envs.swe.load_tasks`.
        pull: How many of the missing images are pulled, in the order of the tasks.
        limit: How many tasks are listed.
        console: Where to print.

    Raises:
        ValueError: If there is no such source.
        SandboxUnavailableError: If no engine answers, or no registry has an image.
        InfrastructureError: If an image cannot be pulled.
    """
    source = load_tasks(name)
    images = {task: _image_of(source, task) for task in source.ids}
    here = images_present()
    missing = [image for image in dict.fromkeys(images.values()) if image not in here]
    for image in missing[:pull]:
        ensure_image(image)
        console.print(f"pulled {escape(image)}", highlight=False)
    here = images_present()
    table = Table("task", "difficulty", "image", "size")
    for task in source.ids[:limit]:
        size = here.get(images[task])
        shown = "[yellow]missing[/]" if size is None else decimal(size)
        table.add_row(escape(task), str(source.difficulty_of(task)), escape(images[task]), shown)
    if limit:
        console.print(table)
    levels = Counter(source.difficulty_of(task) for task in source.ids)
    present = [image for image in set(images.values()) if image in here]
    budget = disk_budget()
    counts = ", ".join(f"{levels[level]} of difficulty {level}" for level in sorted(levels))
    console.print(
        f"{name}: {len(source)} tasks ({counts}); "
        f"{len(present)} of {len(set(images.values()))} images are here, "
        f"{decimal(sum(here[image] for image in present))} with shared layers counted for each; "
        f"disk budget: {'none' if budget is None else decimal(budget)}",
        highlight=False,
        soft_wrap=True,
    )


def check_source(name: str, count: int, console: Console) -> bool:
    """Grades the gold patch and the unchanged repository of a source's first tasks in containers; pulls their images.

    Args:
        name: Source of tasks, for :func:`telos.envs.swe.load_tasks`.
        count: How many tasks.
        console: Where to print.

    Returns:
        Whether on each of them the gold patch resolves and the unchanged repository does not.

    Raises:
        ValueError: If there is no such source, or a task's row cannot be used.
        SandboxUnavailableError: If no engine answers, or no registry has an image.
        InfrastructureError: If the machinery failed.
    """
    source, good = load_tasks(name), 0
    table = Table("task", "gold patch", "unchanged", "tests", "seconds", "detail")
    chosen = source.ids[:count]
    with progress_bar("check") as bar:
        for done, task_id in enumerate(chosen):
            bar.update(task_id, done / len(chosen))
            row, healthy = _check(source.by_id(task_id))
            table.add_row(*row)
            good += healthy
    console.print(table)
    console.print(f"{good} of {len(chosen)} tasks: the gold patch resolves, the unchanged repository does not")
    return good == len(chosen)


def _check(task: Task) -> tuple[list[str], bool]:
    user = object()
    pool = acquire_pool(SandboxSpec("docker", task.image, _LIMITS, 16_384), user, 1)
    repository = Repository(task.files)
    try:
        gold, unchanged = grade(pool, repository, task, task.gold_patch), judge(pool, task, {})
    finally:
        repository.close()
        release_pool(pool, user)
    verdicts = ["resolves" if grade.resolved else f"fails {len(grade.failed)}" for grade in (gold, unchanged)]
    tests = f"{len(task.fail_to_pass)} + {len(task.pass_to_pass)}"
    detail = gold.detail or " ".join(gold.failed[:2])
    return [escape(task.id), *verdicts, tests, f"{gold.test_seconds:.1f}", escape(detail[:200])], (
        gold.resolved and not unchanged.resolved
    )
