"""Tables with aligned columns and borders."""

from __future__ import annotations

from collections.abc import Sequence

from layout.text import align, truncate

ALIGNMENTS = {"l": "left", "r": "right", "c": "center"}
BORDERS = ("none", "ascii", "markdown")


def render_table(
    rows: Sequence[Sequence[object]],
    headers: Sequence[str] | None = None,
    aligns: str = "",
    border: str = "ascii",
    max_width: int | None = None,
) -> str:
    """The table of `rows`, its lines joined by newlines and without spaces at their end.

    Cells are shown with `str`, None as nothing, newlines in them as spaces. Short rows, the
    headers among them, are filled up with empty cells. `aligns` has a letter for each column
    from the left, `l`, `r` or `c`; columns beyond its end are left-aligned. Cells longer than
    `max_width` are cut with an ellipsis of three dots.

    The border is "none" (columns two spaces apart, headers underlined), "ascii" (a box of `+`,
    `-` and `|`, with a rule between headers and rows) or "markdown" (`|` between columns, which
    are 3 wide at least, and under the headers a rule with a colon on the right for `r` and on
    both sides for `c`; without headers an empty header row).

    No rows and no headers, or only empty ones, give "". An unknown letter or border, or a
    max_width below 1, raises ValueError.
    """
    if border not in BORDERS:
        raise ValueError(f"unknown border {border!r}")
    if set(aligns) - set(ALIGNMENTS):
        raise ValueError(f"unknown letter in {aligns!r}")
    if max_width is not None and max_width < 1:
        raise ValueError("max_width must be at least 1")
    cells = [[_show(value, max_width) for value in row] for row in rows]
    if headers is not None:
        cells.insert(0, [_show(value, max_width) for value in headers])
    elif border == "markdown":
        cells.insert(0, [])
    count = max((len(row) for row in cells), default=0)
    if count == 0:
        return ""
    letters = aligns.ljust(count, "l")
    for row in cells:
        row.extend([""] * (count - len(row)))
    widths = [max(len(row[col]) for row in cells) for col in range(count)]
    if border == "markdown":
        widths = [max(width, 3) for width in widths]
    lines: list[str] = []
    for row in cells:
        padded = [align(row[i], widths[i], ALIGNMENTS[letters[i]]) for i in range(count)]
        lines.append("  ".join(padded) if border == "none" else f"| {' | '.join(padded)} |")
    if border == "ascii":
        rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
        if headers is not None and rows:
            lines.insert(1, rule)
        lines = [rule, *lines, rule]
    elif border == "markdown":
        rules = [_markdown_rule(widths[i], letters[i]) for i in range(count)]
        lines.insert(1, f"| {' | '.join(rules)} |")
    elif headers is not None:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip(" ") for line in lines)


def _show(value: object, max_width: int | None) -> str:
    text = "" if value is None else str(value).replace("\n", " ")
    return text if max_width is None else truncate(text, max_width)


def _markdown_rule(width: int, letter: str) -> str:
    left = ":" if letter == "c" else "-"
    right = "-" if letter == "l" else ":"
    return left + "-" * (width - 2) + right
