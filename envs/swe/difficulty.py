"""How hard a task is, by what a reader of its report has to work out."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from telos.envs.swe.bug_report import identifiers
from telos.envs.swe.syntax import parse

__all__ = ["difficulty"]

_FARTHEST = 2


def difficulty(sources: Mapping[str, str], functions: Sequence[str], edits: int, failing: int, script: str) -> int:
    """Grades a task from 1 (easiest) to 3.

    Points: one for every edit beyond the first, and the distance from the script to the nearest function at fault,
    counted in calls: 0 if the script names it, at most 2. A single failing test adds a point where the script does
    not name the function, since little then tells where to look. No point is difficulty 1, one point is 2, more are 3.

    Args:
        sources: The package's modules: path to text.
        functions: Qualified names of the functions at fault.
        edits: Number of edits that make up the bug.
        failing: Number of tests that fail.
        script: The script in the report.
    """
    distance = _distance(sources, functions, script)
    points = edits - 1 + distance + (failing == 1 and distance > 0)
    return min(1 + points, 3)


def _distance(sources: Mapping[str, str], functions: Sequence[str], script: str) -> int:
    mentions: dict[str, set[str]] = {}
    for source in sources.values():
        for node in ast.walk(parse(source)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                mentions.setdefault(node.name, set()).update(identifiers(node))
            elif isinstance(node, ast.ClassDef):
                special = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name[:2] == "__"]
                mentions.setdefault(node.name, set()).update(*map(identifiers, special))
    # Special methods are called by syntax, so it is their class that code names.
    targets = {re.sub(r"\.__\w+__$", "", function).rpartition(".")[2] for function in functions}
    reached = identifiers(parse(script))
    for distance in range(_FARTHEST):
        if reached & targets:
            return distance
        reached |= {other for name in reached for other in mentions.get(name, ())}
    return _FARTHEST
