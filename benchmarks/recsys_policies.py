"""What policies earn in LTSRec-v0 beside the exact optimum: played by simulated users, and computed for all of them.

No learning is involved. The optimum and the best item of each user know what is hidden.

    python benchmarks/recsys_policies.py
"""

from __future__ import annotations

import json
from dataclasses import asdict
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
from telos.envs.recsys.lts.family import LTSRec
from telos.envs.recsys.lts.instances import LADDER
from telos.envs.recsys.lts.optimum import ReferenceReturns, constant_returns, optimal_plan, reference_returns

Floats = NDArray[np.float64]


def play(envs: Any, items: NDArray[np.integer], seed: int) -> tuple[Floats, Floats]:
    """Engagement and satisfaction at each step, float64 ``(T, n)``, of users who get ``items``, ``(n, T)``."""
    envs.reset(seed=seed)
    engagement, satisfaction = np.empty(items.T.shape), np.empty(items.T.shape)
    for t, now in enumerate(items.T):
        satisfaction[t] = envs.unwrapped.hidden_users().satisfaction
        engagement[t] = envs.step(now)[1]
    return engagement, satisfaction


def policies(envs: Any, reference: ReferenceReturns, seed: int) -> dict[str, NDArray[np.integer]]:
    """Items of each policy, ``(n, T)``, for the users that the seed makes."""
    envs.reset(seed=seed)
    users, family = envs.unwrapped.hidden_users(), envs.unwrapped.family
    number, horizon, count = envs.num_envs, int(family.params.horizon), int(family.params.num_items)
    own = constant_returns(family, users).argmax(axis=1)
    return {
        "optimum": optimal_plan(family, users, grid=256).items,
        "best item of each user": np.tile(own[:, None], horizon),
        f"best item of all ({reference.best_constant_item})": np.full((number, horizon), reference.best_constant_item),
        "random items": np.random.default_rng(seed).integers(count, size=(number, horizon)),
        "most clickbait (myopic)": np.full((number, horizon), count - 1),
        "least clickbait": np.zeros((number, horizon), np.int64),
    }


def draw(path: Path, played: dict[str, tuple[Floats, Floats]]) -> None:
    """Engagement and satisfaction over time, means over users."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for name, (engagement, satisfaction) in played.items():
        so_far = engagement.mean(axis=1).cumsum() / np.arange(1, len(engagement) + 1)
        axes[0].plot(so_far, label=name, linewidth=1.4)
        axes[1].plot(satisfaction.mean(axis=1), linewidth=1.4)
    axes[0].set(xlabel="step", ylabel="mean engagement so far")
    axes[1].set(xlabel="step", ylabel="mean satisfaction (hidden)")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    users: int = 10_000,
    seed: int = 0,
    out: Path = Path("benchmarks/results/recsys_policies.json"),
    figure: Path = Path("docs/figures/lts.png"),
) -> None:
    """Plays and computes all, prints the tables, and writes the JSON and the figure.

    Args:
        users: How many users play.
        seed: Of the first of them.
        out: The JSON file.
        figure: The figure of the target's users.
    """
    splits: dict[str, dict[str, Any]] = {"target": {"split": "test"}} | {n: dict(v) for n, v in LADDER.items()}
    references: dict[str, ReferenceReturns] = {}
    with progress_bar("references") as bar:
        for number, (name, arguments) in enumerate(splits.items()):
            references[name] = reference_returns(LTSRec(**arguments), nodes=12 if name == "target" else 8, grid=256)
            bar.update("references", (number + 1) / len(splits))
    reference = references["target"]
    envs = gym.make_vec("LTSRec-v0", num_envs=users, split="test", autoreset_mode="Disabled")
    played: dict[str, tuple[Floats, Floats]] = {}
    with progress_bar("users") as bar:
        chosen = policies(envs, reference, seed)
        for number, (name, items) in enumerate(chosen.items()):
            played[name] = play(envs, items, seed)
            bar.update("users", (number + 1) / len(chosen))
    console, rows = Console(), []
    table = Table("policy", "mean return", "standard error", "score", box=box.SIMPLE, title=f"{users:,} target users")
    for name, (engagement, _) in played.items():
        returns = engagement.sum(axis=0)
        mean, error = float(returns.mean()), float(returns.std() / np.sqrt(users))
        rows.append({"policy": name, "mean": mean, "standard_error": error, "score": reference.score(mean)})
        table.add_row(name, f"{mean:.1f}", f"{error:.1f}", f"{reference.score(mean):.2f}")
    console.print(table)
    fields = list(asdict(reference))
    table = Table("", *(field.replace("_", " ") for field in fields), box=box.SIMPLE, title="all users, exactly")
    for name, values in references.items():
        table.add_row(name, *(f"{value:.5g}" for value in asdict(values).values()))
    console.print(table)
    record = {"telos": telos.__version__, "machine": describe_machine(), "users": users, "seed": seed, "played": rows}
    record |= {"references": {name: asdict(values) for name, values in references.items()}}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(figure, played)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
