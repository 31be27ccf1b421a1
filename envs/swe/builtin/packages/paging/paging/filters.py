"""Filter expressions over records."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from .sorting import Record

Filter = tuple[str, str, Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "~": lambda value, part: part.casefold() in value.casefold(),
}


def parse_filter(text: str) -> Filter:
    """Parse a text like "age>=30" into ``("age", ">=", 30)``.

    The operators are ``>= <= != > < = ~``; the one that starts first in the text counts, the
    longer one if two start there. The value is read as an int if it looks like one (an optional
    minus and ASCII digits), else as text; after ``~`` always as text. Spaces around field and
    value are ignored. Raises ValueError if there is no operator or the field is empty.
    """
    hits = [(text.find(symbol), -len(symbol), symbol) for symbol in _COMPARE if symbol in text]
    if not hits:
        raise ValueError(f"no operator in {text!r}")
    position, _, symbol = min(hits)
    field = text[:position].strip()
    value = text[position + len(symbol) :].strip()
    if not field:
        raise ValueError(f"no field in {text!r}")
    digits = value.removeprefix("-")
    if symbol != "~" and digits.isascii() and digits.isdigit():
        return field, symbol, int(value)
    return field, symbol, value


def apply_filters(records: Iterable[Record], filters: Iterable[Filter]) -> list[Record]:
    """Return, in order, the records that pass every filter.

    ``~`` passes if the text contains the value, ignoring case. A record whose field is missing
    or None passes only ``!=``. A value and a field of different kinds (text and number) are
    never equal, and pass no other operator either. Raises ValueError for an unknown operator.
    """
    checks = list(filters)
    for _, symbol, _ in checks:
        if symbol not in _COMPARE:
            raise ValueError(f"unknown operator {symbol!r}")
    return [record for record in records if all(_passes(record, check) for check in checks)]


def _passes(record: Record, check: Filter) -> bool:
    field, symbol, wanted = check
    value = record.get(field)
    if value is None or isinstance(value, str) != isinstance(wanted, str):
        return symbol == "!="
    return _COMPARE[symbol](value, wanted)
