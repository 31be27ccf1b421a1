"""Longest common subsequences of lines. A line is a string without its line end."""

from __future__ import annotations

from collections.abc import Sequence

Edit = tuple[str, str]


def lcs_pairs(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """The index pairs (i, j), ascending, of a longest common subsequence of `a` and `b`.

    Equal lines are matched as soon as they meet. Where a line of either side could be left out
    without making the result shorter, the line of `a` is.
    """
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            if a[i] == b[j]:
                best[i][j] = best[i + 1][j + 1] + 1
            else:
                best[i][j] = max(best[i + 1][j], best[i][j + 1])
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            pairs.append((i, j))
            i += 1
            j += 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def similarity(a: Sequence[str], b: Sequence[str]) -> float:
    """Twice the number of common lines over the number of all lines: 0.0 to 1.0.

    Two empty sequences are alike: 1.0.
    """
    total = len(a) + len(b)
    if total == 0:
        return 1.0
    return 2 * len(lcs_pairs(a, b)) / total


def diff_lines(a: Sequence[str], b: Sequence[str]) -> list[Edit]:
    """The edits that turn `a` into `b`, as (op, line) with op " ", "-" or "+".

    Between two kept lines, all lines taken out come before all lines put in.
    """
    edits: list[Edit] = []
    i = j = 0
    for next_i, next_j in [*lcs_pairs(a, b), (len(a), len(b))]:
        edits.extend(("-", line) for line in a[i:next_i])
        edits.extend(("+", line) for line in b[j:next_j])
        edits.extend((" ", line) for line in a[next_i : next_i + 1])
        i, j = next_i + 1, next_j + 1
    return edits
