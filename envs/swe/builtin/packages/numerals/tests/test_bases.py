import pytest
from numerals import from_base, group_digits, ordinal, to_base, ungroup_digits


@pytest.mark.parametrize(
    ("number", "base", "digits"),
    [(255, 16, "ff"), (10, 2, "1010"), (-35, 36, "-z"), (0, 7, "0"), (36, 36, "10"), (8, 3, "22")],
    ids=["hex", "binary", "negative", "zero", "ten", "ternary"],
)
def test_base_conversion_both_ways(number, base, digits):
    assert to_base(number, base) == digits
    assert from_base(digits, base) == number


def test_width_fills_up_with_zeros():
    assert to_base(5, 2, width=4) == "0101"
    assert to_base(-5, 2, width=4) == "-0101"
    assert to_base(300, 16, width=2) == "12c"


def test_width_must_be_positive():
    with pytest.raises(ValueError, match="width"):
        to_base(5, 2, width=0)


@pytest.mark.parametrize("base", [1, 37, 0, -2])
def test_base_bounds(base):
    with pytest.raises(ValueError, match="2-36"):
        to_base(5, base)
    with pytest.raises(ValueError, match="2-36"):
        from_base("1", base)


def test_from_base_takes_signs_case_space_and_underscores():
    assert from_base(" +FF_ff\n", 16) == 65535
    assert from_base("-1_000", 2) == -8


@pytest.mark.parametrize("text", ["", "-", "1__0", "_1", "1_"], ids=["no", "sign", "two", "a", "z"])
def test_from_base_refuses_missing_digits(text):
    with pytest.raises(ValueError, match="lacks digits"):
        from_base(text, 10)


@pytest.mark.parametrize("text", ["2", "1 0", "--1", "1.1"], ids=["high", "space", "sign", "dot"])
def test_from_base_refuses_other_digits(text):
    with pytest.raises(ValueError, match="not a digit in base 2"):
        from_base(text, 2)


def test_ordinal_suffixes():
    assert [ordinal(n) for n in (0, 1, 2, 3, 4)] == ["0th", "1st", "2nd", "3rd", "4th"]
    assert [ordinal(n) for n in (20, 21, 102, 93)] == ["20th", "21st", "102nd", "93rd"]


def test_ordinal_teens_end_in_th():
    assert [ordinal(n) for n in (11, 12, 13, 111)] == ["11th", "12th", "13th", "111th"]


def test_ordinal_refuses_negative_numbers():
    with pytest.raises(ValueError, match="negative"):
        ordinal(-1)


def test_group_digits_by_three_with_commas():
    assert [group_digits(n) for n in (0, 999, 1000, 1234567)] == ["0", "999", "1,000", "1,234,567"]
    assert group_digits(-123456) == "-123,456"


def test_group_digits_with_other_size_and_separator():
    assert group_digits(123456789, "_", 4) == "1_2345_6789"
    assert group_digits(123, " ", 1) == "1 2 3"


@pytest.mark.parametrize(("separator", "size"), [(",", 0), ("-", 3), ("0", 3)], ids=["s", "m", "d"])
def test_group_digits_refuses_bad_options(separator, size):
    with pytest.raises(ValueError, match=r"size|separator"):
        group_digits(5, separator, size)


def test_ungroup_reads_grouped_and_bare_numbers():
    assert ungroup_digits("-1,234,567") == -1234567
    assert ungroup_digits("1234567") == 1234567
    assert ungroup_digits("12.34", ".", 2) == ungroup_digits("1234", "", 2) == 1234


@pytest.mark.parametrize("text", ["12,34", "1,2345", ",123", "01,234"], ids=["a", "b", "c", "d"])
def test_ungroup_refuses_wrong_groups(text):
    with pytest.raises(ValueError, match="not grouped by 3"):
        ungroup_digits(text)


@pytest.mark.parametrize("text", ["", "-", "x", "1.5", "--1"], ids=["e", "m", "x", "dot", "mm"])
def test_ungroup_refuses_what_is_no_number(text):
    with pytest.raises(ValueError, match="not a number"):
        ungroup_digits(text)
