"""Built-in tasks: every row makes a sound task, and rows are made the same way each time."""

import ast
import contextlib
import importlib
import json
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telos.envs.swe import load_tasks
from telos.envs.swe.builtin_tasks import BuiltinTasks, package_files, unified_patch, without_tests
from telos.envs.swe.difficulty import difficulty
from telos.envs.swe.grading import TestReport
from telos.envs.swe.task_builder import PackageError, build_rows
from telos.envs.swe.task_writer import write_builtin
from telos.envs.swe.tasks import Task

TASKS = BuiltinTasks()
IDS = TASKS.ids


def names_of_tests(source: bytes) -> set[str]:
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def git_apply(files: Mapping[str, bytes], patch: str, folder: Path) -> dict[str, bytes]:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=folder, check=True)
    return package_files(folder)


def test_there_are_enough_tasks_of_every_difficulty():
    assert len(TASKS) >= 300
    assert len({row.split("-")[0] for row in IDS}) >= 24
    shares = [sum(task.difficulty == level for task in TASKS) / len(TASKS) for level in (1, 2, 3)]
    assert min(shares) > 0.1


def test_no_two_tasks_are_the_same():
    trees = {tuple(sorted((p, c) for p, c in task.files.items() if not p.startswith("tests/"))) for task in TASKS}
    assert len(trees) == len(TASKS)


@pytest.mark.parametrize("task_id", IDS)
def test_row_makes_a_sound_task(task_id, tmp_path):
    task = TASKS.by_id(task_id)
    clean = {**task.files, **git_apply(task.files, task.gold_patch, tmp_path)}
    package = package_files(TASKS.folder / "packages" / task_id.rpartition("-")[0])
    # Byte for byte the clean tree, the hidden tests aside.
    assert {path: clean.get(path) for path in package if not path.startswith("tests/")} == {
        path: content for path, content in package.items() if not path.startswith("tests/")
    }
    assert {path for path in task.files if path.startswith("tests/")} <= task.test_files.keys()
    assert task.test_files == {path: content for path, content in package.items() if path.startswith("tests/")}
    assert not set(task.fail_to_pass) & set(task.pass_to_pass)
    assert 1 <= len(task.fail_to_pass) <= len(task.pass_to_pass)
    for test in task.fail_to_pass:
        path, _, name = test.partition("::")
        name = name.partition("[")[0]
        assert name in names_of_tests(task.test_files[path])
        assert name not in names_of_tests(task.files.get(path, b""))
        assert name not in task.statement
    assert task.health.stable
    assert task.health.runs == 3


@pytest.mark.parametrize("task_id", IDS)
def test_statement_is_a_report(task_id):
    statement = TASKS.by_id(task_id).statement
    (script,) = re.findall(r"```python\n(.*?)\n```", statement, flags=re.DOTALL)
    compile(script, "script", "exec")
    assert statement.startswith("# ")
    assert statement.count("\n## ") == 3
    assert "tests/" not in statement


def test_load_tasks_gives_a_sequence():
    tasks = load_tasks("builtin")
    assert tasks[0].id == tasks.ids[0] == IDS[0]
    assert tasks[-1].id == IDS[-1]
    assert [task.id for task in tasks[1:3]] == list(IDS[1:3])
    assert tasks[0] is tasks[0]
    with pytest.raises(IndexError):
        tasks[len(tasks)]


def test_unknown_ids_name_close_ones():
    with pytest.raises(KeyError, match=f"unknown task .*Did you mean .*'{IDS[0]}'"):
        TASKS.by_id(IDS[0] + "x")


def test_without_tests_cuts_decorators_and_comments():
    source = textwrap.dedent(
        """
        import pytest

        X = 1


        # About the first.
        @pytest.mark.parametrize(
            "a", [1]
        )
        def test_a(a):
            assert a


        def test_b():
            assert X
        """
    )
    assert without_tests(source, {"test_a"}) == "\nimport pytest\n\nX = 1\n\n\ndef test_b():\n    assert X\n"
    assert without_tests(source, {"test_a", "test_b"}) is None
    with pytest.raises(ValueError, match="test_c"):
        without_tests(source, {"test_c"})


