"""Accumulated step rewards can destroy the outcome in training; gated ones keep it.

Tabular REINFORCE learns from accumulated rewards (D-RA), gated ones (G-RA) and the outcome alone. What it learned is
evaluated exactly and before any shaping: how often the outcome is 1 (solved), and how often the episode ends before the
horizon (completed: an answer, or the goal).

Known: D-RA collapses and G-RA does not, for a language model that repairs software (arXiv 2508.10548, abstract: on
SWE-bench Verified G-RA raises completion from 47.6 % to 93.8 %). Ours: everything else. Our environments have two
outcomes and not four levels, so a gate of 0 is always open, one of 1 opens for success only, and one of 2 never does:
that is the outcome alone, to the bit. In an earlier toy of ours with four levels (30 steps of 0.1; outcomes -1, -0.5, 0
and 1) completion fell to 0.34 with D-RA and stayed at 0.94 to 0.98 with G-RA. Numbers differ because the problem does:
here a repetition scores nearly 1 and not 0.1, so that D-RA's collapse is complete where its weight is large.

Settings:

* StepChain-v0 with 4 steps and a start that solves; with 8 steps and a uniform start that hardly ever succeeds (sparse)
* LoiterChain-v0 with the goal 5 steps ahead, and with 17 of 20 (sparse); a step forward scores more than loitering
* StepChain-v0 with 4 steps, where the steps taken are observed. They are not in all others: an agent that sees the
  clock can loiter until the last step and still answer.

Gated sums are paid at the end, and once in hindsight. In hindsight a step's return holds later scores alone; but what
opens the gate releases the earlier ones, too, and is not credited with them: that estimate of the gradient is biased.

An outcome that counts threefold is there because the worth of an episode sets the size of updates: G-RA's solved
episodes are worth more than 1, too.

    python benchmarks/rewards_collapse.py
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.reinforce import Reinforce
from telos.baselines.stats import Interval, bootstrap_mean
from telos.baselines.tabular_evaluation import Training, train
from telos.wrappers.diagnostics import hacking_gap
from telos.wrappers.specs import wrap

SOLVING = (float(np.log(8.0)), 0.0, 0.0)  # logits of a policy that solves in 8 steps of 10
EVERY = 10  # updates between evaluations


@dataclass(frozen=True)
class Setting:
    """A problem, and the policy that training starts from."""

    env_id: str
    arguments: dict[str, Any] = field(default_factory=dict)
    logits: tuple[float, ...] = (0.0,)


BLIND = {"observe_time": False}
SETTINGS = {
    "StepChain": Setting("StepChain-v0", BLIND, SOLVING),
    "StepChain, sparse": Setting("StepChain-v0", {"num_steps": 8, "p_correct": 0.92, **BLIND}),
    "LoiterChain": Setting("LoiterChain-v0", BLIND),
    "LoiterChain, sparse": Setting("LoiterChain-v0", {"goal_distance": 17, **BLIND}),
    "StepChain, clock observed": Setting("StepChain-v0", {}, SOLVING),
}
SCHEMES = {
    "outcome": "outcome",
    "outcome x 3": "accumulated:weights.outcome=3,weights.process=0",
    **{f"D-RA, weight {w:g}": f"accumulated:weights.process={w:g}" for w in (0.05, 0.1, 0.2, 0.5)},
    **{f"G-RA, weight 0.2, gate {g}": f"gated:weights.process=0.2,threshold={g}" for g in (0, 1, 2)},
    **{f"G-RA, weight {w:g}, gate 1": f"gated:weights.process={w:g},threshold=1" for w in (0.05, 0.5)},
    "G-RA, weight 0.2, gate 1, hindsight": "gated:weights.process=0.2,threshold=1,pay=hindsight",
    "G-RA, weight 0.2, gate 0, low_cap 0.9": "gated:weights.process=0.2,threshold=0,low_cap=0.9",
    **{
        f"G-RA, weight 0.2, gate 1, low_cap {cap:g}": f"gated:weights.process=0.2,threshold=1,low_cap={cap:g}"
        for cap in (0.5, 0.9)
    },
}
DRAWN = {
    "outcome": "black",
    "outcome x 3": "tab:gray",
    "D-RA, weight 0.2": "tab:red",
    "G-RA, weight 0.2, gate 1": "tab:blue",
    "G-RA, weight 0.2, gate 1, low_cap 0.9": "tab:green",
}
COLUMNS = {
    "completion": ".2f",
    "solved": ".3f",
    "steps": ".1f",
    "paid_slope": ".2f",
    "outcome_slope": ".3f",
    "hacking_gap": ".2f",
}


def learn(setting: Setting, spec: str, seeds: int, updates: int, episodes: int) -> Training:
    """Trains all seeds with one scheme."""
    envs = gym.make_vec(setting.env_id, seeds * episodes, autoreset_mode="SameStep", **setting.arguments)
    learner = Reinforce(
        wrap(envs, spec),
        episodes=episodes,
        discount=1.0,
        learning_rate=0.5,
        baseline_rate=0.2,
        seed=0,
        initial_logits=setting.logits,
    )
    return train(learner, envs.unwrapped.to_tabular(), updates, EVERY)  # type: ignore[attr-defined]


def slopes(updates: NDArray[np.int64], curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope of each run's straight line through its curve, per 100 updates."""
    return np.asarray(np.polyfit(updates / 100.0, curves, 1)[0])


