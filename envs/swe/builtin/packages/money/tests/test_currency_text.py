import pytest
from money import (
    Currency,
    CurrencyTable,
    Money,
    MoneyError,
    format_money,
    parse_money,
    standard_table,
)

TABLE = standard_table()
USD, JPY, KWD = TABLE.get("USD"), TABLE.get("JPY"), TABLE.get("KWD")


def test_currency_defaults_and_scale():
    assert Currency("CHF") == Currency("CHF", 2, "")
    assert [Currency("CHF", places).scale for places in (0, 2, 4)] == [1, 100, 10000]
    for places in (-1, 5):
        with pytest.raises(MoneyError, match="number of places"):
            Currency("CHF", places)


@pytest.mark.parametrize("code", ["usd", "US", "USDX", "US1", "ÜSD"], ids=list("abcde"))
def test_bad_currency_code(code):
    with pytest.raises(MoneyError, match="bad currency code"):
        Currency(code)


def test_table_lookup_and_duplicates():
    assert TABLE.get("usd") is USD
    with pytest.raises(MoneyError, match="unknown currency 'XXX'"):
        TABLE.get("XXX")
    with pytest.raises(MoneyError, match="duplicate currency CHF"):
        CurrencyTable([Currency("CHF"), Currency("CHF", 3)])


def test_standard_table_is_new_each_time():
    changed = standard_table()
    changed.add(Currency("CHF"))
    assert changed.codes() == ["CHF", "EUR", "GBP", "JPY", "KWD", "USD"]
    assert standard_table().codes() == ["EUR", "GBP", "JPY", "KWD", "USD"]


def test_standard_table_places():
    places = {code: TABLE.get(code).places for code in TABLE.codes()}
    assert places == {"EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3, "USD": 2}


def test_by_symbol():
    table = CurrencyTable([Currency("USD", 2, "$"), Currency("EUR", 2, "€")])
    assert table.by_symbol("€").code == "EUR"
    table.add(Currency("AUD", 2, "$"))
    with pytest.raises(MoneyError, match="2 currencies"):
        table.by_symbol("$")


@pytest.mark.parametrize("symbol", ["", "%"], ids=["empty", "unknown"])
def test_by_symbol_without_a_match(symbol):
    with pytest.raises(MoneyError, match="have symbol"):
        TABLE.by_symbol(symbol)


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [
        (123450, USD, "USD 1,234.50"),
        (5, USD, "USD 0.05"),
        (0, USD, "USD 0.00"),
        (-100, USD, "-USD 1.00"),
        (-7, JPY, "-JPY 7"),
        (1234567, JPY, "JPY 1,234,567"),
        (1002, KWD, "KWD 1.002"),
    ],
    ids=["grouped", "cents", "zero", "negative", "no_places", "millions", "three_places"],
)
def test_format(minor, currency, expected):
    assert format_money(Money(minor, currency)) == expected
    assert parse_money(expected, TABLE) == Money(minor, currency)


def test_format_with_symbol():
    assert format_money(Money(-150, USD), symbol=True) == "-$1.50"
    assert format_money(Money(150, KWD), symbol=True) == "KWD 0.150"


def test_format_and_parse_with_other_marks():
    assert format_money(Money(123456789, USD), group=".", point=",") == "USD 1.234.567,89"


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("$12", 1200),
        ("usd 1234.5", 123450),
        ("  - $ 1,000.25 ", -100025),
        ("USD12,345", 1234500),
        ("USD 123,456", 12345600),
    ],
    ids=["symbol", "lower", "spaces", "code", "groups"],
)
def test_parse(text, minor):
    assert parse_money(text, TABLE) == Money(minor, USD)
    assert parse_money("USD 1.234,5", TABLE, group=".", point=",") == Money(123450, USD)


@pytest.mark.parametrize("text", ["USD 1.234", "JPY 1.5"], ids=["three", "none"])
def test_parse_refuses_too_many_places(text):
    with pytest.raises(MoneyError, match="too many decimal"):
        parse_money(text, TABLE)


@pytest.mark.parametrize("text", ["USD 1234,567", "USD 1,23", "USD 1,2345", "USD 1,,234"], ids=list("abcd"))
def test_parse_refuses_wrong_groups(text):
    with pytest.raises(MoneyError, match="grouped wrongly"):
        parse_money(text, TABLE)


@pytest.mark.parametrize("text", ["USD", "USD 1.", "USD 1x", "USD 1.x", "USD 1-", "JPY 1."], ids=list("abcdef"))
def test_parse_refuses_other_text(text):
    with pytest.raises(MoneyError, match="not an amount"):
        parse_money(text, TABLE)


def test_parse_needs_a_currency():
    with pytest.raises(MoneyError, match="have symbol ''"):
        parse_money("12", TABLE)
    with pytest.raises(MoneyError, match="unknown currency 'XYZ'"):
        parse_money("XYZ 12", TABLE)
