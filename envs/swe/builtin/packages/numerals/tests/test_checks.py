import pytest
from numerals import is_isbn, isbn10_check, isbn10_to_13, isbn13_check, luhn_check, luhn_valid


@pytest.mark.parametrize(("payload", "digit"), [("7992739871", 3), ("0", 0), ("5", 9), ("4", 2), ("18", 2), ("91", 9)])
def test_luhn_check_digit(payload, digit):
    assert luhn_check(payload) == digit


def test_luhn_valid_accepts_spaces_and_hyphens():
    assert luhn_valid("4539 1488-0343 6467")
    assert not luhn_valid("4539 1488 0343 6468")


def test_luhn_valid_needs_two_digits():
    assert luhn_valid("00")
    assert not luhn_valid("0")


@pytest.mark.parametrize("text", ["", "-", "12a"], ids=["empty", "hyphen", "letter"])
def test_luhn_refuses_other_characters(text):
    with pytest.raises(ValueError, match="not all digits"):
        luhn_check(text)
    with pytest.raises(ValueError, match="not all digits"):
        luhn_valid(text)


def test_isbn10_check_digit():
    assert isbn10_check("0-306-40615") == "2"
    assert isbn10_check("080442957") == "X"
    assert isbn10_check("000000000") == "0"


def test_isbn13_check_digit():
    assert isbn13_check("978-0-306-40615") == "7"
    assert isbn13_check("979000000000") == "1"
    assert isbn13_check("978000000001") == "9"


@pytest.mark.parametrize("payload", ["97803064061", "9780306406150", "977030640615", "968030640615"])
def test_isbn13_check_refuses_other_payloads(payload):
    with pytest.raises(ValueError, match="12 digits"):
        isbn13_check(payload)


@pytest.mark.parametrize("payload", ["03064061", "0306406152"])
def test_isbn10_check_refuses_other_lengths(payload):
    with pytest.raises(ValueError, match="9 digits"):
        isbn10_check(payload)


def test_is_isbn_accepts_both_lengths():
    assert is_isbn("0-306-40615-2")
    assert is_isbn("978 0 306 40615 7")
    assert is_isbn("0-8044-2957-x")


@pytest.mark.parametrize(
    "text",
    ["0306406153", "9780306406158", "030640615", "", "X804429570", "97803064061577"],
    ids=["check10", "check13", "short", "empty", "letter", "long"],
)
def test_is_isbn_is_false_for_anything_else(text):
    assert is_isbn(text) is False


def test_isbn10_becomes_isbn13():
    assert isbn10_to_13("0-306-40615-2") == "9780306406157"
    assert isbn10_to_13("080442957x") == "9780804429573"


@pytest.mark.parametrize("text", ["0306406153", "9780306406157"], ids=["wrong", "thirteen"])
def test_isbn10_to_13_refuses_anything_else(text):
    with pytest.raises(ValueError, match="not an ISBN-10"):
        isbn10_to_13(text)
