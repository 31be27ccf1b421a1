import pytest
from delimited import (
    DIALECTS,
    DelimitedError,
    Dialect,
    read_records,
    read_rows,
    sniff_delimiter,
)

ESCAPING = Dialect(escape="\\")
STRIPPING = Dialect(strip=True)


def error_line(text, dialect=None):
    with pytest.raises(DelimitedError) as caught:
        read_rows(text, dialect)
    return caught.value.line


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\nc,d\n", [["a", "b"], ["c", "d"]]),
        ("a,b\nc,d", [["a", "b"], ["c", "d"]]),
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ("a,,\n,\n", [["a", "", ""], ["", ""]]),
        ("\n\na\n\nb\n\n", [["a"], ["b"]]),
        ("", []),
    ],
    ids=["plain", "no-end", "crlf", "empty-fields", "empty-lines", "empty"],
)
def test_read_rows(text, rows):
    assert read_rows(text) == rows


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('"a,b",c', ["a,b", "c"]),
        ('"a\nb",c', ["a\nb", "c"]),
        ('"say ""hi""",c', ['say "hi"', "c"]),
        ('"",x', ["", "x"]),
        ('""', [""]),
        ('a"b,c', ['a"b', "c"]),
    ],
    ids=["delimiter", "newline", "doubled", "empty", "only-empty", "middle"],
)
def test_quoted_fields(text, row):
    assert read_rows(text) == [row]


def test_escape_outside_quotes():
    assert read_rows("a\\,b,c", ESCAPING) == [["a,b", "c"]]
    assert read_rows("\\\na,b", ESCAPING) == [["\na", "b"]]
    assert read_rows('\\"x,\\\\', ESCAPING) == [['"x', "\\"]]


def test_escape_inside_quotes_and_without_escape():
    assert read_rows("a\\,b") == [["a\\", "b"]]
    assert read_rows('"a\\"b",c', ESCAPING) == [['a"b', "c"]]
    assert read_rows('"a\\\\",c', ESCAPING) == [["a\\", "c"]]


def test_error_after_closing_quote_has_its_line():
    assert error_line('"a""b"', ESCAPING) == 1
    assert error_line('a\n"b"x\n') == 2
    assert error_line('a\n"b\nc" ,d\n') == 3


def test_unclosed_quote_has_first_line_of_row():
    assert error_line('a\n\nb,"c\n\nd') == 3
    assert error_line('"') == 1


def test_escape_at_end_of_text():
    assert error_line("a\nb\\", ESCAPING) == 2


def test_comment_lines_are_skipped():
    dialect = Dialect(comment="#")
    assert read_rows("#x,y\na,#b\n# \"\n'#',c", dialect) == [["a", "#b"], ["'#'", "c"]]
    assert read_rows('"#a",b', dialect) == [["#a", "b"]]
    assert read_rows("#a,b") == [["#a", "b"]]


def test_line_numbers_count_comments_and_breaks_in_fields():
    assert error_line('#c\n"a\nb"\n"x"y', Dialect(comment="#")) == 4
    assert error_line('#c\n\n"x', Dialect(comment="#")) == 3
    assert error_line('"a\nb"\n"x') == 3


def test_strip_removes_spaces_around_fields():
    assert read_rows("  a b , c\n", STRIPPING) == [["a b", "c"]]
    assert read_rows(' " x " , y', STRIPPING) == [[" x ", "y"]]
    assert read_rows("a\n   \nb", STRIPPING) == [["a"], ["b"]]
    assert read_rows(" a , b ") == [[" a ", " b "]]


def test_named_dialects():
    assert read_rows("a\tb\\\tc", DIALECTS["tsv"]) == [["a", "b\tc"]]
    assert read_rows("# no\n a | b ", DIALECTS["pipe"]) == [["a", "b"]]
    assert DIALECTS["csv"] == Dialect(",", '"', None, None, False)


@pytest.mark.parametrize("name", ["delimiter", "quote", "escape", "comment"])
def test_dialect_rejects_bad_characters(name):
    for value in ("", "ab", "\n", "\r"):
        with pytest.raises(DelimitedError):
            Dialect(**{name: value})


def test_dialect_rejects_repeated_characters():
    with pytest.raises(DelimitedError):
        Dialect(delimiter='"')
    with pytest.raises(DelimitedError):
        Dialect(escape="#", comment="#")


def test_error_message_and_line():
    assert str(DelimitedError("bad", 7)) == "line 7: bad"
    error = DelimitedError("bad")
    assert (str(error), error.line) == ("bad", None)


def test_records_use_first_row_as_header():
    assert read_records("\na,b\n1,2\n3,4\n") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert read_records("a,b\n") == []
    assert read_records("") == []


def test_records_with_given_header():
    header = ["x", "y"]
    assert read_records("1,2\n", header=header) == [{"x": "1", "y": "2"}]
    assert read_records("", header=header) == []
    assert header == ["x", "y"]
    assert read_records("a|b\n1|2", DIALECTS["pipe"]) == [{"a": "1", "b": "2"}]


def test_records_fill_short_rows():
    assert read_records("a,b,c\n1\n", fill="-") == [{"a": "1", "b": "-", "c": "-"}]
    assert read_records("a,b\n1\n", fill="") == [{"a": "1", "b": ""}]


@pytest.mark.parametrize(("text", "fill"), [("a,b\n1", None), ("a,b\n1,2,3", "-")], ids=["s", "l"])
def test_records_reject_wrong_length(text, fill):
    with pytest.raises(DelimitedError) as caught:
        read_records(text, fill=fill)
    assert caught.value.line == 2


@pytest.mark.parametrize("text", ["\na,a\n", "\na,\n"], ids=["repeated", "empty"])
def test_records_reject_header(text):
    with pytest.raises(DelimitedError) as caught:
        read_records(text)
    assert caught.value.line == 2


def test_records_reject_given_header_without_line():
    with pytest.raises(DelimitedError) as caught:
        read_records("1,2", header=["x", "x"])
    assert caught.value.line is None


def test_sniff_delimiter():
    assert sniff_delimiter("a;b;c\nd;e;f\n\n") == ";"
    assert sniff_delimiter("a;b,c;d\n1;2,3;4") == ";"
    assert sniff_delimiter("a,b;c\n1,2;3") == ","
    assert sniff_delimiter('"x,y";b,c\n"p";q,r') == ","


def test_sniff_delimiter_candidates():
    assert sniff_delimiter("a:b,c\nd:e", candidates=":,") == ":"
    assert sniff_delimiter("a\tb|c|d\ne\tf") == "\t"


@pytest.mark.parametrize("text", ["", "abc", "a,b\nc"], ids=["empty", "none", "uneven"])
def test_sniff_delimiter_gives_up(text):
    with pytest.raises(DelimitedError):
        sniff_delimiter(text)
