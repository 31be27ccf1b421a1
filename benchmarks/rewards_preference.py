"""Whether preference as reward (PAR) holds up a policy that climbs a learned reward.

One prompt has 1,000 responses, each with six normal features of quality and a length (a half of Student's t with 3
degrees of freedom, so that few responses are very long). What a response is worth, in (-1, 1), grows with quality and
with length up to a point, and falls beyond. A judge compares 500 random pairs by the Bradley-Terry model of that worth,
and a linear reward model is fitted to the judgements. Long responses are rare, so the model learns that length is good.
Beside it, as a control, the same with a worth that never falls with length: there the model is right to trust it.

The policy, a softmax with one logit a response, starts uniform and climbs its expected reward less a weight times the
divergence from the start, by the exact natural gradient. What it climbs is what Telos' wrappers pay for the model's
score: nothing changed; ClipReward at the mean score plus a standard deviation; PreferenceAsReward against 10 or 1
responses drawn at the start. As the schemes pay on different scales, the same weight does not mean the same to them:
compare them by the divergence, or each at its best weight.

    OMP_NUM_THREADS=1 python benchmarks/rewards_preference.py

After arXiv 2502.18770, in small: the task and all its numbers are ours, the slope of 1 and the 10 references are those
of the authors' code.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.stats import Interval, bootstrap_mean
from telos.wrappers import Episode, relabel

Floats = NDArray[np.float64]
RESPONSES, FEATURES, COMPARISONS = 1000, 6, 500
QUALITY, LENGTH, JUDGE, RIDGE = 0.8, 0.9, 4.0, 1.0
PENALTIES = {"length harms in the end": 0.15, "length never harms": 0.0}
WEIGHTS = 0.0, 0.03, 0.1, 0.3, 1.0, 3.0
STEP_SIZE = 0.1
DIVERGENCES = 0.5, 1.0, 2.0, 3.0, 4.0
SCHEMES = {"raw": "C3", "clip": "C1", "PAR, 10 references": "C0", "PAR, 1 reference": "C9"}


@dataclass(frozen=True)
class Task:
    """What one seed draws; arrays of shape ``(RESPONSES,)``.

    Attributes:
        worth: The true reward, in (-1, 1).
        score: The fitted reward model's.
        references: Scores of 10 responses of the first policy.
    """

    worth: Floats
    score: Floats
    references: Floats


def draw_task(seed: int, penalty: float) -> Task:
    """Draws the responses, asks the judge and fits the reward model."""
    rng = np.random.default_rng(seed)
    quality, length = rng.normal(size=(RESPONSES, FEATURES)), np.abs(rng.standard_t(3, size=RESPONSES))
    direction = rng.normal(size=FEATURES)
    direction /= np.linalg.norm(direction)
    value = QUALITY * quality @ direction + LENGTH * length - penalty * length**2
    worth = np.tanh(value - np.median(value))
    features = np.column_stack([quality, length])
    one, other = rng.integers(RESPONSES, size=(2, COMPARISONS))
    preferred = rng.random(COMPARISONS) < 1.0 / (1.0 + np.exp(-JUDGE * (worth[one] - worth[other])))
    score = features @ fit((features[one] - features[other]) * np.where(preferred, 1.0, -1.0)[:, None])
    return Task(worth, score, score[rng.integers(RESPONSES, size=10)])


def fit(differences: Floats) -> Floats:
    """Weights of the Bradley-Terry model, by penalised likelihood; rows are winner less loser."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = differences @ weights
        slope = -(differences * (0.5 - 0.5 * np.tanh(margin / 2))[:, None]).sum(axis=0)
        return float(np.logaddexp(0, -margin).sum() + RIDGE / 2 * weights @ weights), slope + RIDGE * weights

    return np.asarray(minimize(loss, np.zeros(differences.shape[1]), jac=True).x)


def paid(task: Task) -> dict[str, Floats]:
    """What each scheme pays for every response: an episode of one step."""
    episodes = [Episode(None, None, {"outcome": np.array([score])}) for score in task.score]

    def pay(wrapper: str, **arguments: Any) -> Floats:
        return np.array([result.reward[0] for result in relabel(episodes, wrapper, **arguments)])

    references = task.references.tolist()
    return {
        "raw": pay("AccumulatedReward"),
        "clip": pay("ClipReward", term="outcome", threshold=float(task.score.mean() + task.score.std())),
        "PAR, 10 references": pay("PreferenceAsReward", references=references),
        "PAR, 1 reference": pay("PreferenceAsReward", references=references[:1]),
    }


def climb(rewards: Floats, weight: float, steps: int, watch: Callable[[int, Floats, Floats], None]) -> None:
    """Natural gradient ascent of the expected reward less ``weight`` times the divergence from the uniform policy.

    Args:
        rewards: ``(seeds, responses)``.
        weight: Of the divergence.
        steps: How many.
        watch: Called before each step and after the last with its number, probabilities and their logarithms.
    """
    logits = np.zeros_like(rewards)
    for step in range(steps + 1):
        log = logits - logits.max(axis=1, keepdims=True)
        log -= np.log(np.exp(log).sum(axis=1, keepdims=True))
        watch(step, np.exp(log), log)
        # The natural gradient of a softmax is the advantage; what is alike for all responses changes nothing.
        logits = log + STEP_SIZE * (rewards - weight * log)


