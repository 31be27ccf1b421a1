import pytest
from globmatch import GlobError, expand_braces, filter_paths, match, match_segment, normalize


def outcomes(pattern, *names):
    return [match_segment(pattern, name) for name in names]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a//b/./c/", "a/b/c"),
        ("a\\b", "a/b"),
        ("a/b/../c", "a/c"),
        ("a/../../b", "../b"),
        ("../../a/..", "../.."),
        ("/a/../b/", "/b"),
        ("./a", "a"),
        ("", "."),
        ("a/..", "."),
        ("//", "/"),
        (".a/..b", ".a/..b"),
    ],
    ids=list("abcdefghijk"),
)
def test_normalize(path, expected):
    assert normalize(path) == expected


@pytest.mark.parametrize("path", ["/..", "/a/../../b"], ids=["direct", "later"])
def test_normalize_rejects_leaving_root(path):
    with pytest.raises(GlobError):
        normalize(path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ["a"]),
        ("", [""]),
        ("x{a,b}y", ["xay", "xby"]),
        ("{a,b}{c,d}", ["ac", "ad", "bc", "bd"]),
        ("{a,{b,c}d}e", ["ae", "bde", "cde"]),
        ("{,a}b", ["b", "ab"]),
        ("{a,}", ["a", ""]),
        ("{a,a}", ["a", "a"]),
        ("{a}", ["{a}"]),
        ("{}", ["{}"]),
        ("{x{a,b}}", ["{xa}", "{xb}"]),
    ],
    ids=list("abcdefghijk"),
)
def test_expand_braces(pattern, expected):
    assert expand_braces(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{2..4}", ["2", "3", "4"]),
        ("{4..2}", ["4", "3", "2"]),
        ("{3..3}", ["3"]),
        ("{-1..1}", ["-1", "0", "1"]),
        ("{1..x}", ["{1..x}"]),
        ("{x..1}", ["{x..1}"]),
        ("{12}", ["{12}"]),
        ("{1..2,5}", ["1..2", "5"]),
    ],
    ids=list("abcdefgh"),
)
def test_expand_braces_ranges(pattern, expected):
    assert expand_braces(pattern) == expected


def test_expand_braces_keeps_escapes():
    assert expand_braces(r"\{a,b\}") == [r"\{a,b\}"]
    assert expand_braces(r"{a\,b,c\}}") == [r"a\,b", r"c\}"]
    assert expand_braces("a\\") == ["a\\"]


@pytest.mark.parametrize("pattern", ["{a", "a}", "{a,{b}", "{a}}", r"{a\}", "a{b,c}d}"], ids=list("abcdef"))
def test_expand_braces_rejects(pattern):
    with pytest.raises(GlobError):
        expand_braces(pattern)


def test_segment_literal():
    assert outcomes("abc", "abc", "ab", "abcd", "ABC", "") == [True, False, False, False, False]
    assert outcomes("", "", "a") == [True, False]


def test_segment_star():
    assert outcomes("a*c", "ac", "abc", "abcbc", "abcd", "bac") == [True, True, True, False, False]
    assert outcomes("*", "", "abc") == [True, True]
    assert outcomes("*a*b*", "ab", "xaybz", "ba") == [True, True, False]
    assert outcomes("a**b", "ab", "axb") == [True, True]


def test_segment_question_mark():
    assert outcomes("a?c", "abc", "ac", "abbc") == [True, False, False]
    assert outcomes("?*", "", "a", "ab") == [False, True, True]


def test_segment_set():
    assert outcomes("[a-cx]", "a", "b", "c", "x", "d", "") == [True, True, True, True, False, False]
    assert outcomes("[!a-cx]", "a", "x", "d", "-", "") == [False, False, True, True, False]
    assert outcomes("f[0-9].py", "f5.py", "fx.py", "f55.py") == [True, False, False]


def test_segment_set_with_ordinary_bracket():
    assert outcomes("[]a]", "]", "a", "b") == [True, True, False]
    assert outcomes("[!]a]", "]", "a", "b") == [False, False, True]


def test_segment_set_with_ordinary_dash_and_others():
    assert outcomes("[-a]", "-", "a", "b") == [True, True, False]
    assert outcomes("[a-]", "-", "a", "b") == [True, True, False]
    assert outcomes("[a!]", "!", "a", "b") == [True, True, False]
    assert outcomes("[*?]", "*", "?", "b") == [True, True, False]
    assert outcomes("[a-b-d]", "b", "-", "d", "c") == [True, True, True, False]


def test_segment_single_character_range():
    assert outcomes("[b-b]", "b", "a", "c") == [True, False, False]


def test_segment_escapes():
    assert outcomes(r"\*", "*", "a") == [True, False]
    assert outcomes(r"\[a]", "[a]", "a") == [True, False]
    assert outcomes(r"a\b", "ab") == [True]


@pytest.mark.parametrize("pattern", ["[", "[a", "[]", "[!]", "[b-a]", "a\\"], ids=list("abcdef"))
def test_segment_rejects(pattern):
    with pytest.raises(GlobError):
        match_segment(pattern, "x")


def test_segment_dotfiles():
    for pattern in ("*", "?a", "[.]a", "[!x]a"):
        assert match_segment(pattern, ".a")
    for pattern in ("*", "?a", "[!x]a"):
        assert not match_segment(pattern, ".a", dotfiles=False)
    assert match_segment(".*", ".a", dotfiles=False)
    assert match_segment("*", "a.b", dotfiles=False)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a/*.py", "a/b.py", True),
        ("a/*.py", "a/b/c.py", False),
        ("*.py", "a/b.py", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("**/b", "b", True),
        ("a/**", "a", True),
        ("a/**", "ab", False),
        ("**", "a/b", True),
        ("**/x/**/y", "a/x/x/b/y", True),
        ("a**/b", "ax/y/b", False),
    ],
    ids=list("abcdefghijkl"),
)
def test_match(pattern, path, expected):
    assert match(pattern, path) is expected


def test_match_normalizes_the_path():
    assert match("a/b", "./a//c/../b/")
    assert match("a/b", "a\\b")
    assert match("/a/*", "/a/b")
    assert not match("a/*", "/a/b")


def test_match_expands_braces():
    assert match("{a,b/c}/d", "b/c/d")
    assert match("{a,b/c}/d", "a/d")
    assert not match("{a,b/c}/d", "b/d")
    assert match(r"\{a\}", "{a}")


def test_match_dotfiles():
    assert match("**/b", ".a/b")
    assert not match("**/b", ".a/b", dotfiles=False)
    assert match(".a/**", ".a/b", dotfiles=False)
    assert not match("a/*", "a/.b", dotfiles=False)
    assert match("a/*", "a/.b")


@pytest.mark.parametrize("pattern", ["x/[", "{a,x/b\\}", "{a,[}"], ids=["set", "escape", "brace"])
def test_match_rejects_bad_pattern_for_any_path(pattern):
    with pytest.raises(GlobError):
        match(pattern, "a")


def test_filter_paths_keeps_order_and_spelling():
    paths = ["b.py", "./a.py", "c.txt", ".d.py"]
    assert filter_paths("*.py", paths) == ["b.py", "./a.py", ".d.py"]
    assert filter_paths("*.py", paths, dotfiles=False) == ["b.py", "./a.py"]
    assert paths == ["b.py", "./a.py", "c.txt", ".d.py"]
