"""What the mutation operators exchange for what. Every exchange can be undone by another one."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["ARITHMETIC", "CHARACTERS", "COMPARISONS", "DIVISIONS", "FUNCTIONS", "Swaps"]

# Kind of operator: a pattern that finds it in the text, and what may take its place.
Swaps: TypeAlias = Mapping[type[ast.AST], tuple[str, tuple[str, ...]]]

COMPARISONS: Swaps = {
    ast.Lt: ("<", ("<=", ">", ">=")),
    ast.LtE: ("<=", ("<", ">", ">=")),
    ast.Gt: (">", (">=", "<", "<=")),
    ast.GtE: (">=", (">", "<", "<=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
}
ARITHMETIC: Swaps = {
    ast.Add: (r"\+", ("-",)),
    ast.Sub: ("-", ("+",)),
    ast.Mult: (r"\*", ("/", "//", "**")),
    ast.Div: ("/", ("*",)),
    ast.FloorDiv: ("//", ("*", "%")),
    ast.Mod: ("%", ("//",)),
    ast.Pow: (r"\*\*", ("*",)),
    ast.LShift: ("<<", (">>",)),
    ast.RShift: (">>", ("<<",)),
    ast.BitAnd: ("&", ("|",)),
    ast.BitOr: (r"\|", ("&",)),
}
DIVISIONS: Swaps = {ast.Div: ("/", ("//",)), ast.FloorDiv: ("//", ("/",))}

_FUNCTION_PAIRS = (
    ("min", "max"), ("any", "all"), ("floor", "ceil"), ("bisect_left", "bisect_right"), ("lower", "upper"),
    ("lstrip", "rstrip"), ("strip", "lstrip"), ("strip", "rstrip"), ("startswith", "endswith"), ("find", "rfind"),
    ("index", "rindex"), ("split", "rsplit"), ("partition", "rpartition"), ("ljust", "rjust"), ("keys", "values"),
    ("append", "appendleft"), ("append", "extend"), ("pop", "popleft"), ("get", "setdefault"), ("add", "discard"),
    ("union", "intersection"), ("issubset", "issuperset"), ("isdigit", "isalpha"), ("isalnum", "isalpha"),
    ("removeprefix", "removesuffix"), ("group", "groups"), ("match", "fullmatch"), ("match", "search"),
)  # fmt: skip
_CHARACTER_PAIRS = (
    (",", ";"), (".", ","), (":", "="), ("-", "_"), (" ", ""), (" ", r"\t"), (r"\n", r"\r\n"), ("(", "["), (")", "]"),
    ("0", "1"), ("+", "-"), ("*", "+"), ("/", "|"), ("'", "`"), ("#", ";"),
)  # fmt: skip


def _partners(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    partners: dict[str, list[str]] = {}
    for one, other in pairs:
        partners.setdefault(one, []).append(other)
        partners.setdefault(other, []).append(one)
    return partners


FUNCTIONS = _partners(_FUNCTION_PAIRS)
CHARACTERS = _partners(_CHARACTER_PAIRS)
