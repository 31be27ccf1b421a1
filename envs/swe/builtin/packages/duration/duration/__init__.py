"""Exact durations: parse, format, round and compute with them."""

from duration.core import UNITS, Duration, DurationError, spread, total
from duration.formatting import format_clock, format_iso, format_units, humanize
from duration.parsing import parse, parse_clock, parse_iso, parse_units

__all__ = [
    "UNITS",
    "Duration",
    "DurationError",
    "format_clock",
    "format_iso",
    "format_units",
    "humanize",
    "parse",
    "parse_clock",
    "parse_iso",
    "parse_units",
    "spread",
    "total",
]
