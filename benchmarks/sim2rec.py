"""Sim2Rec and what it is compared with, in LTSRec-v0: learned in simulators, judged by users that none of them has.

Each method is a setting of ``telos train sim2rec``, with equal networks, environment steps and PPO settings. What is
reported is the last checkpoint of each run: no checkpoint is chosen by the target. ``docs/sim2rec.md`` says how the
settings were fixed, and what was seen of the target before.

All policies play the same users of the target. A score is 0 for random items and 1 for the best items of each of these
very users, by exact dynamic programming; ``score_of_all`` has those of all users of the target in their place.

    python benchmarks/sim2rec.py                      # goes on with the runs that are missing
    python benchmarks/sim2rec.py --rungs LTS1 LTS2 LTS3 --seeds 10
"""

from __future__ import annotations

import json
import time
from concurrent.futures import as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
from telos.baselines import sim2rec
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.stats import bootstrap_mean
from telos.baselines.training_envs import EVALUATION_SEED
from telos.envs.recsys.lts.instances import LADDER, candidate_groups, edge_groups
from telos.envs.recsys.lts.optimum import optimal_plan, plan_returns, population, random_returns, reference_returns

FIRST_SEED = 201
TARGET = 14.0
TARGET_SEED = EVALUATION_SEED + 2**29
"""First seed of the target's users; evaluations of runs have smaller ones."""

COMMON = ("action=continuous", "observe_time=true")
SETTINGS: dict[str, Any] = {
    "total_steps": 6_000_000,
    "num_envs": 512,
    "num_steps": 35,
    "num_minibatches": 8,
    "update_epochs": 3,
    "hidden": 64,
    "learning_rate": 3e-3,
    "entropy_weight": 0.01,
    "gae_lambda": 0.95,
    "gamma": 0.99,
    "code_updates": 500,
    "eval_every": 1_000_000,
    "eval_episodes": 1_024,
    "checkpoint_every": 1_000_000,
    "tensorboard": False,
    "device": "cpu",
}
GUESSES = {"guess_weight": 0.1}
COLOURS = {
    "UPPER": "tab:gray",
    "Sim2Rec": "tab:blue",
    "DR-OSI": "tab:green",
    "DR-UNI": "tab:orange",
    "DIRECT": "tab:red",
    "UPPER, guesses": "black",
    "Sim2Rec, guesses": "navy",
    "DR-OSI, guesses": "darkgreen",
}
"""Of each method."""


def arguments_of(method: str, rung: str) -> dict[str, Any]:
    """The flags of a method on a rung of the ladder. The upper bound is the same on all."""
    gap = LADDER[rung]["gap"]
    simulators = (f"gap={gap}",)
    return {
        "UPPER": {"env_arg": ("split=test",), "set_code": False},
        "Sim2Rec": {"env_arg": simulators},
        "DR-OSI": {"env_arg": simulators, "set_code": False},
        "DR-UNI": {"env_arg": simulators, "set_code": False, "recurrent": False},
        "DIRECT": {
            "env_arg": (f"groups=[{edge_groups(gap)[0]}]", "observe_group=false"),
            "set_code": False,
            "recurrent": False,
        },
        "UPPER, guesses": {"env_arg": ("split=test",), "set_code": False, **GUESSES},
        "Sim2Rec, guesses": {"env_arg": simulators, **GUESSES},
        "DR-OSI, guesses": {"env_arg": simulators, "set_code": False, **GUESSES},
    }[method]


def play(method: str, rung: str, seed: int, users: int, runs: Path) -> tuple[str, str, int, NDArray[np.float64]]:
    """Trains, unless it has been, and returns the returns of the target's users ``(users,)``."""
    torch.set_num_threads(1)
    gym.logger.min_level = gym.logger.ERROR
    given = arguments_of(method, rung)
    label = method if method.startswith("UPPER") else f"{method} {rung}"
    kept = runs / "played" / f"{label} {seed} {users} {SETTINGS['total_steps']}.npy"
    if not kept.exists():
        given["env_arg"] = (*COMMON, *given["env_arg"])
        args = sim2rec.Args("LTSRec-v0", seed=seed, label=label, out=runs, resume="auto", **SETTINGS, **given)
        run = sim2rec.train(args)
        if run.stopped:
            raise KeyboardInterrupt
        shown = {name: value for name, value in args.env_kwargs.items() if name not in ("split", "gap", "groups")}
        policy = sim2rec.load_policy(run.folder)
        found = sim2rec.evaluate(policy, args.env, {**shown, "split": "test"}, users, TARGET_SEED)
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".draft")
        with draft.open("wb") as file:
            np.save(file, found.returns)
        draft.rename(kept)
    return method, rung, seed, np.load(kept)


