"""Count bonuses on Deep Sea: greedy Q-learning from zero finds the treasure with a shifted bonus, not with a plain one.

One-step Q-learning on DeepSea-v0 with 20 rows, where one in a million action sequences finds the treasure. When it was
found first is told by the raw reward, and whether it still is by the last 100 episodes.

Known: random exploration needs some 2^20 episodes (Osband et al., JMLR 2019); optimistic first values explore. Bonuses
of 1 / sqrt(n) are Tang et al.'s (2017). Ours: the shift by -1 (``CountBonus(shift=True)``), the learner's settings, and
all numbers. In an earlier toy of ours, also with 20 rows, the plain bonus solved 0 of 10 seeds (1 of 10 with epsilon
0.05) in 4,000 episodes, the shifted one 10 of 10 in 532 (median) and optimistic values 10 of 10 in 427. The order is
the same here; the numbers differ, and the toy's learning rate, discount and weights are not on record.

Why: the plain bonus makes what was tried look better than what was not, whose value is still 0; nothing makes a greedy
learner turn. The shifted one is never above 0, so that 0 is optimistic. First values above all that can be earned
(bonuses included) do the same for the plain bonus.

    python benchmarks/rewards_count.py
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
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
from telos.baselines.episode_totals import EpisodeTotals
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.q_learning import QLearning
from telos.baselines.stats import Interval, bootstrap_mean
from telos.wrappers.specs import wrap

LAST = 100  # episodes at the end that say whether the treasure is still found


@dataclass(frozen=True)
class Scheme:
    """How exploration is brought about."""

    specs: tuple[str, ...] = ()
    epsilon: float = 0.0
    initial_value: float = 0.0


def counts(weight: float, shift: bool) -> tuple[str, ...]:
    """The spec of a count bonus."""
    return (f"count_bonus:weight={weight:g},shift={str(shift).lower()}",)


SCHEMES = {
    "none": Scheme(),
    "none, epsilon 0.1": Scheme(epsilon=0.1),
    "optimistic first values (1)": Scheme(initial_value=1.0),
    **{f"plain bonus, weight {w:g}": Scheme(counts(w, False)) for w in (0.001, 0.01, 0.1, 1.0)},
    "plain bonus, weight 0.01, epsilon 0.1": Scheme(counts(0.01, False), epsilon=0.1),
    "plain bonus, weight 0.01, first values 1.2": Scheme(counts(0.01, False), initial_value=1.2),
    **{f"shifted bonus, weight {w:g}": Scheme(counts(w, True)) for w in (0.001, 0.01, 0.1, 1.0)},
    "shifted bonus, weight 0.01, epsilon 0.1": Scheme(counts(0.01, True), epsilon=0.1),
}
DRAWN = {
    "none, epsilon 0.1": ("black", "-"),
    "optimistic first values (1)": ("tab:gray", "-"),
    "plain bonus, weight 0.01": ("tab:red", "--"),
    "plain bonus, weight 0.01, first values 1.2": ("tab:red", "-"),
    "shifted bonus, weight 0.01": ("tab:blue", "-"),
    "shifted bonus, weight 1": ("tab:blue", ":"),
}


def learn(scheme: Scheme, size: int, seeds: int, episodes: int) -> NDArray[np.bool_]:
    """Whether each episode of each seed found the treasure, ``(episodes, seeds)``."""
    log = EpisodeTotals(gym.make_vec("DeepSea-v0", seeds, autoreset_mode="SameStep", size=size))
    learner = QLearning(
        wrap(log, *scheme.specs),
        discount=0.99,
        learning_rate=0.5,
        epsilon=scheme.epsilon,
        seed=0,
        initial_values=scheme.initial_value,
    )
    for _ in range(episodes * size):
        learner.step()
    # All episodes are of one length, so they end together and in the order of the environments.
    return np.asarray(log.take()["treasure"].reshape(episodes, seeds) > 0.0)


def summarise(found: NDArray[np.bool_]) -> dict[str, Any]:
    """Statistics over seeds; those that find nothing count with all episodes."""
    ever = found.any(axis=0)
    first = np.where(ever, found.argmax(axis=0) + 1, len(found))
    return {
        "solved": float(ever.mean()),
        "first": asdict(bootstrap_mean(first)),
        "first_median": float(np.median(first)),
        "still": asdict(bootstrap_mean(found[-LAST:].mean(axis=0))),
        "first_by_seed": first.tolist(),
        "solved_by_seed": ever.tolist(),
    }


def draw(found: dict[str, NDArray[np.bool_]], path: Path) -> None:
    """Who has found the treasure, and who finds it, over episodes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharex=True, sharey=True, constrained_layout=True)
    for name, (colour, style) in DRAWN.items():
        episodes = np.arange(1, len(found[name]) + 1)
        ever = np.logical_or.accumulate(found[name]).mean(axis=1)
        smooth = np.convolve(found[name].mean(axis=1), np.full(LAST, 1.0 / LAST))[: len(episodes)]
        axes[0].plot(episodes, ever, color=colour, linestyle=style, label=name)
        axes[1].plot(episodes, smooth, color=colour, linestyle=style)
    axes[0].set(ylabel="share of seeds", title="have found the treasure", xlabel="episodes")
    axes[1].set(title=f"find it (mean of {LAST} episodes)", xlabel="episodes")
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 20,
    episodes: int = 1500,
    size: int = 20,
    out: Path = Path("benchmarks/results/rewards_count.json"),
    figure: Path = Path("docs/figures/rewards_count.png"),
) -> None:
    """Trains with all schemes, prints the table, and writes the JSON and the figure.

    Args:
        seeds: Runs of each scheme; which action goes right where is the same for all.
        episodes: Episodes of each run, at least 100.
        size: Rows of the sea.
        out: The JSON file.
        figure: The figure.
    """
    started, wall = time.process_time(), time.perf_counter()
    found: dict[str, NDArray[np.bool_]] = {}
    rows: list[dict[str, Any]] = []
    with progress_bar("count bonus") as bar:
        for name, scheme in SCHEMES.items():
            bar.update(name, len(rows) / len(SCHEMES))
            found[name] = learn(scheme, size, seeds, episodes)
            rows.append({"scheme": name, **asdict(scheme), **summarise(found[name])})
    console = Console(width=120)
    table = Table("scheme", "solved", "first solved in episode", "median", f"of the last {LAST}", box=box.SIMPLE)
    table.title = f"DeepSea-v0, {size} rows, {episodes} episodes"
    for row in rows:
        more = "" if row["solved"] == 1.0 else "> "
        solved = f"{round(row['solved'] * seeds)} of {seeds}"
        first = [f"{more}{Interval(**row['first']):.0f}", f"{row['first_median']:.0f}"] if row["solved"] else ["", ""]
        table.add_row(row["scheme"], solved, *first, f"{Interval(**row['still']):.2f}")
    console.print(table)
    console.print(f"mean over {seeds} seeds with 95 % intervals; where seeds fail, they count with all episodes")
    record = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds, "episodes": episodes}
    record |= {"size": size, "cpu_s": time.process_time() - started, "wall_s": time.perf_counter() - wall}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record | {"rows": rows}, indent=1) + "\n")
    draw(found, figure)
    console.print(f"written to {out} and {figure}, {record['cpu_s']:.0f} s of one core")


if __name__ == "__main__":
    tyro.cli(main)
