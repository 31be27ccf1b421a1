"""Whether the robust ensemble reward (BRME) beats one reward model, and the plain mean of several.

A bandit with 8 contexts and 8 actions. What an action is worth in a context is linear in 8 features and normal with
mean 0 and variance 1. Of 40 noisy labels, 5 linear heads are fitted, each to a bootstrap sample of its own and shrunk
towards weights of its own that it draws from the prior; the standard deviation of a head's reward is that of its
posterior. The policy is the optimum of expected reward less a weight times the divergence from the uniform policy.
What it is optimal for is what RobustEnsembleReward pays. Reported is what its actions are worth.

Three sweeps: the weight of the divergence, the number of labels, and the parts of the task that are ours to choose.

    OMP_NUM_THREADS=1 python benchmarks/rewards_ensemble.py

After arXiv 2409.15360, in small: the task and all its numbers are ours.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
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
from telos.baselines.stats import Interval, bootstrap_mean
from telos.wrappers import Episode, relabel

Floats = NDArray[np.float64]
CONTEXTS = ACTIONS = 8
HEADS = 5
WEIGHT = 0.1
WEIGHTS = 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01
LABELS = 10, 20, 40, 80, 160
_ONE = {"heads": ["info:first_head"], "stds": None, "nominal": "mean", "aggregate": "mean"}
SCHEMES: dict[str, tuple[dict[str, Any], str]] = {
    "one head": (_ONE, "C3"),
    "nominal": ({"mixture": 1.0}, "C1"),
    "0.8 nominal, 0.2 worst": ({"mixture": 0.8}, "C9"),
    "0.4 nominal, 0.6 worst": ({"mixture": 0.4}, "C0"),
    "worst": ({"aggregate": "worst"}, "C4"),
    "0.4 mean, 0.6 worst": ({"mixture": 0.4, "stds": None, "nominal": "mean"}, "C8"),
    "mean": ({"aggregate": "mean"}, "C2"),
}
COMPARED = "0.4 nominal, 0.6 worst"


@dataclass(frozen=True)
class Setting:
    """A kind of bandit and of its reward models.

    Attributes:
        labels: How many.
        features: Of a context and an action.
        noise: Standard deviation of a label's error.
        prior: Standard deviation of the weights that a head is shrunk to, as a share of that of the true ones.
    """

    labels: int = 40
    features: int = 8
    noise: float = 1.0
    prior: float = 1.0


OTHERS = {
    "24 features, noise 0.5": Setting(features=24, noise=0.5),
    "16 features, noise 0.5, prior 2": Setting(features=16, noise=0.5, prior=2.0),
    "noise 0.5": Setting(noise=0.5),
    "noise 2": Setting(noise=2.0),
    "prior 2": Setting(prior=2.0),
    "no prior draws": Setting(prior=0.0),
}


def draw(seed: int, setting: Setting) -> tuple[Floats, Floats, Floats]:
    """Draws a bandit and fits its heads.

    Returns:
        What actions are worth, ``(pairs,)``; the heads' rewards, ``(pairs, HEADS)``; their standard deviations.
    """
    rng = np.random.default_rng(seed)
    pairs, size = CONTEXTS * ACTIONS, setting.features
    features, truth = rng.normal(size=(pairs, size)), rng.normal(size=size)
    truth /= np.linalg.norm(truth)
    worth = features @ truth
    labelled = rng.integers(pairs, size=setting.labels)
    labels = worth[labelled] + setting.noise * rng.normal(size=setting.labels)
    means, deviations = np.zeros((2, pairs, HEADS))
    for head in range(HEADS):
        sample = rng.integers(setting.labels, size=setting.labels)
        seen, start = features[labelled[sample]], setting.prior * rng.normal(size=size) / np.sqrt(size)
        # The prior of the true weights: mean 0, variance 1 / size each.
        spread = np.linalg.inv(seen.T @ seen / setting.noise**2 + size * np.eye(size))
        weights = start + spread @ seen.T @ (labels[sample] - seen @ start) / setting.noise**2
        means[:, head] = features @ weights
        deviations[:, head] = np.sqrt(np.einsum("pi,ij,pj->p", features, spread, features))
    return worth, means, deviations


def paid(means: Floats, deviations: Floats, arguments: dict[str, Any]) -> Floats:
    """What the wrapper pays for every pair, ``(seeds, pairs)``; the pairs of a seed are the steps of one episode."""
    nothing = np.zeros(means.shape[1])
    episodes = [
        Episode(
            None, None, {"outcome": nothing}, infos={"reward_heads": mu, "reward_stds": std, "first_head": mu[:, 0]}
        )
        for mu, std in zip(means, deviations, strict=True)
    ]
    return np.array([result.reward for result in relabel(episodes, "RobustEnsembleReward", **arguments)])


def optimise(rewards: Floats, weight: float) -> Floats:
    """The policy that is optimal for rewards less ``weight`` times the divergence, ``(seeds, contexts, actions)``."""
    logits = rewards.reshape(-1, CONTEXTS, ACTIONS) / weight
    policy = np.exp(logits - logits.max(axis=2, keepdims=True))
    return np.asarray(policy / policy.sum(axis=2, keepdims=True))


def measure(setting: Setting, seeds: int, weights: tuple[float, ...]) -> dict[str, Floats]:
    """Mean worth under each scheme's policies, ``(weights, seeds)``, and under the best policy as ``"optimum"``."""
    worth, means, deviations = (
        np.array(part) for part in zip(*(draw(seed, setting) for seed in range(seeds)), strict=True)
    )
    table = worth.reshape(-1, CONTEXTS, ACTIONS)
    found = {"optimum": np.tile(table.max(axis=2).mean(axis=1), (len(weights), 1))}
    for name, (arguments, _) in SCHEMES.items():
        rewards = paid(means, deviations, arguments)
        policies = [optimise(rewards, weight) for weight in weights]
        found[name] = np.array([(policy * table).sum(axis=2).mean(axis=1) for policy in policies])
    return found