def references_of(users: int, runs: Path) -> dict[str, NDArray[np.float64]]:
    """What random items and the best ones are worth to each of the target's users, and what is hidden of them."""
    kept = runs / "played" / f"references {users}.npz"
    if not kept.exists():
        envs: Any = gym.make_vec("LTSRec-v0", users, split="test")
        envs.reset(seed=TARGET_SEED)
        family, hidden = envs.unwrapped.family, envs.unwrapped.hidden_users()
        found = {
            "random": random_returns(family, hidden, 256)[0],
            "optimum": optimal_plan(family, hidden, 256).returns,
            "memory_discount": hidden.memory_discount,
            "sensitivity": hidden.sensitivity,
        }
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **found)
    return dict(np.load(kept))


def user_groups(hidden: dict[str, NDArray[np.float64]]) -> NDArray[np.int64]:
    """Nine groups of users, by thirds of the memory discount and of the sensitivity: ``3 * third + third``."""
    thirds = [
        np.searchsorted(np.quantile(hidden[name], (1 / 3, 2 / 3)), hidden[name])
        for name in ("memory_discount", "sensitivity")
    ]
    return np.asarray(3 * thirds[0] + thirds[1])


def judge(returns: NDArray[np.float64], references: dict[str, NDArray[np.float64]], all_users: Any) -> dict[str, Any]:
    """A row of the record: the scores of runs whose users had these returns ``(runs, users)``."""
    low, high, groups = references["random"], references["optimum"], user_groups(references)

    def scores(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray((returns[:, rows].mean(axis=1) - low[rows].mean()) / (high[rows].mean() - low[rows].mean()))

    by_group = np.array([scores(groups == group) for group in range(9)])
    worst = int(by_group.mean(axis=1).argmin())
    everyone = scores(np.ones(len(low), np.bool_))
    return {
        "returns": returns.mean(axis=1).tolist(),
        "scores": everyone.tolist(),
        "score": asdict(bootstrap_mean(everyone)),
        "score_of_all": all_users.score(float(returns.mean())),
        "score_by_user_group": by_group.mean(axis=1).tolist(),
        "worst_user_group": {"memory_third": worst // 3, "sensitivity_third": worst % 3, **_interval(by_group[worst])},
    }


def _interval(scores: NDArray[np.float64]) -> dict[str, float]:
    return asdict(bootstrap_mean(scores))


def misjudged_groups(family: Any) -> dict[float, float]:
    """What is left of the score by planning at best for another group than the target's, all else known; exactly."""
    users, weights = population(family, nodes=8)
    best = weights @ optimal_plan(family, users, 256).returns
    chance = weights @ random_returns(family, users, 256)[0]
    found = {}
    for group in candidate_groups(TARGET, 8):
        believed = users._replace(choc_mean=np.full_like(users.choc_mean, group))
        plan = optimal_plan(family, believed, 256)
        found[group] = float((weights @ plan_returns(family, users, plan.items) - chance) / (best - chance))
    return found


def print_rows(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("rung", "method", "return", "score", "95 %", "worst user group", "95 %", box=box.SIMPLE)
    table.title = "target users; 0 for random items, 1 for the best ones; means over runs"
    for row in rows:
        cells = [f"{np.mean(row['returns']):.1f}"]
        for found in (row["score"], row["worst_user_group"]):
            cells += [f"{found['estimate']:.3f}", f"{found['low']:.3f} to {found['high']:.3f}"]
        table.add_row(row["rung"], row["method"], *cells)
    console.print(table)


def draw(rows: list[dict[str, Any]], constant: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rungs, methods = (list(dict.fromkeys(row[key] for row in rows)) for key in ("rung", "method"))
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True, constrained_layout=True)
    for axis, kind, title in zip(
        axes, ("score", "worst_user_group"), ("all target users", "the worst of nine groups of users"), strict=True
    ):
        for row in rows:
            at = rungs.index(row["rung"]) + 0.11 * (methods.index(row["method"]) - (len(methods) - 1) / 2)
            found, colour = row[kind], COLOURS[row["method"]]
            label = row["method"] if row["rung"] == rungs[0] else None
            errors = [[found["estimate"] - found["low"]], [found["high"] - found["estimate"]]]
            axis.errorbar(at, found["estimate"], errors, fmt="o", color=colour, capsize=4, label=label)
            if kind == "score":
                axis.plot(np.full(len(row["scores"]), at + 0.05), row["scores"], ".", color=colour, alpha=0.35)
        axis.set(title=title, xticks=range(len(rungs)), xticklabels=rungs, xlim=(-0.5, len(rungs) - 0.5))
        axis.axhline(1.0, color="black", linewidth=0.8)
        axis.axhline(0.0, color="black", linewidth=0.8)
        axis.grid(axis="y", alpha=0.3)
    axes[0].axhline(constant, color="black", linewidth=0.8, linestyle=":", label="best constant item of each user")
    axes[0].set_ylabel("score: 0 random items, 1 optimum")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(methods) + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    rungs: tuple[str, ...] = ("LTS1", "LTS3"),
    methods: tuple[str, ...] = ("UPPER, guesses", "Sim2Rec, guesses", "DR-OSI, guesses", "DR-UNI", "DIRECT"),
    seeds: int = 5,
    users: int = 10_000,
    workers: int = 2,
    runs: Path = Path("runs/sim2rec"),
    out: Path = Path("benchmarks/results/sim2rec.json"),
    figure: Path = Path("docs/figures/sim2rec.png"),
) -> None:
    """Trains what is missing, prints the table, and writes JSON and figure.

    Args:
        rungs: Of the ladder.
        methods: What to compare.
        seeds: Runs of each method; the first has seed 201.
        users: Of the target, at most 16,384.
        workers: Runs at a time, each with one thread.
        runs: Folder of the runs and of what was played.
        out: The JSON file.
        figure: The figure.
    """
    console, started = Console(width=120), time.perf_counter()
    references = references_of(users, runs)
    numbers = [FIRST_SEED + k for k in range(seeds)]
    # All methods with a seed before the next seed; the upper bound is the same on all rungs.
    jobs = [(m, r, s) for s in numbers for r in rungs for m in methods if not m.startswith("UPPER") or r == rungs[0]]
    played: dict[tuple[str, str], dict[int, NDArray[np.float64]]] = {}
    with progress_bar("runs") as bar, worker_processes(workers) as pool:
        futures = [pool.submit(play, *job, users, runs) for job in jobs]
        for done, future in enumerate(as_completed(futures)):
            method, rung, seed, returns = future.result()
            for at in rungs if method.startswith("UPPER") else (rung,):
                played.setdefault((at, method), {})[seed] = returns
            bar.update(f"{method} {rung} {seed}", (done + 1) / len(jobs))
    envs: Any = gym.make_vec("LTSRec-v0", 1, split="test")
    target = reference_returns(envs.unwrapped.family)
    rows = []
    for rung in rungs:
        for method in methods:
            returns = np.array([played[rung, method][seed] for seed in numbers])
            rows.append({"rung": rung, "method": method, **judge(returns, references, target)})
    print_rows(rows, console)
    draw(rows, target.score(target.best_user_constant), figure)
    misjudged = misjudged_groups(envs.unwrapped.family)
    console.print("planned for another group:", {group: round(score, 3) for group, score in misjudged.items()})
    record = {
        "telos": telos.__version__,
        "machine": describe_machine(),
        "seeds": numbers,
        "users": users,
        "first_user": TARGET_SEED,
        "env_arg": COMMON,
        "settings": SETTINGS,
        "target": asdict(target),
        "drawn_users": {name: float(references[name].mean()) for name in ("random", "optimum")},
        "misjudged_groups": misjudged,
        "rows": rows,
        "wall_s": time.perf_counter() - started,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
