import pytest
from semver import SemverError, Version, latest, sort_versions

V = Version.parse

#: From the lowest to the highest.
ORDERED = [
    "0.9.9",
    "1.0.0-1",
    "1.0.0-2",
    "1.0.0-10",
    "1.0.0-10.a",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.1.0",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0",
    "1.0.1-a",
    "1.0.1",
    "1.0.10",
    "1.2.0",
    "1.10.0",
    "2.0.0",
    "10.0.0",
]


def test_parse_parts():
    version = V("1.20.3-rc.1.x-y+b.07")
    assert version.release == (1, 20, 3)
    assert version.prerelease == ("rc", 1, "x-y")
    assert version.build == "b.07"


def test_parse_defaults():
    version = V("0.0.0")
    assert (version.release, version.prerelease, version.build) == ((0, 0, 0), (), "")
    assert V("1.2.3+b").prerelease == ()


def test_parse_allows_spaces_and_v():
    assert V(" v1.2.3\n") == Version(1, 2, 3)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "1.2.x", "1.2.3-", "1.2.3+"],
    ids=list("abcdefghij"),
)
def test_parse_rejects(text):
    with pytest.raises(SemverError):
        V(text)


@pytest.mark.parametrize(
    "text",
    ["-1.2.3", "1.2.3-a..b", "1.2.3-a_b", "vv1.2.3", "V1.2.3", "1.2.3 4"],
    ids=list("abcdef"),
)
def test_parse_rejects_odd_characters(text):
    with pytest.raises(SemverError):
        V(text)


def test_prerelease_leading_zeros():
    assert V("1.0.0-0").prerelease == (0,)
    assert V("1.0.0-0a").prerelease == ("0a",)
    assert V("1.0.0-10").prerelease == (10,)
    for text in ("1.0.0-01", "1.0.0-a.00"):
        with pytest.raises(SemverError):
            V(text)


@pytest.mark.parametrize("text", ["1.2.3", "1.2.3-rc.1", "1.2.3+b", "1.2.3-a+b"])
def test_str_round_trip(text):
    assert str(V(text)) == text


def test_order():
    for index, low in enumerate(ORDERED):
        for high in ORDERED[index + 1 :]:
            assert V(low) < V(high)
            assert not V(high) < V(low)
            assert V(low) != V(high)


def test_comparison_operators():
    low, high = V("1.0.0"), V("1.0.1")
    assert low <= high
    assert high >= low
    assert high > low
    assert low <= V("1.0.0")


def test_build_is_not_compared():
    assert V("1.0.0+a") == V("1.0.0+b")
    assert not V("1.0.0+a") < V("1.0.0+b")
    assert len({V("1.0.0+a"), V("1.0.0+b"), V("1.0.1")}) == 2


def test_version_differs_from_text():
    assert V("1.0.0") != "1.0.0"


def test_version_is_immutable():
    version = V("1.0.0")
    with pytest.raises(AttributeError):
        version.major = 2


@pytest.mark.parametrize(
    ("text", "major", "minor", "patch"),
    [
        ("1.2.3", "2.0.0", "1.3.0", "1.2.4"),
        ("0.0.0", "1.0.0", "0.1.0", "0.0.1"),
        ("1.2.3-rc", "2.0.0", "1.3.0", "1.2.3"),
        ("1.3.0-rc", "2.0.0", "1.3.0", "1.3.0"),
        ("2.0.0-rc", "2.0.0", "2.0.0", "2.0.0"),
        ("2.0.1-rc", "3.0.0", "2.1.0", "2.0.1"),
        ("2.0.0", "3.0.0", "2.1.0", "2.0.1"),
    ],
    ids=list("abcdefg"),
)
def test_bump(text, major, minor, patch):
    version = V(text)
    assert str(version.bump("major")) == major
    assert str(version.bump("minor")) == minor
    assert str(version.bump("patch")) == patch


def test_bump_drops_build_and_leaves_the_original():
    version = V("1.2.3+b")
    assert str(version.bump("patch")) == "1.2.4"
    assert str(version) == "1.2.3+b"


@pytest.mark.parametrize("part", ["", "Major", "build"], ids=["empty", "case", "build"])
def test_bump_rejects_part(part):
    with pytest.raises(SemverError):
        V("1.2.3").bump(part)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.3", "1.2.4-rc.1"),
        ("1.2.3+b", "1.2.4-rc.1"),
        ("1.2.4-rc.1", "1.2.4-rc.2"),
        ("1.2.4-rc.9+b", "1.2.4-rc.10"),
        ("1.2.4-beta.3", "1.2.4-rc.1"),
        ("1.2.4-rc", "1.2.4-rc.1"),
        ("1.2.4-rc.0", "1.2.4-rc.1"),
    ],
    ids=list("abcdefg"),
)
def test_bump_prerelease(text, expected):
    assert str(V(text).bump_prerelease()) == expected


def test_bump_prerelease_with_label():
    assert str(V("1.2.3").bump_prerelease("beta")) == "1.2.4-beta.1"
    assert str(V("1.2.4-beta.1").bump_prerelease("beta")) == "1.2.4-beta.2"


@pytest.mark.parametrize("text", ["1.2.3-rc.1", "1.2.3-rc.5", "1.2.3-beta.1.1"])
def test_bump_prerelease_must_go_up(text):
    with pytest.raises(SemverError, match="not higher"):
        V(text).bump_prerelease("alpha" if "rc" in text else "beta")


def test_bump_prerelease_may_not_repeat_a_longer_one():
    with pytest.raises(SemverError, match="not higher"):
        V("1.2.3-rc.1.0").bump_prerelease()


@pytest.mark.parametrize("label", ["", "a.b", "1", "a b", "1a"], ids=list("abcde"))
def test_bump_prerelease_rejects_label(label):
    with pytest.raises(SemverError):
        V("1.2.3").bump_prerelease(label)


def test_sort_versions():
    texts = ["1.10.0", "1.2.0", "1.2.0-rc", "v1.2.0"]
    assert sort_versions(texts) == ["1.2.0-rc", "1.2.0", "v1.2.0", "1.10.0"]
    assert sort_versions(texts, descending=True) == ["1.10.0", "1.2.0", "v1.2.0", "1.2.0-rc"]
    assert texts == ["1.10.0", "1.2.0", "1.2.0-rc", "v1.2.0"]


def test_latest_prefers_releases():
    texts = ["1.2.0", "1.10.0", "2.0.0-rc.1"]
    assert latest(texts) == "1.10.0"
    assert latest(texts, prereleases=True) == "2.0.0-rc.1"


def test_latest_without_releases_or_versions():
    assert latest(["1.0.0-a", "1.0.0-b"]) == "1.0.0-b"
    assert latest([]) is None
    assert latest(iter(["1.0.0+a", "1.0.0+b"])) == "1.0.0+a"
