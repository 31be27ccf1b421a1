"""Check digits. Spaces and hyphens in the numbers are ignored."""

from __future__ import annotations


def _digits(text: str) -> list[int]:
    bare = text.replace(" ", "").replace("-", "")
    if not (bare.isascii() and bare.isdigit()):
        raise ValueError(f"{text!r} is not all digits")
    return [int(char) for char in bare]


def luhn_check(payload: str) -> int:
    """The digit to put after `payload` to make it pass the Luhn test.

    From the right, every other digit is doubled, the last one first, less 9 when that exceeds 9;
    the check digit takes the sum to a multiple of 10. ValueError for no or other characters.
    """
    total = 0
    for index, digit in enumerate(reversed(_digits(payload))):
        if index % 2 == 0:
            digit *= 2
            if digit > 9:
                digit -= 9
        total += digit
    return -total % 10


def luhn_valid(number: str) -> bool:
    """Whether `number` has at least 2 digits and ends in its Luhn digit.

    ValueError for no or other characters.
    """
    digits = _digits(number)
    payload = "".join(str(digit) for digit in digits[:-1])
    return len(digits) >= 2 and luhn_check(payload) == digits[-1]


def isbn10_check(payload: str) -> str:
    """The tenth character of an ISBN-10, from its first nine digits: a digit or "X" for 10.

    The digits are weighted 10, 9, ... 2; the check takes the sum to a multiple of 11.
    ValueError unless there are nine digits.
    """
    digits = _digits(payload)
    if len(digits) != 9:
        raise ValueError("expected 9 digits")
    check = -sum((10 - index) * digit for index, digit in enumerate(digits)) % 11
    return "X" if check == 10 else str(check)


def isbn13_check(payload: str) -> str:
    """The last digit of an ISBN-13, from its first twelve.

    The digits are weighted 1, 3, 1, 3, ...; the check takes the sum to a multiple of 10.
    ValueError unless there are twelve digits and they start with 978 or 979.
    """
    digits = _digits(payload)
    if len(digits) != 12 or digits[:2] != [9, 7] or digits[2] not in (8, 9):
        raise ValueError("expected 12 digits after 978 or 979")
    total = sum(digits[0::2]) + 3 * sum(digits[1::2])
    return str(-total % 10)


def is_isbn(text: str) -> bool:
    """Whether `text` is an ISBN-10 (whose last character may be "x" or "X") or an ISBN-13.

    Never raises: text of any other kind is simply not one.
    """
    bare = text.replace(" ", "").replace("-", "").upper()
    check = isbn10_check if len(bare) == 10 else isbn13_check
    try:
        return check(bare[:-1]) == bare[-1]
    except ValueError:
        return False


def isbn10_to_13(text: str) -> str:
    """The ISBN-13, thirteen digits without hyphens, of an ISBN-10; ValueError if it is not one."""
    bare = text.replace(" ", "").replace("-", "")
    if len(bare) != 10 or not is_isbn(bare):
        raise ValueError(f"{text!r} is not an ISBN-10")
    payload = "978" + bare[:9]
    return payload + isbn13_check(payload)
