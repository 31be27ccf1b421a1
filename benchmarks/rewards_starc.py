"""How well distances of reward functions predict regret: STARC, EPIC and DARD on random tables.

Two random rewards are drawn for a random table, and the way from the first to the second is taken in steps. At each
step the distance from the first reward is set beside the regret: the mean of what optimising either loses in the
other. This is the experiment of the STARC paper's section 5 with the settings of its code (32 states, 4 actions,
discount 0.95; rewards normal, some sparse, scaled, shifted or shaped), on Garnet tables.

    python benchmarks/rewards_starc.py
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.envs.tabular.instances import random_mdp
from telos.wrappers.diagnostics import dard_distance, epic_distance, normalised_regret, starc_distance

Floats = NDArray[np.float64]
STATES, ACTIONS, BRANCHING, DISCOUNT = 32, 4, 5, 0.95
TITLES = {
    "val": "STARC, VAL",
    "minimal": "STARC, minimal",
    "DARD": "DARD",
    "EPIC": "EPIC",
    "none": "no canonical form",
}


def distances(first: Floats, second: Floats, model: Floats) -> dict[str, float]:
    """All that are compared."""
    found = {
        "DARD": dard_distance(first, second, model, DISCOUNT),
        "EPIC": epic_distance(first, second, DISCOUNT),
    }
    for form in ("val", "minimal", "none"):
        found[form] = starc_distance(first, second, model, DISCOUNT, canonical=form)  # type: ignore[arg-type]
    return found


def shape(reward: Floats, rng: np.random.Generator) -> Floats:
    """Adds a random potential."""
    potential = rng.normal(size=STATES) * 10 * rng.random() + rng.random()
    return np.asarray(reward + DISCOUNT * potential - potential[:, None, None])


def draw_reward(rng: np.random.Generator) -> Floats:
    """A random reward, ``(S, A, S)``."""
    reward = rng.normal(size=(STATES, ACTIONS, STATES))
    if rng.random() < 0.2:
        reward = np.where(reward > 3.0, reward, 0.0)
    if rng.random() < 0.7:
        reward = reward * 10 * rng.random()
    if rng.random() < 0.3:
        reward = reward + 10 * rng.random()
    return shape(reward, rng) if rng.random() < 0.5 else reward


def compare(seed: int, pairs: int, steps: int) -> list[dict[str, float]]:
    """Distances and regret on the way between pairs of rewards, on a table of their own each."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(pairs):
        model = random_mdp(STATES, ACTIONS, BRANCHING, 1.0, None, int(rng.integers(2**31))).transitions
        first, second = draw_reward(rng), draw_reward(rng)
        for step in range(1, steps + 1):
            mixed = first + (second - first) * step / steps
            regrets = [normalised_regret(one, two, model, DISCOUNT) for one, two in ((first, mixed), (mixed, first))]
            rows.append({"seed": seed, "regret": float(np.mean(regrets)), **distances(first, mixed, model)})
    return rows


def invariance(seeds: int) -> dict[str, dict[str, float]]:
    """Largest distance of a reward from one that orders all policies alike, by what was changed."""
    largest: dict[str, dict[str, float]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        model = random_mdp(STATES, ACTIONS, BRANCHING, 1.0, None, seed).transitions
        reward = rng.normal(size=(STATES, ACTIONS, STATES))
        change = rng.normal(size=reward.shape)
        change -= (model * change).sum(axis=2, keepdims=True)
        alike = {"shaping": shape(reward, rng), "scaling by 7.3": 7.3 * reward, "redistribution": reward + change}
        for what, other in alike.items():
            for name, distance in distances(reward, other, model).items():
                row = largest.setdefault(name, {})
                row[what] = max(row.get(what, 0.0), distance)
    return largest


def draw(rows: list[dict[str, float]], correlations: dict[str, float], path: Path) -> None:
    """Distance against regret, a panel each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(TITLES), figsize=(15, 3.6), sharex=True, sharey=True, constrained_layout=True)
    regrets = [row["regret"] for row in rows]
    for axis, (name, title) in zip(axes, TITLES.items(), strict=True):
        axis.scatter([row[name] for row in rows], regrets, s=5, alpha=0.25, linewidths=0)
        axis.set(title=f"{title}: r = {correlations[name]:.3f}", xlabel="distance", xlim=(0, 1), ylim=(0, 1))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("regret")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 10,
    pairs: int = 15,
    steps: int = 16,
    out: Path = Path("benchmarks/results/rewards_starc.json"),
    figure: Path = Path("docs/figures/rewards_starc.png"),
) -> None:
    """Measures, prints the tables, and writes the JSON and the figure.

    Args:
        seeds: Independent repetitions.
        pairs: Pairs of rewards of each, on tables of their own.
        steps: Steps from the first reward of a pair to the second.
        out: The JSON file.
        figure: The figure.
    """
    started = time.process_time()
    rows: list[dict[str, float]] = []
    with progress_bar("starc") as bar:
        for seed in range(seeds):
            rows += compare(seed, pairs, steps)
            bar.update("starc", (seed + 1) / seeds)
    alike = invariance(seeds)
    console, pooled, record_rows = Console(), {}, {}
    table = Table("distance", "r", "r by seed", "s.e.", *alike["val"], box=box.SIMPLE)
    for name, title in TITLES.items():
        by_seed = []
        for seed in range(seeds):
            own = [row for row in rows if row["seed"] == seed]
            by_seed.append(float(np.corrcoef([row[name] for row in own], [row["regret"] for row in own])[0, 1]))
        pooled[name] = float(np.corrcoef([row[name] for row in rows], [row["regret"] for row in rows])[0, 1])
        error = float(np.std(by_seed, ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("nan")
        record_rows[name] = {"pooled": pooled[name], "by_seed": by_seed, "standard_error": error, "alike": alike[name]}
        changes = [f"{value:.2g}" for value in alike[name].values()]
        table.add_row(title, f"{pooled[name]:.3f}", f"{np.mean(by_seed):.3f}", f"{error:.3f}", *changes)
    console.print(table)
    gaps = {
        name: float(np.mean(np.subtract(record_rows["val"]["by_seed"], record_rows[name]["by_seed"])))  # type: ignore[arg-type]
        for name in TITLES
    }
    console.print("VAL ahead by: " + ", ".join(f"{TITLES[name]} {gap:+.3f}" for name, gap in gaps.items() if gap))
    record: dict[str, Any] = {"telos": telos.__version__, "machine": describe_machine(), "pairs": len(rows)}
    record |= {"correlation_with_regret": record_rows, "val_ahead_by": gaps, "cpu_s": time.process_time() - started}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(rows, pooled, figure)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
