"""The ``telos`` command."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.extras import SubcommandApp

from telos.baselines.cli_crafter import crafter, games
from telos.baselines.cli_recsys import log_sessions, recsys
from telos.baselines.cli_swe import play_endpoint, swe

if TYPE_CHECKING:
    from telos.baselines.compare import Comparison

__all__ = ["main"]

Sandbox = Literal["docker", "bubblewrap"]
DemoSandbox = Literal["auto", "docker", "bubblewrap", "none"]

app = SubcommandApp()
_console = Console()


@app.command(name="list")
def list_everything(
    kind: Annotated[Literal["all", "environments", "wrappers", "algorithms", "policies"], tyro.conf.Positional] = "all",
) -> None:
    """Lists what Telos offers, one line each.

    Args:
        kind: What to list.
    """
    from telos.baselines.algorithms import ALGORITHMS
    from telos.baselines.policies.registry import POLICIES
    from telos.baselines.policies.swe import POLICIES as SWE_POLICIES
    from telos.envs.registry import ENVIRONMENTS
    from telos.wrappers.registry import TRANSFORMS

    sections: dict[str, list[tuple[str, ...]]] = {
        "environments": [(name, row.summary) for name, row in ENVIRONMENTS.items()],
        "wrappers": [(name, row.paper, row.timing, row.invariance, row.summary) for name, row in TRANSFORMS.items()],
        "algorithms": [(name, row.summary) for name, row in ALGORITHMS.items()],
        "policies": [
            *((name, row.summary, " ".join(row.environments) or "any") for name, row in POLICIES.items()),
            *((name, "Repairs by a script; see `telos swe scripted`.", "SWEDocker-v0") for name in SWE_POLICIES),
        ],
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


@app.command
def demo(sandbox: DemoSandbox = "auto", jobs: int = 2, out: Path = Path("runs/demo")) -> None:
    """Trains small policies with and without gated reward, on a chain and on real repositories, and compares them.

    Args:
        sandbox: Where repositories are repaired: auto takes what works here, none leaves them out.
        jobs: Runs at a time.
        out: Folder for runs, tables, figures and the report.
    """
    from telos.baselines.demo import run_demo

    sys.exit(run_demo(sandbox, jobs, out))


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


@dataclass(frozen=True)
class RunsToCompare:
    """Which runs are compared, and how."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Folders of runs, folders that hold such at any depth, or patterns of these."""
    metric: str = "eval/return"
    """What is compared: a name in the logs. More is better."""
    normalise: tuple[float, float] | None = None
    """Scores that become 0 and 1, such as those of a random and of a reference policy, in all environments."""
    normalise_env: tyro.conf.UseAppendAction[tuple[tuple[str, float, float], ...]] = ()
    """The same for one environment, such as CartPole-v1 20 500; repeat it for each."""
    baseline: str | None = None
    """Label that the others are compared with."""
    threshold: float | None = None
    """Score to reach, after normalisation: adds the steps until then."""
    unfinished: bool = False
    """Also count runs that did not finish, and compare at the last step that all reached."""

    def load(self) -> Comparison:
        """Reads and compares the runs, and prints the tables.

        Raises:
            InputError: If that cannot be done.
        """
        from telos.baselines.compare import load_comparison
        from telos.baselines.compare_tables import print_comparison
        from telos.baselines.input_errors import InputError, bad_input

        if self.normalise is not None and self.normalise_env:
            raise InputError("Give either --normalise, for all environments, or --normalise-env for each.")
        of_one = {name: (low, high) for name, low, high in self.normalise_env}
        with bad_input():
            comparison = load_comparison(
                self.runs,
                self.metric,
                normalise=of_one or self.normalise,
                baseline=self.baseline,
                threshold=self.threshold,
                unfinished=self.unfinished,
            )
        print_comparison(comparison, _console)
        return comparison


@app.command
def compare(args: Annotated[RunsToCompare, tyro.conf.arg(name="")], out: Path | None = None) -> None:
    """Compares training runs by label: interquartile means with 95 % bootstrap intervals over runs.

    Args:
        args: Which, and how.
        out: Folder for the tables as Markdown and JSON, and for the figures.
    """
    comparison = args.load()
    if out is not None:
        from telos.baselines.compare_page import write_comparison

        write_comparison(comparison, out)
        _console.print(str(out / "compare.md"), soft_wrap=True, highlight=False)


@app.command
def report(args: Annotated[RunsToCompare, tyro.conf.arg(name="")], out: Path = Path("report.html")) -> None:
    """Compares training runs as `telos compare` does, in one HTML page that needs no network.

    Args:
        args: Which, and how.
        out: The page.
    """
    from telos.baselines.compare_page import write_page

    write_page(args.load(), out)
    _console.print(str(out), soft_wrap=True, highlight=False)


@app.command(name="train")
def train_group() -> None:
    """Trains a policy, such as `telos train ppo --env CartPole-v1`: see `telos train ppo --help`."""
    _train([])


