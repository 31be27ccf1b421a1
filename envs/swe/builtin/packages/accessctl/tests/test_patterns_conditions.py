import pytest
from accessctl import (
    Effect,
    PatternError,
    Rule,
    all_of,
    any_of,
    at_most,
    equals,
    matches,
    not_,
    one_of,
    specificity,
)


def yes(given):
    return True


def no(given):
    return False


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("docs/a", "docs/a", True),
        ("docs/a", "docs/A", False),
        ("docs/a", "docs", False),
        ("docs", "docs/a", False),
        ("docs/*", "docs/a", True),
        ("docs/*", "docs/a/b", False),
        ("docs/*", "docs", False),
        ("*/a", "docs/a", True),
        ("*/a", "docs/b", False),
    ],
    ids=list("abcdefghi"),
)
def test_matches_segment_by_segment(pattern, name, expected):
    assert matches(pattern, name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("docs", False), ("docs/a", True), ("docs/a/b", True), ("other/a", False)],
    ids=list("abcd"),
)
def test_double_star_fits_one_or_more_segments(name, expected):
    assert matches("docs/**", name) is expected


def test_stars_combine():
    assert matches("**", "a")
    assert matches("**", "a/b/c")
    assert matches("*/draft/**", "docs/draft/x/y")
    assert not matches("*/draft/**", "docs/final/x")


def test_specificity_counts_literals_and_then_stars():
    assert specificity("docs/*/a") == (2, 1)
    assert specificity("docs/**") == (1, 0)
    assert specificity("*/*") == (0, 2)
    assert specificity("**") == (0, 0)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "empty segment"),
        ("docs//a", "empty segment"),
        ("docs/", "empty segment"),
        ("**/a", "must be last"),
        ("docs/a*", "whole segment"),
        ("***", "whole segment"),
    ],
    ids=["nothing", "middle", "end", "early", "partial", "triple"],
)
def test_rule_refuses_malformed_patterns(pattern, message):
    with pytest.raises(PatternError, match=message):
        Rule("r", "role", Effect.ALLOW, "read", pattern)
    with pytest.raises(PatternError, match=message):
        Rule("r", "role", Effect.ALLOW, pattern, "docs")


def test_rule_covers_needs_both_patterns():
    rule = Rule("r", "role", Effect.ALLOW, "read", "docs/*", condition=no)
    assert rule.covers("read", "docs/a")
    assert not rule.covers("edit", "docs/a")
    assert not rule.covers("read", "logs/a")


def test_equals():
    same = equals("owner", "subject")
    assert same({"owner": "ann", "subject": "ann"})
    assert not same({"owner": "bob", "subject": "ann"})
    assert not same({"subject": None})
    assert not same({"owner": None})


def test_one_of_copies_its_values():
    values = [1, 2]
    condition = one_of("level", values)
    values.append(3)
    assert condition({"level": 2})
    assert not condition({"level": 3})
    assert not one_of("level", [None])({})


def test_at_most_is_inclusive():
    condition = at_most("size", 10)
    assert condition({"size": 10})
    assert not condition({"size": 11})
    assert not condition({})


def test_all_of_and_any_of():
    assert [all_of(yes, yes)({}), all_of(yes, no)({}), all_of()({})] == [True, False, True]
    assert [any_of(no, yes)({}), any_of(no, no)({}), any_of()({})] == [True, False, False]


def test_not():
    assert not_(no)({}) is True
    assert not_(yes)({}) is False
