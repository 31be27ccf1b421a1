import pytest
from globmatch import GlobError, IgnoreRules, Rule


def ignored(lines, *paths):
    rules = IgnoreRules(lines)
    return [rules.is_ignored(path.rstrip("/"), path.endswith("/")) for path in paths]


def test_rules_are_parsed():
    rules = IgnoreRules(["# c", "", " *.log ", "!/a/", "b/c"]).rules
    assert rules == [
        Rule("**/*.log", False, False, 3),
        Rule("a", True, True, 4),
        Rule("b/c", False, False, 5),
    ]


def test_no_rules_ignore_nothing():
    assert ignored([], "a", "a/b") == [False, False]
    assert IgnoreRules([]).deciding_rule("a") is None


def test_pattern_without_slash_matches_at_every_depth():
    assert ignored(["*.log"], "x.log", "a/b/x.log", "x.txt") == [True, True, False]


def test_pattern_with_slash_is_anchored():
    assert ignored(["/x"], "x", "a/x") == [True, False]
    assert ignored(["a/x"], "a/x", "b/a/x") == [True, False]
    assert ignored(["a/**/x"], "a/x", "a/b/x", "x") == [True, True, False]


def test_folder_only_pattern():
    assert ignored(["build/"], "build/", "build", "a/build/") == [True, False, True]
    assert ignored(["build/"], "build/x", "a/build/b/c") == [True, True]


def test_is_folder_defaults_to_false():
    rules = IgnoreRules(["build/"])
    assert not rules.is_ignored("build")
    assert rules.deciding_rule("build") is None
    assert rules.deciding_rule("build", True) == rules.rules[0]


def test_ignored_folder_covers_its_content():
    assert ignored(["a"], "a/b", "a/b/c", "b/a/c", "ab/c") == [True, True, True, False]


def test_last_rule_wins():
    lines = ["*.log", "!keep.log", "x/keep.log"]
    assert ignored(lines, "a.log", "keep.log", "x/keep.log") == [True, False, True]
    assert ignored(["!a", "a"], "a") == [True]


def test_negation_cannot_reach_into_ignored_folder():
    assert ignored(["a/", "!a/b"], "a/b") == [True]
    assert ignored(["a/*", "!a/b"], "a/b", "a/c") == [False, True]


def test_negated_folder_does_not_protect_its_content():
    assert ignored(["*.log", "!a/"], "a/x.log", "a/") == [True, False]


def test_first_ignored_folder_decides():
    rules = IgnoreRules(["a/b", "a", "a/b/c"])
    assert rules.deciding_rule("a/b/c").line == 2
    assert rules.deciding_rule("a/x/y").line == 2
    assert IgnoreRules(["a/b/c", "a/b"]).deciding_rule("a/b/c").line == 2


def test_deciding_rule_may_be_negated():
    rule = IgnoreRules(["*.log", "!keep.log"]).deciding_rule("keep.log")
    assert (rule.line, rule.negated) == (2, True)


def test_escaped_first_character():
    assert ignored([r"\#a", r"\!b"], "#a", "!b", "a", "b") == [True, True, False, False]


def test_paths_are_normalized():
    assert ignored(["a/b"], "./a//b", "a\\b", "x/../a/b") == [True, True, True]


@pytest.mark.parametrize("path", ["/a", "../a", "a/../../b"], ids=["absolute", "up", "later"])
def test_paths_must_be_below_root(path):
    with pytest.raises(GlobError):
        IgnoreRules(["x"]).is_ignored(path)


@pytest.mark.parametrize("line", ["/", "!", "!/", "a/[", "{a"], ids=list("abcde"))
def test_bad_lines(line):
    with pytest.raises(GlobError, match="line 2"):
        IgnoreRules(["ok", line])


def test_keep():
    rules = IgnoreRules(["build/", "*.log", "!keep.log"])
    paths = ["build/", "build/x", "src/", "build.py", "a.log", "src/keep.log", "build"]
    assert rules.keep(paths) == ["src/", "build.py", "src/keep.log", "build"]


def test_braces_in_rules():
    assert ignored(["*.{o,a}"], "x/y.o", "y.a", "y.c") == [True, True, False]


def test_rule_applies_to_the_path_itself():
    rule = Rule("a/*", False, True, 1)
    assert rule.applies("a/b", True)
    assert not rule.applies("a/b", False)
    assert not rule.applies("a/b/c", True)
    assert Rule("a", True, False, 1).applies("a", False)
