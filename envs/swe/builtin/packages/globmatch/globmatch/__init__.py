"""Match paths against glob patterns and ignore files."""

from globmatch.braces import expand_braces
from globmatch.ignore import IgnoreRules, Rule
from globmatch.matching import filter_paths, match, match_segment
from globmatch.paths import GlobError, normalize

__all__ = [
    "GlobError",
    "IgnoreRules",
    "Rule",
    "expand_braces",
    "filter_paths",
    "match",
    "match_segment",
    "normalize",
]
