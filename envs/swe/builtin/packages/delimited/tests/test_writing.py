import pytest
from delimited import (
    DIALECTS,
    DelimitedError,
    Dialect,
    align,
    coerce,
    coerce_records,
    infer_type,
    read_rows,
    write_records,
    write_rows,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        (" -3 ", -3),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e3", 1000.0),
        ("-1.5E-1", -0.15),
        ("YES", True),
        ("false", False),
        ("  ", None),
    ],
    ids=list("abcdefghijk"),
)
def test_coerce(text, value):
    result = coerce(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("text", ["007", " x ", "1.2.3", "nan", "1_000", "e5", "."], ids=list("abcdefg"))
def test_coerce_leaves_text(text):
    assert coerce(text) == text


def test_coerce_nulls():
    assert coerce("NA", nulls=("NA", "-")) is None
    assert coerce(" - ", nulls=("NA", "-")) is None
    assert coerce("", nulls=("NA",)) == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2"], "int"),
        (["1", "2.5", ""], "float"),
        (["yes", ""], "bool"),
        (["1", "yes"], "str"),
        (["1", "x"], "str"),
        (["", ""], "str"),
        ([], "str"),
    ],
    ids=list("abcdefg"),
)
def test_infer_type(values, expected):
    assert infer_type(values) == expected


def test_coerce_records_returns_new_records():
    records = [{"a": "1", "b": "x"}, {"a": ""}]
    assert coerce_records(records) == [{"a": 1, "b": "x"}, {"a": None}]
    assert records == [{"a": "1", "b": "x"}, {"a": ""}]


def test_coerce_records_with_types():
    records = [{"a": "007", "b": "1"}]
    assert coerce_records(records, {"a": str}) == [{"a": "007", "b": 1}]
    assert coerce_records(records, {"a": int}) == [{"a": 7, "b": 1}]


def test_coerce_records_reports_column_and_number():
    with pytest.raises(DelimitedError, match=r"record 2, column 'a'"):
        coerce_records([{"a": "1"}, {"a": "x"}], {"a": int})


def test_coerce_records_needs_typed_columns():
    with pytest.raises(DelimitedError, match=r"record 1 has no column 'b'"):
        coerce_records([{"a": "1"}], {"b": int})


def test_write_rows_formats_values():
    assert write_rows([["a", 1, 2.5], [None, True, False]]) == "a,1,2.5\n,true,false\n"
    assert write_rows([]) == ""


def test_write_rows_quotes_where_needed():
    rows = [["a,b", 'c"d', "e\nf", "g h", "\r", ""]]
    assert write_rows(rows) == '"a,b","c""d","e\nf",g h,"\r",\n'


def test_write_rows_quotes_a_single_empty_field():
    assert write_rows([[""], ["", ""]]) == '""\n,\n'
    assert read_rows(write_rows([[None]])) == [[""]]


def test_write_rows_quote_all_and_line_end():
    assert write_rows([["a", 1]], quote_all=True) == '"a","1"\n'
    assert write_rows([["a"], ["b"]], line_end="\r\n") == "a\r\nb\r\n"


def test_write_rows_rejects_empty_row():
    with pytest.raises(DelimitedError):
        write_rows([["a"], []])


def test_write_rows_with_escape():
    assert write_rows([['a"b', "c\\d"]], Dialect(escape="\\")) == '"a\\"b","c\\\\d"\n'
    assert write_rows([["c\\d"]]) == "c\\d\n"


def test_write_rows_with_comment_and_strip():
    dialect = DIALECTS["pipe"]
    assert write_rows([["#a", " b", "c ", "d e"]], dialect) == '"#a"|" b"|"c "|d e\n'
    assert write_rows([[" b"]]) == " b\n"


@pytest.mark.parametrize("name", ["csv", "tsv", "pipe"])
def test_write_rows_round_trip(name):
    rows = [["a,b", 'q"q', "\\", "#"], [" x ", "t\tt", "p|p", "n\nn"], ['""', "\\\\", "", "z"]]
    text = write_rows(rows, DIALECTS[name])
    assert read_rows(text, DIALECTS[name]) == rows


def test_write_records_collects_columns():
    assert write_records([{"b": 1}, {"a": 2, "b": 3}]) == "b,a\n1,\n3,2\n"
    assert write_records([]) == ""


def test_write_records_with_columns():
    assert write_records([{"b": 1, "c": 9}], ["a", "b"]) == "a,b\n,1\n"
    assert write_records([], ["a"]) == "a\n"
    assert write_records([{"a": 1, "b": 2}], dialect=DIALECTS["tsv"]) == "a\tb\n1\t2\n"


def test_align_defaults():
    assert align([["a", "bb"], ["ccc", 1]]) == "a    bb\nccc  1"
    assert align([]) == ""


def test_align_justify():
    rows = [["a", "b", "c"], ["xxxx", "yyyy", "zzzz"]]
    assert align(rows, "rcl", gap=1) == "   a  b   c\nxxxx yyyy zzzz"
    assert align(rows, "r", gap=1) == "   a b    c\nxxxx yyyy zzzz"


def test_align_short_rows_and_none():
    assert align([["a"], ["b", None, "c"]]) == "a\nb    c"
    assert align([["a", "b"], [None, True]], "rr") == "a     b\n   true"


def test_align_rejects():
    for justify, gap in (("lx", 2), ("l", 0)):
        with pytest.raises(DelimitedError):
            align([["a"]], justify, gap)
