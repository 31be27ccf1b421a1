"""Digits: other bases, groups of thousands, ordinal suffixes."""

from __future__ import annotations

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _check_base(base: int) -> None:
    if not 2 <= base <= 36:
        raise ValueError(f"base {base} is not within 2-36")


def to_base(number: int, base: int, width: int = 1) -> str:
    """The number in `base`, in lower-case digits, with zeros in front up to `width` digits.

    A negative number starts with "-", which does not count toward the width. ValueError for a
    base outside 2..36 or a width below 1.
    """
    _check_base(base)
    if width < 1:
        raise ValueError("width must be at least 1")
    digits = ""
    rest = abs(number)
    while rest or len(digits) < width:
        rest, digit = divmod(rest, base)
        digits = DIGITS[digit] + digits
    return "-" + digits if number < 0 else digits


def from_base(text: str, base: int) -> int:
    """The number that `text` writes in `base`: an optional "-" or "+", then digits of any case.

    White space around it and single underscores between digits are ignored. Anything else, or a
    base outside 2..36, raises ValueError.
    """
    _check_base(base)
    body = text.strip().lower()
    sign = 1
    if body[:1] in ("-", "+"):
        sign = -1 if body[0] == "-" else 1
        body = body[1:]
    number = 0
    for part in body.split("_"):
        if not part:
            raise ValueError(f"{text!r} lacks digits")
        for char in part:
            digit = DIGITS.find(char)
            if digit < 0 or digit >= base:
                raise ValueError(f"{char!r} is not a digit in base {base}")
            number = number * base + digit
    return sign * number


def ordinal(number: int) -> str:
    """The number with its English suffix, as in 1st, 12th, 22nd; ValueError if negative."""
    if number < 0:
        raise ValueError("ordinals are not negative")
    suffix = "th"
    if number // 10 % 10 != 1:
        suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def group_digits(number: int, separator: str = ",", size: int = 3) -> str:
    """The decimal digits in groups of `size` from the right, parted by `separator`.

    ValueError for a size below 1, or a separator with a digit or "-" in it.
    """
    if size < 1:
        raise ValueError("size must be at least 1")
    if any(char.isdigit() or char == "-" for char in separator):
        raise ValueError(f"bad separator {separator!r}")
    digits = str(abs(number))
    groups: list[str] = []
    while digits:
        groups.append(digits[-size:])
        digits = digits[:-size]
    sign = "-" if number < 0 else ""
    return sign + separator.join(reversed(groups))


def ungroup_digits(text: str, separator: str = ",", size: int = 3) -> int:
    """The number that `group_digits` writes as `text`; also accepted without any separator.

    ValueError for any other text, and as `group_digits` does.
    """
    bare = text.replace(separator, "") if separator else text
    digits = bare.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text!r} is not a number")
    number = int(bare)
    if text not in (str(number), group_digits(number, separator, size)):
        raise ValueError(f"{text!r} is not grouped by {size}")
    return number