def train(rewards: Floats, worth: Floats, weight: float, steps: int) -> dict[str, Floats]:
    """True reward and divergence over the course of training, ``(seeds, steps + 1)`` each."""
    curves = {name: np.zeros((len(rewards), steps + 1)) for name in ("worth", "divergence")}

    def watch(step: int, policy: Floats, log: Floats) -> None:
        curves["worth"][:, step] = (policy * worth).sum(axis=1)
        curves["divergence"][:, step] = (policy * log).sum(axis=1) + np.log(RESPONSES)

    climb(rewards, weight, steps, watch)
    return curves


def describe(curves: dict[str, Floats]) -> dict[str, Interval]:
    """Each seed's peak, end and what it loses between, and the divergence at the end: means over seeds."""
    end, peak = curves["worth"][:, -1], curves["worth"].max(axis=1)
    found = {"peak": peak, "end": end, "lost": peak - end, "nats": curves["divergence"][:, -1]}
    return {name: bootstrap_mean(values) for name, values in found.items()}


def at_divergence(curves: dict[str, Floats], nats: float) -> Floats:
    """True reward when the divergence is first ``nats``, by seed; at the end where it never is."""
    return np.array(
        [np.interp(nats, far, worth) for far, worth in zip(curves["divergence"], curves["worth"], strict=True)]
    )


def band(axis: Any, places: Floats, values: Floats, colour: str, label: str) -> None:
    """Draws means, and shades their intervals, over seeds."""
    found = [bootstrap_mean(column, resamples=1000) for column in values.T]
    axis.plot(places, [each.estimate for each in found], color=colour, label=label)
    low, high = [each.low for each in found], [each.high for each in found]
    axis.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)


def draw(runs: dict[tuple[str, str, float], dict[str, Floats]], path: Path) -> None:
    """True reward over training, by divergence and by weight; a row for each task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 7.2), sharey=True, constrained_layout=True)
    for row, task in zip(axes, PENALTIES, strict=True):
        for scheme, colour in SCHEMES.items():
            free = runs[task, scheme, 0.0]
            steps = np.unique(np.geomspace(1, free["worth"].shape[1] - 1, 50).astype(int))
            band(row[0], steps, free["worth"][:, steps], colour, scheme)
            nats = np.linspace(0, min(5, free["divergence"][:, -1].mean()), 50)
            band(row[1], nats, np.transpose([at_divergence(free, value) for value in nats]), colour, scheme)
            ends = [bootstrap_mean(runs[task, scheme, weight]["worth"][:, -1]) for weight in WEIGHTS]
            bars = np.transpose([(end.estimate - end.low, end.high - end.estimate) for end in ends])
            row[2].errorbar(
                range(len(WEIGHTS)), [end.estimate for end in ends], bars, color=colour, marker="o", capsize=3
            )
        row[0].set(xscale="log", xlabel="step (weight 0)", ylabel=f"true reward\n({task})")
        row[1].set(xlabel="divergence from the start (nats, weight 0)")
        row[2].set(xlabel="weight of the divergence (at the end of training)")
        row[2].set_xticks(range(len(WEIGHTS)), [f"{weight:g}" for weight in WEIGHTS])
        for axis in row:
            axis.grid(alpha=0.3)
    axes[1, 0].legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 40,
    steps: int = 5000,
    out: Path = Path("benchmarks/results/rewards_preference.json"),
    figure: Path = Path("docs/figures/rewards_preference.png"),
) -> None:
    """Trains, prints the tables, and writes the JSON and the figure.

    Args:
        seeds: Independent tasks, at least 2.
        steps: Of gradient ascent.
        out: The JSON file.
        figure: The figure.
    """
    started, wall = time.process_time(), time.time()
    console, runs = Console(), {}
    record: dict[str, Any] = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds, "steps": steps}
    cases = [(task, scheme, weight) for task in PENALTIES for scheme in SCHEMES for weight in WEIGHTS]
    with progress_bar("preference") as bar:
        for number, (task, scheme, weight) in enumerate(cases):
            if (scheme, weight) == ("raw", WEIGHTS[0]):
                drawn = [draw_task(seed, PENALTIES[task]) for seed in range(seeds)]
                payments = [paid(each) for each in drawn]
                worth = np.array([each.worth for each in drawn])
            rewards = np.array([payment[scheme] for payment in payments])
            runs[task, scheme, weight] = train(rewards, worth, weight, steps)
            bar.update(f"{task}, {scheme}, {weight:g}", (number + 1) / len(cases))
    for task in PENALTIES:
        table = Table("scheme", "weight", "peak", "end", "lost", "nats", box=box.SIMPLE, title=task)
        by_divergence = Table("scheme", *(f"{nats:g} nats" for nats in DIVERGENCES), box=box.SIMPLE, title=task)
        for scheme in SCHEMES:
            rows = {f"{weight:g}": describe(runs[task, scheme, weight]) for weight in WEIGHTS}
            for written, row in rows.items():
                table.add_row(scheme, written, *(str(found) for found in row.values()))
            table.add_section()
            free = runs[task, scheme, 0.0]
            frontier = {f"{nats:g}": bootstrap_mean(at_divergence(free, nats)) for nats in DIVERGENCES}
            by_divergence.add_row(scheme, *(str(found) for found in frontier.values()))
            by_weight = {at: {name: asdict(found) for name, found in row.items()} for at, row in rows.items()}
            record.setdefault("tasks", {}).setdefault(task, {})[scheme] = {
                "by_weight": by_weight,
                "by_divergence": {nats: asdict(found) for nats, found in frontier.items()},
            }
        console.print(table, by_divergence)
    record |= {"cpu_s": time.process_time() - started, "wall_s": time.time() - wall}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(runs, figure)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
