"""Writes the card of a dataset: what is in it, where it comes from, how it was made and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["write_card"]


def write_card(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a card in Markdown.

    Args:
        path: The file.
        rows: The lines of ``tasks.jsonl``: the package's, with ``made``, then the tasks'.
    """
    made, tasks = rows[0]["made"], rows[1:]
    recipe, fates = made["recipe"], dict(made["fates"])
    tried, kept = fates.pop("tried"), fates.pop("kept")
    operators = Counter(edit["operator"] for task in tasks for edit in task["edits"])
    parts = Counter(len(task["edits"]) for task in tasks)
    levels = Counter(task["difficulty"] for task in tasks)
    requires = "".join(f" --requires {item}" for item in recipe["requires"])
    lines = [
        "---",
        f"license: {_word(made['licence'])}",
        "language: en",
        f"size_categories: {'n<1K' if len(tasks) < 1000 else '1K<n<10K'}",
        "---",
        "",
        f"# Repair tasks made of {made['package']} {made['version']}",
        "",
        f"Tasks for `SWEDocker-v0`: {len(tasks)}. Each is the package with a bug put in by a program, a report of it, "
        "and hidden tests of the package that fail.",
        "",
        "```python",
        "import gymnasium as gym",
        "import telos",
        "",
        'env = gym.make("SWEDocker-v0", tasks="PATH/OF/THIS/FOLDER")',
        "```",
        "",
        "## Source and licence",
        "",
        f"Made from `{made['origin']}`. The package and its tests are their authors' work, licence: "
        f"{made['licence']}; its licence file, where there is one, lies beside it in `packages/{made['package']}/`. "
        "Packages that it requires lie there too, under licences of their own. Bug reports and edits are generated.",
        "",
        "## What is in it",
        "",
        *_table("Difficulty", {str(level): levels[level] for level in (1, 2, 3)}),
        *_table("Edits that make up the bug", {str(number): parts[number] for number in sorted(parts)}),
        *_table("Operator", dict(operators.most_common())),
        "## How it was made",
        "",
        f"`telos swe make-tasks {recipe['target']} --count {recipe['count']} --seed {recipe['seed']} "
        f"--sandbox {recipe['sandbox']}{requires}`",
        "",
        f"- Of {made['tests_found']} tests {made['tests_kept']} pass in the sandbox, without network, in each of three "
        f"runs, and are kept; the suite takes {made['suite_seconds']} s. The others are taken out of the test files.",
        f"- Of {tried} mutants tried {kept} became tasks ({kept / tried:.0%}). A mutant meets the tests that reach the "
        "function that it changes.",
        "- A task is kept if between one test and half of them fail, if one of these can be written as a script that "
        "fails with the bug alone, and if in each of three runs of the whole suite the gold patch passes every test "
        "and the empty patch fails exactly the hidden ones.",
        "- The health record of each task is in `tasks.jsonl`.",
        "",
        *_table("What became of the other mutants", dict(sorted(fates.items(), key=lambda item: -item[1]))),
    ]
    path.write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")


def _word(licence: str) -> str:
    """A licence as one YAML value."""
    return licence.lower() if licence.replace("-", "").replace(".", "").isalnum() else "other"


def _table(head: str, counts: Mapping[str, int]) -> list[str]:
    rows = [f"| {name} | {count} |" for name, count in counts.items()]
    return [f"| {head} | Number |", "|---|---|", *rows, ""]
