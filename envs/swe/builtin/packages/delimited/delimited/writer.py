"""From rows and records to delimited or aligned text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from delimited.dialect import DelimitedError, Dialect


def write_rows(
    rows: Iterable[Sequence[object]],
    dialect: Dialect | None = None,
    quote_all: bool = False,
    line_end: str = "\n",
) -> str:
    """Format rows so that `read_rows` with the same dialect gives their fields back.

    None is written as an empty field, True and False in lower case, anything else with `str`.
    Fields are quoted only where needed, unless `quote_all` is true. Every row, also the last,
    ends with `line_end`. Raises DelimitedError for a row without fields.
    """
    used = dialect or Dialect()
    lines: list[str] = []
    for row in rows:
        if not row:
            raise DelimitedError("cannot write a row without fields")
        fields = [_text(value) for value in row]
        force = quote_all or fields == [""]
        lines.append(used.delimiter.join(_quoted(field, used, force) for field in fields))
    return "".join(line + line_end for line in lines)


def write_records(
    records: Sequence[Mapping[str, object]],
    columns: Sequence[str] | None = None,
    dialect: Dialect | None = None,
) -> str:
    """Format records below a header row.

    The columns default to the keys of all records in order of first appearance. Missing
    values are written as empty fields; keys that are not in `columns` are left out. No columns
    at all give the empty text.
    """
    if columns is None:
        columns = list(dict.fromkeys(name for record in records for name in record))
    if not columns:
        return ""
    rows = [[record.get(name) for name in columns] for record in records]
    return write_rows([columns, *rows], dialect)


def align(rows: Sequence[Sequence[object]], justify: str = "", gap: int = 2) -> str:
    """Lay rows out in columns that are as wide as their widest field.

    `justify` has one letter per column, "l" (left), "r" (right) or "c" (centre, with an odd
    space on the right); columns without a letter are "l". Columns are `gap` spaces apart.
    Short rows leave their last columns empty; spaces at the end of a line are removed. Lines
    are joined by line feeds, without one at the end. Raises DelimitedError for another letter
    or a gap below 1.
    """
    if gap < 1:
        raise DelimitedError("gap must be at least 1")
    if set(justify) - set("lrc"):
        raise DelimitedError(f"unknown justification: {justify!r}")
    table = [[_text(value) for value in row] for row in rows]
    count = max((len(row) for row in table), default=0)
    widths = [max(len(row[i]) for row in table if i < len(row)) for i in range(count)]
    letters = justify.ljust(count, "l")
    lines = [(" " * gap).join(_pad(field, widths[i], letters[i]) for i, field in enumerate(row)) for row in table]
    return "\n".join(line.rstrip() for line in lines)


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pad(field: str, width: int, letter: str) -> str:
    if letter == "r":
        return field.rjust(width)
    if letter == "c":
        left = (width - len(field)) // 2
        return (" " * left + field).ljust(width)
    return field.ljust(width)


def _quoted(field: str, dialect: Dialect, force: bool) -> str:
    """Quote the field if it must be, or if `force` is true."""
    special = [dialect.delimiter, dialect.quote, "\n", "\r"]
    special += [char for char in (dialect.escape, dialect.comment) if char is not None]
    spaced = dialect.strip and field != field.strip(" ")
    if not (force or spaced or any(char in field for char in special)):
        return field
    inner = field
    if dialect.escape is None:
        inner = inner.replace(dialect.quote, dialect.quote * 2)
    else:
        inner = inner.replace(dialect.escape, dialect.escape * 2)
        inner = inner.replace(dialect.quote, dialect.escape + dialect.quote)
    return dialect.quote + inner + dialect.quote
