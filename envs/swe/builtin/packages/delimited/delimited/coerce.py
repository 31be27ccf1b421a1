"""From text fields to typed values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from delimited.dialect import DelimitedError

Value = str | int | float | bool | None

_BOOLS: dict[str, bool] = {"true": True, "yes": True, "false": False, "no": False}
_INT = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=e))(e[+-]?[0-9]+)?", re.IGNORECASE)


def coerce(text: str, nulls: Iterable[str] = ("",)) -> Value:
    """Convert text to the value it looks like, after removing surrounding spaces.

    Text in `nulls` is None. "true", "yes", "false" and "no" in any case are booleans. Decimal
    integers without leading zeros are ints; numbers with a point or an exponent are floats.
    Everything else (such as "007") is the text unchanged, with its spaces.
    """
    bare = text.strip()
    if bare in nulls:
        return None
    if bare.lower() in _BOOLS:
        return _BOOLS[bare.lower()]
    if _INT.fullmatch(bare):
        return int(bare)
    if _FLOAT.fullmatch(bare):
        return float(bare)
    return text


def infer_type(values: Iterable[str]) -> str:
    """Name the narrowest type that fits all values: "bool", "int", "float" or "str".

    Ints fit "float" too. Empty values fit every type; only empty values, or none, are "str".
    """
    found = {type(coerce(value)).__name__ for value in values} - {"NoneType"}
    if found == {"int", "float"}:
        return "float"
    return found.pop() if len(found) == 1 else "str"


def coerce_records(
    records: Sequence[Mapping[str, str]],
    types: Mapping[str, Callable[[str], Value]] | None = None,
) -> list[dict[str, Value]]:
    """Return new records with converted values; the given ones are left alone.

    Columns named in `types` are converted by that function, all others by `coerce`. Raises
    DelimitedError, with the column and the number of the record (from 1), if a function
    raises ValueError, and DelimitedError if a record lacks a column named in `types`.
    """
    converters = dict(types or {})
    result: list[dict[str, Value]] = []
    for number, record in enumerate(records, start=1):
        for name in converters:
            if name not in record:
                raise DelimitedError(f"record {number} has no column {name!r}")
        converted: dict[str, Value] = {}
        for name, text in record.items():
            try:
                converted[name] = converters.get(name, coerce)(text)
            except ValueError as error:
                raise DelimitedError(f"record {number}, column {name!r}: {error}") from error
        result.append(converted)
    return result
