"""Text to Duration: unit lists, ISO 8601 and clock notation."""

from __future__ import annotations

import re

from duration.core import UNITS, Duration, DurationError, divide_half_up

_ALIASES: dict[str, tuple[str, ...]] = {
    "w": ("w", "wk", "week", "weeks"),
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hour", "hours"),
    "m": ("m", "min", "minute", "minutes"),
    "s": ("s", "sec", "second", "seconds"),
    "ms": ("ms", "milli", "millis"),
}
_UNIT_OF: dict[str, str] = {alias: unit for unit, names in _ALIASES.items() for alias in names}
_TERM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
_ISO_TERM = re.compile(r"(\d+(?:[.,]\d+)?)([A-Z])")
_CLOCK = re.compile(r"(?:(\d+):(\d{2})|(\d+)):(\d{2})(?:\.(\d{1,3}))?")


def _split_sign(text: str) -> tuple[int, str]:
    """Return the sign (1 or -1) and the text without its optional leading + or -."""
    if text[:1] in ("+", "-"):
        return (-1 if text[0] == "-" else 1), text[1:]
    return 1, text


def _amount(number: str, unit: str) -> int:
    """Return the milliseconds in a decimal number of units, ties away from zero."""
    whole, _, fraction = number.replace(",", ".").partition(".")
    return divide_half_up(int(whole + fraction) * UNITS[unit], 10 ** len(fraction))


def _sum_terms(terms: list[tuple[str, str]], text: str) -> int:
    """Add up (number, unit) terms that must go from large to small without repeats."""
    result = 0
    previous = None
    for index, (number, unit) in enumerate(terms):
        if previous is not None and UNITS[unit] >= UNITS[previous]:
            raise DurationError(f"units out of order in {text!r}")
        if not number.isdigit() and index != len(terms) - 1:
            raise DurationError(f"only the last number may have a fraction in {text!r}")
        result += _amount(number, unit)
        previous = unit
    return result


def parse_units(text: str) -> Duration:
    """Parse numbers with units, such as "1h30m", "-2 days 4 hours" or "1.5s".

    Units (w d h m s ms and their long names, in any case) must go from large to small, each
    at most once. Only the last number may have a fraction; it is rounded to the nearest
    millisecond. One sign may lead the whole text. A bare "0" is the zero duration; any other
    number needs a unit. Raises DurationError for anything else.
    """
    sign, body = _split_sign(text.strip())
    if body == "0":
        return Duration()
    terms: list[tuple[str, str]] = []
    position = 0
    while position < len(body):
        match = _TERM.match(body, position)
        if match is None:
            raise DurationError(f"expected a number with a unit in {text!r}")
        name = match.group(2).lower()
        if name not in _UNIT_OF:
            raise DurationError(f"unknown unit {match.group(2)!r} in {text!r}")
        terms.append((match.group(1), _UNIT_OF[name]))
        position = match.end()
    if not terms:
        raise DurationError("empty duration")
    return Duration(sign * _sum_terms(terms, text))


def parse_iso(text: str) -> Duration:
    """Parse an ISO 8601 duration such as "P1DT2H", "PT0.5S", "-P2D" or "P3W".

    Before the T only weeks and days are known and after it hours, minutes and seconds; weeks
    stand alone. Years and months have no fixed length and are rejected. The last number may
    have a fraction, after a point or a comma. At least one number is needed, also after a T.
    Raises DurationError for anything else.
    """
    sign, body = _split_sign(text.strip())
    if not body.startswith("P"):
        raise DurationError(f"ISO duration must start with P: {text!r}")
    date, separator, time = body[1:].partition("T")
    if separator and not time:
        raise DurationError(f"nothing after T in {text!r}")
    terms: list[tuple[str, str]] = []
    for section, letters in ((date, "WD"), (time, "HMS")):
        found = _ISO_TERM.findall(section)
        if "".join(number + letter for number, letter in found) != section:
            raise DurationError(f"malformed ISO duration: {text!r}")
        for number, letter in found:
            if letter not in letters:
                raise DurationError(f"unexpected {letter!r} in {text!r}")
            terms.append((number, letter.lower()))
    if not terms:
        raise DurationError(f"no amounts in {text!r}")
    if terms[0][1] == "w" and len(terms) > 1:
        raise DurationError(f"weeks cannot be combined in {text!r}")
    return Duration(sign * _sum_terms(terms, text))


def parse_clock(text: str) -> Duration:
    """Parse "H:MM:SS", "M:SS" or either with one to three decimals, such as "01:02:03.5".

    A leading sign is allowed. The first number may be of any size, the others have two digits
    and are below 60. Raises DurationError for anything else.
    """
    sign, body = _split_sign(text.strip())
    match = _CLOCK.fullmatch(body)
    if match is None:
        raise DurationError(f"malformed clock duration: {text!r}")
    hours, small_minutes, large_minutes, seconds, decimals = match.groups(default="0")
    if int(small_minutes) >= 60 or int(seconds) >= 60:
        raise DurationError(f"minutes and seconds must be below 60: {text!r}")
    minutes = int(small_minutes) + int(large_minutes)
    fraction = int(decimals.ljust(3, "0"))
    return Duration.of(hours=int(hours), minutes=minutes, seconds=int(seconds), ms=fraction) * sign


def parse(text: str) -> Duration:
    """Parse any of the three notations; surrounding spaces are ignored.

    Text that starts with P (after an optional sign) is ISO 8601, other text with a colon is
    a clock, and the rest is a list of units. Raises DurationError if it does not parse.
    """
    _, body = _split_sign(text.strip())
    if body.startswith("P"):
        return parse_iso(text)
    if ":" in body:
        return parse_clock(text)
    return parse_units(text)
