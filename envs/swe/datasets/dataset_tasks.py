"""Tasks of a data set: made from a row and its image when they are first looked at."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from telos.envs.swe.datasets.image_trees import read_image_tree, strip_image
from telos.envs.swe.datasets.images import ensure_image, images_present
from telos.envs.swe.datasets.rows import BRIEF, TaskRow, difficulty_of_row, id_of_row, image_of_row, read_row
from telos.envs.swe.datasets.sources import Rows, load_rows
from telos.envs.swe.repository import PatchError, Repository
from telos.envs.swe.sandbox.base import WORKDIR
from telos.envs.swe.tasks import FileTree, Health, Suite, Task, TaskSource, nearest

__all__ = ["LOCAL", "DatasetTasks", "load_dataset"]

#: Before the name of a source: only tasks whose image the engine has.
LOCAL = "local:"
#: Limit of a run of the tests, in seconds, as in SWE-bench's harness.
_TIMEOUT = 1800.0
#: Tasks whose files are kept in memory.
_KEPT = 4
_CONDA = (
    "\n\nThe repository is at /testbed. Its Python is in the conda environment testbed: "
    "`source /opt/miniconda3/bin/activate testbed`.\n"
)
_VENV = (
    "\n\nThe repository is at /testbed. Its Python is in a virtual environment: `source /testbed/.venv/bin/activate`.\n"
)
#: R2E-Gym's images hold the hidden tests, and the interpreter below /root and /testbed, where the sandbox puts its own.
_R2E_TESTS, _R2E_SCRIPT, _R2E_VENV = "r2e_tests", "run_tests.sh", "/opt/telos-venv"
_R2E_STRIP = f"""
rm -rf /{_R2E_TESTS} {WORKDIR}/{_R2E_TESTS} /root/{_R2E_TESTS} /{_R2E_SCRIPT} /root/{_R2E_SCRIPT}
if [ -d {WORKDIR}/.venv ] && [ ! -L {WORKDIR}/.venv ]; then mv {WORKDIR}/.venv {_R2E_VENV}; fi
find {WORKDIR} -mindepth 1 -delete
chmod a+rx /root
"""

Entries = Mapping[str, tuple[int, bytes]]


class DatasetTasks(TaskSource):
    """The tasks of a data set. The image of a task is pulled when the task is first looked at.

    Args:
        rows: The data set's rows.
        name: Its name, for messages.
        local: Whether to keep only tasks whose image the engine has now.

    Raises:
        ValueError: If two rows have one id, or no task is left.
    """

    def __init__(self, rows: Rows, name: str, local: bool = False) -> None:
        self._rows, self.name = rows, name
        self._brief = rows.columns(BRIEF)
        self._index: dict[str, int] = {}
        for number, row in enumerate(self._brief):
            if self._index.setdefault(id_of_row(row), number) != number:
                raise ValueError(f"{name} has two tasks of the id {id_of_row(row)!r}")
        if local:
            here = images_present()
            self._index = {task: number for task, number in self._index.items() if self.image_of(task) in here}
        if not self._index:
            raise ValueError(f"{name} has no task" + (" whose image is on this engine" if local else ""))
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._lock = threading.Lock()
        self._building: dict[int, threading.Lock] = {}

    @property
    def ids(self) -> Sequence[str]:
        """The tasks' ids, in the order of the rows."""
        return tuple(self._index)

    def image_of(self, task_id: str) -> str:
        """The name of a task's image, without pulling it."""
        return image_of_row(self._brief[self._number(task_id)])

    def difficulty_of(self, task_id: str) -> int:
        """The difficulty of a task, 1 to 3."""
        return self._difficulties[self._number(task_id)]

    @cached_property
    def _difficulties(self) -> list[int]:
        rows = self._rows.columns(("difficulty", "num_non_test_lines", "patch"))
        return [
            # R2E-Gym has its patch in another field.
            difficulty_of_row(row, str(row["patch"])) if row else self.row(id_of_row(self._brief[number])).difficulty
            for number, row in enumerate(rows)
        ]

    def row(self, task_id: str) -> TaskRow:
        """What a task's row says.

        Raises:
            KeyError: If there is no such task.
            ValueError: If the row cannot be used.
        """
        return read_row(self._rows.row(self._number(task_id)))

    def by_id(self, task_id: str) -> Task:
        """The task with an id; pulls its image if the engine has not got it.

        Raises:
            KeyError: If there is none.
            ValueError: If its row cannot be used, or does not fit its image.
            SandboxUnavailableError: If no engine answers, or no registry has the image.
            InfrastructureError: If the image cannot be had.
        """
        number = self._number(task_id)
        # Images of different tasks are pulled at the same time, that of one task once.
        with self._building.setdefault(number, threading.Lock()):
            with self._lock:
                task = self._tasks.pop(task_id, None)
            # The disk budget may have taken the image since.
            if task is None or task.image not in images_present():
                task = _make_task(self.row(task_id))
            else:
                ensure_image(task.image)
            with self._lock:
                self._tasks[task_id] = task
                while len(self._tasks) > _KEPT:
                    self._tasks.popitem(last=False)
            return task

    def _number(self, task_id: str) -> int:
        if task_id not in self._index:
            raise KeyError(f"unknown task {task_id!r}. {nearest(task_id, self.ids)}")
        return self._index[task_id]


