"""Brace expansion."""

from __future__ import annotations

from globmatch.paths import GlobError


def expand_braces(pattern: str) -> list[str]:
    """Return the patterns that the pattern stands for, in the order written.

    "{a,b}" stands for each alternative, which may be empty or have braces itself; the last
    group varies fastest. "{2..5}" counts up and "{5..2}" down, both ends included. Any other
    group, such as "{a}", is kept with its braces, and what is in it is expanded. A backslash
    makes the next character ordinary and stays in the result. Repeated results are kept.
    Raises GlobError for a brace without its partner.
    """
    start = _find(pattern, "{}", 0)
    if start == len(pattern):
        return [pattern]
    if pattern[start] == "}":
        raise GlobError(f"unopened brace in {pattern!r}")
    end = _closing(pattern, start)
    head, body = pattern[:start], pattern[start + 1 : end]
    tails = expand_braces(pattern[end + 1 :])
    return [head + middle + tail for middle in _alternatives(body) for tail in tails]


def _alternatives(body: str) -> list[str]:
    """Return what the text between a pair of braces stands for."""
    low, dots, high = body.partition("..")
    if dots and _is_int(low) and _is_int(high):
        first, last = int(low), int(high)
        step = 1 if first <= last else -1
        return [str(number) for number in range(first, last + step, step)]
    parts = _split_commas(body)
    expanded = [item for part in parts for item in expand_braces(part)]
    return expanded if len(parts) > 1 else ["{" + item + "}" for item in expanded]


def _is_int(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _find(text: str, wanted: str, position: int) -> int:
    """Return the index of the next wanted character that has no backslash, or the length."""
    while position < len(text) and text[position] not in wanted:
        position += 2 if text[position] == "\\" else 1
    return min(position, len(text))


def _closing(pattern: str, start: int) -> int:
    """Return the index of the brace that closes the one at `start`."""
    depth = 1
    position = start
    while depth > 0:
        position = _find(pattern, "{}", position + 1)
        if position == len(pattern):
            raise GlobError(f"unclosed brace in {pattern!r}")
        depth += 1 if pattern[position] == "{" else -1
    return position


def _split_commas(body: str) -> list[str]:
    """Split at the commas that are not inside inner braces."""
    parts: list[str] = []
    first = position = 0
    while True:
        position = _find(body, ",{", position)
        if position < len(body) and body[position] == "{":
            position = _closing(body, position) + 1
            continue
        parts.append(body[first:position])
        if position == len(body):
            return parts
        first = position = position + 1
