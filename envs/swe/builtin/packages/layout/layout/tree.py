"""Trees of labels, drawn with branches or read from an indented outline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

STYLES = {
    "ascii": ("|-- ", "`-- ", "|   ", "    "),
    "unicode": ("├── ", "└── ", "│   ", "    "),
}


@dataclass
class Tree:
    """A label and the trees below it."""

    label: str
    children: list[Tree] = field(default_factory=list)

    def size(self) -> int:
        """The number of labels, this one included."""
        return 1 + sum(child.size() for child in self.children)

    def depth(self) -> int:
        """The number of levels, 1 for a tree without children."""
        return 1 + max((child.depth() for child in self.children), default=0)

    def sorted(self, key: Callable[[Tree], str] | None = None) -> Tree:
        """A new tree with the children at every level in order of `key` (of label if None).

        Nothing is shared with this tree, which stays as it is.
        """
        children = [child.sorted(key) for child in self.children]
        children.sort(key=key if key is not None else lambda child: child.label)
        return Tree(self.label, children)


def render_tree(tree: Tree, style: str = "unicode", max_depth: int | None = None) -> str:
    """The tree drawn one label a line, children below their parent.

    `style` is "unicode" or "ascii". With `max_depth`, only so many levels are drawn, and a label
    whose children are left out is followed by ` (+n)`, n being the number of labels left out
    below it. Another style, or a max_depth below 1, raises ValueError.
    """
    if style not in STYLES:
        raise ValueError(f"unknown style {style!r}")
    if max_depth is not None and max_depth < 1:
        raise ValueError("max_depth must be at least 1")
    return "\n".join(_draw(tree, STYLES[style], max_depth))


def _draw(tree: Tree, marks: tuple[str, str, str, str], levels: int | None) -> list[str]:
    if levels == 1 and tree.children:
        return [f"{tree.label} (+{tree.size() - 1})"]
    fork, corner, pipe, blank = marks
    lines = [tree.label]
    for index, child in enumerate(tree.children):
        last = index == len(tree.children) - 1
        top, *below = _draw(child, marks, None if levels is None else levels - 1)
        lines.append((corner if last else fork) + top)
        lines.extend((blank if last else pipe) + line for line in below)
    return lines


def parse_outline(text: str, step: int = 2) -> list[Tree]:
    """The trees of an outline in which each level is indented by `step` more spaces.

    Blank lines are skipped, and spaces around labels dropped. Raises ValueError, with the number
    of the line from 1, for an indentation that is not a multiple of `step` or that is more than
    one level below the line before it; and for a step below 1.
    """
    if step < 1:
        raise ValueError("step must be at least 1")
    roots: list[Tree] = []
    branches = [roots]
    for number, line in enumerate(text.splitlines(), start=1):
        label = line.strip()
        if not label:
            continue
        level, odd = divmod(len(line) - len(line.lstrip(" ")), step)
        if odd or level >= len(branches):
            raise ValueError(f"line {number} is badly indented")
        node = Tree(label)
        branches[level].append(node)
        branches = [*branches[: level + 1], node.children]
    return roots
