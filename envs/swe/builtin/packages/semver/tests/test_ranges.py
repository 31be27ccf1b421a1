import pytest
from semver import Bound, Range, SemverError, Version, best_match, parse_range

V = Version.parse


def allowed(text, *versions):
    wanted = parse_range(text)
    return "".join("y" if wanted.allows(V(version)) else "n" for version in versions)


def same(*texts):
    return len({parse_range(text) for text in texts}) == 1


@pytest.mark.parametrize(
    ("operator", "results"),
    [(">=", "nyy"), (">", "nny"), ("<=", "yyn"), ("<", "ynn")],
    ids=["ge", "gt", "le", "lt"],
)
def test_bounds(operator, results):
    bound = Bound(operator, V("1.2.3"))
    outcomes = [bound.allows(V(text)) for text in ("1.2.2", "1.2.3", "1.2.4")]
    assert outcomes == [letter == "y" for letter in results]
    assert allowed(operator + "1.2.3", "1.2.2", "1.2.3", "1.2.4") == results


def test_exact_version():
    assert allowed("1.2.3", "1.2.2", "1.2.3", "1.2.4", "1.2.3+b") == "nyny"
    assert same("1.2.3", "=1.2.3", "= v1.2.3", " 1.2.3 ")


def test_missing_parts_of_plain_version():
    assert allowed("1.2", "1.1.9", "1.2.0", "1.2.9", "1.3.0") == "nyyn"
    assert allowed("1", "0.9.9", "1.0.0", "1.9.9", "2.0.0") == "nyyn"
    assert same("1.2", "1.2.x", "1.2.X", "1.2.*", "=1.2")
    assert same("1", "1.x", "1.x.3", "1.*.*")


def test_anything():
    for text in ("*", "x", "", ">=*", "<=x", "^*", "~x", "*.1.2"):
        assert allowed(text, "0.0.0", "9.9.9", "1.0.0-rc") == "yyn"
    assert parse_range("*") == Range(((),))


@pytest.mark.parametrize("text", [">*", "<x"], ids=["above", "below"])
def test_nothing_is_beyond_anything(text):
    with pytest.raises(SemverError):
        parse_range(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">1.2", ">=1.3.0"),
        (">1", ">=2.0.0"),
        ("<=1.2", "<1.3.0"),
        ("<=1", "<2.0.0"),
        (">=1.2", ">=1.2.0"),
        ("<1.2", "<1.2.0"),
        ("<1", "<1.0.0"),
        ("1.2", ">=1.2.0 <1.3.0"),
        ("~1.2.3", ">=1.2.3 <1.3.0"),
        ("~0.0.3", ">=0.0.3 <0.1.0"),
        ("~1.2", "1.2"),
        ("~1", "1"),
        ("^1.2.3", ">=1.2.3 <2.0.0"),
        ("^1.2", ">=1.2.0 <2.0.0"),
        ("^1", ">=1.0.0 <2.0.0"),
        ("^0.2.3", ">=0.2.3 <0.3.0"),
        ("^0.0.3", ">=0.0.3 <0.0.4"),
        ("^0.0.0", ">=0.0.0 <0.0.1"),
        ("^0.0", ">=0.0.0 <0.1.0"),
        ("^0", ">=0.0.0 <1.0.0"),
        ("^1.0.5", ">=1.0.5 <2.0.0"),
        ("1.2.3 - 2.3.4", ">=1.2.3 <=2.3.4"),
        ("1.2 - 2.3", ">=1.2.0 <2.4.0"),
        ("1 - 2", ">=1.0.0 <3.0.0"),
        ("* - 2.0.0", "<=2.0.0"),
    ],
    ids=list("abcdefghijklmnopqrstuvwxy"),
)
def test_terms_mean_the_same(text, expected):
    assert same(text, expected)


def test_tilde():
    assert allowed("~1.2.3", "1.2.2", "1.2.3", "1.2.9", "1.3.0") == "nyyn"
    assert allowed("~1.2", "1.1.9", "1.2.0", "1.2.9", "1.3.0") == "nyyn"


