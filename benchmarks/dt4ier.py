"""DT4IER beside a Decision Transformer of one return and behaviour cloning: true clicks and returns of simulated users.

All learn from the same episodes of RetentionRec-v0, which a platform with several rankers recorded. What they learned
is played by users that nobody saw, and judged by these users' clicks and returns, not by likeness to the recording. The
transformers are asked for nine returns each: pairs of shares of the best recorded clicks and returns, or shares of the
best recorded sum. The hypervolume is the area that their points dominate, above the point of random
slates.

    python benchmarks/dt4ier.py             # goes on with the runs that are missing
    python benchmarks/dt4ier.py --seeds 2   # fewer runs of each method
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
from telos.baselines import bc, decision_transformer, dt4ier
from telos.baselines.evaluation import Policy, evaluate
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.recording import record_episodes
from telos.baselines.stats import bootstrap_mean
from telos.baselines.training_envs import EVALUATION_SEED
from telos.envs.recsys.retention.optimum import ParetoFront, pareto_front
from telos.envs.recsys.retention.references import ReferencePoints, reference_points
from telos.wrappers import save_episodes

Floats = NDArray[np.float64]
ENV, TERMS = "RetentionRec-v0", ("click", "retention")
RECORDED, RECORDING_SEED, FIRST_SEED = 30_000, 1, 101
POWERS, CLICKBAIT = (20.0, 5.0, 1.0), tuple(range(11))
PAIRS = ((0.2, 0.2), (0.2, 0.8), (0.2, 1.0), (0.8, 0.2), (0.8, 1.0), (1.0, 0.2), (1.0, 0.8), (1.0, 1.0), (0.8, 0.8))
"""Shares of the best recorded clicks and returns that are asked for; the last is the default."""
SUM_SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9, 1.0, 0.8)
"""Shares of the best recorded sum."""
TRANSFORMER = {
    "context": 1, "hidden": 48, "layers": 2, "batch_size": 256, "learning_rate": 3e-3, "warmup_steps": 100,
    "dropout": 0.0, "total_steps": 3_000,
}  # fmt: skip
CLONE = {"hidden": 64, "normalise_observations": True, "total_steps": 6_000, "batch_size": 256}
METHODS: dict[str, tuple[Any, dict[str, Any]]] = {
    "DT4IER": (dt4ier, TRANSFORMER),
    "DT": (decision_transformer, TRANSFORMER),
    "BC": (bc, CLONE),
    "NAW": (dt4ier, {**TRANSFORMER, "balance": False}),
    "NRE": (dt4ier, {**TRANSFORMER, "reward_encoder": False}),
    "NCL": (dt4ier, {**TRANSFORMER, "contrast": 0.0}),
    "DT4IER-4": (dt4ier, {**TRANSFORMER, "context": 4, "batch_size": 64}),
    "DT-4": (decision_transformer, {**TRANSFORMER, "context": 4, "batch_size": 64}),
}
NAMES = {
    "DT4IER": "DT4IER, two returns",
    "DT": "Decision Transformer, their sum",
    "BC": "behaviour cloning",
    "NAW": "DT4IER without adaptive weights",
    "NRE": "DT4IER without reward encoder",
    "NCL": "DT4IER without contrastive loss",
    "DT4IER-4": "DT4IER, context of 4 steps",
    "DT-4": "Decision Transformer, context of 4 steps",
}
STYLES = {"DT4IER": ("tab:blue", "o"), "DT": ("tab:orange", "s"), "BC": ("tab:green", "D")}


class Platform:
    """What a platform may have tried: each user has one of several rankers, drawn by lot, for a whole episode.

    A ranker estimates how often each topic is clicked on, and draws the topic of each slot by these rates to the power
    of 20, 5 or 1. It has 0 to 10 levels of clickbait for the five slots together, spread evenly, the last slots first;
    on the first day each slot has one, and a tenth of the slots has any. All begin with one item of each topic. It sees
    observations only.

    Args:
        seed: Of all draws.
        powers: Of the rankers.
        clickbait: Of the rankers, each with each power.
    """

    def __init__(self, seed: int, powers: tuple[float, ...] = POWERS, clickbait: tuple[int, ...] = CLICKBAIT) -> None:
        self._rng = np.random.default_rng(seed)
        self._choices = clickbait, powers
        self._clickbait = np.zeros(0, np.int64)

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns slates, int64 ``(n, 5)``, as ``telos.baselines.evaluation.Policy``."""
        rng, n = self._rng, len(observations)
        if len(self._clickbait) != n:
            self._clickbait, self._power = np.zeros(n, np.int64), np.zeros(n)
        self._clickbait = np.where(begins, rng.choice(self._choices[0], n), self._clickbait)
        self._power = np.where(begins, rng.choice(self._choices[1], n), self._power)
        shown, clicked = observations[:, 7:12], observations[:, 12:17]
        # Before anything is shown, a topic is worth what the ranker's clickbait makes of the base rate.
        expected = 0.3 * (1.0 + 0.75 * (self._clickbait / 5 - 1.0))[:, None]
        preference = self._power[:, None] * np.log((clicked + expected) / (shown + 1.2))
        topics = (preference[:, None] + rng.gumbel(size=(n, 5, 5))).argmax(axis=2)
        topics[shown.sum(axis=1) == 0.0] = np.arange(5)
        now = np.where(observations[:, 0] == 0.0, 5, self._clickbait)
        levels = (now[:, None] + np.arange(5)) // 5
        levels = np.where(rng.random((n, 5)) < 0.1, rng.integers(3, size=(n, 5)), levels)
        return topics * 3 + levels


