"""What can be had of clicks and returns in RetentionRec-v0: the exact Pareto front, references, and a scripted policy.

All but the scripted policy is computed, not played.

    python benchmarks/retention_policies.py
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
from telos.envs.recsys.retention.optimum import ParetoFront, pareto_front
from telos.envs.recsys.retention.references import reference_points

Floats = NDArray[np.float64]
NAMES = {
    "random": "random slates",
    "best_constant": "best constant slate of all users",
    "most_clicked": "favourite topic, most clickbait (myopic)",
    "least_clickbait": "favourite topic, no clickbait",
    "best_user_constant": "best constant slate of each user",
    "optimum": "optimum of clicks + returns",
}


def most_clicked_topic(level: int) -> Callable[[Any], Any]:
    """A policy that shows each topic once, and then the one with most clicks; it sees observations only."""

    def slates(observations: Any) -> Any:
        shown, clicked = observations[:, 7:12], observations[:, 12:17]
        topic = ((clicked + 0.3) / (shown + 1.2)).argmax(axis=1)
        chosen = np.repeat(topic[:, None] * 3 + level, 5, axis=1)
        chosen[shown.sum(axis=1) == 0.0] = np.arange(5) * 3 + 1
        return chosen

    return slates


def play(users: int, policy: Callable[[Any], Any], seed: int) -> Floats:
    """Clicks and returns of one episode of each user, float64 ``(users, 2)``."""
    envs = gym.make_vec("RetentionRec-v0", num_envs=users, autoreset_mode="SameStep")
    observations, _ = envs.reset(seed=seed)
    over, points = np.zeros(users, bool), np.zeros((users, 2))
    while not over.all():
        observations, _, ended, _, infos = envs.step(policy(observations))
        last = infos.get("final_info", {}).get("reward_terms", {})
        for k, name in enumerate(("click", "retention")):
            points[:, k] += np.where(over, 0.0, infos["reward_terms"][name] + last.get(name, 0.0))
        over |= ended
    return points


def draw(path: Path, front: ParetoFront, points: dict[str, Floats]) -> None:
    """The front, and policies under it."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.4, 4.2), layout="constrained")
    axis.plot(*front.points.T, color="black", linewidth=1.4, label="Pareto front (exact)")
    for (name, point), marker in zip(points.items(), "*DosP^v", strict=False):
        axis.scatter(point[0], point[1], marker=marker, s=110 if marker == "*" else 55, label=name, zorder=3)
    axis.set(xlabel="clicks (slates' worth, mean of an episode)", ylabel="returns (mean of an episode)")
    axis.set(xlim=(0, None), ylim=(0, None))
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    users: int = 20_000,
    seed: int = 0,
    out: Path = Path("benchmarks/results/retention_policies.json"),
    figure: Path = Path("docs/figures/retention.png"),
) -> None:
    """Computes and plays all, prints the table, and writes the JSON and the figure.

    Args:
        users: How many users play the scripted policy.
        seed: Of the first of them.
        out: The JSON file.
        figure: The figure.
    """
    family = gym.make("RetentionRec-v0").unwrapped.family  # type: ignore[attr-defined]
    reference, front = reference_points(family), pareto_front(family)
    played = play(users, most_clicked_topic(1), seed)
    points = {NAMES[name]: point for name, point in reversed(reference._asdict().items())}
    points["most clicked topic so far (observations only)"] = played.mean(axis=0)
    zero, one = reference.random.sum(), reference.optimum.sum()
    table = Table("policy", "clicks", "returns", "sum", "score", box=box.SIMPLE)
    rows = {}
    for name, point in points.items():
        score = (point.sum() - zero) / (one - zero)
        rows[name] = {"clicks": point[0], "returns": point[1], "score": score}
        table.add_row(name, f"{point[0]:.2f}", f"{point[1]:.2f}", f"{point.sum():.2f}", f"{score:.3f}")
    console = Console()
    console.print(table)
    console.print(f"standard errors of the last: {played.std(axis=0) / np.sqrt(users)}")
    for weight, point in zip(front.weights[::4], front.points[::4], strict=True):
        console.print(f"front, weight {weight:.3f}: {point.round(2)}")
    record = {"telos": telos.__version__, "machine": describe_machine(), "users": users, "seed": seed, "points": rows}
    record |= {"front": {"weights": front.weights.tolist(), "points": front.points.tolist()}}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(figure, front, points)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
