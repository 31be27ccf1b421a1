import pytest
from exprcalc import (
    Binary,
    Call,
    ExprError,
    Literal,
    Name,
    Unary,
    names_in,
    parse,
    simplify,
    substitute,
    to_text,
    tokenize,
)

X, Y = Name("x"), Name("y")


def position_of_error(text):
    with pytest.raises(ExprError) as caught:
        parse(text)
    return caught.value.position


def test_tokenize_kinds_and_positions():
    tokens = [(token.kind, token.text, token.position) for token in tokenize("a1 <= 2.5//b")]
    assert tokens[:3] == [("name", "a1", 0), ("op", "<=", 3), ("number", "2.5", 6)]
    assert tokens[3:] == [("op", "//", 9), ("name", "b", 11), ("end", "", 12)]


def test_tokenize_drops_whitespace():
    assert [token.text for token in tokenize(" 1\t+\n2 ")] == ["1", "+", "2", ""]
    assert [token.kind for token in tokenize("")] == ["end"]


def test_tokenize_words():
    kinds = [token.kind for token in tokenize("and or not android _not")]
    assert kinds == ["op", "op", "op", "name", "name", "end"]


@pytest.mark.parametrize("text", ["2x", "1.2.3", "1_0", "3e", "1..2"], ids=list("abcde"))
def test_malformed_number(text):
    assert position_of_error("  " + text) == 2


@pytest.mark.parametrize("text", ["a & b", "a = b", "a ! b"], ids=["amp", "assign", "bang"])
def test_unexpected_character(text):
    assert position_of_error(text) == 2


def test_number_literals():
    for text, value in (("12", 12), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("2.5E-1", 0.25)):
        literal = parse(text)
        assert literal == Literal(value)
        assert type(literal.value) is type(value)


def test_truth_literals():
    assert parse("true").value is True
    assert parse("false").value is False
    assert parse("True") == Name("True")


def test_calls():
    assert parse("f()") == Call("f", ())
    assert parse("f(x, g(y), 1)") == Call("f", (X, Call("g", (Y,)), Literal(1)))


GROUPINGS = [
    ("x or y and x", "x or (y and x)"),
    ("x and y or x", "(x and y) or x"),
    ("not x and y", "(not x) and y"),
    ("not x == y", "not (x == y)"),
    ("x + 1 < y", "(x + 1) < y"),
    ("x and y >= 1", "x and (y >= 1)"),
    ("x + y * 2", "x + (y * 2)"),
    ("x - y - 2", "(x - y) - 2"),
    ("x / y // 2 % 3", "((x / y) // 2) % 3"),
    ("x ^ y ^ 2", "x ^ (y ^ 2)"),
    ("-x ^ 2", "-(x ^ 2)"),
    ("-x * 2", "(-x) * 2"),
    ("x * 2 ^ 3", "x * (2 ^ 3)"),
    ("2 ^ -x * y", "(2 ^ (-x)) * y"),
    ("x or y or x", "(x or y) or x"),
]


@pytest.mark.parametrize(("bare", "grouped"), GROUPINGS, ids=list("abcdefghijklmno"))
def test_precedence(bare, grouped):
    assert parse(bare) == parse(grouped)


def test_parentheses_override():
    assert parse("(x + y) * 2") == Binary("*", Binary("+", X, Y), Literal(2))
    assert parse("--x") == Unary("-", Unary("-", X))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("1 +", 3),
        ("(1", 2),
        ("1 2", 2),
        ("1)", 1),
        ("* 1", 0),
        ("f(1,)", 4),
        ("f(1 2)", 4),
        ("f(,1)", 2),
        ("f(1", 3),
    ],
    ids=list("abcdefghij"),
)
def test_syntax_errors(text, position):
    assert position_of_error(text) == position


def test_comparisons_cannot_be_chained():
    assert position_of_error("x < y < 1") == 6
    assert position_of_error("x == y + 1 != 1") == 11
    assert parse("(x < y) == true") == Binary("==", Binary("<", X, Y), Literal(True))


