import pytest
from layout import render_table

ROWS = [["ann", 3], ["bo", 12]]


def lines(*args, **options):
    return render_table(*args, **options).split("\n")


def test_ascii_box_is_the_default():
    assert lines(ROWS) == ["+-----+----+", "| ann | 3  |", "| bo  | 12 |", "+-----+----+"]


def test_ascii_headers_are_ruled_off():
    assert lines([["a"]], headers=["name"]) == [
        "+------+",
        "| name |",
        "+------+",
        "| a    |",
        "+------+",
    ]
    assert len(lines([], headers=["name"])) == 3


def test_no_border_parts_columns_by_two_spaces():
    assert lines(ROWS, border="none") == ["ann  3", "bo   12"]
    assert lines(ROWS, ["n", "age"], border="none")[:2] == ["n    age", "---  ---"]


def test_markdown_rule_shows_the_alignment():
    table = lines([["a", "b", "c"]], ["one", "two", "three"], "lrc", "markdown")
    assert table == [
        "| one | two | three |",
        "| --- | --: | :---: |",
        "| a   |   b |   c   |",
    ]
    table = lines([["a"]], border="markdown", aligns="c")
    assert table == ["|     |", "| :-: |", "|  a  |"]


def test_aligns_beyond_their_end_are_left():
    assert lines([*ROWS, ["x", "yyy"]], aligns="r", border="none") == [
        "ann  3",
        " bo  12",
        "  x  yyy",
    ]


def test_short_rows_are_filled_up():
    assert lines([["a"], ["b", "c"]], border="none", headers=[]) == ["", "-  -", "a", "b  c"]
    assert lines([["a"], ["b", "c"]])[1] == "| a |   |"


def test_cells_show_none_as_nothing_and_newlines_as_spaces():
    assert lines([[None, "a\nb"]], border="none") == ["  a b"]


def test_long_cells_are_cut():
    table = lines([["abcdef", "abcd"]], ["header"], border="none", max_width=4)
    assert table == ["h...", "----  ----", "a...  abcd"]
    assert lines([["ab"]], border="none", max_width=1) == ["."]


def test_empty_tables_are_empty_text():
    assert render_table([]) == ""
    assert render_table([], headers=[], border="markdown") == ""
    assert render_table([[]], border="none") == ""


def test_bad_options_raise():
    with pytest.raises(ValueError, match="border"):
        render_table(ROWS, border="double")
    with pytest.raises(ValueError, match="letter"):
        render_table(ROWS, aligns="lx")
    with pytest.raises(ValueError, match="max_width"):
        render_table(ROWS, max_width=0)


def test_rows_and_headers_are_left_alone():
    rows, headers = [["a"], ["b", "c"]], ["h"]
    render_table(rows, headers)
    assert rows == [["a"], ["b", "c"]]
    assert headers == ["h"]