def _train(arguments: list[str]) -> None:
    """Runs a training script with its own arguments."""
    from pkgutil import resolve_name

    from telos.baselines.algorithms import ALGORITHMS
    from telos.baselines.input_errors import InputError
    from telos.wrappers.terms import suggestion

    if not arguments or arguments[0] not in ALGORITHMS:
        meant = suggestion(arguments[0], ALGORITHMS) if arguments else ""
        raise InputError(
            f"`telos train` needs one of {', '.join(ALGORITHMS)}, and then its arguments or --help.{meant}"
        )
    resolve_name(ALGORITHMS[arguments[0]].entry_point)(arguments[1:])


@app.command(name="evaluate")
def evaluate_group() -> None:
    """Plays a policy and writes a run for `telos compare`: see `telos evaluate --help`."""
    _evaluate(["--help"])


def _evaluate(arguments: list[str]) -> None:
    """Evaluates a policy; its arguments are read here as they come with PyTorch, which other commands do not need."""
    from telos.baselines.policy_runs import EvaluateArgs, evaluate_policy

    args = tyro.cli(EvaluateArgs, prog="telos evaluate", args=arguments)
    found, folder = evaluate_policy(args)
    table = Table.grid(padding=(0, 2))
    for name, value in found.metrics().items():
        table.add_row(name, f"{value:.6g}")
    error = found.returns.std() / max(len(found.returns) - 1, 1) ** 0.5
    table.add_row("standard error of eval/return", f"{error:.3g}")
    _console.print(table)
    _console.print(str(folder), soft_wrap=True, highlight=False)


@app.command(name="record")
def record_group() -> None:
    """Plays a policy and writes its episodes to a file: see `telos record --help`."""
    _record(["--help"])


def _record(arguments: list[str]) -> None:
    """Records episodes, see ``_evaluate``."""
    from telos.baselines.record_command import RecordArgs, record

    record(tyro.cli(RecordArgs, prog="telos record", args=arguments))


@app.command(name="sweep")
def sweep_group() -> None:
    """Trains on several environments with several seeds: see `telos sweep --help`."""
    _sweep(["--help"])


def _sweep(arguments: list[str]) -> None:
    """Runs a sweep; what stands behind ``--`` is for its training scripts."""
    from telos.baselines.algorithms import ALGORITHMS
    from telos.baselines.sweep import SweepArgs, plan_runs, run_sweep
    from telos.baselines.sweep_report import exit_status_of, progress_of, report_sweep

    at = arguments.index("--") if "--" in arguments else len(arguments)
    args = tyro.cli(SweepArgs, prog="telos sweep", args=arguments[:at])
    planned = plan_runs(args, arguments[at + 1 :], list(ALGORITHMS))
    with progress_of(planned) as show:
        outcomes, stopped_by = run_sweep(args, planned, show)
    report_sweep(outcomes, args.out, _console, args.compare and not stopped_by)
    sys.exit(exit_status_of(outcomes, stopped_by))


@app.command(name="crafter")
def crafter_group() -> None:
    """Replays of Crafter: see `telos crafter --help`."""
    _run(crafter, "telos crafter", ["--help"])


@app.command(name="play")
def play_group() -> None:
    """Lets you play, such as `telos play crafter`: see `telos play --help`."""
    _run(games, "telos play", ["--help"])


@app.command(name="recsys")
def recsys_group() -> None:
    """Logs of recommenders, and users fitted to them: see `telos recsys --help`."""
    _run(recsys, "telos recsys", ["--help"])


@app.command(name="swe")
def swe_group() -> None:
    """Images and tasks of SWEDocker-v0: see `telos swe --help`."""
    _run(swe, "telos swe", ["--help"])


_GROUPS = {"swe": swe, "recsys": recsys, "crafter": crafter, "play": games}
_WITH_OWN_ARGUMENTS = {"evaluate": _evaluate, "record": _record, "sweep": _sweep}
_GROUPED_WITH_OWN_ARGUMENTS = {("swe", "llm"): play_endpoint, ("recsys", "log"): log_sessions}
"""Commands that read their arguments themselves."""


def _run(commands: SubcommandApp, program: str, arguments: list[str]) -> None:
    commands.cli(prog=program, args=arguments, description="Environments in which the reward that matters comes late.")


def main() -> None:
    """Runs the command; errors that say what to do are printed without a traceback."""
    from telos.baselines.input_errors import InputError, print_error
    from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError

    try:
        arguments = sys.argv[1:]
        # tyro's command functions have one level, and their arguments are read when this module is.
        if tuple(arguments[:2]) in _GROUPED_WITH_OWN_ARGUMENTS:
            _GROUPED_WITH_OWN_ARGUMENTS[arguments[0], arguments[1]](arguments[2:])
        elif arguments and arguments[0] in _GROUPS:
            _run(_GROUPS[arguments[0]], f"telos {arguments[0]}", arguments[1:])
        elif arguments[:1] == ["train"] and arguments[1:2] not in ([], ["--help"], ["-h"]):
            _train(arguments[1:])
        elif arguments[:1] and arguments[0] in _WITH_OWN_ARGUMENTS:
            _WITH_OWN_ARGUMENTS[arguments[0]](arguments[1:])
        else:
            _run(app, "telos", arguments)
    except (InputError, InfrastructureError, SandboxUnavailableError, ModuleNotFoundError) as error:
        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
