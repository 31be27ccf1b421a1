import pytest
from exprcalc import FUNCTIONS, Evaluator, ExprError, evaluate, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2", 3),
        ("5 - 7", -2),
        ("3 * 4", 12),
        ("7 / 2", 3.5),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("2 ^ -1", 0.5),
    ],
    ids=list("abcdefghij"),
)
def test_arithmetic(text, value):
    result = evaluate(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("op", "results"),
    [
        ("==", [False, True, False]),
        ("!=", [True, False, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
        (">", [False, False, True]),
        (">=", [False, True, True]),
    ],
    ids=["eq", "ne", "lt", "le", "gt", "ge"],
)
def test_comparisons(op, results):
    assert [evaluate(f"{x} {op} 2") for x in (1, 2, 3)] == results


def test_boolean_operators_give_truth_values():
    assert evaluate("2 and 3") is True
    assert evaluate("2 and 0") is False
    assert evaluate("0 or 3") is True
    assert evaluate("0 or 0") is False
    assert evaluate("not 0") is True
    assert evaluate("not 2") is False


def test_and_or_do_not_evaluate_more_than_needed():
    assert evaluate("false and 1 / 0") is False
    assert evaluate("true or 1 / 0") is True


@pytest.mark.parametrize("text", ["true and 1 / 0", "false or 1 / 0"], ids=["and", "or"])
def test_and_or_evaluate_right_operand_if_needed(text):
    with pytest.raises(ExprError):
        evaluate(text)


def test_variables():
    assert evaluate("x * 2 - y", {"x": 5, "y": 3}) == 7
    assert evaluate("-x", {"x": 5}) == -5


def test_unknown_names():
    with pytest.raises(ExprError, match="unknown variable 'x'"):
        evaluate("x + 1", {"y": 1})
    with pytest.raises(ExprError, match="unknown function 'f'"):
        evaluate("f(1)")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("abs(-3)", 3),
        ("floor(-1.5)", -2),
        ("max(1, 3, 2)", 3),
        ("min(2)", 2),
        ("round(2.567, 2)", 2.57),
        ("round(2.6)", 3),
        ("sqrt(16)", 4.0),
        ("if(1 > 2, 10, 20)", 20),
        ("if(1 < 2, 10, 20)", 10),
    ],
    ids=list("abcdefghi"),
)
def test_functions(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "abs()",
        "abs(1, 2)",
        "floor()",
        "floor(1, 2)",
        "max()",
        "min()",
        "round()",
        "round(1, 2, 3)",
        "sqrt()",
        "sqrt(1, 2)",
        "if(1, 2)",
        "if(1, 2, 3, 4)",
    ],
    ids=list("abcdefghijkl"),
)
def test_wrong_number_of_arguments(text):
    with pytest.raises(ExprError, match="wrong number of arguments"):
        evaluate(text)


@pytest.mark.parametrize(
    "text",
    ["1 / 0", "1 // 0", "1 % 0", "sqrt(-1)", "(-8) ^ 0.5", "10.0 ^ 999", "round(1, 0.5)"],
    ids=list("abcdefg"),
)
def test_failed_arithmetic(text):
    with pytest.raises(ExprError, match=r"cannot compute|not a real number"):
        evaluate(text)


def test_extra_functions_take_any_arguments():
    functions = {"count": lambda *args: len(args)}
    assert evaluate("count()", functions=functions) == 0
    assert evaluate("count(1, 2, 3)", functions=functions) == 3


def test_extra_function_replaces_builtin_only_there():
    assert evaluate("abs(1, 2)", functions={"abs": lambda a, b: a - b}) == -1
    assert evaluate("abs(-1)") == 1
    assert list(FUNCTIONS) == ["abs", "floor", "if", "max", "min", "round", "sqrt"]


def test_failing_extra_function():
    def broken():
        raise ValueError("boom")

    with pytest.raises(ExprError, match="boom"):
        evaluate("broken()", functions={"broken": broken})


def test_evaluator_copies_variables():
    variables = {"x": 1}
    evaluator = Evaluator(variables)
    variables["x"] = 2
    assert evaluator.evaluate(parse("x")) == 1


def test_evaluator_copies_functions():
    functions = {"f": lambda: 1}
    evaluator = Evaluator(functions=functions)
    functions["f"] = lambda: 2
    assert evaluator.evaluate(parse("f()")) == 1
