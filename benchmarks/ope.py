"""How far off-policy estimators are from the truth, by the number of logged sessions.

A policy is logged in the simulator, another one is evaluated from the log alone, and its true value is known from
sessions of its own. Models of values and labels of states see what a recommender sees. So labels are no states, which
``marginalised`` asks for, but in one setting: there users are alike, and their satisfaction is observed.

    python benchmarks/ope.py
    python benchmarks/ope.py --only "LTSRec-v0, 10 steps" --most 100000
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
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
from telos.baselines import ope
from telos.baselines.logging_policies import SlatePolicy, make_logging_policy
from telos.baselines.machine import describe_machine
from telos.baselines.ope import LoggedSteps
from telos.baselines.ope_values import binned, crossed, fitted_values
from telos.baselines.progress import progress_bar
from telos.baselines.recsys_features import item_features
from telos.baselines.recsys_log import SessionLog, log_sessions, logged_steps, true_value

Floats = NDArray[np.floating]
Features = Callable[[SessionLog, LoggedSteps, SlatePolicy, "Setting"], tuple[Floats, Floats, list[Floats]]]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
REPLICATES = 20
TARGET = 0.05


@dataclass(frozen=True)
class Setting:
    """What is logged, ``most`` sessions, and what is evaluated: with so many draws a slate and labels of states."""

    env: str
    arguments: dict[str, Any]
    behaviour: tuple[str, dict[str, Any]]
    target: tuple[str, dict[str, Any]]
    most: int = 1_000_000
    draws: int = 4
    labels: int = 36


LTS = {
    "behaviour": ("softmax-popularity", {"temperature": 1.0}),
    "target": ("softmax-linear", {"weights": [[3.0, -5.0], [2.0, 0.0]]}),
}
SLATE: dict[str, Any] = {
    "behaviour": ("softmax-popularity", {"temperature": 1.0}),
    "target": ("softmax-linear", {"temperature": 2.0}),
}
OBSERVED = {"split": "test", "memory_discount": [0.8, 0.8], "sensitivity": [0.3, 0.3], "observe_user": True}
SMALL = {"num_items": 100, "slate_size": 3, "horizon": 10, "wanted_clicks": 1.0}
SETTINGS = {
    "LTSRec-v0, 10 steps": Setting("LTSRec-v0", {"split": "test", "horizon": 10}, **LTS),
    "LTSRec-v0, 140 steps": Setting("LTSRec-v0", {"split": "test"}, **LTS, most=100_000),
    "LTSRec-v0, 140 steps, observed users": Setting("LTSRec-v0", OBSERVED, **LTS, most=30_000, labels=400),
    "SlateRec-v0, 3 of 100 items, 10 steps": Setting("SlateRec-v0", SMALL, **SLATE),
    "SlateRec-v0, 10 of 1,000 items, 100 steps": Setting("SlateRec-v0", {}, **SLATE, most=100_000, draws=2),
}


def decayed(steps: LoggedSteps, values: Floats, rate: float) -> Floats:
    """What came before each step of a session, discounted by ``rate`` a step."""
    total = np.zeros(len(values))
    for _, rows in steps.alive[1:]:
        total[rows] = rate * total[rows - 1] + values[rows - 1]
    return total


def lts_features(
    log: SessionLog, steps: LoggedSteps, target: SlatePolicy, setting: Setting
) -> tuple[Floats, Floats, list[Floats]]:
    """Features of state and action, their mean over the target policy, and what states are told apart by.

    The state is the last engagement, its mean so far, and what was shown, at three memories; quadratic in clickbait.
    """
    seen = log.seen
    clickbait = np.arange(target.items) / target.items
    shown, engagement = clickbait[log.actions], seen[:, -1].astype(np.float64) / 10.0
    short, middle, long = (decayed(steps, shown - 0.5, rate) for rate in (0.3, 0.7, 0.93))
    last = decayed(steps, shown, 0.0)
    mean = decayed(steps, steps.rewards / 10.0, 1.0) / np.maximum(log.times, 1)
    columns = [
        np.ones(len(shown)),
        engagement,
        engagement * last,
        mean,
        short,
        middle,
        long,
        mean * middle,
        mean * long,
    ]
    context = np.stack([column.astype(np.float32) for column in columns], axis=1)
    powers = np.stack([np.ones(target.items), clickbait, clickbait**2], axis=1)
    expected = target.expected(seen, powers, np.ones(1))
    of_actions = (powers.astype(np.float32)[log.actions], expected.astype(np.float32))
    state = [seen[:, -3]] if setting.arguments.get("observe_user") else [mean, middle]
    return crossed(context, of_actions[0]), crossed(context, of_actions[1]), state


def slate_features(
    log: SessionLog, steps: LoggedSteps, target: SlatePolicy, setting: Setting
) -> tuple[Floats, Floats, list[Floats]]:
    """The same for slates: how well the topics of a slate fit the clicks so far, by the chance of a look."""
    seen, env = log.seen, gym.make(setting.env, **setting.arguments)
    public, looks = item_features(setting.env, env), np.asarray(env.unwrapped.examination)
    env.close()
    per_item = np.concatenate([public.items, public.popularity[:, None]], axis=1)
    topics = per_item.shape[1] - 2
    shown = np.zeros((len(seen), per_item.shape[1]))
    for k, look in enumerate(looks.tolist()):
        shown += look * per_item[log.actions[:, k]]
    expected = target.expected(seen, per_item, looks, draws=setting.draws)
    context = public.context(seen)
    liked, recent = context[:, 1 : 1 + topics], context[:, 1 + topics :]
    clicks = seen[:, : len(looks)].sum(axis=1).astype(np.float64)
    earlier = decayed(steps, log.terms["clicks"], 1.0)
    state = [np.ones(len(seen)), clicks, earlier, liked.sum(axis=1), recent.sum(axis=1), liked.max(axis=1)]

    def features(slate: Floats) -> Floats:
        fit, bored = (slate[:, :topics] * liked).sum(axis=1), (slate[:, :topics] * recent).sum(axis=1)
        parts = [*state, fit, bored, slate[:, -2], slate[:, -1], fit * state[4], slate[:, -1] * state[5], fit * clicks]
        return np.stack([column.astype(np.float32) for column in parts], axis=1)

    return features(shown), features(expected), [earlier, recent.sum(axis=1)]


FEATURES: dict[str, Features] = {"LTSRec-v0": lts_features, "SlateRec-v0": slate_features}


def estimates(steps: LoggedSteps, model: tuple[Floats, Floats], states: NDArray[np.int64]) -> dict[str, Any]:
    """All estimators: ``(value, low, high, standard error, least effective sessions)`` by name."""
    q, v = fitted_values(steps, *model)
    start = v[steps.alive[0][1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ope.OverlapWarning)
        found = {
            "IPS": ope.importance_sampling(steps),
            "SNIPS": ope.self_normalised(steps),
            "PDIS": ope.per_decision(steps),
            "WPDIS": ope.weighted_per_decision(steps),
            "DR": ope.doubly_robust(steps, q, v),
            "WDR": ope.weighted_doubly_robust(steps, q, v),
            "MIS": ope.marginalised(steps, states),
            "MIS, normalised": ope.marginalised(steps, states, normalise=True),
            "DRL": ope.double_reinforcement(steps, q, v, states, normalise=True),
        }
    rows = {
        name: (e.value, e.low, e.high, e.standard_error, float(e.effective_sessions.min())) for name, e in found.items()
    }
    return {"model alone": (float(start.mean()), np.nan, np.nan, np.nan, np.nan), **rows}


def part(steps: LoggedSteps, sessions: slice) -> tuple[LoggedSteps, slice]:
    """A stretch of the sessions, and its rows."""
    ends = np.concatenate([[0], np.cumsum(steps.lengths)])
    rows = slice(int(ends[sessions.start]), int(ends[sessions.stop]))
    cut = (getattr(steps, name)[rows] for name in ("behaviour", "target"))
    return LoggedSteps(steps.rewards[rows], steps.lengths[sessions], *cut, steps.gamma), rows


def measure(setting: Setting, most: int, seed: int, show: Callable[[str, float], object]) -> dict[str, Any]:
    """Logs, evaluates, and compares with the truth."""
    make = {"env_id": setting.env, "kwargs": setting.arguments}
    behaviour = make_logging_policy(setting.behaviour[0], **make, seed=seed, arguments=setting.behaviour[1])
    target = make_logging_policy(setting.target[0], **make, seed=seed + 1, arguments=setting.target[1])
    began = time.process_time()
    truth = true_value(target, **make, seed=seed, least=50_000, show=lambda share: show("truth", share))
    spent = {"truth": time.process_time() - began}
    total, began, wall = min(most, setting.most), time.process_time(), time.perf_counter()
    blocks = log_sessions(behaviour, **make, episodes=total, seed=seed, show=lambda share: show("log", share))
    log = SessionLog.joined(list(blocks))
    spent |= {"log": time.process_time() - began, "log, wall": time.perf_counter() - wall}
    show("features", 0.0)
    steps = logged_steps(log, target)
    *model, known = FEATURES[setting.env](log, steps, target, setting)
    times, earned = log.times, float(log.rewards.sum()) / len(log)
    length = float(log.lengths.mean())
    del log
    results = []
    for size in [size for size in SIZES if size <= total]:
        replicates = min(total // size, REPLICATES)
        began, rows_of = time.process_time(), []
        for k in range(replicates):
            show(f"{size:,} sessions", k / replicates)
            own, rows = part(steps, slice(k * size, (k + 1) * size))
            columns = [column[rows] for column in known]
            states = binned(columns, round(setting.labels ** (1.0 / len(columns))), times[rows])
            rows_of.append(estimates(own, (model[0][rows], model[1][rows]), states))
        for name in rows_of[0]:
            values, low, high, error, effective = np.array([found[name] for found in rows_of]).T
            relative = values / truth.value - 1.0
            results.append(
                {
                    "estimator": name,
                    "sessions": size,
                    "replicates": replicates,
                    "relative_rmse": float(np.sqrt((relative**2).mean())),
                    "relative_errors": relative.tolist(),
                    "relative_standard_error": float(error.mean() / abs(truth.value)),
                    "covered": float(((low <= truth.value) & (truth.value <= high)).mean()),
                    "effective_sessions": float(np.median(effective)),
                }
            )
        spent[f"{size} sessions"] = time.process_time() - began
    return {
        "setting": asdict(setting),
        "truth": asdict(truth),
        "behaviour_value": earned,
        "mean_length": length,
        "cpu_seconds": spent,
        "results": results,
    }


def print_table(console: Console, name: str, found: dict[str, Any]) -> None:
    """Errors by estimator and size."""
    sizes = sorted({row["sessions"] for row in found["results"]})
    truth = found["truth"]
    title = (
        f"{name}: relative root mean squared error; truth {truth['value']:.5g} "
        f"+- {1.96 * truth['standard_error']:.2g}, logged policy {found['behaviour_value']:.5g}"
    )
    table = Table(
        "estimator", *(f"{size:,}" for size in sizes), "in the interval", "effective", box=box.SIMPLE, title=title
    )
    for estimator in dict.fromkeys(row["estimator"] for row in found["results"]):
        rows = [row for row in found["results"] if row["estimator"] == estimator]
        covered = " ".join("-" if estimator == "model alone" else f"{row['covered']:.0%}" for row in rows)
        last = rows[-1]["effective_sessions"]
        table.add_row(estimator, *(f"{row['relative_rmse']:.2%}" for row in rows), covered, f"{last:,.0f}")
    console.print(table)


def draw(path: Path, found: dict[str, Any]) -> None:
    """Relative errors against sessions, a panel for each setting."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained", sharex=True)
    marks = "osv^DPXd*h"
    for axis, (name, measured) in zip(axes.flat, found.items(), strict=False):
        for k, estimator in enumerate(dict.fromkeys(row["estimator"] for row in measured["results"])):
            rows = [row for row in measured["results"] if row["estimator"] == estimator]
            dashed = "--" if estimator in ("IPS", "SNIPS", "PDIS", "WPDIS") else "-"
            axis.plot(
                [row["sessions"] for row in rows],
                [row["relative_rmse"] for row in rows],
                dashed,
                marker=marks[k],
                markersize=4,
                linewidth=1.3,
                color=f"C{k}",
                label=estimator,
            )
        axis.axhline(TARGET, color="0.6", linewidth=0.8, linestyle=":")
        axis.set(xscale="log", yscale="log", xlabel="logged sessions")
        axis.set_title(name, fontsize=10)
        axis.tick_params(labelbottom=True)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("relative error (root mean square)")
    for axis in axes.flat[len(found) :]:
        axis.axis("off")
    axes.flat[-1].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    only: tuple[str, ...] = (),
    most: int = 1_000_000,
    seed: int = 0,
    out: Path = Path("benchmarks/results/ope.json"),
    figure: Path = Path("docs/figures/ope.png"),
) -> None:
    """Measures, prints the tables, and writes the JSON and the figure.

    Args:
        only: Settings to measure, by name; others stay as they are in the JSON file.
        most: Sessions to log, at most.
        seed: Of the log and of the truth.
        out: The JSON file.
        figure: The figure.
    """
    if unknown := set(only) - set(SETTINGS):
        raise SystemExit(f"there is no setting {sorted(unknown)}; there are {list(SETTINGS)}")
    console = Console(width=120)
    record: dict[str, Any] = {"settings": {}}
    for name in only or SETTINGS:
        with progress_bar(name) as bar:
            found = measure(SETTINGS[name], most, seed, lambda text, share: bar.update(f"{name}: {text}", share))  # noqa: B023
        found |= {"machine": describe_machine(), "telos": telos.__version__, "seed": seed}
        record = json.loads(out.read_text()) if out.exists() else record
        measured = record["settings"] | {name: found}
        record["settings"] = {known: measured[known] for known in SETTINGS if known in measured}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(record, indent=1) + "\n")
        print_table(console, name, found)
    draw(figure, record["settings"])
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
