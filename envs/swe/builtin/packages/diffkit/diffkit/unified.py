"""Unified diffs: hunks, their text, and their application."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from diffkit.lines import Edit, diff_lines

HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
INVERSE = {" ": " ", "-": "+", "+": "-"}


class PatchError(ValueError):
    """A patch that is malformed or does not fit."""


@dataclass(frozen=True)
class Hunk:
    """Neighbouring edits; the starts count the lines that come before them on either side."""

    old_start: int
    new_start: int
    edits: tuple[Edit, ...]

    def old_lines(self) -> list[str]:
        """The lines the hunk expects to find."""
        return [line for op, line in self.edits if op != "+"]

    def new_lines(self) -> list[str]:
        """The lines the hunk leaves behind."""
        return [line for op, line in self.edits if op != "-"]

    def header(self) -> str:
        """The line `@@ -start,count +start,count @@`.

        A start is the number of the first line, from 1; a count of 1 is left out, and for a
        count of 0 the start is that of the line before.
        """
        old = _span(self.old_start, len(self.old_lines()))
        new = _span(self.new_start, len(self.new_lines()))
        return f"@@ -{old} +{new} @@"


def _span(start: int, count: int) -> str:
    if count == 0:
        return f"{start},0"
    return str(start + 1) if count == 1 else f"{start + 1},{count}"


def make_hunks(a: Sequence[str], b: Sequence[str], context: int = 3) -> list[Hunk]:
    """The hunks that turn `a` into `b`, each with up to `context` kept lines on either side.

    Changes whose context touches or overlaps share a hunk. Equal inputs give no hunks. A
    negative context raises ValueError.
    """
    if context < 0:
        raise ValueError("context must not be negative")
    edits = diff_lines(a, b)
    spans: list[tuple[int, int]] = []
    for index, (op, _) in enumerate(edits):
        if op == " ":
            continue
        start, end = max(index - context, 0), index + context + 1
        if spans and start <= spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, end))
    hunks: list[Hunk] = []
    for start, end in spans:
        ops = [op for op, _ in edits[:start]]
        old_start, new_start = start - ops.count("+"), start - ops.count("-")
        hunks.append(Hunk(old_start, new_start, tuple(edits[start:end])))
    return hunks


def render_unified(
    a: Sequence[str],
    b: Sequence[str],
    old_name: str = "a",
    new_name: str = "b",
    context: int = 3,
) -> str:
    """The unified diff from `a` to `b`, every line ended by a newline; "" when they are equal."""
    hunks = make_hunks(a, b, context)
    if not hunks:
        return ""
    lines = [f"--- {old_name}", f"+++ {new_name}"]
    for hunk in hunks:
        lines.append(hunk.header())
        lines.extend(op + line for op, line in hunk.edits)
    return "\n".join(lines) + "\n"


def parse_unified(text: str) -> list[Hunk]:
    """The hunks of a unified diff of one file; lines before the first hunk are ignored.

    Raises PatchError when there is no hunk, a line in a hunk starts with anything but " ", "-"
    or "+", or a hunk does not hold the number of lines that its header says.
    """
    hunks: list[Hunk] = []
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    heads = [(i, match) for i, line in enumerate(lines) if (match := HEADER.match(line))]
    if not heads:
        raise PatchError("no hunk found")
    ends = [start for start, _ in heads[1:]] + [len(lines)]
    for (start, match), end in zip(heads, ends, strict=True):
        old_line, old_count, new_line, new_count = (int(n or 1) for n in match.groups())
        for line in lines[start + 1 : end]:
            if line[:1] not in INVERSE:
                raise PatchError(f"not a diff line: {line!r}")
        edits = tuple((line[0], line[1:]) for line in lines[start + 1 : end])
        hunk = Hunk(old_line - (old_count > 0), new_line - (new_count > 0), edits)
        if len(hunk.old_lines()) != old_count or len(hunk.new_lines()) != new_count:
            raise PatchError(f"wrong number of lines after {lines[start]!r}")
        hunks.append(hunk)
    return hunks


def apply_hunks(lines: Sequence[str], hunks: Iterable[Hunk], max_shift: int = 0) -> list[str]:
    """`lines` with `hunks` applied, as a new list.

    The kept and removed lines of each hunk must be found where it says, or up to `max_shift`
    lines away; the nearest place wins, the earlier of two. A shift carries over to the hunks
    after it. Hunks must not overlap or run backward. Otherwise PatchError is raised.
    """
    result: list[str] = []
    done = 0
    drift = 0
    for hunk in hunks:
        old = hunk.old_lines()
        place = _locate(lines, old, hunk.old_start + drift, done, max_shift)
        drift = place - hunk.old_start
        result.extend(lines[done:place])
        result.extend(hunk.new_lines())
        done = place + len(old)
    result.extend(lines[done:])
    return result


def _locate(lines: Sequence[str], old: list[str], expected: int, lowest: int, reach: int) -> int:
    for shift in range(reach + 1):
        for place in (expected - shift, expected + shift):
            end = place + len(old)
            if lowest <= place and end <= len(lines) and list(lines[place:end]) == old:
                return place
    raise PatchError(f"hunk at line {expected + 1} does not fit")


def invert(hunks: Iterable[Hunk]) -> list[Hunk]:
    """The hunks that undo `hunks`; lines taken out still come before lines put in."""
    inverted: list[Hunk] = []
    for hunk in hunks:
        edits: list[Edit] = []
        added = 0
        for op, line in hunk.edits:
            if op == "+":
                edits.insert(len(edits) - added, ("-", line))
                continue
            added = added + 1 if op == "-" else 0
            edits.append((INVERSE[op], line))
        inverted.append(Hunk(hunk.new_start, hunk.old_start, tuple(edits)))
    return inverted
