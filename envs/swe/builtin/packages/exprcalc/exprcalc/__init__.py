"""Parse, evaluate, simplify and print arithmetic and boolean expressions."""

from exprcalc.evaluator import FUNCTIONS, Evaluator, evaluate
from exprcalc.parser import parse
from exprcalc.syntax import Binary, Call, Expr, ExprError, Literal, Name, Unary, tokenize
from exprcalc.transform import names_in, simplify, substitute, to_text

__all__ = [
    "FUNCTIONS",
    "Binary",
    "Call",
    "Evaluator",
    "Expr",
    "ExprError",
    "Literal",
    "Name",
    "Unary",
    "evaluate",
    "names_in",
    "parse",
    "simplify",
    "substitute",
    "to_text",
    "tokenize",
]
