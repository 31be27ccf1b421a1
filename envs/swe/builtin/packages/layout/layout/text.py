"""Wrapping, aligning and cutting text. Every character counts as one column."""

from __future__ import annotations

from collections.abc import Sequence


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """The words of `text` filled into lines of at most `width` columns.

    Words are parted by any white space and joined by one space. The first line starts with
    `first` and the others with `rest` (by default as many spaces as `first` is long), which
    count toward the width. A word too long for a line of its own starts on a new line and is
    cut at the line's end. Text without words gives no lines. ValueError unless the width
    leaves at least one column after either prefix.
    """
    rest = " " * len(first) if rest is None else rest
    if width <= max(len(first), len(rest)):
        raise ValueError("width leaves no room for text")
    lines: list[str] = []
    prefix, current = first, ""
    for word in text.split():
        if current and len(prefix) + len(current) + 1 + len(word) <= width:
            current += " " + word
            continue
        if current:
            lines.append(prefix + current)
            prefix = rest
        while len(word) > width - len(prefix):
            room = width - len(prefix)
            lines.append(prefix + word[:room])
            word = word[room:]
            prefix = rest
        current = word
    if current:
        lines.append(prefix + current)
    return lines


def align(text: str, width: int, how: str = "left", fill: str = " ") -> str:
    """`text` padded with `fill` to `width` columns; longer text is returned as it is.

    `how` is "left", "right" or "center"; centred text has the odd column on its right. Another
    `how`, or a fill that is not one character, raises ValueError.
    """
    if len(fill) != 1:
        raise ValueError("fill must be one character")
    space = max(width - len(text), 0)
    if how == "left":
        before = 0
    elif how == "right":
        before = space
    elif how == "center":
        before = space // 2
    else:
        raise ValueError(f"unknown alignment {how!r}")
    return fill * before + text + fill * (space - before)


def justify(text: str, width: int) -> list[str]:
    """`text` wrapped, with the spaces of every line but the last widened to fill `width`.

    Spaces in a line differ by at most one column, the wider ones on the left. A line of one word
    stays as it is. ValueError for a width below 1.
    """
    lines = wrap(text, width)
    result: list[str] = []
    for line in lines[:-1]:
        words = line.split(" ")
        gaps = len(words) - 1
        if gaps == 0:
            result.append(line)
            continue
        each, extra = divmod(width - len("".join(words)), gaps)
        filled = words[0]
        for index, word in enumerate(words[1:]):
            filled += " " * (each + (index < extra)) + word
        result.append(filled)
    return result + lines[-1:]


def truncate(text: str, width: int, marker: str = "...", where: str = "end") -> str:
    """`text` cut to `width` columns, with `marker` in place of what was cut.

    Text that fits is returned as it is. `where` the cut is: "start", "middle" (keeping the odd
    column at the front) or "end"; another value raises ValueError. When the marker leaves no
    room for text, the start of the marker is returned. ValueError for a negative width.
    """
    if width < 0:
        raise ValueError("width must not be negative")
    if where not in ("start", "middle", "end"):
        raise ValueError(f"unknown place {where!r}")
    if len(text) <= width:
        return text
    room = width - len(marker)
    if room <= 0:
        return marker[:width]
    head = {"start": 0, "middle": (room + 1) // 2, "end": room}[where]
    return text[:head] + marker + text[len(text) - (room - head) :]


def indent(text: str, prefix: str, first: str | None = None, blank: bool = False) -> str:
    """`text` with `prefix` before every line, or `first` before the first line if given.

    Lines of nothing but white space stay as they are unless `blank` is true. Line ends are kept.
    """
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if blank or line.strip():
            lines[index] = (first if first is not None and index == 0 else prefix) + line
    return "".join(lines)


def dedent(text: str) -> str:
    """`text` without the leading spaces that all its lines share.

    Lines of nothing but white space do not count, and become empty. Only spaces are taken.
    Lines are joined by newlines; the last one ends as it did.
    """
    lines = [line if line.strip() else "" for line in text.split("\n")]
    margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line), default=0)
    return "\n".join(line[margin:] for line in lines)


def columns(items: Sequence[str], width: int, gap: int = 2) -> list[str]:
    """`items` in as many columns as fit into `width`, filled from top to bottom.

    All columns but the last are padded to the longest item of them all and parted by `gap`
    spaces; there is always one at least, even if too wide. Lines have no spaces at their end.
    No items give no lines. ValueError for a negative gap.
    """
    if gap < 0:
        raise ValueError("gap must not be negative")
    if not items:
        return []
    cell = max(len(item) for item in items) + gap
    across = max((width + gap) // max(cell, 1), 1)
    height = -(-len(items) // across)
    lines: list[str] = []
    for row in range(height):
        line = "".join(align(item, cell) for item in items[row::height])
        lines.append(line.rstrip(" "))
    return lines
