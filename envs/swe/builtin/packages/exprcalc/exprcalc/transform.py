"""Simplify, substitute and print expressions."""

from __future__ import annotations

from collections.abc import Mapping

from exprcalc.evaluator import Evaluator
from exprcalc.syntax import (
    PRECEDENCE,
    PREFIX,
    Binary,
    Call,
    Expr,
    ExprError,
    Literal,
    Name,
    Unary,
)

_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def names_in(expr: Expr) -> list[str]:
    """Return the variables of an expression, sorted, each once; functions do not count."""
    if isinstance(expr, Name):
        return [expr.name]
    return sorted({name for child in _children(expr) for name in names_in(child)})


def substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """Replace variables by expressions, all at once (what is put in is not searched again)."""
    if isinstance(expr, Name):
        return values.get(expr.name, expr)
    return _rebuild(expr, [substitute(child, values) for child in _children(expr)])


def simplify(expr: Expr) -> Expr:
    """Return an equivalent, usually shorter, expression for variables that are numbers.

    Operators on literals are computed, unless that fails (1 / 0 stays). Calls stay, with
    simplified arguments. x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1 and x ^ 1 become x; x * 0 and
    0 * x become 0 if x has no calls or divisions that could fail; - - x becomes x; not of a
    comparison becomes the opposite comparison.
    """
    expr = _rebuild(expr, [simplify(child) for child in _children(expr)])
    if isinstance(expr, Unary | Binary):
        if all(isinstance(child, Literal) for child in _children(expr)):
            try:
                return Literal(Evaluator().evaluate(expr))
            except ExprError:
                return expr
        return _simplify_unary(expr) if isinstance(expr, Unary) else _simplify_binary(expr)
    return expr


def _simplify_unary(expr: Unary) -> Expr:
    inner = expr.operand
    if expr.op == "-" and isinstance(inner, Unary) and inner.op == "-":
        return inner.operand
    if expr.op == "not" and isinstance(inner, Binary) and inner.op in _OPPOSITE:
        return Binary(_OPPOSITE[inner.op], inner.left, inner.right)
    return expr


def _simplify_binary(expr: Binary) -> Expr:
    zero, one = Literal(0), Literal(1)
    if expr.right == {"+": zero, "-": zero, "*": one, "/": one, "^": one}.get(expr.op):
        return expr.left
    if expr.left == {"+": zero, "*": one}.get(expr.op):
        return expr.right
    if expr.op == "*" and zero in (expr.left, expr.right) and _is_total(expr):
        return zero
    return expr


def _is_total(expr: Expr) -> bool:
    """Tell whether evaluation cannot fail, given values for all variables."""
    if isinstance(expr, Call) or (isinstance(expr, Binary) and expr.op in ("/", "//", "%", "^")):
        return False
    return all(_is_total(child) for child in _children(expr))


def to_text(expr: Expr) -> str:
    """Print with single spaces around binary operators and only the parentheses needed.

    Parsing the text gives the same expression, as long as its literals are not negative.
    """
    return _print(expr, 0)


def _print(expr: Expr, minimum: int) -> str:
    """Print, in parentheses if the expression binds looser than `minimum`."""
    if isinstance(expr, Literal):
        return str(expr.value).lower()
    if isinstance(expr, Name):
        return expr.name
    if isinstance(expr, Call):
        return f"{expr.name}({', '.join(to_text(arg) for arg in expr.args)})"
    if isinstance(expr, Unary):
        power = PREFIX[expr.op]
        text = expr.op + (" " if expr.op == "not" else "") + _print(expr.operand, power)
    else:
        power = PRECEDENCE[expr.op]
        left_needs = power if expr.op in ("or", "and", "+", "-", "*", "/", "//", "%") else power + 1
        right_needs = power if expr.op == "^" else power + 1
        text = f"{_print(expr.left, left_needs)} {expr.op} {_print(expr.right, right_needs)}"
    return f"({text})" if power < minimum else text


def _children(expr: Expr) -> list[Expr]:
    if isinstance(expr, Unary):
        return [expr.operand]
    if isinstance(expr, Binary):
        return [expr.left, expr.right]
    return list(expr.args) if isinstance(expr, Call) else []


def _rebuild(expr: Expr, children: list[Expr]) -> Expr:
    """Return the expression with other children."""
    if isinstance(expr, Unary):
        return Unary(expr.op, children[0])
    if isinstance(expr, Binary):
        return Binary(expr.op, children[0], children[1])
    return Call(expr.name, tuple(children)) if isinstance(expr, Call) else expr
