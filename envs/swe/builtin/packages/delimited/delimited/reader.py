"""From delimited text to rows and records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from delimited.dialect import DelimitedError, Dialect


def read_rows(text: str, dialect: Dialect | None = None) -> list[list[str]]:
    """Parse text into rows of fields; the dialect defaults to `Dialect()`.

    Lines end with a line feed; a carriage return before one is dropped. The last line need not
    end with one. Empty lines and comment lines are skipped. A field that starts with a quote
    may contain delimiters and line breaks. Raises DelimitedError for a closing quote that is
    followed by anything but a delimiter or the end of the line (with that line), and for text
    that ends inside a quoted field or right after an escape (with the first line of the row).
    """
    return [row for _, row in _numbered_rows(text, dialect or Dialect())]


def read_records(
    text: str,
    dialect: Dialect | None = None,
    header: Sequence[str] | None = None,
    fill: str | None = None,
) -> list[dict[str, str]]:
    """Parse text into one dict per row, keyed by column name in column order.

    The names are those in `header`, or else those in the first row. Rows that are too short
    get `fill` for what is missing; without a `fill` (None) they are an error. Raises
    DelimitedError also for rows that are too long, and for repeated or empty names. Text
    without any row has no records.
    """
    rows = list(_numbered_rows(text, dialect or Dialect()))
    if header is None:
        if not rows:
            return []
        line, header = rows.pop(0)
    else:
        line = None
    if len(set(header)) != len(header) or "" in header:
        raise DelimitedError("column names must be distinct and not empty", line)
    records = []
    for line, row in rows:
        missing = len(header) - len(row)
        if missing < 0 or (missing > 0 and fill is None):
            raise DelimitedError(f"expected {len(header)} fields, found {len(row)}", line)
        padded = row + [fill or ""] * missing
        records.append(dict(zip(header, padded, strict=True)))
    return records


def _numbered_rows(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield every row with the number of the line it starts on."""
    source = text.replace("\r\n", "\n")
    if source and not source.endswith("\n"):
        source += "\n"
    row: list[str] = []
    chars: list[str] = []
    state = "start"  # of a field; then "plain", "quoted" or "closed"; or in a "comment"
    escaped = False
    line = first_line = 1
    for char in source:
        if char == "\n":
            line += 1
        if escaped:
            chars.append(char)
            escaped = False
        elif state == "comment":
            if char == "\n":
                state, first_line = "start", line
        elif char == dialect.escape and state != "closed":
            escaped = True
            state = "plain" if state == "start" else state
        elif state == "quoted":
            if char == dialect.quote:
                state = "closed"
            else:
                chars.append(char)
        elif state == "closed" and char == dialect.quote and dialect.escape is None:
            chars.append(char)
            state = "quoted"
        elif char == dialect.delimiter or (char == "\n" and (row or state != "start")):
            field = "".join(chars)
            row.append(field.rstrip(" ") if dialect.strip and state == "plain" else field)
            chars, state = [], "start"
            if char == "\n":
                yield first_line, row
                row, first_line = [], line
        elif char == "\n":
            first_line = line
        elif dialect.strip and char == " " and state != "plain":
            continue
        elif state == "closed":
            raise DelimitedError(f"unexpected {char!r} after closing quote", line)
        elif state == "start" and char == dialect.quote:
            state = "quoted"
        elif state == "start" and char == dialect.comment and not row:
            state = "comment"
        else:
            chars.append(char)
            state = "plain"
    if escaped or state != "start":
        raise DelimitedError("text ends inside a quoted field or after an escape", first_line)