def test_error_message():
    assert str(ExprError("bad", 0)) == "bad (at 0)"
    assert (str(ExprError("bad")), ExprError("bad").position) == ("bad", None)


def test_names_in_are_sorted_and_distinct():
    assert names_in(parse("f(z, -b) + a * z ^ b")) == ["a", "b", "z"]
    assert names_in(parse("1 + 2")) == []


def test_substitute_all_at_once():
    expr = parse("x + f(y, -x)")
    assert substitute(expr, {"x": Y, "y": X}) == parse("y + f(x, -y)")
    assert substitute(expr, {"z": X}) == expr


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("1 + 2 * 3", "7"),
        ("x + 0", "x"),
        ("0 + x", "x"),
        ("x - 0", "x"),
        ("0 - x", "0 - x"),
        ("x * 1", "x"),
        ("1 * x", "x"),
        ("x / 1", "x"),
        ("1 / x", "1 / x"),
        ("x ^ 1", "x"),
        ("1 ^ x", "1 ^ x"),
        ("x - 1 + 1 - 1", "x - 1 + 1 - 1"),
        ("x % 1", "x % 1"),
        ("1 / 0", "1 / 0"),
        ("f(1 + 1, x * 1)", "f(2, x)"),
        ("sqrt(4)", "sqrt(4)"),
        ("1 < 2 and true", "true"),
    ],
    ids=list("abcdefghijklmnopq"),
)
def test_simplify_arithmetic(text, simple):
    assert to_text(simplify(parse(text))) == simple


def test_simplify_zero_products():
    assert simplify(parse("x * 0")) == Literal(0)
    assert simplify(parse("0 * (x + -y)")) == Literal(0)
    assert simplify(parse("x * y")) == parse("x * y")


@pytest.mark.parametrize("other", ["f(x)", "(1 / x)", "(x // y)", "(x % y)", "-(x ^ y)", "-f(y)"], ids=list("abcdef"))
def test_simplify_keeps_products_that_may_fail(other):
    assert simplify(parse(f"0 * {other}")) == parse(f"0 * {other}")


def test_simplify_double_minus():
    assert simplify(parse("--x")) == X
    assert simplify(parse("---x")) == Unary("-", X)
    assert simplify(parse("-x")) == Unary("-", X)
    assert simplify(parse("-not x")) == parse("-not x")


@pytest.mark.parametrize(("op", "opposite"), [("==", "!="), ("<", ">="), (">", "<=")], ids=["eq", "lt", "gt"])
def test_simplify_not_comparison(op, opposite):
    assert simplify(parse(f"not x {op} y")) == parse(f"x {opposite} y")
    assert simplify(parse(f"not x {opposite} y")) == parse(f"x {op} y")


def test_simplify_not_of_other_operators_stays():
    for text in ("not (x and y)", "not x", "not (x + y)", "-(x < y)", "not -x", "not not x"):
        assert simplify(parse(text)) == parse(text)


@pytest.mark.parametrize(("bare", "grouped"), GROUPINGS[:13], ids=list("abcdefghijklm"))
def test_to_text_omits_parentheses(bare, grouped):
    assert to_text(parse(grouped)) == bare


@pytest.mark.parametrize(
    "text",
    [
        "(x + y) * 2",
        "x - (y - 2)",
        "x / (y * 2)",
        "(x ^ y) ^ 2",
        "(-x) ^ 2",
        "2 ^ (-x)",
        "(x < y) == (y < x)",
        "x < (y == x)",
        "not (x and y)",
        "(not x) == y",
        "x and (y and x)",
        "-(x + y)",
        "--x",
        "f(x or y, 1.5, true)",
    ],
    ids=list("abcdefghijklmn"),
)
def test_to_text_keeps_needed_parentheses(text):
    assert to_text(parse(text)) == text
