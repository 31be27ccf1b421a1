"""The tasks that come with Telos: small packages, each task a package with one or a few mutations applied.

``tasks.jsonl`` holds no file and no patch. It has one line a package (its tests) and one line a task (its edits, the
tests that fail, the statement, the health record), and tasks are made from them and from the packages' trees.
"""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from telos.envs.swe.mutations import Mutation, apply_mutations
from telos.envs.swe.syntax import parse
from telos.envs.swe.tasks import Health, Task, TaskSource, nearest

__all__ = ["BuiltinTasks", "build_task", "package_files", "unified_patch", "without_tests"]

_IMAGE = "telos-swe-base"
_TIMEOUT = 30.0


class BuiltinTasks(TaskSource):
    """The tasks of a folder of packages, built when they are first looked at.

    Args:
        folder: A folder with ``tasks.jsonl`` and ``packages/``; by default the one that comes with Telos.

    Attributes:
        folder: That folder.
    """

    def __init__(self, folder: Traversable | None = None) -> None:
        self.folder = resources.files("telos.envs.swe") / "builtin" if folder is None else folder
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._tests: dict[str, Sequence[str]] = {}
        for line in (self.folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "id" in row:
                self._rows[row["id"]] = row
            else:
                self._tests[row["package"]] = row["tests"]
        self._ids = list(self._rows)
        self._packages: dict[str, Mapping[str, bytes]] = {}
        self._tasks: dict[str, Task] = {}

    @property
    def ids(self) -> Sequence[str]:
        """The tasks' ids, in order."""
        return tuple(self._ids)

    @property
    def image(self) -> str | None:
        """The image of all tasks."""
        return _IMAGE

    def difficulty_of(self, task_id: str) -> int:
        """The difficulty of a task, 1 to 3."""
        return int(self._rows[task_id]["difficulty"])

    def by_id(self, task_id: str) -> Task:
        """The task with an id.

        Raises:
            KeyError: If there is none.
        """
        if task_id not in self._rows:
            raise KeyError(f"unknown task {task_id!r}. {nearest(task_id, self._ids)}")
        if task_id not in self._tasks:
            row = self._rows[task_id]
            package = row["package"]
            if package not in self._packages:
                self._packages[package] = package_files(self.folder / "packages" / package)
            self._tasks[task_id] = build_task(row, self._packages[package], self._tests[package])
        return self._tasks[task_id]


def package_files(folder: Traversable) -> dict[str, bytes]:
    """Reads a package's tree, without what running it left behind.

    Returns:
        POSIX path to content, sorted.
    """
    return dict(sorted(_walk(folder, "")))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name not in ("__pycache__", ".pytest_cache"):
                yield from _walk(entry, f"{prefix}{entry.name}/")
        elif not entry.name.endswith(".pyc"):
            yield prefix + entry.name, entry.read_bytes()


def build_task(row: Mapping[str, Any], clean: Mapping[str, bytes], tests: Iterable[str]) -> Task:
    """Builds a task from its row.

    Args:
        row: The task's line of ``tasks.jsonl``.
        clean: The package's tree without the bug.
        tests: Ids of all of the package's tests.

    Raises:
        ValueError: If the tree is not the one that the row was made for.
    """
    fail_to_pass = tuple(row["fail_to_pass"])
    failing = set(fail_to_pass)
    broken = dict(clean)
    edits = [Mutation(**edit) for edit in row["edits"]]
    for path in {edit.path for edit in edits}:
        own = [edit for edit in edits if edit.path == path]
        broken[path] = apply_mutations(clean[path].decode(), own).encode()
    hidden: dict[str, set[str]] = {}
    for test in fail_to_pass:
        path, _, name = test.partition("::")
        hidden.setdefault(path, set()).add(name.partition("[")[0])
    for path, names in hidden.items():
        visible = without_tests(broken[path].decode(), names)
        if visible is None:
            del broken[path]
        else:
            broken[path] = visible.encode()
    sources = {path: content for path, content in clean.items() if path not in hidden}
    return Task(
        id=row["id"],
        statement=row["statement"],
        files=broken,
        gold_patch=unified_patch(broken, sources),
        fail_to_pass=fail_to_pass,
        pass_to_pass=tuple(test for test in tests if test not in failing),
        test_files={path: content for path, content in clean.items() if path.startswith("tests/")},
        image=_IMAGE,
        difficulty=row["difficulty"],
        timeout=_TIMEOUT,
        health=Health(**row["health"]),
    )


def without_tests(source: str, names: Collection[str]) -> str | None:
    """Cuts test functions out of a test module, with their decorators and the comments right above them.

    Args:
        source: The text of the module.
        names: Names of top-level functions, and of methods of top-level classes as ``"Class::method"``.

    Returns:
        The rest, or None if no test is left.

    Raises:
        ValueError: If a name is not the name of exactly one top-level function or method.
    """
    functions = list(_functions(parse(source).body, ""))
    cut = [(name, node, owner) for name, node, owner in functions if name in names]
    if sorted(name for name, _, _ in cut) != sorted(names):
        raise ValueError(f"not each the name of one top-level test: {', '.join(sorted(names))}")
    if all(name in names for name, _, _ in functions if name.rpartition("::")[2].startswith("test")):
        return None
    lines = source.split("\n")
    for _, node, owner in reversed(cut):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
        while first > 0 and lines[first - 1].startswith(" " * node.col_offset + "#"):
            first -= 1
        last = node.end_lineno or node.lineno
        while last < len(lines) - 1 and not lines[last].strip():
            last += 1
        # A class must keep a body.
        emptied = owner is not None and all(any(item is other for _, other, _ in cut) for item in owner.body)
        lines[first:last] = [" " * node.col_offset + "pass", ""] if emptied else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _functions(
    body: Sequence[ast.stmt], prefix: str, owner: ast.ClassDef | None = None
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, ast.ClassDef | None]]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node, owner
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}::", node)


def unified_patch(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """Writes the patch that ``git apply`` takes to turn text files into others.

    Args:
        before: Path to content.
        after: Path to content; paths that `before` lacks, or that are equal there, are left out.
    """
    patch: list[str] = []
    for path in sorted(before.keys() & after.keys()):
        if before[path] == after[path]:
            continue
        old, new = _lines(before[path]), _lines(after[path])
        patch.append(f"diff --git a/{path} b/{path}\n")
        hunks = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
        patch.extend(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in hunks)
    return "".join(patch)


def _lines(content: bytes) -> list[str]:
    # Not splitlines(): to git, a line ends with "\n" and with nothing else.
    *whole, last = content.decode().split("\n")
    return [line + "\n" for line in whole] + ([last] if last else [])