def load_dataset(source: str) -> DatasetTasks:
    """Loads a data set.

    Args:
        source: A name of :data:`telos.envs.swe.datasets.sources.DATASETS`, or the path of a file or folder of rows;
            after ``local:`` only the tasks whose image is here.

    Raises:
        ValueError: If there is no such data set, or it cannot be had.
    """
    name = source.removeprefix(LOCAL)
    return DatasetTasks(load_rows(name), name, local=name != source)


# -- from a row to a task -------------------------------------------------------------------------------


def _make_task(row: TaskRow) -> Task:
    image = ensure_image(row.image)
    tree = read_image_tree(image, WORKDIR, skip=".venv")
    if not tree:
        raise ValueError(f"the image {image} of {row.id} has no files at {WORKDIR}")
    try:
        return _MAKERS[row.format](row, image, tree)
    except PatchError as error:
        raise ValueError(f"a patch of {row.id} does not apply to the tree of {image}: {error}") from error


def _task(row: TaskRow, files: Entries, test_files: Entries, **others: Any) -> Task:
    task = Task(
        id=row.id,
        statement=row.statement.rstrip() + (_CONDA if "miniconda3" in row.suite.script else ""),
        files=FileTree(files),
        gold_patch=row.patch,
        fail_to_pass=row.fail_to_pass,
        pass_to_pass=row.pass_to_pass,
        test_files=FileTree(test_files),
        image=row.image,
        difficulty=row.difficulty,
        timeout=_TIMEOUT,
        health=Health(0, 0, 0, 0.0),
        suite=row.suite,
    )
    return replace(task, **others)


def _swe_bench_task(row: TaskRow, image: str, tree: Entries) -> Task:
    """SWE-bench and SWE-Gym: the tests come by a patch, which is applied here and never in the sandbox."""
    made = _applied(row.test_patch, tree)
    tests = {path: entry for path, entry in made.items() if entry is not None}
    return _task(row, tree, tests, image=image)


def _swe_smith_task(row: TaskRow, image: str, tree: Entries) -> Task:
    """SWE-smith: the image's tree works. The bug is put in, and the files with the failing tests are taken out."""
    hidden = {test.partition("::")[0] for test in row.fail_to_pass}
    tests = {path: tree[path] for path in sorted(hidden & set(tree))}
    if hidden - set(tests):
        raise ValueError(f"the image {image} of {row.id} lacks the tests {', '.join(sorted(hidden - set(tests)))}")
    bug = _applied(row.patch, tree)
    broken = _changed(tree, bug)
    repair = _patch_between({path: broken[path] for path in bug if path in broken}, tree, bug)
    files = {path: entry for path, entry in broken.items() if path not in tests}
    return _task(row, files, tests, gold_patch=repair, image=image)


def _r2e_task(row: TaskRow, image: str, tree: Entries) -> Task:
    """R2E-Gym: the tests and the script that runs them are in the image, from which they are taken out."""
    script = tree.get(_R2E_SCRIPT)
    tests = {
        f"{_R2E_TESTS}/{path}": entry
        for place in (f"/{_R2E_TESTS}", f"{WORKDIR}/{_R2E_TESTS}")
        for path, entry in read_image_tree(image, place).items()
    }
    if script is None or not tests:
        raise ValueError(f"the image {image} of {row.id} lacks /{_R2E_TESTS} or {WORKDIR}/{_R2E_SCRIPT}")
    lines = [line for line in script[1].decode("utf-8", "replace").splitlines() if not line.startswith("#!")]
    own = {_R2E_SCRIPT, _R2E_TESTS}
    files = {path: entry for path, entry in tree.items() if path.split("/")[0] not in own}
    venv = bool(read_image_tree(image, f"{WORKDIR}/.venv/bin"))
    if venv:
        files[".venv"] = (0o120000, _R2E_VENV.encode())
    name, _, tag = image.rpartition(":")
    return _task(
        row,
        files,
        tests,
        statement=row.statement + (_VENV if venv else ""),
        image=strip_image(image, _R2E_STRIP, f"telos-{name.rpartition('/')[2]}:{tag}"),
        suite=Suite(row.suite.script + "\n".join(lines) + "\n", row.suite.parser),
    )


_MAKERS = {
    "swe-bench": _swe_bench_task,
    "swe-gym": _swe_bench_task,
    "swe-smith": _swe_smith_task,
    "r2e": _r2e_task,
}


def _repository(tree: Entries, paths: Iterable[str]) -> Repository:
    """A repository of some files of a tree: to apply a patch, git needs no others."""
    return Repository(FileTree({path: tree[path] for path in paths if path in tree}))


def _applied(patch: str, tree: Entries) -> dict[str, tuple[int, bytes] | None]:
    """What a patch changes in a tree."""
    named = re.findall(r"^(?:--- a/|\+\+\+ b/|(?:rename|copy) from |diff --git a/\S+ b/)(.+?)\t?$", patch, re.MULTILINE)
    repository = _repository(tree, set(named))
    try:
        return repository.apply(patch if patch.endswith("\n") else patch + "\n")
    finally:
        repository.close()


def _changed(tree: Entries, changes: Mapping[str, tuple[int, bytes] | None]) -> dict[str, tuple[int, bytes]]:
    changed = {path: entry for path, entry in tree.items() if path not in changes}
    return changed | {path: entry for path, entry in changes.items() if entry is not None}


def _patch_between(before: Entries, after: Entries, paths: Iterable[str]) -> str:
    """The patch that turns some files into what they are in another tree."""
    repository = Repository(FileTree(before))
    try:
        return repository.patch({path: after.get(path) for path in paths})
    finally:
        repository.close()
