import pytest
from layout import align, columns, dedent, indent, justify, truncate, wrap


def test_wrap_fills_lines_up_to_the_width():
    assert wrap("aaa bb cccc d", 6) == ["aaa bb", "cccc d"]
    assert wrap("aaa bb cccc d", 5) == ["aaa", "bb", "cccc", "d"]


def test_wrap_splits_at_any_white_space():
    assert wrap("  a\n\tb   c ", 9) == ["a b c"]
    assert wrap("", 4) == []
    assert wrap(" \n ", 4, first="> ") == []


def test_wrap_prefixes_count_toward_the_width():
    assert wrap("aa bb cc dd", 8, first="* ", rest="| ") == ["* aa bb", "| cc dd"]
    assert wrap("aa bb cc", 6, first="1: ", rest="") == ["1: aa", "bb cc"]


def test_wrap_rest_is_as_wide_as_first_by_default():
    assert wrap("aa bb cc", 7, first="- ") == ["- aa bb", "  cc"]


def test_wrap_cuts_a_word_that_is_too_long():
    assert wrap("x abcdefgh ij", 4) == ["x", "abcd", "efgh", "ij"]
    assert wrap("abcdefg hi", 4) == ["abcd", "efg", "hi"]


def test_wrap_goes_on_after_the_tail_of_a_long_word():
    assert wrap("abcdef gh", 5, first="> ", rest=".") == ["> abc", ".def", ".gh"]
    assert wrap("abcde f", 4) == ["abcd", "e f"]


@pytest.mark.parametrize(("first", "rest"), [("abc", ""), ("", "abc")], ids=["first", "rest"])
def test_wrap_needs_a_column_after_each_prefix(first, rest):
    assert wrap("xy", 4, first, rest)
    with pytest.raises(ValueError, match="no room"):
        wrap("xy", 3, first, rest)


def test_align_left_by_default_right_and_center():
    assert align("ab", 5) == align("ab", 5, "left") == "ab   "
    assert align("ab", 5, "right", ".") == "...ab"
    assert align("ab", 5, "center", ".") == ".ab.."
    assert align("ab", 6, "center", ".") == "..ab.."


def test_align_leaves_long_text_alone():
    assert align("abc", 2, "right") == "abc"
    assert align("abc", 3, "center") == "abc"


def test_align_refuses_unknown_how_and_fill():
    with pytest.raises(ValueError, match="alignment"):
        align("a", 3, "middle")
    for fill in ("", "ab"):
        with pytest.raises(ValueError, match="one character"):
            align("a", 3, "left", fill)


def test_justify_puts_wider_gaps_on_the_left():
    assert justify("a b c dd e", 8) == ["a b c dd", "e"]
    assert justify("a b c ddddd", 8) == ["a   b  c", "ddddd"]


def test_justify_leaves_the_last_line_and_lone_words():
    assert justify("abcd efghi j k", 6) == ["abcd", "efghi", "j k"]
    assert justify("a b", 9) == ["a b"]
    assert justify("", 9) == []


def test_truncate_at_the_end_by_default():
    assert truncate("abcdefgh", 6) == "abc..."
    assert truncate("abcdefgh", 8) == "abcdefgh"
    assert truncate("abcdefgh", 7) == "abcd..."


def test_truncate_at_the_start_and_middle():
    assert truncate("abcdefgh", 6, where="start") == "...fgh"
    assert truncate("abcdefgh", 6, where="middle") == "ab...h"
    assert truncate("abcdefgh", 6, "..", "middle") == "ab..gh"


@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_truncate_without_room_gives_the_start_of_the_marker(where):
    assert truncate("abcdef", 3, "123", where) == "123"
    assert truncate("abcdef", 2, "123", where) == "12"
    assert truncate("abcdef", 0, "123", where) == ""


def test_truncate_refuses_bad_arguments():
    assert truncate("", 0) == ""
    with pytest.raises(ValueError, match="negative"):
        truncate("", -1)
    with pytest.raises(ValueError, match="place"):
        truncate("a", 3, where="left")


def test_indent_leaves_blank_lines_alone():
    assert indent("a\n\n  b\n", "> ") == "> a\n\n>   b\n"
    assert indent("a\n \nb", "> ", blank=True) == "> a\n>  \n> b"


def test_indent_first_line_may_differ():
    assert indent("a\nb\nc", "  ", first="- ") == "- a\n  b\n  c"
    assert indent("a\nb", "  ", first="") == "a\n  b"


def test_dedent_takes_the_shared_spaces_and_no_tabs():
    assert dedent("\ta\n\tb") == "\ta\n\tb"
    assert dedent("    a\n      b\n    c\n") == "a\n  b\nc\n"
    assert dedent("a\n  b") == "a\n  b"


def test_dedent_ignores_and_empties_blank_lines():
    assert dedent("  a\n \n\n  b") == "a\n\n\nb"
    assert dedent("   \n") == "\n"


def test_columns_fill_from_top_to_bottom():
    assert columns(["a", "bb", "c", "d", "e"], 9) == ["a   d", "bb  e", "c"]
    assert columns(["a", "bb", "c", "d", "e"], 6) == ["a   d", "bb  e", "c"]


def test_columns_use_the_whole_width():
    assert columns(["aa", "bb", "cc"], 10) == ["aa  bb  cc"]
    assert columns(["aa", "bb", "cc"], 9) == ["aa  cc", "bb"]
    assert columns(["aa", "bb"], 4, gap=0) == ["aabb"]


def test_columns_bounds():
    assert columns([], 10) == []
    assert columns(["abc", "d"], 1) == ["abc", "d"]
    assert columns(["", ""], 3, gap=0) == [""]
    with pytest.raises(ValueError, match="gap"):
        columns(["a"], 10, gap=-1)
