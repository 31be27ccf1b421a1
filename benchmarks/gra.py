"""Gated rewards in real sandboxes: PPO on SWETools-v0 with rewards added up, gated, or for the outcome alone.

Every turn of SWEDocker pays a little for a tool that works, and the outcome comes at the end. Added up (D-RA), turns
are worth more than the outcome; gated (G-RA), they count only once the outcome has reached the gate. What is reported
is how the episodes of training went, in their order: total reward as the environment pays it, outcome, the share of
episodes that submitted (completion) and that passed all hidden tests (resolved).

Source: Sun et al., "Stabilizing Long-term Multi-turn Reinforcement Learning with Gated Rewards", arXiv:2508.10548,
whose agent is a language model. Networks, tools, tasks, and the sizes of all rewards here are ours.

    python benchmarks/gra.py                      # goes on with the runs that are missing
    python benchmarks/gra.py --sandbox bubblewrap --seeds 2 --total-steps 1000
"""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from workers import worker_processes

import telos
from telos.baselines import ppo
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.stats import bootstrap_mean
from telos.envs.swe.trace import read_trace

FIRST_SEED = 1
REWARDS: dict[str, tuple[str, ...]] = {
    "D-RA": (),
    "G-RA, gate: tests pass": ("gated:threshold=0.5,low_cap=0.5",),
    "G-RA, gate: submitted": ("gated:threshold=-0.75,low_cap=0.5",),
    "G-RA, no cap": ("gated:threshold=0.5",),
    "outcome only": ("outcome",),
}
"""Wrappers of each setting. Gates lie between the outcomes -1, -0.5, 0 and 1."""
COLOURS = dict(zip(REWARDS, ("tab:red", "tab:blue", "tab:cyan", "navy", "tab:gray"), strict=True))
VARIANTS: dict[str, tuple[str, ...]] = {
    "easy": ("difficulty=[1]", "max_turns=40", "candidates=16"),
    "sparse": (
        *("difficulty=[2, 3]", "max_turns=40", "candidates=16"),
        'rewards={"no_submit": 0.0, "empty_patch": 0.0, "fails_tests": 0.0}',
    ),
}
"""Arguments of the environment. In the sparse variant nothing but tests that pass is an outcome."""
SETTINGS: dict[str, Any] = {
    "num_envs": 8,
    "num_steps": 12,
    "num_minibatches": 4,
    "update_epochs": 6,
    "learning_rate": 5e-3,
    "entropy_weight": 0.01,
    "gamma": 1.0,
    "eval_every": 10**9,
    "eval_episodes": 0,
    "checkpoint_every": 10**9,
    "tensorboard": False,
    "device": "cpu",
}
#: Shares of training that are compared.
_START, _END = 0.1, 0.2
_WINDOW = 40
NUMBERS = ("total", "outcome", "completed", "modified", "resolved", "turns")


def train(variant: str, rewards: str, seed: int, total_steps: int, sandbox: str, runs: Path) -> list[list[float]]:
    """Trains, unless it has been, and returns ``NUMBERS`` of each training episode, in the order of their ends."""
    torch.set_num_threads(1)
    gym.logger.min_level = gym.logger.ERROR
    label = f"{variant} {rewards}".replace(",", "").replace(":", "")
    kept = runs / "episodes" / f"{label} {sandbox} {seed} {total_steps}.json"
    if not kept.exists():
        traces = runs / "traces" / kept.stem
        # A run that was stopped begins again: gone on with, it would play its last episodes twice.
        shutil.rmtree(traces, ignore_errors=True)
        env_arg = (f"sandbox={sandbox}", f'trace="{traces}"', *VARIANTS[variant])
        args = ppo.Args("SWETools-v0", env_arg=env_arg, wrap=REWARDS[rewards], seed=seed, label=label, out=runs,
                        total_steps=total_steps, **SETTINGS)  # fmt: skip
        if ppo.train(args).stopped:
            raise KeyboardInterrupt
        found = sorted(filter(None, map(summary, traces.glob("*.jsonl"))))
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".draft")
        draft.write_text(json.dumps([numbers for _, numbers in found]))
        draft.rename(kept)
    episodes: list[list[float]] = json.loads(kept.read_text())
    return episodes


def summary(path: Path) -> tuple[float, list[float]] | None:
    """When an episode ended, and its ``NUMBERS``; None if it did not end, or the infrastructure failed."""
    steps = [event for event in read_trace(path) if event["event"] == "step"]
    if not steps or "outcome_level" not in steps[-1]:
        return None
    last = steps[-1]
    total = sum(sum(step["reward_terms"].values()) for step in steps)
    outcome = sum(step["reward_terms"]["outcome"] for step in steps)
    ended = [float(last[name]) for name in ("completed", "modified", "resolved")]
    return last["time"], [total, outcome, *ended, float(len(steps))]


def judge(episodes: list[list[list[float]]]) -> dict[str, Any]:
    """Means over runs of what the first and the last episodes were like, with intervals over runs."""
    found: dict[str, Any] = {"episodes": [len(run) for run in episodes]}
    for k, name in enumerate(NUMBERS):
        columns = [np.array(run)[:, k] for run in episodes]
        start = np.array([column[: int(len(column) * _START) or 1].mean() for column in columns])
        end = np.array([column[-(int(len(column) * _END) or 1) :].mean() for column in columns])
        found[name] = {
            part: {"runs": values.tolist(), **vars_of(values)}
            for part, values in {"start": start, "end": end, "change": end - start}.items()
        }
    return found


def vars_of(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean and 95 % bootstrap interval over runs."""
    point = bootstrap_mean(values)
    return {"mean": point.estimate, "low": point.low, "high": point.high}


def print_rows(rows: list[dict[str, Any]], console: Console) -> None:
    """A row for each setting: the end of training, and the start in brackets."""
    table = Table(box=box.SIMPLE, title="last fifth of training, [95 % over runs] (first tenth)")
    for column in ("variant", "rewards", *NUMBERS):
        table.add_column(column)
    for row in rows:
        cells = []
        for name in NUMBERS:
            end, start = row[name]["end"], row[name]["start"]
            cells.append(f"{end['mean']:.2f} [{end['low']:.2f}, {end['high']:.2f}] ({start['mean']:.2f})")
        table.add_row(row["variant"], row["rewards"], *cells)
    console.print(table)


def draw(episodes: dict[tuple[str, str], list[list[list[float]]]], path: Path) -> None:
    """Curves of four numbers over training for each variant."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    variants = list(dict.fromkeys(variant for variant, _ in episodes))
    shown = ("total", "outcome", "completed", "resolved")
    figure, axes = plt.subplots(
        len(variants), len(shown), figsize=(14, 3.2 * len(variants)), layout="constrained", squeeze=False
    )
    progress = np.linspace(0.0, 1.0, 60)
    for (variant, rewards), runs in episodes.items():
        for axis, name in zip(axes[variants.index(variant)], shown, strict=True):
            curves = []
            for run in runs:
                column = np.array(run)[:, NUMBERS.index(name)]
                window = max(1, min(_WINDOW, len(column) // 4))
                smooth = np.convolve(column, np.ones(window) / window, mode="valid")
                curves.append(np.interp(progress, np.linspace(0.0, 1.0, len(smooth)), smooth))
            middle = np.mean(curves, axis=0)
            axis.plot(progress, middle, color=COLOURS[rewards], label=rewards)
            if len(curves) > 1:
                axis.fill_between(
                    progress, *np.percentile(curves, [10, 90], axis=0), color=COLOURS[rewards], alpha=0.12
                )
            axis.set(title=f"{variant}: {name}", xlabel="share of training")
            axis.grid(alpha=0.3)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(REWARDS))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    variants: tuple[str, ...] = tuple(VARIANTS),
    rewards: tuple[str, ...] = tuple(REWARDS),
    seeds: int = 5,
    total_steps: int = 2_400,
    sandbox: Literal["docker", "bubblewrap"] = "docker",
    workers: int = 1,
    runs: Path = Path("runs/gra"),
    out: Path = Path("benchmarks/results/gra.json"),
    figure: Path = Path("docs/figures/gra.png"),
) -> None:
    """Trains what is missing, prints the table, and writes JSON and figure.

    Args:
        variants: Of the environment.
        rewards: What to compare.
        seeds: Runs of each setting, at least 2; the first has seed 1.
        total_steps: Turns of all episodes of a run.
        sandbox: Where commands run.
        workers: Runs at a time.
        runs: Folder of the runs and their episodes.
        out: The JSON file.
        figure: The figure.
    """
    console, started = Console(width=160), time.perf_counter()
    numbers = [FIRST_SEED + k for k in range(seeds)]
    jobs = [(variant, reward, seed) for seed in numbers for variant in variants for reward in rewards]
    episodes: dict[tuple[str, str], list[list[list[float]]]] = {(v, r): [] for v in variants for r in rewards}
    with progress_bar("runs") as bar, worker_processes(workers) as pool:
        futures = {pool.submit(train, *job, total_steps, sandbox, runs.resolve()): job for job in jobs}
        for done, future in enumerate(as_completed(futures)):
            variant, reward, seed = futures[future]
            episodes[variant, reward].append(future.result())
            bar.update(f"{variant}, {reward}, seed {seed}", (done + 1) / len(jobs))
    rows = [{"variant": v, "rewards": r, **judge(episodes[v, r])} for v, r in episodes]
    print_rows(rows, console)
    draw(episodes, figure)
    record = {
        "telos": telos.__version__,
        "machine": describe_machine(),
        "seeds": numbers,
        "sandbox": sandbox,
        "total_steps": total_steps,
        "settings": SETTINGS,
        "wrappers": REWARDS,
        "environment": VARIANTS,
        "rows": rows,
        "wall_s": time.perf_counter() - started,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
