"""``telos swe``: images, tasks, episodes and their traces."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from tyro.extras import SubcommandApp

__all__ = ["play_endpoint", "swe"]

Sandbox = Literal["docker", "bubblewrap"]

swe = SubcommandApp()
_console = Console()


@swe.command(name="build-image")
def build_image(force: bool = False) -> None:
    """Builds the base image of SWEDocker-v0, or reuses the one that is there.

    Args:
        force: Build it in any case.
    """
    from telos.baselines.progress import progress_bar
    from telos.envs.swe.image import BASE_IMAGE
    from telos.envs.swe.image import build_image as build

    with progress_bar("base image") as bar:
        how = build(lambda text, fraction: bar.update(text, fraction), force=force)
    _console.print(f"{BASE_IMAGE}: {how}")


@swe.command(name="make-tasks")
def make_tasks(
    package: Annotated[str, tyro.conf.Positional],
    out: Path,
    count: int = 200,
    seed: int = 0,
    requires: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    jobs: int = 2,
    sandbox: Sandbox = "docker",
) -> None:
    """Makes a dataset of repair tasks out of a Python package that has tests; an interrupted run goes on.

    Args:
        package: Folder of the package with its tests, or a name on PyPI such as toolz or toolz==1.0.0.
        out: Folder of the dataset, for `tasks=` of the environment.
        count: Tasks to make, at most.
        seed: Decides which bugs are tried.
        requires: Package that the tests need besides what the package requires; repeat it for more.
        jobs: Runs of tests at a time.
        sandbox: Where the tests run.
    """
    from telos.baselines.swe_make_tasks import make_tasks_of

    made = make_tasks_of(package, count, seed, out, requires, jobs, sandbox)
    _console.print(f"{made} tasks in {out}", soft_wrap=True)


@swe.command(name="make-builtin")
def make_builtin(per_package: int = 12, seed: int = 0, jobs: int = 2, sandbox: Sandbox = "bubblewrap") -> None:
    """Makes the built-in tasks anew from the packages; what is up to date is kept.

    Args:
        per_package: Tasks a package, at most.
        seed: Decides which mutants are tried.
        jobs: Packages at a time.
        sandbox: Where the tests run.
    """
    from telos.baselines.swe_tasks import make_builtin_tasks

    _console.print(f"{make_builtin_tasks(per_package, seed, jobs, sandbox)} tasks")


@swe.command(name="health")
def health(
    tasks: str = "builtin", repeats: int = 3, jobs: int = 2, sandbox: Sandbox = "docker", out: Path | None = None
) -> None:
    """Checks that on every task the gold patch passes and the empty patch fails, every time.

    Args:
        tasks: Source of tasks: the built-in ones, or a folder that `telos swe make-tasks` has made.
        repeats: How often each check is run.
        jobs: Tasks at a time.
        sandbox: Where the tests run.
        out: JSON file for the results.
    """
    from telos.baselines.swe_tasks import check_health

    sys.exit(0 if check_health(repeats, jobs, sandbox, out, tasks) else 1)


@swe.command(name="show")
def show(trace: Annotated[Path, tyro.conf.Positional]) -> None:
    """Prints a recorded episode: an environment made with `trace=FOLDER` writes one file an episode there.

    Args:
        trace: The JSONL file.
    """
    from telos.baselines.swe_traces import transcript_of

    sys.stdout.write(transcript_of(trace))


@swe.command(name="replay")
def replay(trace: Annotated[Path, tyro.conf.Positional], sandbox: Sandbox | None = None) -> None:
    """Plays a recorded episode again, and tells whether all that it did is the same, or what first differs.

    Args:
        trace: The JSONL file.
        sandbox: Where commands run; by default where they ran.
    """
    from telos.baselines.swe_traces import replay_trace

    same, told = replay_trace(trace, sandbox)
    _console.print(escape(told), soft_wrap=True)
    sys.exit(0 if same else 1)


@swe.command(name="report")
def report_traces(traces: Annotated[Path, tyro.conf.Positional], out: Path = Path("episodes.html")) -> None:
    """Draws recorded episodes on one HTML page that needs no network: turns on a time line, rewards, what was tried.

    Args:
        traces: A JSONL file, or a folder of them.
        out: The page.
    """
    from telos.baselines.swe_trace_page import write_trace_page

    _console.print(f"{write_trace_page(traces, out)} episodes in {out}", soft_wrap=True, highlight=False)


@swe.command(name="tasks")
def tasks(
    source: Annotated[str, tyro.conf.Positional] = "builtin", pull: int = 0, limit: int = 20, check: int = 0
) -> None:
    """Lists the tasks of a source, and which of their images are here.

    Args:
        source: `builtin`, a data set such as `swe-bench:verified`, or the path of a file or folder of rows; after
            `local:` only the tasks whose image is here.
        pull: How many of the missing images to pull first.
        limit: How many tasks to list.
        check: On how many tasks to see, in containers, that the gold patch resolves and no change does not.
    """
    from telos.baselines.input_errors import InputError
    from telos.baselines.swe_sources import check_source, describe_source

    try:
        describe_source(source, pull, limit, _console)
        healthy = not check or check_source(source, check, _console)
    except ValueError as error:
        raise InputError(str(error)) from error
    sys.exit(0 if healthy else 1)


@swe.command(name="scripted")
def scripted(
    tasks: int = 12, sandbox: Sandbox = "docker", seed: int = 0, jobs: int = 2, out: Path = Path("runs/swe-scripted")
) -> None:
    """Repairs real repositories with scripted policies and scores the episodes under direct and gated reward.

    Args:
        tasks: Number of tasks, spread over the difficulties.
        sandbox: Where commands run.
        seed: Decides the tasks.
        jobs: Episodes at a time.
        out: Folder for the table, the figure and the report.
    """
    from telos.baselines.swe_scripted import score_policies

    score_policies(tasks, sandbox, seed, jobs, out)


@swe.command(name="llm")
def llm_group() -> None:
    """Plays with a language model behind an OpenAI-compatible endpoint: see `telos swe llm --help`."""
    play_endpoint(["--help"])


def play_endpoint(arguments: list[str]) -> None:
    """Plays with an endpoint; its arguments are read here, because reading them imports what is run."""
    from telos.baselines.input_errors import InputError
    from telos.baselines.llm.endpoint import EndpointError
    from telos.baselines.llm.endpoint_args import EndpointArgs
    from telos.baselines.llm.endpoint_episodes import play_tasks
    from telos.baselines.llm.endpoint_table import print_results

    try:
        records, folder = play_tasks(tyro.cli(EndpointArgs, prog="telos swe llm", args=arguments))
    except EndpointError as error:
        raise InputError(str(error)) from error
    print_results(records, _console)
    _console.print(str(folder), soft_wrap=True, highlight=False)
    sys.exit(1 if any(record.failure for record in records) else 0)
