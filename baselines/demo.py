"""The demo: small policies learn with and without gated reward, on a chain and on real repositories."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Literal

from rich.console import Console

from telos.baselines.compare import load_comparison
from telos.baselines.compare_page import write_comparison, write_page
from telos.baselines.compare_tables import print_comparison
from telos.baselines.doctor import examine
from telos.baselines.input_errors import InputError
from telos.baselines.progress import progress_bar
from telos.baselines.sweep import PlannedRun, SweepArgs, plan_runs, run_sweep
from telos.baselines.sweep_report import exit_status_of, progress_of, report_sweep
from telos.envs.swe.image import build_image

__all__ = ["Sandbox", "run_demo"]

Sandbox = Literal["auto", "docker", "bubblewrap", "none"]

_GATED = "gated:threshold=0.5,low_cap=0.5"
"""Pays for more than the outcome only where the outcome is reached, and then at most 0.5 (values ours)."""

_CHAIN = (
    "--num-envs 32 --num-steps 64 --num-minibatches 8 --learning-rate 3e-3 --total-steps 50000 "
    "--eval-every 4096 --eval-episodes 200 --checkpoint-every 50000 --device cpu"
)
_REPOSITORIES = (
    "--num-envs 8 --num-steps 12 --num-minibatches 4 --update-epochs 6 --learning-rate 1e-2 --entropy-weight 0.003 "
    "--total-steps 576 --eval-every 576 --eval-episodes 8 --checkpoint-every 576 --device cpu"
)
"""Arguments of `telos train ppo`, for curves that are there in minutes. Few runs, and short ones: no benchmark."""


def run_demo(sandbox: Sandbox, jobs: int, out: Path) -> int:
    """Trains, compares, prints the table and writes table, figures, JSON and the HTML page to ``out``.

    Args:
        sandbox: Where repositories are repaired; "auto" takes what works here, "none" leaves that part out.
        jobs: Runs at a time.
        out: Folder of runs and results. Runs that finished there are not run again.

    Returns:
        The exit status: 0, 1 if a run failed, 130 or 143 after a signal.

    Raises:
        InputError: If the sandbox does not work here.
    """
    console = Console()
    chosen = _choose_sandbox(sandbox, console)
    args, planned = _plan("StepChain-v0", ("observation=one_hot",), "5", jobs, _CHAIN, out)
    if chosen is not None:
        args, repositories = _plan(
            "SWETools-v0",
            (f"sandbox={chosen}", "difficulty=[1]", "max_turns=20", "candidates=16"),
            "1",
            jobs,
            _REPOSITORIES,
            out,
        )
        planned += repositories
    with progress_of(planned) as show:
        outcomes, stopped_by = run_sweep(args, planned, show)
    status = exit_status_of(outcomes, stopped_by)
    if status:
        report_sweep(outcomes, args.out, console, compare=False)
        return status
    comparison = load_comparison([each.run for each in outcomes if each.run], "eval/outcome", baseline="ppo")
    print_comparison(comparison, console)
    write_comparison(comparison, out)
    page = out / "report.html"
    write_page(comparison, page)
    for name in ("compare.md", "report.html", "runs"):
        console.print(f"{name:12} {(out / name).resolve()}", soft_wrap=True, highlight=False)
    for figure in sorted(out.glob("*.png")):
        console.print(f"{'figure':12} {figure.resolve()}", soft_wrap=True, highlight=False)
    if console.is_terminal and (sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}):
        webbrowser.open(page.resolve().as_uri())
    return 0


def _plan(
    env: str, env_arg: tuple[str, ...], seeds: str, jobs: int, further: str, out: Path
) -> tuple[SweepArgs, list[PlannedRun]]:
    """One setting without a wrapper and one with gated reward."""
    args = SweepArgs(("ppo",), ((env, *env_arg),), ((), (_GATED,)), seeds, jobs, out=out / "runs")
    return args, plan_runs(args, further.split(), ("ppo",))


def _choose_sandbox(wanted: Sandbox, console: Console) -> str | None:
    """The sandbox to use; None if there is to be none, or if none works and any would do."""
    if wanted == "none":
        return None
    needed = {"docker": ("Docker engine", "git"), "bubblewrap": ("bubblewrap", "git")}
    checks = {check.name: check for check in examine()}
    missing = {kind: [checks[name] for name in names if not checks[name].works] for kind, names in needed.items()}
    for kind in needed if wanted == "auto" else (wanted,):
        if not missing[kind]:
            console.print(f"Repositories are repaired in {kind}.")
            if kind == "docker":
                with progress_bar("base image") as bar:
                    build_image(bar.update)
            return kind
        if wanted == kind:
            first = missing[kind][0]
            raise InputError(f"{kind} does not work here: {first.name}: {first.detail}. To mend it: {first.fix}")
    console.print("No sandbox works here, so no repository is repaired; `telos doctor` says how to mend that.")
    return None
