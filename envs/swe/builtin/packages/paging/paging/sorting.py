"""Sorting records by several fields."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
SortKey = tuple[str, bool]


def parse_sort(text: str, allowed: Iterable[str]) -> list[SortKey]:
    """Parse a text like "-age,name" into ``[("age", True), ("name", False)]``.

    The flag tells whether the field is descending, which a leading minus asks for. Spaces around
    fields are ignored, an empty text gives no keys. Raises ValueError for an empty field, a field
    not in ``allowed``, or one named twice.
    """
    keys: list[SortKey] = []
    known = list(allowed)
    if not text.strip():
        return keys
    for part in text.split(","):
        name = part.strip()
        descending = name.startswith("-")
        field = name[1:] if descending else name
        if field not in known:
            raise ValueError(f"cannot sort by {field!r}")
        if field in [earlier for earlier, _ in keys]:
            raise ValueError(f"sorted twice by {field!r}")
        keys.append((field, descending))
    return keys


def sort_records(records: Iterable[Record], keys: Sequence[SortKey]) -> list[Record]:
    """Return a new list sorted by ``keys``, the first key deciding first.

    The sort is stable, for descending keys too. Records whose field is missing or None come last
    under that key, whether it is ascending or descending.
    """
    result = list(records)
    for field, descending in reversed(keys):
        present = [record for record in result if record.get(field) is not None]
        absent = [record for record in result if record.get(field) is None]
        present.sort(key=lambda record, name=field: record[name], reverse=descending)
        result = present + absent
    return result
