"""Numbers as text: roman, words, other bases, ordinals, digit groups, check digits."""

from numerals.bases import from_base, group_digits, ordinal, to_base, ungroup_digits
from numerals.checks import (
    is_isbn,
    isbn10_check,
    isbn10_to_13,
    isbn13_check,
    luhn_check,
    luhn_valid,
)
from numerals.roman import from_roman, to_roman
from numerals.words import from_words, ordinal_words, to_words

__all__ = [
    "from_base",
    "from_roman",
    "from_words",
    "group_digits",
    "is_isbn",
    "isbn10_check",
    "isbn10_to_13",
    "isbn13_check",
    "luhn_check",
    "luhn_valid",
    "ordinal",
    "ordinal_words",
    "to_base",
    "to_roman",
    "to_words",
    "ungroup_digits",
]
