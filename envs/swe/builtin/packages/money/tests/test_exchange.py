from fractions import Fraction

import pytest
from money import Exchange, Money, MoneyError, Rounding, standard_table

TABLE = standard_table()
EUR, GBP, JPY, KWD, USD = (TABLE.get(code) for code in TABLE.codes())


def make_exchange(spread_bps=0):
    exchange = Exchange(spread_bps)
    exchange.set_rate(EUR, USD, "1.25")
    exchange.set_rate(USD, JPY, 150)
    return exchange


def test_mid_rate_and_its_inverse():
    exchange = make_exchange()
    assert exchange.mid(EUR, USD) == Fraction(5, 4)
    assert exchange.mid(USD, EUR) == Fraction(4, 5)
    assert exchange.mid(GBP, GBP) == 1


def test_cross_rate():
    assert make_exchange().mid(EUR, JPY) == Fraction(375, 2)
    assert make_exchange().mid(JPY, EUR) == Fraction(2, 375)


def test_cross_rate_takes_the_first_currency_by_code():
    exchange = make_exchange()
    exchange.set_rate(EUR, GBP, 2)
    exchange.set_rate(GBP, JPY, 200)
    assert exchange.mid(EUR, JPY) == 400


def test_missing_rate():
    exchange = make_exchange()
    exchange.set_rate(GBP, KWD, 1)
    with pytest.raises(MoneyError, match="no rate from EUR to KWD"):
        exchange.mid(EUR, KWD)


def test_new_rate_replaces_both_directions():
    exchange = make_exchange()
    exchange.set_rate(USD, EUR, Fraction(1, 2))
    assert exchange.mid(EUR, USD) == 2


@pytest.mark.parametrize("rate", [0, -1])
def test_rate_must_be_positive_and_between_two_currencies(rate):
    with pytest.raises(MoneyError, match="positive"):
        Exchange().set_rate(EUR, USD, rate)
    with pytest.raises(MoneyError, match="two currencies"):
        Exchange().set_rate(EUR, EUR, 1)


@pytest.mark.parametrize("spread", [-1, 10_000])
def test_bad_spread(spread):
    with pytest.raises(MoneyError, match="bad spread"):
        Exchange(spread)


def test_spread_default_and_bounds():
    assert Exchange().spread_bps == 0
    assert make_exchange(9_999).convert(Money(10_000, EUR), USD).minor == 1


def test_convert_at_mid():
    assert make_exchange().convert(Money(1000, EUR), USD) == Money(1250, USD)
    assert make_exchange().convert(Money(200, USD), JPY) == Money(300, JPY)
    assert make_exchange().convert(Money(300, JPY), USD) == Money(200, USD)


def test_convert_takes_the_spread_off_in_both_directions():
    exchange = make_exchange(200)
    assert exchange.convert(Money(1000, EUR), USD) == Money(1225, USD)
    assert exchange.convert(Money(1000, USD), EUR) == Money(784, EUR)


def test_convert_rounding():
    exchange = make_exchange()
    assert exchange.convert(Money(2, EUR), USD).minor == 2
    assert exchange.convert(Money(2, EUR), USD, Rounding.UP).minor == 3


def test_convert_to_the_same_currency_has_no_spread():
    assert make_exchange(200).convert(Money(1000, GBP), GBP) == Money(1000, GBP)


def test_convert_refuses_negative_amounts_only():
    with pytest.raises(MoneyError, match="negative"):
        make_exchange().convert(Money(-1, EUR), USD)
    assert make_exchange().convert(Money(0, EUR), USD) == Money(0, USD)
