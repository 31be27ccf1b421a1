"""Tasks: what a repository looks like at the start of an episode, and the tests that decide its end."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import overload

__all__ = ["FileTree", "Health", "Suite", "Task", "TaskSource", "load_tasks", "nearest", "tree_entries"]

_PLAIN = 0o100644


class FileTree(dict[str, bytes]):
    """A repository's files, some of which are programs or symbolic links: POSIX path to content, a link's target.

    Args:
        entries: POSIX path to (git mode, content); the mode is 0o100644, 0o100755 or 0o120000.

    Attributes:
        modes: Path to git mode of those that are not 0o100644.
    """

    def __init__(self, entries: Mapping[str, tuple[int, bytes]]) -> None:
        super().__init__({path: content for path, (_, content) in entries.items()})
        self.modes = {path: mode for path, (mode, _) in entries.items() if mode != _PLAIN}


def tree_entries(files: Mapping[str, bytes]) -> dict[str, tuple[int, bytes]]:
    """A task's files with their git modes: POSIX path to (mode, content)."""
    modes = files.modes if isinstance(files, FileTree) else {}
    return {path: (modes.get(path, _PLAIN), content) for path, content in files.items()}


@dataclass(frozen=True)
class Health:
    """What validation has seen of a task.

    Attributes:
        runs: How often each of the two checks was run.
        gold_passes: Runs in which the gold patch passed every test.
        empty_fails: Runs in which the empty patch failed the task.
        seconds: Median wall time of one gold run of the tests, in seconds.
    """

    runs: int
    gold_passes: int
    empty_fails: int
    seconds: float

    @property
    def stable(self) -> bool:
        """Whether every run gave the verdict that it had to give."""
        return self.runs > 0 and self.gold_passes == self.empty_fails == self.runs


@dataclass(frozen=True)
class Suite:
    """How tests are run that Telos's own runner cannot run: by a script whose log is read.

    Attributes:
        script: Bash source, run at the root of the tree; its last command runs the tests.
        parser: Name of the log's parser, for :func:`telos.envs.swe.datasets.logs.parse_log`.
    """

    script: str = field(repr=False)
    parser: str


@dataclass(frozen=True)
class Task:
    """One repair task.

    Attributes:
        id: Unique name within its source, such as ``"ledger-0007"``.
        statement: The bug report that the agent reads.
        files: The repository at the base commit: POSIX path to content. Holds no hidden test.
        gold_patch: A unified diff against ``files`` that resolves the task.
        fail_to_pass: Test ids that fail on ``files`` and pass after the gold patch.
        pass_to_pass: Test ids that pass before and after.
        test_files: Path to content of everything that grading lays over the candidate's tree.
        image: Name of the container image that holds the interpreter and the tools.
        difficulty: 1 (easiest) to 3.
        timeout: Limit of one run of the tests, in seconds.
        health: The validation record.
        suite: How its tests are run; None for Telos's own runner, pytest with a sealed configuration.
    """

    id: str
    statement: str
    files: Mapping[str, bytes] = field(repr=False)
    gold_patch: str = field(repr=False)
    fail_to_pass: tuple[str, ...] = field(repr=False)
    pass_to_pass: tuple[str, ...] = field(repr=False)
    test_files: Mapping[str, bytes] = field(repr=False)
    image: str
    difficulty: int
    timeout: float
    health: Health
    suite: Suite | None = None


class TaskSource(Sequence[Task]):
    """An immutable sequence of tasks that are built when they are first looked at."""

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> list[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | list[Task]:
        if isinstance(index, slice):
            return [self.by_id(task_id) for task_id in self.ids[index]]
        return self.by_id(self.ids[index])

    @property
    @abstractmethod
    def ids(self) -> Sequence[str]:
        """The tasks' ids, in order."""

    @abstractmethod
    def by_id(self, task_id: str) -> Task:
        """The task with an id.

        Raises:
            KeyError: If there is none.
        """

    @abstractmethod
    def difficulty_of(self, task_id: str) -> int:
        """The difficulty of a task, 1 to 3, without building it."""

    @property
    def image(self) -> str | None:
        """The container image of all of its tasks; None if each has its own."""
        return None

    def image_of(self, task_id: str) -> str:
        """The name of a task's container image."""
        return self.image or self.by_id(task_id).image


def nearest(name: str, valid: Sequence[str]) -> str:
    """Words the end of an error message: the closest valid names, or the first few."""
    close = difflib.get_close_matches(name, valid, n=3, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(repr(match) for match in close) + "?"
    return "Valid: " + ", ".join(repr(item) for item in valid[:5]) + (", ..." if len(valid) > 5 else "")


@cache
def load_tasks(source: str = "builtin") -> TaskSource:
    """Loads the tasks of a source.

    Args:
        source: ``"builtin"``, the tasks that come with Telos; the name of a published data set, such as
            ``"swe-bench:verified"``, ``"swe-bench:lite"``, ``"swe-gym"``, ``"swe-smith"`` or ``"r2e"``; or the path
            of a file or folder of rows in one of their formats (JSONL, Parquet, Arrow), or of a folder that
            ``telos swe make-tasks`` has made. After ``"local:"`` only the
            tasks whose image the engine has.

    Returns:
        The same object for the same source, shared by all environments of the process.

    Raises:
        ValueError: If the source is unknown, or cannot be had; the message says what to install or where to put it.
    """
    if source == "builtin":
        from telos.envs.swe.builtin_tasks import BuiltinTasks

        return BuiltinTasks()
    if (Path(source) / "packages").is_dir() and (Path(source) / "tasks.jsonl").is_file():
        from telos.envs.swe.builtin_tasks import BuiltinTasks

        return BuiltinTasks(Path(source))
    from telos.envs.swe.datasets.dataset_tasks import load_dataset

    return load_dataset(source)
