"""Makes a dataset: a folder with one package, tasks made of it, and a card.

==================  ==================================================================================
``tasks.jsonl``     one line for the package, one for each task; written last, when all is done
``packages/NAME/``  the package in the layout of :mod:`telos.envs.swe.making.layout`, without the bugs
``README.md``       the card
``making.json``     only while it is made: the arguments and what is known of the package
``journal.jsonl``   only while it is made: every run of tests, from which a killed run goes on
==================  ==================================================================================
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from telos.envs.swe.builtin_tasks import package_files
from telos.envs.swe.errors import PackageError
from telos.envs.swe.image import Progress
from telos.envs.swe.making.card import write_card
from telos.envs.swe.making.download import download_source, download_wheels, read_archive, read_folder
from telos.envs.swe.making.journal import JournaledRunner
from telos.envs.swe.making.layout import read_project, with_wheels
from telos.envs.swe.making.reach import Reach, trace_tests
from telos.envs.swe.making.runner import SandboxRunner
from telos.envs.swe.making.suite import find_suite, without_slow_tests
from telos.envs.swe.mutants import Package, Search
from telos.envs.swe.task_builder import build_rows

__all__ = ["DatasetRecipe", "make_dataset"]

_STATE, _JOURNAL, _TASKS = "making.json", "journal.jsonl", "tasks.jsonl"
#: Seconds under the tracer that a suite may take; slower tests are taken out, since every grading runs all of it.
_BUDGET = 20.0
_TRACE_TIMEOUT = 240.0
_TIMEOUT, _TIMEOUT_FACTOR = 10.0, 5.0
#: No task may exhaust a function; a small package yields fewer tasks rather than the same one again and again.
_FEWEST_PER_FUNCTION = 3


@dataclass(frozen=True)
class DatasetRecipe:
    """What decides a dataset.

    Attributes:
        target: Folder of a package with its tests, or a requirement that an index knows, such as ``"toolz"``.
        count: How many tasks are wanted.
        seed: Decides which bugs are tried.
        requires: Packages that the tests need, as pip takes them.
        sandbox: ``"docker"`` or ``"bubblewrap"``: where it is made and checked.
    """

    target: str
    count: int
    seed: int
    requires: tuple[str, ...]
    sandbox: str


def make_dataset(recipe: DatasetRecipe, out: Path, runner: SandboxRunner, jobs: int, progress: Progress) -> int:
    """Makes a dataset, or goes on with one, or leaves a finished one alone.

    Args:
        recipe: What to make.
        out: Its folder; it is made.
        runner: Runs tests in sandboxes of the recipe's kind.
        jobs: Runs of tests at a time; the tasks do not depend on it.
        progress: Told how far the work is.

    Returns:
        The number of tasks in it; fewer than asked for if the package has no more good mutants.

    Raises:
        PackageError: If no task can be made of the package; the message says what to do.
        ValueError: If the folder holds something else, or the count is not positive.
    """
    if recipe.count < 1:
        raise ValueError(f"count must be at least 1, got {recipe.count}")
    out.mkdir(parents=True, exist_ok=True)
    state = _read_state(recipe, out)
    if state is None:
        state = _prepare(recipe, out, runner, progress)
    rows = _finished_rows(out)
    if rows is None:
        rows = _make_rows(recipe, out, state, runner, jobs, progress)
    for name in (_JOURNAL, _STATE):
        (out / name).unlink(missing_ok=True)
    return len(rows) - 1


def _asked(recipe: DatasetRecipe) -> dict[str, Any]:
    target = Path(recipe.target)
    return {
        **asdict(recipe),
        "requires": list(recipe.requires),
        "target": target.resolve().name if target.is_dir() else recipe.target,
    }


def _finished_rows(out: Path) -> list[dict[str, Any]] | None:
    if not (out / _TASKS).exists():
        return None
    return [json.loads(line) for line in (out / _TASKS).read_text(encoding="utf-8").splitlines()]


def _read_state(recipe: DatasetRecipe, out: Path) -> dict[str, Any] | None:
    """What an earlier process wrote into the folder; None if it is empty."""
    rows = _finished_rows(out)
    if rows is not None:
        state = rows[0].get("made")
    elif (out / _STATE).exists():
        state = json.loads((out / _STATE).read_text(encoding="utf-8"))
    elif {entry.name for entry in out.iterdir()} <= {"packages"}:  # killed before anything was known
        return None
    else:
        raise ValueError(f"{out} holds other files; choose an empty folder")
    if state is None or state["recipe"] != _asked(recipe):
        raise ValueError(
            f"{out} holds a dataset made otherwise ({state and state['recipe']}); choose another folder, or remove it"
        )
    return dict(state)


def _prepare(recipe: DatasetRecipe, out: Path, runner: SandboxRunner, progress: Progress) -> dict[str, Any]:
    """Gets the package, finds its passing tests, and writes its tree and what is known of it."""
    target = Path(recipe.target)
    progress(f"reading {recipe.target}", 0.0)
    if target.is_dir():
        origin, project = target.resolve().name, read_project(read_folder(target), target.resolve().name)
    elif target.exists() or any(character in recipe.target for character in "/\\"):
        raise PackageError(f"{recipe.target} is no folder; give the folder of a package, or a name that an index knows")
    else:
        origin, archive = download_source(recipe.target)
        project = read_project(read_archive(origin, archive), recipe.target)
    files = with_wheels(project, download_wheels([*project.requirements, *recipe.requires]))
    suite = find_suite(files, runner, lambda text: progress(text, 0.0))
    found = suite.found
    progress("tracing the tests", 0.0)
    reach = _trace(project.name, suite.files, runner)
    quick = without_slow_tests(suite.files, reach, _BUDGET)
    if quick != suite.files:
        suite = find_suite(quick, runner, lambda text: progress(text, 0.0))
    folder = out / "packages" / project.name
    shutil.rmtree(out / "packages", ignore_errors=True)
    for path, content in suite.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    state = {
        "recipe": _asked(recipe),
        "package": project.name,
        "origin": origin,
        "version": project.version,
        "licence": project.licence,
        # Without those that were too slow, the second search found fewer.
        "tests_found": max(found, suite.found),
        "tests_kept": suite.tests,
        "suite_seconds": round(suite.seconds, 2),
        "timeout": max(_TIMEOUT, math.ceil(_TIMEOUT_FACTOR * suite.seconds)),
    }
    _write(out / _STATE, json.dumps(state, indent=1) + "\n")
    return state


def _trace(name: str, files: Mapping[str, bytes], runner: SandboxRunner) -> Reach:
    sources = Package(name, files, (), runner, Search()).sources
    reach = trace_tests(runner.pool, files, sources, _TRACE_TIMEOUT)
    own = {path for places in (*reach.reached.values(), reach.imported) for path, _ in places} & sources.keys()
    if not own:
        raise PackageError(
            f"the tests run nothing of {name}: the sandbox has another copy of it, which comes first, or they only "
            "start other programs"
        )
    return reach


def _make_rows(
    recipe: DatasetRecipe, out: Path, state: dict[str, Any], runner: SandboxRunner, jobs: int, progress: Progress
) -> list[dict[str, Any]]:
    name = state["package"]
    files = package_files(out / "packages" / name)
    reach = _trace(name, files, runner)
    functions = {place for places in reach.reached.values() for place in places if place[0] in reach.sources}
    search = Search(
        per_function=max(_FEWEST_PER_FUNCTION, math.ceil(2 * recipe.count / max(len(functions), 1))),
        timeout=state["timeout"],
        jobs=jobs,
        test_map=reach,
    )
    made = 0

    def advance() -> None:
        nonlocal made
        made += 1
        progress(f"{name}: {made} tasks of {search.fates['tried']} mutants", min(0.999, made / recipe.count))

    journal = JournaledRunner(runner, out / _JOURNAL)
    try:
        progress(f"{name}: trying mutants", 0.0)
        rows = build_rows(name, files, recipe.seed, recipe.count, journal, advance, search)
    finally:
        journal.close()
    if len(rows) == 1:
        raise PackageError(f"no mutant of {name} makes a fair task; what became of them: {dict(search.fates)}")
    rows[0]["made"] = {**state, "fates": dict(sorted(search.fates.items()))}
    write_card(out / "README.md", rows)
    _write(out / _TASKS, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return rows


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
