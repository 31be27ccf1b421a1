"""Roman numerals from 1 to 3999."""

from __future__ import annotations

SYMBOLS = (
    ("M", 1000),
    ("CM", 900),
    ("D", 500),
    ("CD", 400),
    ("C", 100),
    ("XC", 90),
    ("L", 50),
    ("XL", 40),
    ("X", 10),
    ("IX", 9),
    ("V", 5),
    ("IV", 4),
    ("I", 1),
)


def to_roman(number: int) -> str:
    """The number in upper-case roman numerals, shortest form; ValueError outside 1..3999."""
    if not 1 <= number <= 3999:
        raise ValueError(f"{number} is not within 1-3999")
    text = ""
    for symbol, value in SYMBOLS:
        count, number = divmod(number, value)
        text += symbol * count
    return text


def from_roman(text: str) -> int:
    """The number that `text` writes, in either case and with white space around it.

    Only the form that `to_roman` gives is accepted ("IX", not "VIIII"); else ValueError.
    """
    numeral = text.strip().upper()
    number = 0
    rest = numeral
    for symbol, value in SYMBOLS:
        while rest.startswith(symbol):
            number += value
            rest = rest[len(symbol) :]
    if rest or not 1 <= number <= 3999 or to_roman(number) != numeral:
        raise ValueError(f"{text!r} is not a roman numeral")
    return number
