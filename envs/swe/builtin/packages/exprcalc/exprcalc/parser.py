"""Precedence-climbing parser."""

from __future__ import annotations

from exprcalc.syntax import (
    PRECEDENCE,
    PREFIX,
    Binary,
    Call,
    Expr,
    ExprError,
    Literal,
    Name,
    Token,
    Unary,
    tokenize,
)


def parse(text: str) -> Expr:
    """Parse an expression.

    From loose to tight: or, and, not, comparisons, + and -, * / // and %, prefix -, ^. Binary
    operators group to the left, but ^ to the right (2^3^2 is 2^(3^2)) and above prefix minus
    on its left (-2^2 is -(2^2), and 2^-1 is allowed). Comparisons cannot be chained. true and
    false are literals; a number with a point or an exponent is a float, otherwise an int.
    Raises ExprError, with the position, for anything that is not an expression.
    """
    parser = _Parser(tokenize(text))
    expr = parser.expression(0)
    parser.expect("")
    return expr


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0

    @property
    def current(self) -> Token:
        return self._tokens[self._index]

    def take(self) -> Token:
        """Return the current token and move on."""
        token = self.current
        self._index += 1
        return token

    def expect(self, text: str) -> None:
        """Move past the given operator (or "" for the end), or raise ExprError."""
        if self.current.text != text:
            wanted = repr(text) if text else "the end"
            raise ExprError(f"expected {wanted}", self.current.position)
        self._index += 1

    def expression(self, minimum: int) -> Expr:
        """Parse operators that bind tighter than `minimum`."""
        left = self.prefix()
        while PRECEDENCE.get(self.current.text, 0) > minimum:
            token = self.take()
            power = PRECEDENCE[token.text]
            right = self.expression(power - 1 if token.text == "^" else power)
            left = Binary(token.text, left, right)
            if power == PRECEDENCE["=="] == PRECEDENCE.get(self.current.text):
                raise ExprError("comparisons cannot be chained", self.current.position)
        return left

    def prefix(self) -> Expr:
        """Parse prefix operators, or else an operand."""
        if self.current.kind == "op" and self.current.text in PREFIX:
            op = self.take().text
            return Unary(op, self.expression(PREFIX[op] - 1))
        return self.operand()

    def operand(self) -> Expr:
        """Parse a literal, name, call or expression in parentheses."""
        token = self.take()
        if token.kind == "number":
            return Literal(int(token.text) if token.text.isdigit() else float(token.text))
        if token.kind == "name":
            if self.current.text == "(":
                return Call(token.text, self.arguments())
            if token.text in ("true", "false"):
                return Literal(token.text == "true")
            return Name(token.text)
        if token.text == "(":
            inner = self.expression(0)
            self.expect(")")
            return inner
        raise ExprError("expected an operand", token.position)

    def arguments(self) -> tuple[Expr, ...]:
        """Parse zero or more arguments between parentheses."""
        self.expect("(")
        args: list[Expr] = []
        while self.current.text != ")":
            if args:
                self.expect(",")
            args.append(self.expression(0))
        self.expect(")")
        return tuple(args)
