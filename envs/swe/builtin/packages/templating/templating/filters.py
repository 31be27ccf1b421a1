"""Escaping and the filters that are always there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any


class Safe(str):
    """Text that is not to be escaped (again)."""

    __slots__ = ()


def escape(value: object) -> Safe:
    """Return the text of a value with & < > " ' replaced; Safe text is left alone."""
    if isinstance(value, Safe):
        return value
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Safe(text.replace('"', "&quot;").replace("'", "&#39;"))


def default(value: object, other: object = "") -> object:
    """Return `other` for a value that is undefined or None, otherwise the value."""
    return other if value is None else value


def truncate(value: object, length: int = 20, end: str = "...") -> str:
    """Cut text to at most `length` characters, the `end` included if anything was cut off."""
    text = str(value)
    if len(text) <= length:
        return text
    return text[: max(length - len(end), 0)] + end


def join(values: Iterable[object], separator: str = ", ") -> str:
    """Join the texts of values; values that are not Safe are escaped if one of them is."""
    items = list(values)
    if any(isinstance(item, Safe) for item in items):
        return Safe(escape(separator).join(escape(item) for item in items))
    return separator.join(str(item) for item in items)


#: Filters by name; the first argument is the value that is filtered.
FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "default": default,
        "escape": escape,
        "first": lambda values: next(iter(values), ""),
        "join": join,
        "length": len,
        "lower": lambda value: str(value).lower(),
        "safe": lambda value: Safe(value),
        "sort": sorted,
        "truncate": truncate,
        "upper": lambda value: str(value).upper(),
    }
)
