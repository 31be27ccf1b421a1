"""The ``telos`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.extras import SubcommandApp

__all__ = ["main"]

Sandbox = Literal["docker", "bubblewrap"]

app, swe = SubcommandApp(), SubcommandApp()
_console = Console()


@app.command(name="list")
def list_everything(
    kind: Annotated[Literal["all", "environments", "wrappers", "policies"], tyro.conf.Positional] = "all",
) -> None:
    """Lists what Telos offers, one line each.

    Args:
        kind: What to list.
    """
    from telos.baselines.policies.swe import POLICIES
    from telos.envs.registry import ENVIRONMENTS
    from telos.wrappers.registry import TRANSFORMS

    sections: dict[str, list[tuple[str, ...]]] = {
        "environments": [(name, row.summary) for name, row in ENVIRONMENTS.items()],
        "wrappers": [(name, row.paper, row.timing, row.invariance, row.summary) for name, row in TRANSFORMS.items()],
        "policies": [(name, "SWEDocker-v0") for name in POLICIES],
    }
    for title, rows in sections.items():
        if kind in ("all", title):
            table = Table.grid(padding=(0, 2))
            for row in rows:
                table.add_row(*row)
            _console.print(f"[bold]{title}[/]", table, sep="\n")


@app.command
def doctor(reap: bool = False) -> None:
    """Tells what works on this machine and how to mend what does not.

    Args:
        reap: Also remove the containers and temporary files that killed processes left behind.
    """
    from telos.baselines.doctor import examine, remove_leftovers

    checks = examine()
    table = Table("what", "works", "detail", "to mend it")
    for check in checks:
        mark = {True: "[green]yes[/]", False: "[red]no[/]", None: "[yellow]-[/]"}[check.works]
        table.add_row(check.name, mark, escape(check.detail), escape(check.fix))
    _console.print(table)
    if reap:
        _console.print(remove_leftovers())


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
def make_tasks(per_package: int = 12, seed: int = 0, jobs: int = 2, sandbox: Sandbox = "bubblewrap") -> None:
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
def health(repeats: int = 3, jobs: int = 2, sandbox: Sandbox = "docker", out: Path | None = None) -> None:
    """Checks that on every built-in task the gold patch passes and the empty patch fails, every time.

    Args:
        repeats: How often each check is run.
        jobs: Tasks at a time.
        sandbox: Where the tests run.
        out: JSON file for the results.
    """
    from telos.baselines.swe_tasks import check_health

    sys.exit(0 if check_health(repeats, jobs, sandbox, out) else 1)


@app.command
def demo(
    tasks: int = 12, sandbox: Sandbox = "docker", seed: int = 0, jobs: int = 2, out: Path = Path("runs/demo")
) -> None:
    """Repairs real repositories with scripted policies and scores the episodes under direct and gated reward.

    Args:
        tasks: Number of tasks, spread over the difficulties.
        sandbox: Where commands run.
        seed: Decides the tasks.
        jobs: Episodes at a time.
        out: Folder for the table, the figure and the report.
    """
    from telos.baselines.swe_demo import run_demo

    run_demo(tasks, sandbox, seed, jobs, out)


@app.command
def rewards(
    env: str | None = None,
    run: Path | None = None,
    env_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    wrap: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    episodes: int = 100,
    max_steps: int = 10_000,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Tells what reward wrappers do to the rewards of an environment, or of a recorded run.

    Args:
        env: Environment to play, by random actions that are feasible where it offers these.
        run: Episodes to read instead, from a file of `telos.wrappers.save_episodes`.
        env_arg: Argument of the environment, such as "goal_distance=20"; repeat it for more.
        wrap: Wrapper, such as "gated:threshold=0.5"; repeat it for a stack, the innermost first.
        episodes: Episodes to play.
        max_steps: Steps after which an episode that has not ended is cut. It then counts as truncated.
        seed: Seed of the play.
        out: JSON file for the report.
    """
    from telos.baselines.input_errors import bad_input
    from telos.baselines.reward_report import report_rewards
    from telos.wrappers.specs import parse_arguments

    with bad_input():
        env_args = parse_arguments(env_arg)
    report_rewards(env, run, wrap, env_args=env_args, episodes=episodes, seed=seed, max_steps=max_steps, out=out)


@app.command(name="swe")
def swe_group() -> None:
    """Images and tasks of SWEDocker-v0: see `telos swe --help`."""
    _run(swe, "telos swe", ["--help"])


def _run(commands: SubcommandApp, program: str, arguments: list[str]) -> None:
    commands.cli(prog=program, args=arguments, description="Environments in which the reward that matters comes late.")


def main() -> None:
    """Runs the command; errors that say what to do are printed without a traceback."""
    from telos.baselines.input_errors import InputError
    from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError

    try:
        arguments = sys.argv[1:]
        # tyro's command functions have one level; `swe` has a second.
        if arguments[:1] == ["swe"]:
            _run(swe, "telos swe", arguments[1:])
        else:
            _run(app, "telos", arguments)
    except (InputError, InfrastructureError, SandboxUnavailableError, ModuleNotFoundError) as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/] {escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