def describe(found: dict[str, Floats], at: int = 0) -> dict[str, dict[str, Interval]]:
    """Means at one weight, and paired differences from one head and from the mean."""
    rows = {"optimum": {"worth": bootstrap_mean(found["optimum"][at])}}
    for name in SCHEMES:
        worth = found[name][at]
        rows[name] = {
            "worth": bootstrap_mean(worth),
            "above one head": bootstrap_mean(worth - found["one head"][at]),
            "above mean": bootstrap_mean(worth - found["mean"][at]),
        }
    return rows


def plain(rows: dict[str, dict[str, Interval]]) -> dict[str, dict[str, dict[str, float]]]:
    """For JSON."""
    return {name: {what: asdict(found) for what, found in row.items()} for name, row in rows.items()}


def picture(by_weight: dict[str, Floats], by_labels: dict[int, dict[str, Floats]], path: Path) -> None:
    """Worth by weight, and what is gained over the mean by the number of labels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), constrained_layout=True)
    for name, (_, colour) in SCHEMES.items():
        for axis, places, values in (
            (axes[0], WEIGHTS, list(by_weight[name])),
            (axes[1], LABELS, [found[name][0] - found["mean"][0] for found in by_labels.values()]),
        ):
            means = [bootstrap_mean(column, resamples=1000) for column in values]
            low, high = [each.low for each in means], [each.high for each in means]
            axis.plot(places, [each.estimate for each in means], color=colour, marker="o", markersize=3, label=name)
            axis.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
    axes[0].axhline(by_weight["optimum"][0].mean(), color="0.4", linestyle=":", label="optimum")
    axes[0].set(xscale="log", xlabel="weight of the divergence", ylabel="worth of the policy")
    axes[0].legend(fontsize=8)
    axes[1].set(xscale="log", xlabel="labels", ylabel="worth above that of the mean")
    axes[1].set_xticks(LABELS, [str(count) for count in LABELS])
    axes[1].minorticks_off()
    for axis in axes:
        axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 400,
    out: Path = Path("benchmarks/results/rewards_ensemble.json"),
    figure: Path = Path("docs/figures/rewards_ensemble.png"),
) -> None:
    """Measures, prints the tables, and writes the JSON and the figure.

    Args:
        seeds: Independent bandits, at least 2.
        out: The JSON file.
        figure: The figure.
    """
    started, wall = time.process_time(), time.time()
    console, standard = Console(), Setting()
    with progress_bar("ensemble") as bar:
        total = 1 + len(LABELS) + len(OTHERS)
        by_weight = measure(standard, seeds, WEIGHTS)
        by_labels: dict[int, dict[str, Floats]] = {}
        others: dict[str, dict[str, dict[str, Interval]]] = {}
        for labels in LABELS:
            bar.update(f"{labels} labels", (1 + len(by_labels)) / total)
            by_labels[labels] = measure(replace(standard, labels=labels), seeds, (WEIGHT,))
        for name, setting in OTHERS.items():
            bar.update(name, (1 + len(LABELS) + len(others)) / total)
            others[name] = describe(measure(setting, seeds, (WEIGHT,)))
    rows = describe(by_weight, WEIGHTS.index(WEIGHT))
    table = Table("scheme", "worth", "above one head", "above the mean", box=box.SIMPLE, title=f"weight {WEIGHT:g}")
    for name, row in rows.items():
        table.add_row(name, *(str(found) for found in row.values()))
    console.print(table)
    columns = {f"{labels} labels": describe(found) for labels, found in by_labels.items()} | others
    table = Table("task", *SCHEMES, "optimum", box=box.SIMPLE, title="other tasks: worth")
    for name, found in columns.items():
        table.add_row(name, *(f"{found[scheme]['worth'].estimate:.3f}" for scheme in (*SCHEMES, "optimum")))
    console.print(table)
    table = Table("task", "above one head", "above the mean", box=box.SIMPLE, title=f"other tasks: {COMPARED}")
    for name, found in columns.items():
        table.add_row(name, *(str(found[COMPARED][what]) for what in ("above one head", "above mean")))
    console.print(table)
    record: dict[str, Any] = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds}
    record |= {
        "setting": asdict(standard),
        "by_weight": {f"{weight:g}": plain(describe(by_weight, at)) for at, weight in enumerate(WEIGHTS)},
        "other_tasks": {name: plain(found) for name, found in columns.items()},
        "cpu_s": time.process_time() - started,
        "wall_s": time.time() - wall,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    picture(by_weight, by_labels, figure)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
