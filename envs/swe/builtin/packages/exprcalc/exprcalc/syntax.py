"""Tokens and syntax tree of expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass

Value = int | float | bool

#: Binding power of each binary operator; a higher number binds tighter.
PRECEDENCE: dict[str, int] = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "//", "%"), 6),
    "^": 8,
}
#: Binding power of each prefix operator.
PREFIX: dict[str, int] = {"not": 3, "-": 7}

_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<op>//|[=!<>]=|[-+*/%^<>(),])"
)


class ExprError(ValueError):
    """Raised for text that is no expression and for expressions that have no value.

    `position` is the index of the offending character in the text, or None.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message if position is None else f"{message} (at {position})")
        self.position = position


@dataclass(frozen=True)
class Token:
    """A piece of the text; the kind is "number", "name", "op" or "end"."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class Literal:
    """A number or truth value."""

    value: Value


@dataclass(frozen=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True)
class Unary:
    """A prefix operator, "-" or "not", and its operand."""

    op: str
    operand: Expr


@dataclass(frozen=True)
class Binary:
    """An operator from PRECEDENCE between two operands."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Call:
    """A function applied to arguments."""

    name: str
    args: tuple[Expr, ...]


Expr = Literal | Name | Unary | Binary | Call


def tokenize(text: str) -> list[Token]:
    """Split text into tokens; the last one is of kind "end" with empty text.

    Spaces, tabs and line breaks separate tokens and are dropped. The words and, or and not
    are of kind "op". Raises ExprError, with the position, for any other character, and for a
    number directly followed by a letter, a digit or a point (such as "2x" or "1.2.3").
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExprError(f"unexpected character {text[position]!r}", position)
        kind = str(match.lastgroup)
        following = text[match.end() : match.end() + 1]
        if kind == "number" and (following.isalnum() or following in ("_", ".")):
            raise ExprError("malformed number", position)
        if match.group() in ("and", "or", "not"):
            kind = "op"
        tokens.append(Token(kind, match.group(), position))
        position = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens
