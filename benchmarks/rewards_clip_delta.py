"""Step scores as a training reward: raw, clipped, differenced and both, on StepChain-v0.

Tabular REINFORCE learns from outcome and weighted step scores. What it learned is evaluated exactly and before any
shaping: the share of problems solved, and the steps of an episode. Delta is learned from ``info["hindsight"]``, as
published, and also with delayed payments, which credit the first action alone.

Known: for a language model on MATH the raw process reward destroys training and the others do not (arXiv 2410.15115,
Qwen2-1.5B, greedy: success alone 30.58 %, with the raw score 11.16 %, Clip 30.30 %, Delta 30.68 %, both 31.44 %). Ours:
the environment, its scores, the sweep of the weight and the learner.

In an earlier toy of ours with the same rules success alone reached 0.511, and with a weight of 0.2 raw scores 0.002
(23.8 of 24 steps), Clip 0.505, Delta 0.497 and both 0.498; with a weight of 1 all failed, Clip by answering at once,
Delta by loitering. The toy's learner and its scores of right and wrong steps are not on record; its start solved 0.26,
here 0.284.

Why a weight of 1 fails: a solved step is worth -0.175 on average after Clip, so that four cost 0.7 and earn 0.522; an
answer at once costs nothing. With Delta what follows a step is worth its own score, and repeating scores 0.96, solving
0.725.

The first setting hides the clock: the agent sees solved steps alone. In the second it sees the steps taken, too, and
can loiter until the last step and still answer.

    python benchmarks/rewards_clip_delta.py
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.reinforce import Reinforce
from telos.baselines.stats import Interval, bootstrap_mean
from telos.baselines.tabular_evaluation import expected_episode
from telos.wrappers.specs import wrap

WEIGHTS = (0.05, 0.2, 0.5, 1.0)
SCHEMES = {
    "raw": "accumulated:weights.process={:g}",
    "Clip": "clip:weight={:g}",
    "Delta": "delta:weight={:g}",
    "Delta, delayed": "delta:pay=delayed,weight={:g}",
    "Clip and Delta": "clip_delta:weight={:g}",
}
COLOURS = dict(zip(SCHEMES, ("tab:red", "tab:blue", "tab:green", "tab:olive", "tab:purple"), strict=True))
SETTINGS = {"clock hidden": False, "clock observed": True}
SOLVING = (float(np.log(8.0)), 0.0, 0.0)  # logits of a policy that solves in 8 steps of 10
CEILING = 0.85**4  # nobody solves more


def learn(spec: str, observe_time: bool, seeds: int, updates: int, episodes: int) -> list[dict[str, float]]:
    """Trains all seeds; an expected episode of each."""
    envs = gym.make_vec("StepChain-v0", seeds * episodes, autoreset_mode="SameStep", observe_time=observe_time)
    learner = Reinforce(
        wrap(envs, spec),
        episodes=episodes,
        discount=1.0,
        learning_rate=0.5,
        baseline_rate=0.2,
        seed=0,
        initial_logits=SOLVING,
    )
    for _ in range(updates):
        learner.update()
    return [expected_episode(envs.unwrapped.to_tabular(), policy) for policy in learner.policy]  # type: ignore[attr-defined]


def summarise(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Statistics over seeds, each with its interval."""
    names = {"solved": "outcome", "completion": "completion", "steps": "length"}
    row: dict[str, Any] = {
        ours: asdict(bootstrap_mean([run[theirs] for run in runs])) for ours, theirs in names.items()
    }
    return row | {"solved_by_seed": [run["outcome"] for run in runs]}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Solved and steps by weight, a column for each setting."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, len(SETTINGS), figsize=(9, 6.5), sharex=True, sharey="row", constrained_layout=True)
    for column, setting in enumerate(SETTINGS):
        own = [row for row in rows if row["setting"] == setting]
        for axis, value in zip(axes[:, column], ("solved", "steps"), strict=True):
            axis.axhline(own[0][value]["estimate"], color="black", linestyle="--", label="outcome alone")
            for scheme, colour in COLOURS.items():
                found = [row[value] for row in own if row["scheme"] == scheme]
                means = np.array([each["estimate"] for each in found])
                errors = [means - [each["low"] for each in found], [each["high"] for each in found] - means]
                axis.errorbar(WEIGHTS, means, errors, color=colour, marker="o", markersize=4, capsize=3, label=scheme)
            axis.set(xscale="log", xticks=WEIGHTS, xticklabels=[f"{weight:g}" for weight in WEIGHTS])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
        axes[0, column].set_title(setting)
        axes[1, column].set_xlabel("weight of the step scores")
    axes[0, 0].set(ylabel="solved", ylim=(-0.02, 0.58))
    axes[1, 0].set(ylabel="steps", ylim=(0, 25))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 20,
    updates: int = 300,
    episodes: int = 16,
    out: Path = Path("benchmarks/results/rewards_clip_delta.json"),
    figure: Path = Path("docs/figures/rewards_clip_delta.png"),
) -> None:
    """Trains all schemes with all weights, prints tables, and writes the JSON and the figure.

    Args:
        seeds: Runs of each scheme.
        updates: Updates of each run.
        episodes: Episodes of each update.
        out: The JSON file.
        figure: The figure.
    """
    started, wall = time.process_time(), time.perf_counter()
    cases = [("outcome alone", 0.0, "outcome")]
    cases += [(scheme, weight, spec.format(weight)) for scheme, spec in SCHEMES.items() for weight in WEIGHTS]
    rows: list[dict[str, Any]] = []
    with progress_bar("clip and delta") as bar:
        for setting, observe_time in SETTINGS.items():
            for scheme, weight, spec in cases:
                bar.update(f"{setting}: {scheme} {weight:g}", len(rows) / len(SETTINGS) / len(cases))
                row = {"setting": setting, "scheme": scheme, "weight": weight, "spec": spec}
                rows.append(row | summarise(learn(spec, observe_time, seeds, updates, episodes)))
    console = Console(width=120)
    for setting in SETTINGS:
        own = [row for row in rows if row["setting"] == setting]
        table = Table("scheme", "weight", "solved", "of outcome alone", "completed", "steps", box=box.SIMPLE)
        table.title = f"StepChain-v0, {setting}; at most {CEILING:.3f} can be solved"
        for row in own:
            cells = [f"{Interval(**row[value])}" for value in ("solved", "completion", "steps")]
            share = row["solved"]["estimate"] / own[0]["solved"]["estimate"]
            table.add_row(row["scheme"], f"{row['weight']:g}", cells[0], f"{share:.3f}", *cells[1:])
        console.print(table)
    console.print(f"mean over {seeds} seeds with 95 % intervals")
    record = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds, "updates": updates}
    record |= {"episodes": episodes, "cpu_s": time.process_time() - started, "wall_s": time.perf_counter() - wall}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record | {"rows": rows}, indent=1) + "\n")
    draw(rows, figure)
    console.print(f"written to {out} and {figure}, {record['cpu_s']:.0f} s of one core")


if __name__ == "__main__":
    tyro.cli(main)
