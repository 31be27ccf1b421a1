import pytest
from numerals import from_roman, to_roman

KNOWN = {
    1: "I",
    4: "IV",
    9: "IX",
    14: "XIV",
    40: "XL",
    58: "LVIII",
    90: "XC",
    400: "CD",
    944: "CMXLIV",
    1666: "MDCLXVI",
    3999: "MMMCMXCIX",
}


@pytest.mark.parametrize("number", sorted(KNOWN))
def test_known_numerals(number):
    assert to_roman(number) == KNOWN[number]
    assert from_roman(KNOWN[number]) == number


def test_every_numeral_reads_back_in_any_case():
    assert from_roman(" xiv\n") == 14
    assert [from_roman(to_roman(n)) for n in range(1, 4000, 7)] == list(range(1, 4000, 7))


@pytest.mark.parametrize("number", [0, -1, 4000])
def test_to_roman_bounds(number):
    with pytest.raises(ValueError, match="1-3999"):
        to_roman(number)


@pytest.mark.parametrize("text", ["", "IIII", "IM", "MMMM", "A", "X I"], ids=list("abcdef"))
def test_malformed_numerals_raise(text):
    with pytest.raises(ValueError, match="not a roman"):
        from_roman(text)
