"""Tasks: what a repository looks like at the start of an episode, and the tests that decide its end."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

__all__ = ["Health", "Task", "TaskSource", "load_tasks", "nearest"]


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


class TaskSource(Sequence[Task]):
    """An immutable sequence of tasks that are built when they are first looked at."""

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
        source: ``"builtin"``, the tasks that come with Telos.

    Returns:
        The same object for the same source, shared by all environments of the process.

    Raises:
        ValueError: If the source is unknown.
    """
    if source != "builtin":
        raise ValueError(f"unknown task source {source!r}. {nearest(source, ['builtin'])}")
    from telos.envs.swe.builtin_tasks import BuiltinTasks

    return BuiltinTasks()
