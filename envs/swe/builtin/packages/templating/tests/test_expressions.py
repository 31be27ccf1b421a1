import pytest
from templating import FILTERS, Environment, Safe, TemplateError, escape


class Thing:
    size = 3
    _hidden = 4


def value(expression, **variables):
    return Environment(autoescape=False).render_text("{{ " + expression + " }}", variables)


def test_literals():
    assert value("12") + value("1.50") + value("'a b'") + value('"it\'s"') == "121.5a bit's"
    assert (value("true"), value("false"), value("none")) == ("True", "False", "")


@pytest.mark.parametrize(
    ("op", "results"),
    [
        ("==", "FTF"),
        ("!=", "TFT"),
        ("<", "TFF"),
        ("<=", "TTF"),
        (">", "FFT"),
        (">=", "FTT"),
    ],
    ids=["eq", "ne", "lt", "le", "gt", "ge"],
)
def test_comparisons(op, results):
    assert "".join(value(f"x {op} 2", x=x)[0] for x in (1, 2, 3)) == results


def test_in():
    assert value("1 in xs", xs=[1, 2]) == "True"
    assert value("xs in 'abc'", xs="d") == "False"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true or true and false", "True"),
        ("(true or true) and false", "False"),
        ("not false or true", "True"),
        ("not (false or true)", "False"),
        ("not 1 == 2", "True"),
        ("not not 5", "True"),
        ("0 or 0 or 3", "True"),
        ("1 and 1 and 0", "False"),
        ("1 or 0", "True"),
        ("0 and 1", "False"),
    ],
    ids=list("abcdefghij"),
)
def test_boolean_operators(expression, expected):
    assert value(expression) == expected


def test_undefined_is_false_in_conditions():
    assert value("not x") == "True"
    assert value("x or 1") == value("x.y.z or 1") == "True"
    assert value("x and 1") == "False"


def test_dots():
    assert value("a.b.c", a={"b": {"c": 7}}) == "7"
    assert value("a.0", a=[5, 6]) + value("a.1", a=(5, 6)) == "56"
    assert value("a.size", a=Thing()) == "3"
    assert value("a.size", a={"size": 1}) == "1"


@pytest.mark.parametrize(
    ("expression", "name"),
    [("a.2", "2"), ("t._hidden", "_hidden"), ("t.nope", "nope"), ("d.keys", "keys"), ("x", "x")],
    ids=["index", "private", "attribute", "mapping", "name"],
)
def test_undefined_lookups(expression, name):
    with pytest.raises(TemplateError, match=f"'{name}' is undefined"):
        value(expression, a=[5, 6], t=Thing(), d={})


@pytest.mark.parametrize(
    "expression",
    ["", "1 2", "(1", "1 |", "1 | join(1", "1 < 2 < 3", "a.", "== 1", "$", "1 | 2", ")"],
    ids=list("abcdefghijk"),
)
def test_malformed_expressions(expression):
    with pytest.raises(TemplateError):
        value(expression, a=1)


def test_filters_chain_and_bind_tight():
    assert value("' ab' | upper | length") == "3"
    assert value("'a' | upper == 'A'") == "True"
    assert value("xs | join('-') | upper", xs=["a", "b"]) == "A-B"
    assert value("xs.0 | lower", xs=["A"]) == "a"


def test_filter_default():
    assert value("x | default('d')") == value("x.y | default('d')", x={}) == "d"
    assert value("x | default('d')", x=None) == "d"
    assert value("x | default('d')", x=0) == "0"
    assert value("x | default") == ""


def test_other_filters_reject_undefined():
    with pytest.raises(TemplateError, match="undefined"):
        value("x | upper")


@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        ("abcdef", (6,), "abcdef"),
        ("abcdefg", (6,), "abc..."),
        ("abcdef", (5, "~"), "abcd~"),
        ("abcdef", (2,), "..."),
        ("abcdef", (3,), "..."),
        ("x" * 20, (), "x" * 20),
        ("x" * 21, (), "x" * 17 + "..."),
    ],
    ids=list("abcdefg"),
)
def test_filter_truncate(text, args, expected):
    assert FILTERS["truncate"](text, *args) == expected


def test_filters_first_sort_length():
    assert value("xs | first", xs=[4, 5]) + value("xs | first", xs=[]) == "4"
    assert value("xs | sort | join", xs=[3, 1, 2]) == "1, 2, 3"
    assert value("xs | length", xs=[1, 2]) == "2"


def test_sort_leaves_the_list_alone():
    xs = [2, 1]
    assert FILTERS["sort"](xs) == [1, 2]
    assert xs == [2, 1]


def test_join_escapes_only_with_safe_items():
    assert FILTERS["join"](["<", 1], "&") == "<&1"
    joined = FILTERS["join"](["<", Safe("<b>")], "&")
    assert joined == "&lt;&amp;<b>"
    assert isinstance(joined, Safe)


def test_escape():
    assert escape("&lt;<>\"'") == "&amp;lt;&lt;&gt;&quot;&#39;"
    assert escape(escape("<")) == "&lt;"
    assert isinstance(escape(5), Safe)


def test_wrong_filter_arguments():
    with pytest.raises(TemplateError):
        value("'a' | upper(1)")