LINES = st.lists(st.sampled_from(["", "a", "b", "ü", "a\r", "x\x0cy", "\\", "--- a", "+b"]), max_size=12).map("\n".join)


@given(before=LINES, after=LINES)
def test_git_takes_every_patch(before, after, tmp_path_factory):
    old, new = {"p/a.py": before.encode(), "b": b"1"}, {"p/a.py": after.encode(), "b": b"1"}
    patch = unified_patch(old, new)
    if before == after:
        assert patch == ""
    else:
        assert git_apply(old, patch, tmp_path_factory.mktemp("tree")) == new


SOURCES = {
    "m.py": "def a():\n    return b()\n\n\ndef b():\n    return c()\n\n\ndef c():\n    return d()\n\n\ndef d(): ...\n"
}


@pytest.mark.parametrize(
    ("functions", "edits", "failing", "script", "grade"),
    [
        (["a"], 1, 5, "a()", 1),
        (["a"], 1, 1, "a()", 1),
        (["b"], 1, 5, "a()", 2),
        (["b"], 1, 1, "a()", 3),
        (["d"], 1, 5, "a()", 3),
        (["a", "d"], 2, 5, "a()", 2),
        (["a", "b", "d"], 3, 5, "a()", 3),
    ],
)
def test_difficulty_by_hand(functions, edits, failing, script, grade):
    assert difficulty(SOURCES, functions, edits, failing, script) == grade