def summarise(found: Training) -> dict[str, Any]:
    """Statistics over seeds, each with its interval."""
    outcome, at = found.expected["outcome"], found.updates[:-1]
    gaps = [hacking_gap(paid, solved) for paid, solved in zip(found.paid.T, outcome[:-1].T, strict=True)]
    values = {
        "completion": found.expected["completion"][-1],
        "solved": outcome[-1],
        "steps": found.expected["length"][-1],
        "paid_slope": slopes(at, found.paid),
        "outcome_slope": slopes(found.updates, outcome),
        # There is none where nothing was ever solved.
        "hacking_gap": np.nan_to_num(gaps),
    }
    row: dict[str, Any] = {name: asdict(bootstrap_mean(each)) for name, each in values.items()}
    row |= {"solved_by_seed": outcome[-1].tolist(), "start": float(outcome[0, 0])}
    row |= {"completion_at_start": float(found.expected["completion"][0, 0])}
    below = row["completion"]["high"] <= 0.5 and row["outcome_slope"]["high"] < 0.0
    return row | {"collapsed": bool(below and row["paid_slope"]["low"] > 0.0)}


def draw(curves: dict[str, dict[str, Training]], path: Path) -> None:
    """What is paid, what is solved and what is completed, over training."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = list(curves)[:4]
    figure, axes = plt.subplots(
        3, len(shown), figsize=(4 * len(shown), 8), sharex=True, sharey="row", constrained_layout=True
    )
    for column, setting in enumerate(shown):
        for scheme, colour in DRAWN.items():
            found = curves[setting][scheme]
            panels = (found.paid, found.expected["outcome"], found.expected["completion"])
            for axis, values in zip(axes[:, column], panels, strict=True):
                intervals = [bootstrap_mean(point, resamples=1000) for point in values]
                at = found.updates[: len(values)]
                axis.plot(at, [each.estimate for each in intervals], color=colour, label=scheme)
                low, high = [each.low for each in intervals], [each.high for each in intervals]
                axis.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
                axis.grid(alpha=0.3)
        axes[0, column].set_title(setting)
        axes[2, column].set_xlabel("updates")
    for axis, label in zip(axes[:, 0], ("paid in an episode", "solved", "completed"), strict=True):
        axis.set_ylabel(label)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(DRAWN))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(
    seeds: int = 20,
    updates: int = 300,
    episodes: int = 16,
    out: Path = Path("benchmarks/results/rewards_collapse.json"),
    figure: Path = Path("docs/figures/rewards_collapse.png"),
) -> None:
    """Trains all schemes in all settings, prints tables, and writes the JSON and the figure.

    Args:
        seeds: Runs of each scheme.
        updates: Updates of each run, a multiple of 10.
        episodes: Episodes of each update.
        out: The JSON file.
        figure: The figure.
    """
    started, wall = time.process_time(), time.perf_counter()
    curves: dict[str, dict[str, Training]] = {}
    rows: list[dict[str, Any]] = []
    console = Console(width=215)
    with progress_bar("collapse") as bar:
        for name, setting in SETTINGS.items():
            curves[name] = {}
            for scheme, spec in SCHEMES.items():
                bar.update(f"{name}: {scheme}", len(rows) / len(SETTINGS) / len(SCHEMES))
                curves[name][scheme] = found = learn(setting, spec, seeds, updates, episodes)
                rows.append({"setting": name, **asdict(setting), "scheme": scheme, "spec": spec, **summarise(found)})
    for name in SETTINGS:
        own = [row for row in rows if row["setting"] == name]
        start = own[0]["start"]
        table = Table("scheme", *COLUMNS, "solved, of start", "")
        table.title = f"{name}: at the start {own[0]['completion_at_start']:.3f} completed, {start:.3f} solved"
        table.box = box.SIMPLE
        for row in own:
            cells = [f"{Interval(**row[column]):{digits}}" for column, digits in COLUMNS.items()]
            share = f"{row['solved']['estimate'] / start:.3g}x"
            table.add_row(row["scheme"], *cells, share, "collapsed" if row["collapsed"] else "")
        console.print(table)
    console.print(
        "mean over seeds with 95 % intervals; slopes per 100 updates; hacking_gap: Spearman of paid and outcome"
    )
    record = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds, "updates": updates}
    record |= {"episodes": episodes, "cpu_s": time.process_time() - started, "wall_s": time.perf_counter() - wall}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record | {"rows": rows}, indent=1) + "\n")
    draw(curves, figure)
    console.print(f"written to {out} and {figure}, {record['cpu_s']:.0f} s of one core")


if __name__ == "__main__":
    tyro.cli(main)
