"""Duration to text: unit lists, ISO 8601, clock notation and plain English."""

from __future__ import annotations

from duration.core import UNITS, Duration, DurationError

_NAMES: dict[str, str] = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}


def format_units(
    value: Duration,
    largest: str = "w",
    smallest: str = "ms",
    separator: str = "",
    keep_zeros: bool = False,
) -> str:
    """Format as "1h30m", using the units from `largest` down to `smallest`.

    What is below `smallest` is cut off (toward zero). Zero amounts are left out, unless
    `keep_zeros` is true, which keeps those after the first nonzero one. A result of nothing is
    "0" with the smallest unit, never with a sign. Raises DurationError for an unknown unit, or
    if `largest` is smaller than `smallest`.
    """
    if smallest not in UNITS:
        raise DurationError(f"unknown unit: {smallest!r}")
    amounts = value.parts(largest)
    if UNITS[largest] < UNITS[smallest]:
        raise DurationError("largest unit is smaller than smallest unit")
    pieces: list[str] = []
    for unit, amount in amounts.items():
        if UNITS[unit] < UNITS[smallest]:
            break
        if amount or (keep_zeros and pieces):
            pieces.append(f"{amount}{unit}")
    if not pieces:
        return f"0{smallest}"
    return value.sign + separator.join(pieces)


def format_iso(value: Duration) -> str:
    """Format as ISO 8601 with days, hours, minutes and seconds, such as "-P1DT2H0.5S".

    Zero amounts are left out, trailing zeros of the decimals too; zero is "PT0S".
    """
    if not value:
        return "PT0S"
    amounts = value.parts("d")
    date = f"{amounts['d']}D" if amounts["d"] else ""
    time = "".join(f"{amounts[unit]}{unit.upper()}" for unit in ("h", "m") if amounts[unit])
    if amounts["s"] or amounts["ms"]:
        decimals = f"{amounts['ms']:03d}".rstrip("0")
        time += f"{amounts['s']}.{decimals}S" if decimals else f"{amounts['s']}S"
    return f"{value.sign}P{date}T{time}" if time else f"{value.sign}P{date}"


def format_clock(value: Duration, places: int = 0) -> str:
    """Format as "HH:MM:SS" with `places` decimals (0 to 3), the rest cut off toward zero.

    Hours have at least two digits and may have more. The sign of a negative value stays even
    if all shown digits are zero. Raises DurationError if places is not in 0..3.
    """
    if not 0 <= places <= 3:
        raise DurationError("places must be 0 to 3")
    amounts = value.parts("h")
    text = f"{amounts['h']:02d}:{amounts['m']:02d}:{amounts['s']:02d}"
    if places > 0:
        text += "." + f"{amounts['ms']:03d}"[:places]
    return value.sign + text


def humanize(value: Duration, max_parts: int = 2) -> str:
    """Describe in English, such as "1 hour and 30 minutes" or "minus 2 days".

    Starting at the largest nonzero unit, at most `max_parts` neighbouring units are used and
    the value is rounded to the last of these (ties away from zero), so 59 minutes and 59
    seconds in one part is "1 hour". Units that are zero are not named. Zero is "no time" and
    anything else shorter than one second is "less than a second", whatever its sign.
    Raises DurationError if max_parts < 1.
    """
    if max_parts < 1:
        raise DurationError("max_parts must be at least 1")
    if not value:
        return "no time"
    units = list(_NAMES)
    lead = next((i for i, unit in enumerate(units) if UNITS[unit] <= abs(value.ms)), None)
    if lead is None:
        return "less than a second"
    last = min(lead + max_parts, len(units)) - 1
    amounts = value.round_to(Duration(UNITS[units[last]])).parts()
    words = [
        f"{amounts[unit]} {name}" + ("" if amounts[unit] == 1 else "s")
        for unit, name in _NAMES.items()
        if amounts[unit]
    ]
    text = words[-1]
    if len(words) > 1:
        text = ", ".join(words[:-1]) + " and " + text
    return f"minus {text}" if value.sign else text