def recording(runs: Path) -> Path:
    """Records the platform's episodes, unless they are there."""
    path = runs / f"episodes {RECORDED} {RECORDING_SEED}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        episodes, _ = record_episodes(
            Platform(RECORDING_SEED), ENV, episodes=RECORDED, num_envs=1000, seed=RECORDING_SEED
        )
        draft = path.with_name(f"draft {path.name}")
        save_episodes(draft, episodes)
        draft.rename(path)
    return path


def points_of(policy: Policy, users: int, first: int) -> Floats:
    """Mean clicks and returns of so many users' episodes, and their standard errors: ``(2, 2)``."""
    found = evaluate(policy, ENV, episodes=users, num_envs=min(users, 400), seed=EVALUATION_SEED + first)
    terms = np.stack([found.terms[name] for name in TERMS], axis=1)
    return np.array([terms.mean(axis=0), terms.std(axis=0) / np.sqrt(users)])


def play(method: str, seed: int, users: int, runs: Path) -> tuple[str, int, Floats]:
    """Trains a run and plays it, unless that is done; returns ``(prompts, 2, 2)``, as ``points_of``, the default last.

    Each seed has users of its own, the same ones for all methods.
    """
    torch.set_num_threads(1)
    gym.logger.min_level = gym.logger.ERROR
    kept = runs / "played" / f"{method} {seed} {users}.npy"
    if not kept.exists():
        script, settings = METHODS[method]
        steps = settings["total_steps"]
        common = {
            "env": ENV, "episodes": (recording(runs),), "seed": seed, "out": runs, "resume": "auto", "label": method,
            "eval_episodes": 0, "eval_every": steps, "checkpoint_every": steps, "log_every": steps // 4,
            "device": "cpu", "tensorboard": False, "validation": 0.02,
        }  # fmt: skip
        run = script.train(script.Args(**common, **settings))
        facts = json.loads((run.folder / "log.jsonl").read_text().splitlines()[0])
        first = users * (seed - FIRST_SEED)
        *others, default = [script.load_policy(run.folder, **asked) for asked in prompts(script, facts)]
        found = [points_of(policy, users // 2, first) for policy in others] + [points_of(default, users, first)]
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".draft")
        with draft.open("wb") as file:
            np.save(file, np.array(found))
        draft.rename(kept)
    return method, seed, np.load(kept)


def prompts(script: Any, facts: dict[str, float]) -> list[dict[str, Any]]:
    """What a run's policy is asked for, as arguments of ``load_policy``."""
    if script is bc:
        return [{}]
    if script is decision_transformer:
        return [{"target_return": share * facts["data/return_best"]} for share in SUM_SHARES]
    best = [facts[f"data/target_{name}"] / dt4ier.Args.proportion for name in TERMS]
    return [{"target_returns": (first * best[0], second * best[1])} for first, second in PAIRS]


def hypervolume(points: Floats, reference: Floats) -> float:
    """The area that points ``(n, 2)`` dominate above a reference point."""
    area, height = 0.0, reference[1]
    for first, second in sorted(points.tolist(), reverse=True):
        if first > reference[0] and second > height:
            area += (first - reference[0]) * (second - height)
            height = second
    return float(area)


def distance(point: Floats, front: ParetoFront) -> float:
    """How far a point ``(2,)`` is from the front, whose vertices are joined by lines."""
    starts, ends = front.points[:-1], front.points[1:]
    along = ends - starts
    lengths = np.maximum((along**2).sum(axis=1), 1e-12)
    places = np.clip(((point - starts) * along).sum(axis=1) / lengths, 0.0, 1.0)
    return float(np.linalg.norm(starts + places[:, None] * along - point, axis=1).min())


def judge(played: Floats, front: ParetoFront, reference: Floats, most: float) -> dict[str, Any]:
    """A row of the record, of runs ``(runs, prompts, 2, 2)``."""
    asked = played[:, -1, 0]
    volumes = np.array([hypervolume(points, reference) / most for points in played[:, :, 0]])
    return {
        "points": played[:, :, 0].tolist(),
        "standard_errors": played[:, :, 1].tolist(),
        **{name: asdict(bootstrap_mean(asked[:, k])) for k, name in enumerate(TERMS)},
        "distance": asdict(bootstrap_mean(np.array([distance(point, front) for point in asked]))),
        "hypervolumes": volumes.tolist(),
        "hypervolume": asdict(bootstrap_mean(volumes)),
    }


def print_rows(rows: dict[str, Any], behaviour: dict[str, Any], console: Console) -> None:
    table = Table("method", "runs", "clicks", "returns", "distance to the front", "hypervolume", box=box.SIMPLE)
    table.title = "simulated users; means over runs with 95 % intervals; asked for 0.8 of the best recorded"
    point = (f"{behaviour[name]:.2f}" for name in TERMS)
    table.add_row("behaviour", "", *point, f"{behaviour['distance']:.2f}", f"{behaviour['hypervolume']:.3f}")
    table.add_row("its best rankers, in hindsight", "", "", "", "", f"{behaviour['best_rankers']:.3f}")
    for method, row in rows.items():
        cells = [
            f"{row[name]['estimate']:.{digits}f} [{row[name]['low']:.{digits}f}, {row[name]['high']:.{digits}f}]"
            for name, digits in (("click", 2), ("retention", 2), ("distance", 2), ("hypervolume", 3))
        ]
        table.add_row(NAMES[method], str(len(row["points"])), *cells)
    console.print(table)


def draw(
    rows: dict[str, Any], behaviour: dict[str, Any], front: ParetoFront, known: ReferencePoints, path: Path
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.6, 4.8), layout="constrained")
    axis.plot(*front.points.T, color="black", linewidth=1.4, label="Pareto front (exact)")
    axis.plot(*known.best_constant, "v", color="grey", label="best constant slate of all users")
    axis.plot(*known.random, "X", color="grey", label="random slates (reference point)")
    axis.plot(*(behaviour[name] for name in TERMS), "P", color="black", markersize=9, label="behaviour policy")
    axis.plot(*np.transpose(behaviour["rankers"]), "x", color="black", markersize=4, alpha=0.6, label="its 33 rankers")
    for method, (colour, marker) in STYLES.items():
        points = np.array(rows[method]["points"])
        means = points.mean(axis=0)
        axis.plot(*points.reshape(-1, 2).T, ".", color=colour, alpha=0.25, markersize=4)
        axis.plot(*means.T, marker, color=colour, markersize=5, label=NAMES[method])
        axis.plot(*means[-1], marker, color="none", markeredgecolor=colour, markersize=13)
    axis.plot([], [], "o", color="none", markeredgecolor="black", markersize=13, label="asked for 0.8 of the best")
    axis.set(xlabel="clicks (slates' worth, mean of an episode)", ylabel="returns (mean of an episode)")
    axis.set(xlim=(0, None), ylim=(5, None))
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 5,
    ablation_seeds: int = 5,
    users: int = 2_000,
    workers: int = 2,
    runs: Path = Path("runs/dt4ier"),
    out: Path = Path("benchmarks/results/dt4ier.json"),
    figure: Path = Path("docs/figures/dt4ier.png"),
) -> None:
    """Trains what is missing, prints the table, and writes JSON and figure.

    Args:
        seeds: Runs of each method, at least 2; the first has seed 101, and none was used to choose settings.
        ablation_seeds: Runs of each ablation, at least 2; or 0 to leave them out.
        users: Of each run for what is asked for by default; half as many for all else.
        workers: Runs at a time, each with one thread.
        runs: Folder of the runs, the recording and what was played.
        out: The JSON file.
        figure: The figure.
    """
    console, started = Console(width=150), time.perf_counter()
    recording(runs)
    counts = {method: seeds if method in STYLES else ablation_seeds for method in METHODS}
    # All methods with a seed before the next seed, the ablations last.
    ordered = sorted((method not in STYLES, k, method) for method, count in counts.items() for k in range(count))
    played: dict[str, dict[int, Floats]] = {}
    with progress_bar("runs") as bar, worker_processes(workers) as pool:
        futures = [pool.submit(play, method, FIRST_SEED + k, users, runs) for _, k, method in ordered]
        for done, future in enumerate(as_completed(futures)):
            method, seed, points = future.result()
            played.setdefault(method, {})[seed] = points
            bar.update(f"{method} {seed}", (done + 1) / len(futures))
    family = gym.make(ENV).unwrapped.family  # type: ignore[attr-defined]
    front, known = pareto_front(family), reference_points(family)
    clicks = np.linspace(front.points[-1, 0], front.points[0, 0], 2_000)
    most = hypervolume(np.stack([clicks, front.bound(clicks)], axis=1), known.random)
    mean, error = points_of(Platform(0), seeds * users, 0)
    behaviour: dict[str, Any] = {name: mean[k] for k, name in enumerate(TERMS)}
    behaviour |= {"standard_errors": error.tolist(), "distance": distance(mean, front)}
    rankers = [points_of(Platform(0, (power,), (c,)), users, 0)[0] for power in POWERS for c in CLICKBAIT]
    behaviour |= {
        "rankers": np.array(rankers).tolist(),
        "best_rankers": hypervolume(np.array(rankers), known.random) / most,
    }
    behaviour["hypervolume"] = hypervolume(mean[None], known.random) / most
    rows = {
        method: judge(np.array([by_seed[seed] for seed in sorted(by_seed)]), front, known.random, most)
        for method in METHODS
        if (by_seed := played.get(method))
    }
    print_rows(rows, behaviour, console)
    draw(rows, behaviour, front, known, figure)
    record = {
        "telos": telos.__version__,
        "machine": describe_machine(),
        "env": ENV,
        "episodes": RECORDED,
        "recording_seed": RECORDING_SEED,
        "seeds": {method: sorted(by_seed) for method, by_seed in played.items()},
        "users_per_run": users,
        "shares": {"pairs": PAIRS, "sum": SUM_SHARES},
        "settings": {"transformers": TRANSFORMER, "BC": CLONE},
        "reference_point": known.random.tolist(),
        "hypervolume_of_the_front": most,
        "front": front.points.tolist(),
        "behaviour": behaviour,
        "rows": rows,
        "wall_s": time.perf_counter() - started,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
