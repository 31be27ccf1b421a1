"""The figure of scripted policies and their HTML page, which is one file and needs no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

try:
    import jinja2
    import matplotlib
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is missing; figures and reports need: pip install 'telos-gym[report]'"
    ) from error

matplotlib.use("Agg")
from matplotlib import pyplot as plt

__all__ = ["draw_returns", "write_report"]

_COLOURS = {
    "random": "#8d99ae",
    "loiterer": "#d1495b",
    "empty submit": "#c9ada7",
    "honest fixer, failed": "#edae49",
    "honest fixer, repaired": "#66a182",
    "gold patch": "#2e6f8e",
}


def draw_returns(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws the mean returns of the same episodes under D-RA and under G-RA, in one order and on one scale."""
    ordered = sorted(rows, key=lambda row: (row["outcome"], row["direct"]))
    names = [row["group"] for row in ordered]
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.55 * len(names) + 1.6), sharex=True, sharey=True)
    titles = {"direct": "D-RA: every term counts", "gated": "G-RA: format and tool terms count past the gate"}
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        bars = axis.barh(names, [row[key] for row in ordered], color=[_COLOURS[name] for name in names])
        axis.bar_label(bars, fmt="%+.2f", padding=4, fontsize=9)
        axis.axvline(0, color="#444444", linewidth=0.8)
        axis.set_title(title, loc="left", fontsize=11)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.margins(x=0.18)
        axis.set_xlabel("mean return of an episode")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def write_report(record: Mapping[str, Any], folder: Path) -> None:
    """Writes ``report.html`` beside ``returns.png``."""
    template = (resources.files("telos.baselines") / "templates" / "swe_report.html").read_text()
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    figure = base64.b64encode((folder / "returns.png").read_bytes()).decode()
    outcomes = ("no submit", "empty patch", "fails tests", "passes tests")
    page = environment.from_string(template).render(record=record, figure=figure, outcomes=outcomes)
    (folder / "report.html").write_text(page)
