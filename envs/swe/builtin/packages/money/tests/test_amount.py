from fractions import Fraction

import pytest
from money import Currency, Money, MoneyError, Rounding, divide, total

USD = Currency("USD", 2, "$")
EUR = Currency("EUR", 2, "€")

EXPECTED = {
    Rounding.UP: [-3, -3, -2, -1, 1, 2, 3, 3],
    Rounding.DOWN: [-2, -2, -1, 0, 0, 1, 2, 2],
    Rounding.CEILING: [-2, -2, -1, 0, 1, 2, 3, 3],
    Rounding.FLOOR: [-3, -3, -2, -1, 0, 1, 2, 2],
    Rounding.HALF_UP: [-3, -3, -2, 0, 0, 2, 3, 3],
    Rounding.HALF_DOWN: [-3, -2, -1, 0, 0, 1, 2, 3],
    Rounding.HALF_EVEN: [-3, -2, -2, 0, 0, 2, 2, 3],
}


def minors(parts):
    return [part.minor for part in parts]


@pytest.mark.parametrize("mode", list(EXPECTED), ids=[mode.value for mode in EXPECTED])
def test_divide_rounds_quarters_by_mode(mode):
    assert [divide(n, 4, mode) for n in (-11, -10, -6, -1, 1, 6, 10, 11)] == EXPECTED[mode]


@pytest.mark.parametrize("mode", list(Rounding), ids=[mode.value for mode in Rounding])
def test_divide_leaves_whole_quotients_alone(mode):
    assert [divide(n, 3, mode) for n in (-9, 0, 6)] == [-3, 0, 2]


def test_divide_defaults_to_half_even():
    assert [divide(n, 2) for n in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]


def test_divide_handles_a_negative_denominator():
    assert divide(7, -2, Rounding.FLOOR) == -4
    assert divide(-7, -2, Rounding.FLOOR) == 3


def test_divide_by_zero():
    with pytest.raises(ZeroDivisionError, match="rounded division"):
        divide(1, 0)


def test_add_subtract_negate():
    assert Money(5, USD) + Money(7, USD) == Money(12, USD)
    assert Money(5, USD) - Money(7, USD) == Money(-2, USD)
    assert -Money(5, USD) == Money(-5, USD)


def test_comparison():
    assert Money(5, USD) < Money(6, USD)
    assert not Money(5, USD) < Money(5, USD)
    assert Money(5, USD) <= Money(5, USD)
    assert not Money(6, USD) <= Money(5, USD)


def test_mixed_currencies_are_refused():
    with pytest.raises(MoneyError, match="USD does not match EUR"):
        Money(1, USD) + Money(1, EUR)
    with pytest.raises(MoneyError, match="does not match"):
        Money(2, USD) - Money(1, EUR)
    with pytest.raises(MoneyError, match="does not match"):
        sorted([Money(1, USD), Money(2, EUR)])
    with pytest.raises(MoneyError, match="does not match"):
        Money(1, USD).__le__(Money(2, EUR))
    assert Money(1, USD) != Money(1, EUR)


def test_times_a_whole_number_and_a_fraction():
    assert Money(105, USD).times(3) == Money(315, USD)
    assert Money(100, USD).times(Fraction(1, 3)) == Money(33, USD)


def test_times_rounds_half_even_unless_told():
    assert Money(5, USD).times(Fraction(1, 2)).minor == 2
    assert Money(5, USD).times(Fraction(1, 2), Rounding.HALF_UP).minor == 3


def test_percent_rounds_half_up_unless_told():
    assert Money(250, USD).percent(5) == Money(13, USD)
    assert Money(250, USD).percent(5, Rounding.DOWN) == Money(12, USD)
    assert Money(1000, USD).percent(Fraction(15, 2)).minor == 75


@pytest.mark.parametrize(
    ("amount", "ratios", "expected"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (5, [3, 7], [2, 3]),
        (100, [2, 1], [67, 33]),
        (100, [1, 2], [33, 67]),
        (10, [0, 3, 0, 4], [0, 4, 0, 6]),
        (2, [1, 1, 1, 1], [1, 1, 0, 0]),
        (0, [1, 2], [0, 0]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (7, [5], [7]),
    ],
    ids=["thirds", "tie", "left", "right", "zeros", "few", "nothing", "negative", "single"],
)
def test_allocate(amount, ratios, expected):
    parts = Money(amount, USD).allocate(ratios)
    assert minors(parts) == expected
    assert total(parts, USD).minor == amount


def test_allocate_gives_leftovers_to_the_greatest_remainder():
    assert minors(Money(10, USD).allocate([1, 5, 3])) == [1, 6, 3]
    assert minors(Money(11, USD).allocate([5, 1, 3])) == [6, 1, 4]


@pytest.mark.parametrize("ratios", [[], [0, 0]], ids=["none", "zeros"])
def test_allocate_refuses_bad_ratios(ratios):
    with pytest.raises(MoneyError, match="negative"):
        Money(10, USD).allocate([3, -1, *ratios])
    with pytest.raises(MoneyError, match="sum to zero"):
        Money(10, USD).allocate(ratios)


def test_split():
    assert minors(Money(11, USD).split(4)) == [3, 3, 3, 2]
    assert Money(11, USD).split(1) == [Money(11, USD)]


@pytest.mark.parametrize("count", [0, -1])
def test_split_needs_a_part(count):
    with pytest.raises(MoneyError, match="fewer than one"):
        Money(11, USD).split(count)


def test_total():
    assert total([Money(3, USD), Money(4, USD)], USD) == Money(7, USD)
    assert total([], EUR) == Money(0, EUR)
    with pytest.raises(MoneyError, match="does not match"):
        total([Money(3, USD)], EUR)
