"""Three-way merge of line sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from diffkit.lines import lcs_pairs


@dataclass(frozen=True)
class Conflict:
    """A stretch that both sides changed in different ways."""

    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True)
class MergeResult:
    """A merge: stretches of settled lines, and conflicts between them."""

    parts: tuple[tuple[str, ...] | Conflict, ...]

    def conflicts(self) -> list[Conflict]:
        """The conflicts, in order."""
        return [part for part in self.parts if isinstance(part, Conflict)]

    def take(self, side: Literal["base", "ours", "theirs"]) -> list[str]:
        """The merged lines with every conflict settled in favour of `side`."""
        lines: list[str] = []
        for part in self.parts:
            lines.extend(getattr(part, side) if isinstance(part, Conflict) else part)
        return lines

    def marked(self, ours: str = "ours", theirs: str = "theirs", base: str = "") -> list[str]:
        """The merged lines with conflicts between `<<<<<<< ours`, `=======`, `>>>>>>> theirs`.

        When `base` is not empty, the base's lines follow ours after a line `||||||| base`.
        """
        lines: list[str] = []
        for part in self.parts:
            if not isinstance(part, Conflict):
                lines.extend(part)
                continue
            lines.extend(["<" * 7 + " " + ours, *part.ours])
            if base:
                lines.extend(["|" * 7 + " " + base, *part.base])
            lines.extend(["=" * 7, *part.theirs, ">" * 7 + " " + theirs])
        return lines


def merge3(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> MergeResult:
    """Merge the changes from `base` to `ours` with those from `base` to `theirs`.

    Lines of `base` that both sides kept divide the three into stretches. A stretch that only
    one side changed, or both in the same way, takes the change. Any other is a conflict, less
    the lines that ours and theirs share at its start and end, which are settled. Settled lines
    that follow each other are one part, and no part is empty.
    """
    base, ours, theirs = list(base), list(ours), list(theirs)
    in_ours = dict(lcs_pairs(base, ours))
    in_theirs = dict(lcs_pairs(base, theirs))
    anchors = [(i, j, in_theirs[i]) for i, j in in_ours.items() if i in in_theirs]
    parts: list[tuple[str, ...] | Conflict] = []
    settled: list[str] = []
    b = o = t = 0
    for next_b, next_o, next_t in [*anchors, (len(base), len(ours), len(theirs))]:
        old, mine, other = base[b:next_b], ours[o:next_o], theirs[t:next_t]
        if mine == other or other == old:
            settled.extend(mine)
        elif mine == old:
            settled.extend(other)
        else:
            head, tail = _shared_ends(mine, other)
            settled.extend(mine[:head])
            if settled:
                parts.append(tuple(settled))
            core = slice(head, len(mine) - tail), slice(head, len(other) - tail)
            parts.append(Conflict(tuple(old), tuple(mine[core[0]]), tuple(other[core[1]])))
            settled = mine[len(mine) - tail :]
        settled.extend(base[next_b : next_b + 1])
        b, o, t = next_b + 1, next_o + 1, next_t + 1
    if settled:
        parts.append(tuple(settled))
    return MergeResult(tuple(parts))


def _shared_ends(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    shorter = min(len(a), len(b))
    head = 0
    while head < shorter and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < shorter - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    return head, tail
