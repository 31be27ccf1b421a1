"""Line diffs, unified patches and three-way merges."""

from diffkit.lines import diff_lines, lcs_pairs, similarity
from diffkit.merge import Conflict, MergeResult, merge3
from diffkit.unified import (
    Hunk,
    PatchError,
    apply_hunks,
    invert,
    make_hunks,
    parse_unified,
    render_unified,
)

__all__ = [
    "Conflict",
    "Hunk",
    "MergeResult",
    "PatchError",
    "apply_hunks",
    "diff_lines",
    "invert",
    "lcs_pairs",
    "make_hunks",
    "merge3",
    "parse_unified",
    "render_unified",
    "similarity",
]