class InProcessRunner:
    """Runs plain test functions of packages that these tests wrote, in this very process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs, self.lock = folder, 0, threading.Lock()

    def run_tests(self, files: Mapping[str, bytes], timeout: float) -> TestReport:
        started = time.perf_counter()
        with self.lock:
            self.runs += 1
            folder = self.folder / f"run{self.runs}"
            for path, content in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
            outcomes, messages = self._run(folder, sorted(path for path in files if path.startswith("tests/")))
        return TestReport(outcomes, messages, True, "", "", time.perf_counter() - started)

    def _run(self, folder: Path, paths: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        outcomes, messages = {}, {}
        importlib.invalidate_caches()
        sys.path.insert(0, str(folder))
        try:
            for path in paths:
                space = {"__file__": str(folder / path), "__name__": "tests"}
                exec(compile((folder / path).read_bytes(), path, "exec"), space)
                for name in [name for name in space if name.startswith("test_")]:
                    test = f"{path}::{name}"
                    outcomes[test] = "passed"
                    try:
                        space[name]()
                    except Exception as error:
                        outcomes[test], messages[test] = "failed", f"{type(error).__name__}: {error}".rstrip(": ")
        finally:
            sys.path.remove(str(folder))
            for name in [name for name in sys.modules if name.partition(".")[0] in ("toy", "other")]:
                del sys.modules[name]
        return outcomes, messages


def toy(name: str) -> dict[str, str]:
    return {
        f"{name}/__init__.py": f'"""A toy."""\n\nfrom {name}.core import clamp, mean, span\n',
        f"{name}/core.py": textwrap.dedent(
            '''
            """Numbers."""


            def clamp(value, low=0, high=10):
                """Moves a value between two bounds."""
                if low > high:
                    raise ValueError("low above high")
                return min(max(value, low), high)


            def mean(values):
                """The arithmetic mean."""
                return sum(values) / len(values)


            def span(values):
                """Largest minus smallest, 0 of nothing."""
                if not values:
                    return 0
                return max(values) - min(values)
            '''
        ).lstrip(),
        "tests/test_clamp.py": textwrap.dedent(
            f"""
            from {name} import clamp


            def test_inside():
                assert clamp(4) == 4


            def test_low():
                assert clamp(-3) == 0


            def test_high():
                assert clamp(30) == 10


            def test_order():
                try:
                    clamp(1, 5, 2)
                except ValueError:
                    pass
                else:
                    raise AssertionError("no error")
            """
        ).lstrip(),
        "tests/test_mean.py": textwrap.dedent(
            f"""
            from {name} import mean, span


            def test_mean():
                assert mean([1, 2]) == 1.5


            def test_span():
                assert span([3, 8, 1]) == 7


            def test_span_of_nothing():
                assert span([]) == 0
            """
        ).lstrip(),
        "README.md": "# Toy\n",
    }


@pytest.fixture
def folder(tmp_path):
    for name in ("other", "toy"):
        for path, text in toy(name).items():
            target = tmp_path / "home" / "packages" / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    return tmp_path / "home"


def rows_of(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]
    for row in rows:
        with contextlib.suppress(KeyError):
            del row["health"]["seconds"]  # measured, the rest is decided by the seed
    return rows


def test_writer_makes_sound_tasks_and_goes_on_where_it_stopped(folder, tmp_path):
    runner = InProcessRunner(tmp_path / "runs")
    count = write_builtin(4, 3, runner, jobs=2, progress=False, folder=folder)
    tasks = BuiltinTasks(folder)
    assert count == len(tasks) == 8
    assert [row["package"] for row in rows_of(folder) if "id" not in row] == ["other", "toy"]
    for task in tasks:
        assert_gold_and_empty(task, runner)
    written = (folder / "tasks.jsonl").read_bytes()
    runs = runner.runs
    assert write_builtin(4, 3, runner, progress=False, folder=folder) == count
    assert (runner.runs, (folder / "tasks.jsonl").read_bytes()) == (runs, written)

    rows = rows_of(folder)
    kept = [line for line in written.decode().splitlines(keepends=True) if json.loads(line)["package"] == "other"]
    (folder / "tasks.jsonl").write_text("".join(kept))
    write_builtin(4, 3, runner, progress=False, folder=folder)
    assert rows_of(folder) == rows
    assert (folder / "tasks.jsonl").read_text().startswith("".join(kept))


def assert_gold_and_empty(task: Task, runner: InProcessRunner) -> None:
    empty = runner.run_tests({**task.files, **task.test_files}, 1.0).outcomes
    assert {test for test, outcome in empty.items() if outcome != "passed"} == set(task.fail_to_pass)
    visible = runner.run_tests(task.files, 1.0).outcomes
    assert set(visible.values()) == {"passed"}
    assert set(visible) == set(task.pass_to_pass)


def test_seeds_give_different_tasks(folder, tmp_path):
    files = package_files(folder / "packages" / "toy")
    made = [build_rows("toy", files, seed, 3, InProcessRunner(tmp_path / str(seed)), lambda: None) for seed in (0, 1)]
    assert [row.get("edits") for row in made[0]] != [row.get("edits") for row in made[1]]


def test_a_broken_package_is_refused(folder, tmp_path):
    files = package_files(folder / "packages" / "toy")
    files["tests/test_mean.py"] = b"def test_wrong():\n    assert False\n"
    with pytest.raises(PackageError, match=r"test_mean\.py::test_wrong"):
        build_rows("toy", files, 0, 3, InProcessRunner(tmp_path / "runs"), lambda: None)


def test_unstable_mutants_are_refused(folder, tmp_path):
    class Flaky(InProcessRunner):
        """Loses the result of one test from the third run on, as a test with a race does."""

        def run_tests(self, files: Mapping[str, bytes], timeout: float) -> TestReport:
            report = super().run_tests(files, timeout)
            if self.runs % 2 and self.runs > 3:
                return TestReport({**report.outcomes, "tests/test_mean.py::test_span": "failed"}, {}, True, "", "", 0.0)
            return report

    files = package_files(folder / "packages" / "toy")
    assert len(build_rows("toy", files, 0, 3, Flaky(tmp_path / "runs"), lambda: None)) == 1
