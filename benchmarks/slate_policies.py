"""What policies earn in SlateRec-v0, how long users stay and what they are bored of; and what becomes of the catalogue.

No learning is involved. The myopic and the paced policy know what is hidden; the observing one is written by hand.

    python benchmarks/slate_policies.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
from telos.envs.recsys.slate import reference
from telos.envs.recsys.slate.metrics import CatalogueMetrics

Policy = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def policies(envs: Any, seed: int) -> dict[str, Policy]:
    """The policies, the worst first."""
    family, hidden, number = envs.unwrapped.family, envs.unwrapped.hidden_users, envs.num_envs
    rng, shape = np.random.default_rng(seed), envs.action_space.shape

    def always(slate: NDArray[np.int64]) -> Policy:
        return lambda observations: np.tile(slate, (number, 1))

    return {
        "random": lambda observations: rng.integers(len(family.catalogue.topics), size=shape),
        "most popular": always(reference.popular_slate(family)),
        "best constant known": always(reference.constant_slate(family)),
        "myopic, knows tastes": lambda observations: reference.myopic_slates(family, hidden()),
        "observing": lambda observations: reference.observed_slates(family, observations),
        "paced, knows tastes": lambda observations: reference.paced_slates(family, hidden()),
    }


def counted(policy: Policy, counter: CatalogueMetrics) -> Policy:
    """The policy, with its slates counted."""

    def slates(observations: NDArray[np.float32]) -> NDArray[np.int64]:
        chosen = policy(observations)
        counter.update(chosen)
        return chosen

    return slates


def draw(path: Path, played: dict[str, reference.Played], horizon: int) -> None:
    """Who is still there, what they are bored of, and what was clicked, over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    for name, values in played.items():
        length = len(values.present)
        present = np.pad(values.present.mean(axis=1), (0, horizon - length))
        axes[0].plot(100 * present, label=name, linewidth=1.4)
        # Means over few users say little.
        shown = int((values.present.sum(axis=1) >= 50).sum())
        users = values.present.sum(axis=1)[:shown]
        axes[1].plot(values.bored_topics.sum(axis=1)[:shown] / users, linewidth=1.4)
        clicks = np.pad(values.clicks.mean(axis=1), (0, horizon - length))
        axes[2].plot(clicks.cumsum(), linewidth=1.4)
    axes[0].set(xlabel="step", ylabel="users who are still there (%)")
    axes[1].set(xlabel="step", ylabel="boring topics of a user (hidden)")
    axes[2].set(xlabel="step", ylabel="clicks so far, of all users")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    users: int = 2_000,
    seed: int = 0,
    out: Path = Path("benchmarks/results/slate_policies.json"),
    figure: Path = Path("docs/figures/slate.png"),
) -> None:
    """Plays all policies, prints the table, and writes the JSON and the figure.

    Args:
        users: How many users play.
        seed: Of the first of them.
        out: The JSON file.
        figure: The figure.
    """
    envs = gym.make_vec("SlateRec-v0", num_envs=users, autoreset_mode="SameStep")
    family = envs.unwrapped.family
    chosen, played = policies(envs, seed), {}
    counters = {name: CatalogueMetrics(len(family.catalogue.topics)) for name in chosen}
    with progress_bar("users") as bar:
        for number, (name, policy) in enumerate(chosen.items()):
            played[name] = reference.play(envs, counted(policy, counters[name]), seed)
            bar.update("users", (number + 1) / len(chosen))
    returns = {name: values.rewards.sum(axis=0) for name, values in played.items()}
    worst, best = (float(returns[name].mean()) for name in ("random", "paced, knows tastes"))
    columns = ("policy", "mean return", "standard error", "score", "clicks", "steps", "stay to the end")
    table = Table(*columns, "coverage", "Gini", box=box.SIMPLE, title=f"{users:,} users")
    rows, horizon = [], int(family.params.horizon)
    for name, values in played.items():
        steps = values.present.sum(axis=0)
        # Those who leave in the last step do not stay.
        left = (values.rewards < values.clicks).any(axis=0)
        row: dict[str, Any] = {
            "mean": float(returns[name].mean()),
            "standard_error": float(returns[name].std() / np.sqrt(users)),
            "score": (float(returns[name].mean()) - worst) / (best - worst),
            "clicks": float(values.clicks.sum(axis=0).mean()),
            "steps": float(steps.mean()),
            "stay": float(1.0 - left.mean()),
            "coverage": counters[name].coverage,
            "gini": counters[name].gini,
        }
        rows.append({"policy": name} | row)
        formats = (".1f", ".1f", ".2f", ".1f", ".1f", ".2f", ".2f", ".2f")
        table.add_row(name, *(format(value, form) for value, form in zip(row.values(), formats, strict=True)))
    console = Console()
    console.print(table)
    console.print(f"no policy exceeds {reference.return_bound(family):.1f}")
    record = {"telos": telos.__version__, "machine": describe_machine(), "users": users, "seed": seed, "played": rows}
    record |= {"bound": reference.return_bound(family)}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(figure, played, horizon)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