def test_caret():
    assert allowed("^1.2.3", "1.2.2", "1.2.3", "1.9.0", "2.0.0") == "nyyn"
    assert allowed("^0.2.3", "0.2.2", "0.2.3", "0.2.9", "0.3.0") == "nyyn"
    assert allowed("^0.0.3", "0.0.2", "0.0.3", "0.0.4") == "nyn"


def test_terms_must_all_hold():
    assert allowed(">=1.2.0 <1.4.0 <=1.3.5", "1.1.0", "1.2.0", "1.3.5", "1.3.6") == "nyyn"
    assert allowed(">= 1.2.0   < 1.4.0", "1.1.0", "1.2.0", "1.4.0") == "nyn"


def test_alternatives():
    assert allowed("1.2.x || >=3 <4 ||5.0.0", "1.2.9", "2.0.0", "3.5.0", "5.0.0") == "ynyy"
    assert allowed("1.0.0 ||", "7.0.0") == "y"


def test_prereleases_need_a_bound_of_the_same_release():
    assert allowed(">=1.2.0", "1.3.0-rc", "2.0.0-rc") == "nn"
    assert allowed(">=1.2.3-beta", "1.2.3-alpha", "1.2.3-beta", "1.2.3-rc", "1.2.4-rc") == "nyyn"
    assert allowed("<2.0.0", "2.0.0-rc") == "n"
    assert allowed("^1.2.3-beta", "1.2.3-rc.1", "1.2.3", "1.9.0", "1.9.0-a") == "yyyn"


def test_prerelease_bound_of_another_alternative_does_not_count():
    assert allowed(">=1.0.0 || 2.0.0-rc", "2.0.0-rc", "2.0.0-a") == "yn"


def test_prerelease_any_bound_of_the_alternative_counts():
    assert allowed(">=1.0.0-a <2.0.0-b", "1.0.0-b", "2.0.0-a", "2.0.0-b") == "yyn"


def test_exact_prerelease_and_hyphen_range():
    assert allowed("1.0.0-rc.1", "1.0.0-rc.1", "1.0.0-rc.2", "1.0.0") == "ynn"
    assert allowed("1.0.0-rc - 1.0.0", "1.0.0-beta", "1.0.0-rc", "1.0.0") == "nyy"


@pytest.mark.parametrize(
    "text",
    ["a", "1.2.3.4", "01", "1..2", "==1", ">", "1.2.3 -", "- 1.2.3", "1 - 2 - 3", "1 - 2 3", "1,2"],
    ids=list("abcdefghijk"),
)
def test_parse_range_rejects(text):
    with pytest.raises(SemverError):
        parse_range(text)


@pytest.mark.parametrize(
    "text",
    ["1.2-rc", "1.2.x-rc", "1.2.3-01", "1 | 2", "1.2.3-a..b", ">1.0.0<2.0.0"],
    ids=list("abcdef"),
)
def test_parse_range_rejects_prereleases_and_separators(text):
    with pytest.raises(SemverError):
        parse_range(text)


def test_best_match():
    texts = ["1.2.0", "1.10.0", "1.9.0", "2.0.0", "1.11.0-rc"]
    assert best_match(texts, "^1.2") == "1.10.0"
    assert best_match(texts, ">=1 <1.10.0") == "1.9.0"
    assert best_match(texts, ">2") is None
    assert best_match([], "*") is None


def test_best_match_of_equal_versions_and_with_range():
    assert best_match(["1.0.0+a", "v1.0.0+b"], "1") == "1.0.0+a"
    assert best_match(["1.0.0", "2.0.0"], parse_range("<2")) == "1.0.0"


def test_best_match_rejects_malformed():
    with pytest.raises(SemverError):
        best_match(["1.0"], "*")
    with pytest.raises(SemverError):
        best_match(["1.0.0"], "?")
