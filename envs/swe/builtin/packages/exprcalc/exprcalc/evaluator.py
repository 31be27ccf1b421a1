"""Compute the value of expressions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType

from exprcalc.parser import parse
from exprcalc.syntax import Call, Expr, ExprError, Literal, Name, Unary, Value

#: The functions that are always there: name, fewest and most arguments (None: any number).
FUNCTIONS: Mapping[str, tuple[Callable[..., Value], int, int | None]] = MappingProxyType(
    {
        "abs": (abs, 1, 1),
        "floor": (math.floor, 1, 1),
        "if": (lambda test, yes, no: yes if test else no, 3, 3),
        "max": (lambda *args: max(args), 1, None),
        "min": (lambda *args: min(args), 1, None),
        "round": (round, 1, 2),
        "sqrt": (math.sqrt, 1, 1),
    }
)
_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "^": operator.pow,
}


class Evaluator:
    """Evaluates expressions with the given variables and extra functions.

    Both mappings are copied. An extra function takes any number of arguments and replaces the
    one of the same name in FUNCTIONS.
    """

    def __init__(
        self,
        variables: Mapping[str, Value] | None = None,
        functions: Mapping[str, Callable[..., Value]] | None = None,
    ) -> None:
        self._variables = dict(variables or {})
        self._functions = dict(FUNCTIONS)
        for name, function in (functions or {}).items():
            self._functions[name] = (function, 0, None)

    def evaluate(self, expr: Expr) -> Value:
        """Return the value of an expression.

        and, or and not give truth values; and and or do not evaluate their right operand if
        the left one decides. Raises ExprError for unknown names and functions, a wrong number
        of arguments, division by zero, results that are not real and other failed arithmetic.
        """
        if isinstance(expr, Literal):
            return expr.value
        if isinstance(expr, Name):
            if expr.name not in self._variables:
                raise ExprError(f"unknown variable {expr.name!r}")
            return self._variables[expr.name]
        if isinstance(expr, Unary):
            value = self.evaluate(expr.operand)
            return not value if expr.op == "not" else -value
        if isinstance(expr, Call):
            return self._call(expr)
        if expr.op == "and":
            return bool(self.evaluate(expr.left)) and bool(self.evaluate(expr.right))
        if expr.op == "or":
            return bool(self.evaluate(expr.left)) or bool(self.evaluate(expr.right))
        left, right = self.evaluate(expr.left), self.evaluate(expr.right)
        return _checked(_BINARY[expr.op], [left, right])

    def _call(self, call: Call) -> Value:
        if call.name not in self._functions:
            raise ExprError(f"unknown function {call.name!r}")
        function, fewest, most = self._functions[call.name]
        count = len(call.args)
        if count < fewest or (most is not None and count > most):
            raise ExprError(f"wrong number of arguments for {call.name!r}: {count}")
        return _checked(function, [self.evaluate(arg) for arg in call.args])


def _checked(function: Callable[..., Value], args: list[Value]) -> Value:
    """Call the function and turn arithmetic failures into ExprError."""
    try:
        result = function(*args)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise ExprError(f"cannot compute: {error}") from error
    if isinstance(result, complex):
        raise ExprError("result is not a real number")
    return result


def evaluate(
    text: str,
    variables: Mapping[str, Value] | None = None,
    functions: Mapping[str, Callable[..., Value]] | None = None,
) -> Value:
    """Parse and evaluate in one step; see `parse` and `Evaluator`."""
    return Evaluator(variables, functions).evaluate(parse(text))
