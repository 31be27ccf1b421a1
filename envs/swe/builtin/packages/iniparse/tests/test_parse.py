import pytest
from iniparse import Document, IniError, interpolate, parse_document


def entries(text):
    lines = parse_document(text).lines
    return [(line.section, line.key, line.value) for line in lines if line.kind == "entry"]


def value_of(line):
    return entries("[s]\n" + line)[0][2]


def error_line(text):
    with pytest.raises(IniError) as caught:
        parse_document(text)
    return caught.value.line


def test_kinds_and_sections_of_lines():
    lines = parse_document("# c\n\n[s]\na = 1\n; d\n").lines
    assert [line.kind for line in lines] == ["comment", "blank", "section", "entry", "comment"]
    assert [line.section for line in lines] == ["", "", "s", "s", "s"]
    assert [line.text for line in lines] == ["# c", "", "[s]", "a = 1", "; d"]


def test_separators_and_key_case():
    text = "[s]\nOne = 1\ntwo: 2\nthree=3\nfour five = a = b : c\nempty ="
    expected = [("one", "1"), ("two", "2"), ("three", "3"), ("four five", "a = b : c")]
    assert [item[1:] for item in entries(text)] == [*expected, ("empty", "")]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k = a # note", "a"),
        ("k = a ; note # more", "a"),
        ("k = a#b;c", "a#b;c"),
        ("k = # note", ""),
        ("k = #note", ""),
        ("k =   a b   ", "a b"),
    ],
    ids=list("abcdef"),
)
def test_inline_comments(line, value):
    assert value_of(line) == value


def test_continuation_lines():
    assert entries("[s]\nk = a # x\n  b # y\n\tc\nl = d") == [
        ("s", "k", "a\nb\nc"),
        ("s", "l", "d"),
    ]
    assert entries("[s]\nk =\n  b") == [("s", "k", "\nb")]


def test_continuation_keeps_separators():
    assert value_of("k = a\n  [b]\n  c = d") == "a\n[b]\nc = d"


def test_section_headers():
    document = parse_document("[ a b ]\n[c:a b]  # note\n[d : c]")
    assert document.parents == {"a b": None, "c": "a b", "d": "c"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1", 1),
        ("[s]\nword", 2),
        ("[s]\n= 1", 2),
        ("[s]\n\n[s]", 3),
        ("[s]\na = 1\nA = 2", 3),
        ("[t : s]\n[s]", 1),
        ("[s", 1),
        ("[]", 1),
        ("[s] x", 1),
        ("[ : s]", 1),
    ],
    ids=list("abcdefghij"),
)
def test_malformed_files(text, line):
    assert error_line(text) == line


@pytest.mark.parametrize(
    "text",
    ["[s]\n  a", "[s]\na = 1\n\n  b", "[s]\na = 1\n  # c\n  b", "[s]\na = 1\n[t]\n  b"],
    ids=["section", "blank", "comment", "header"],
)
def test_nothing_to_continue(text):
    assert error_line(text) == text.count("\n") + 1


def test_same_key_in_two_sections():
    assert entries("[s]\na = 1\n[t]\na = 2") == [("s", "a", "1"), ("t", "a", "2")]


def test_text_is_kept():
    text = "#top\n\n[ s ]\nA=1  ;x\n   more\n\n  # end\n"
    assert parse_document(text).text() == text
    assert parse_document("[s]").text() == "[s]\n"
    assert parse_document("").text() == Document().text() == ""


def test_find_and_end_of():
    document = parse_document("[s]\n# c\na = 1\n# d\n\n[t]\n# e")
    assert document.find("s", "a") == 2
    assert document.find("t", "a") is None
    assert document.find("s", "b") is None
    assert (document.end_of("s"), document.end_of("t")) == (3, 6)


def test_end_of_unknown_section():
    for name in ("x", ""):
        with pytest.raises(IniError):
            parse_document("# c\n[s]").end_of(name)


def test_error_message():
    error = IniError("bad", 3)
    assert (str(error), error.line) == ("line 3: bad", 3)
    assert (str(IniError("bad")), IniError("bad").line) == ("bad", None)


def test_interpolate_references():
    found = []

    def lookup(section, key):
        found.append((section, key))
        return "$" + key

    assert interpolate("${a}-${ T : B }$$", "s", lookup) == "$a-$b$"
    assert found == [("s", "a"), ("T", "b")]


@pytest.mark.parametrize("text", ["$", "a$b", "${", "${}", "${a", "$$$"], ids=list("abcdef"))
def test_interpolate_rejects_stray_dollar(text):
    with pytest.raises(IniError):
        interpolate(text, "s", lambda section, key: "")


def test_interpolate_without_references():
    assert interpolate("plain {a}", "s", lambda section, key: "no") == "plain {a}"
