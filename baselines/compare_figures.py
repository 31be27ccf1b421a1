"""Figures of a comparison.

* ``draw_figures`` - all of them, one after the other
* ``save_figures`` - these as PNG and SVG
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import matplotlib
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is missing; figures and reports need: pip install 'telos-gym[report]'"
    ) from error

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from telos.baselines.compare import Comparison, EnvironmentComparison, Group
from telos.baselines.compare_tables import metric_name
from telos.baselines.runs import common_curves
from telos.baselines.stats import iqm, performance_profile

__all__ = ["DrawnFigure", "draw_figures", "save_figures"]

# Paul Tol's bright scheme: apart for the colour-blind, and visible on white and on black.
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999")
# His light scheme: for areas, and not to be taken for the colours of labels.
_FILLS = ("#77aadd", "#ee8866", "#44bb99", "#eedd88", "#ffaabb", "#99ddff", "#bbcc33")
_DASHES = ("-", "--", ":", "-.")
_STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "telos",
    "text.parse_math": False,
}
_PAID, _RAW = "charts/episodic_return", "charts/raw_return"
_MOST_TERMS = len(_FILLS)


@dataclass(frozen=True)
class DrawnFigure:
    """A figure.

    Attributes:
        environment: What it is about; empty if it is about all.
        name: Its file's, without ending.
        caption: What it shows, in a sentence.
        svg: The figure as SVG: black on nothing, with its text as text.
        png: The same on white.
        wide: Whether it has several panels.
    """

    environment: str
    name: str
    caption: str
    svg: str
    png: bytes
    wide: bool


def draw_figures(comparison: Comparison) -> list[DrawnFigure]:
    """Draws, for each environment: curves, profile, shaped against raw return, and reward terms.

    What runs did not log, or would show one point only, is not drawn; nor is what is paid where nothing is wrapped.
    """
    styles, figures = _styles(comparison), []
    with plt.rc_context(_STYLE):
        for compared in comparison.environments:
            for name, caption, figure in _environment_figures(comparison, compared, styles):
                file_name = f"{_file_name(compared.environment)}-{name}"
                figures.append(_drawn(compared.environment, file_name, caption, figure))
        if comparison.overall and comparison.normalise:
            caption = "Share of runs above each normalised score, averaged over environments."
            figures.append(_drawn("", "all-profile", caption, _overall_profile(comparison, styles)))
    return figures


def save_figures(figures: Sequence[DrawnFigure], folder: Path) -> None:
    """Writes ``<name>.png`` and ``<name>.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        (folder / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
        (folder / f"{figure.name}.png").write_bytes(figure.png)


def _environment_figures(
    comparison: Comparison, compared: EnvironmentComparison, styles: dict[str, dict[str, str]]
) -> Iterator[tuple[str, str, Any]]:
    bands = "bands are 95 % bootstrap intervals"
    if any(len(group.curve.steps) > 1 for group in compared.groups):
        figure = _curves(comparison, compared, styles)
        yield "curves", f"Interquartile mean of {metric_name(comparison)} over runs; {bands}.", figure
    if any(len(group.runs) > 1 for group in compared.groups):
        figure = _profile(comparison, compared, styles)
        caption = f"Share of runs above each score at {compared.step:,} steps; {bands}, at each score by itself."
        yield "profile", caption, figure
    wrapped = [group for group in compared.groups if group.runs[0].wrappers]
    if wrapped:
        shaped = {group.label: _paid_and_raw(group) for group in compared.groups}
        found = {label: each for label, each in shaped.items() if each is not None}
        if found:
            caption = (
                "What the learner is paid, and the raw return, in training episodes: interquartile means. On the "
                "right one against the other, from the circle to the dot; a path that goes right and down earns more "
                "for less."
            )
            yield "returns", caption, _returns(found, styles)
    stacks: dict[str, dict[str, Any]] = {}
    for prefix, what, groups in (("reward/", "raw", compared.groups), ("paid/", "paid", wrapped)):
        terms = {group.label: _terms(group, prefix) for group in groups}
        stacks[what] = {label: each for label, each in terms.items() if each[0].size > 1}
    names = dict.fromkeys(name for terms in stacks.values() for _, found in terms.values() for name in found)
    fills = {name: _FILLS[number % len(_FILLS)] for number, name in enumerate(names)}
    for what, terms in stacks.items():
        if terms:
            caption = f"Mean of each {what} reward term in a training episode, stacked; the line is their sum."
            yield f"{what}-terms", caption, _stacks(terms, fills)


def _styles(comparison: Comparison) -> dict[str, dict[str, str]]:
    """Label to colour and dashes, the same in all figures."""
    labels = sorted({group.label for each in comparison.environments for group in each.groups})
    size = len(_COLOURS)
    return {
        label: {"color": _COLOURS[number % size], "linestyle": _DASHES[number // size % len(_DASHES)]}
        for number, label in enumerate(labels)
    }


def _new(columns: int = 1, rows: int = 1, width: float = 5.2, height: float = 3.3, **options: Any) -> tuple[Any, Any]:
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", squeeze=False, **options)


def _legend(figure: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Below the axes, where long labels do not narrow them; the figure grows by its height."""
    width = int(10.5 * (figure.get_figwidth() - 0.8))  # characters of the font in a line
    wrapped = [textwrap.fill(label, width) for label in labels]
    columns = max(1, min(len(labels), width // (max(map(len, labels), default=1) + 6)))
    lines = max(label.count("\n") + 1 for label in wrapped) * -(-len(wrapped) // columns)
    figure.set_figheight(figure.get_figheight() + 0.19 * lines)
    figure.legend(handles, wrapped, loc="outside lower left", ncols=columns)


def _curves(comparison: Comparison, compared: EnvironmentComparison, styles: dict[str, dict[str, str]]) -> Any:
    figure, axes = _new()
    axis = axes[0, 0]
    for group in compared.groups:
        curve = group.curve
        axis.plot(curve.steps, curve.estimate, label=group.label, **styles[group.label])
        axis.fill_between(
            curve.steps, curve.low, curve.high, color=styles[group.label]["color"], alpha=0.18, linewidth=0
        )
    if comparison.threshold is not None:
        axis.axhline(comparison.threshold, color="black", linewidth=0.8, linestyle=":")
    axis.set(xlabel="environment steps", ylabel=metric_name(comparison), title=compared.environment)
    _in_thousands(axis)
    _legend(figure, *axis.get_legend_handles_labels())
    return figure


def _profile(comparison: Comparison, compared: EnvironmentComparison, styles: dict[str, dict[str, str]]) -> Any:
    scores = {group.label: group.scores for group in compared.groups if len(group.runs) > 1}
    figure, axes = _new()
    axis = axes[0, 0]
    thresholds = _thresholds(list(scores.values()))
    for label, values in scores.items():
        _plot_profile(axis, label, values, thresholds, styles)
    axis.set(xlabel=f"{metric_name(comparison)} at {compared.step:,} steps", ylabel="share of runs above")
    axis.set_title(compared.environment)
    _legend(figure, *axis.get_legend_handles_labels())
    return figure


def _overall_profile(comparison: Comparison, styles: dict[str, dict[str, str]]) -> Any:
    figure, axes = _new()
    axis = axes[0, 0]
    for row in comparison.overall:
        groups = [group for each in comparison.environments for group in each.groups]
        scores = [group.scores for group in groups if group.label == row.label]
        thresholds = _thresholds([group.scores for group in groups])
        _plot_profile(axis, row.label, scores, thresholds, styles)
    axis.set(xlabel=metric_name(comparison), ylabel="share of runs above", title="all environments")
    _legend(figure, *axis.get_legend_handles_labels())
    return figure


def _thresholds(scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    low, high = min(each.min() for each in scores), max(each.max() for each in scores)
    margin = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    return np.linspace(low - margin, high + margin, 200)


def _plot_profile(
    axis: Any, label: str, scores: Any, thresholds: NDArray[np.float64], styles: dict[str, dict[str, str]]
) -> None:
    profile = performance_profile(scores, thresholds)
    axis.step(thresholds, profile.share, where="post", label=label, **styles[label])
    colour = styles[label]["color"]
    axis.fill_between(thresholds, profile.low, profile.high, step="post", color=colour, alpha=0.18, linewidth=0)
    axis.set_ylim(-0.02, 1.02)


def _paid_and_raw(group: Group) -> tuple[NDArray[np.float64], ...] | None:
    """Common steps, and interquartile means of what is paid and of the raw return; None if they were not logged."""
    series = [[run.series(name).finite() for run in group.runs] for name in (_PAID, _RAW)]
    if not all(len(each.steps) > 1 for both in series for each in both):
        return None
    steps, values = common_curves([each for both in series for each in both], points=60)
    paid, raw = np.split(values, 2)
    return (steps, iqm(paid.T), iqm(raw.T)) if len(steps) > 1 else None


def _returns(found: dict[str, tuple[NDArray[np.float64], ...]], styles: dict[str, dict[str, str]]) -> Any:
    figure, axes = _new(columns=3, width=10.6, height=3.2)
    over_paid, over_raw, against = axes[0]
    for label, (steps, paid, raw) in found.items():
        over_paid.plot(steps, paid, label=label, **styles[label])
        over_raw.plot(steps, raw, **styles[label])
        against.plot(paid, raw, linewidth=1.2, alpha=0.8, **styles[label])
        against.plot(paid[:1], raw[:1], "o", color=styles[label]["color"], markerfacecolor="none")
        against.plot(paid[-1:], raw[-1:], "o", color=styles[label]["color"])
    for axis, title in ((over_paid, "paid return"), (over_raw, "raw return")):
        axis.set(xlabel="environment steps", title=title)
        _in_thousands(axis)
    against.set(xlabel="paid return", ylabel="raw return", title="raw against paid return")
    _legend(figure, *over_paid.get_legend_handles_labels())
    return figure


def _terms(group: Group, prefix: str) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Common steps, and each term's mean over the runs, the largest first; no steps if there are none."""
    names = list(dict.fromkeys(name for run in group.runs for name in run.metrics if name.startswith(prefix)))
    series = [[run.series(name).finite() for run in group.runs] for name in names]
    if not names or not all(len(each.steps) > 1 for of_term in series for each in of_term):
        return np.zeros(0), {}
    steps, values = common_curves([each for of_term in series for each in of_term])
    means = values.reshape(len(names), len(group.runs), len(steps)).mean(axis=1)
    order = np.argsort(-np.abs(means).mean(axis=1), kind="stable")
    found = {names[term].removeprefix(prefix): means[term] for term in order[:_MOST_TERMS]}
    if len(order) > _MOST_TERMS:
        rest = order[_MOST_TERMS - 1 :]
        found.pop(names[rest[0]].removeprefix(prefix))
        found["others"] = means[rest].sum(axis=0)
    return steps, found


def _stacks(terms: dict[str, tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]], fills: dict[str, str]) -> Any:
    columns = 2 if len(terms) == 4 else min(3, len(terms))
    rows = -(-len(terms) // columns)
    figure, axes = _new(columns, rows, 1.6 + 3.0 * columns, 0.4 + 2.6 * rows, sharey=True)
    names = list(dict.fromkeys(name for _, found in terms.values() for name in found))
    for axis, (label, (steps, found)) in zip(axes.flat, terms.items(), strict=False):
        values, colours = np.array(list(found.values())), [fills[name] for name in found]
        # Gains and losses are stacked apart: in one stack they would hide each other.
        axis.stackplot(steps, values.clip(min=0.0), colors=colours, linewidth=0)
        axis.stackplot(steps, values.clip(max=0.0), colors=colours, linewidth=0)
        axis.plot(steps, values.sum(axis=0), color="black", linewidth=1.2)
        axis.set_title(textwrap.fill(label, 38), fontsize="small")
        axis.set_xlabel("environment steps")
        _in_thousands(axis)
    for axis in axes.flat[len(terms) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("mean per episode")
    patches = [Patch(color=fills[name]) for name in names]
    _legend(figure, patches, names)
    return figure


def _in_thousands(axis: Any) -> None:
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _drawn(environment: str, name: str, caption: str, figure: Any) -> DrawnFigure:
    svg, png = io.StringIO(), io.BytesIO()
    unsaid = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(svg, format="svg", transparent=True, metadata=unsaid)
    figure.savefig(png, format="png", dpi=130)
    plt.close(figure)
    return DrawnFigure(environment, name, caption, svg.getvalue(), png.getvalue(), len(figure.axes) > 1)


def _file_name(environment: str) -> str:
    return re.sub(r"[^\w.=,+-]+", "-", environment).strip("-")
