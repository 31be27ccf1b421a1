"""Semantic versions and version ranges."""

from semver.ranges import Bound, Range, best_match, parse_range
from semver.version import SemverError, Version, latest, sort_versions

__all__ = [
    "Bound",
    "Range",
    "SemverError",
    "Version",
    "best_match",
    "latest",
    "parse_range",
    "sort_versions",
]
