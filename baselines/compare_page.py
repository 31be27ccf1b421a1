"""Writes comparisons: a folder with Markdown, JSON and figures, or one HTML page that needs no network.

* ``write_comparison`` - the folder
* ``write_page`` - the page
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

try:
    import jinja2
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is missing; figures and reports need: pip install 'telos-gym[report]'"
    ) from error
from markupsafe import Markup

import telos
from telos.baselines.compare import Comparison, Group
from telos.baselines.compare_figures import DrawnFigure, draw_figures, save_figures
from telos.baselines.compare_tables import (
    CAPTION,
    comparison_tables,
    describe_machines,
    environment_table,
    overall_table,
    to_markdown,
)

__all__ = ["write_comparison", "write_page"]

_NOT_ARGUMENTS = ("machine", "telos", "label", "seed")


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Writes ``compare.md``, ``compare.json`` and the figures, as PNG and as SVG."""
    figures = draw_figures(comparison)
    save_figures(figures, folder)
    (folder / "compare.json").write_text(json.dumps(comparison.to_dict(), indent=1) + "\n", encoding="utf-8")
    (folder / "compare.md").write_text(_markdown(comparison, figures), encoding="utf-8")


def write_page(comparison: Comparison, path: Path) -> None:
    """Writes the page: tables, figures, and the arguments and wrappers of each label's runs."""
    template = (resources.files("telos.baselines") / "templates" / "compare.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    drawn = [(figure, _inline(figure, number)) for number, figure in enumerate(draw_figures(comparison))]
    sections = []
    if comparison.overall:
        figures = [(figure, svg) for figure, svg in drawn if not figure.environment]
        sections.append({"table": overall_table(comparison), "figures": figures, "groups": []})
    for compared in comparison.environments:
        figures = [(figure, svg) for figure, svg in drawn if figure.environment == compared.environment]
        table = environment_table(comparison, compared)
        groups = [_described(group) for group in compared.groups]
        sections.append({"table": table, "figures": figures, "groups": groups})
    page = environment.from_string(template).render(
        comparison=comparison,
        sections=sections,
        caption=CAPTION,
        machines=describe_machines(comparison),
        version=telos.__version__,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _markdown(comparison: Comparison, figures: list[DrawnFigure]) -> str:
    parts = [f"# Comparison of {len(comparison.runs)} runs\n", f"{CAPTION}\n"]
    parts += [to_markdown(table) for table in comparison_tables(comparison)]
    if comparison.left_out:
        lines = [f"- `{run.path}`: {why}" for run, why in comparison.left_out]
        parts.append("## Runs left out\n\n" + "\n".join(lines) + "\n")
    if comparison.warnings:
        parts.append("## Warnings\n\n" + "\n".join(f"- {text}" for text in comparison.warnings) + "\n")
    if figures:
        shown = [f"![{figure.caption}]({figure.name}.png)\n\n{figure.caption}" for figure in figures]
        parts.append("## Figures\n\n" + "\n\n".join(shown) + "\n")
    parts.append("## Machines\n\n" + "\n".join(f"- {line}" for line in describe_machines(comparison)) + "\n")
    return "\n".join(parts)


def _inline(figure: DrawnFigure, number: int) -> Markup:
    """The SVG as a part of a page: black becomes the text's colour, and ids are its own."""
    svg = figure.svg[figure.svg.index("<svg") :].replace("#000000", "currentColor")
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>figure{number}-", svg)
    return Markup(svg.replace("<svg", '<svg role="img"', 1))


def _described(group: Group) -> dict[str, Any]:
    """Arguments that a group's runs share, and a row a run with those that differ."""
    arguments: list[Mapping[str, Any]] = [run.args for run in group.runs]
    names = [name for name in dict.fromkeys(name for each in arguments for name in each) if name not in _NOT_ARGUMENTS]
    shared = [name for name in names if all(each.get(name) == arguments[0].get(name) for each in arguments)]
    differing = [name for name in names if name not in shared]
    rows = [
        (
            run.seed,
            f"{score:.4g}",
            f"{run.step:,}",
            run.status,
            *(run.args.get(name, "") for name in differing),
            run.path,
        )
        for run, score in zip(group.runs, group.scores, strict=True)
    ]
    return {
        "label": group.label,
        "wrappers": group.runs[0].wrappers,
        "arguments": [(name, arguments[0][name]) for name in shared],
        "columns": ("seed", "score", "steps", "status", *differing, "folder"),
        "rows": rows,
    }
