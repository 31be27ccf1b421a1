"""Expressions inside tags: parsed once to a function of the variables."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Variables = Mapping[str, Any]
Evaluate = Callable[[Variables], Any]
Filters = Mapping[str, Callable[..., Any]]

_TOKEN = re.compile(r"""\s*("[^"]*"|'[^']*'|\d+(?:\.\d+)?|[A-Za-z_]\w*|[=!<>]=|[<>|.,():])\s*""")
_CONSTANTS = {"true": True, "false": False, "none": None}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda item, values: item in values,
}


class Undefined(LookupError):
    """Raised by an evaluation that meets a variable, key, index or attribute that is missing."""


class Expression:
    """A recursive-descent parser; raises ValueError for text that is no expression.

    From loose to tight: or, and, not, one comparison (== != < <= > >= in), filters, and dots.
    Operands are names, numbers, strings in either quotes, true, false, none and parentheses.
    "a.b" is the item "b" of a mapping, the item at that index of a list or tuple, or otherwise
    the attribute, unless it starts with an underscore. "a | f" and "a | f(b, c)" call a filter.
    Undefined values are false in conditions and have their default with the filter "default".
    """

    def __init__(self, text: str, filters: Filters) -> None:
        self._filters = filters
        self._tokens: list[str] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"cannot read {text[position:]!r}")
            self._tokens.append(match.group(1))
            position = match.end()

    def parse(self) -> Evaluate:
        """Parse all of the text."""
        result = self._or()
        if self._tokens:
            raise ValueError(f"unexpected {self._tokens[0]!r}")
        return result

    def _take(self, *wanted: str) -> str | None:
        """Remove and return the next token if it is one of those wanted."""
        if self._tokens and self._tokens[0] in wanted:
            return self._tokens.pop(0)
        return None

    def _next(self) -> str:
        if not self._tokens:
            raise ValueError("expression ends too early")
        return self._tokens.pop(0)

    def _or(self) -> Evaluate:
        left = self._and()
        if not self._take("or"):
            return left
        right = self._or()
        return lambda variables: truth(left, variables) or truth(right, variables)

    def _and(self) -> Evaluate:
        left = self._not()
        if not self._take("and"):
            return left
        right = self._and()
        return lambda variables: truth(left, variables) and truth(right, variables)

    def _not(self) -> Evaluate:
        if self._take("not"):
            inner = self._not()
            return lambda variables: not truth(inner, variables)
        left = self._filtered()
        operator_name = self._take(*_COMPARISONS)
        if operator_name is None:
            return left
        compare, right = _COMPARISONS[operator_name], self._filtered()
        return lambda variables: compare(left(variables), right(variables))

    def _filtered(self) -> Evaluate:
        value = self._operand()
        while self._take("|"):
            value = self._filter(value)
        return value

    def _filter(self, value: Evaluate) -> Evaluate:
        name = self._next()
        if name not in self._filters:
            raise ValueError(f"unknown filter {name!r}")
        function, args = self._filters[name], self._arguments()

        def evaluate(variables: Variables) -> Any:
            try:
                subject = value(variables)
            except Undefined:
                if name != "default":
                    raise
                subject = None
            return function(subject, *(arg(variables) for arg in args))

        return evaluate

    def _arguments(self) -> list[Evaluate]:
        if not self._take("("):
            return []
        args = [self._or()]
        while self._take(","):
            args.append(self._or())
        self._close()
        return args

    def _close(self) -> None:
        if not self._take(")"):
            raise ValueError("missing ')'")

    def _operand(self) -> Evaluate:
        token = self._next()
        if token == "(":
            value = self._or()
            self._close()
        elif token[0] in "\"'":
            text = token[1:-1]
            return lambda variables: text
        elif token[0].isdigit():
            number = float(token) if "." in token else int(token)
            return lambda variables: number
        elif token in _CONSTANTS:
            constant = _CONSTANTS[token]
            return lambda variables: constant
        elif token[0].isalpha() or token[0] == "_":
            value = self._name(token)
        else:
            raise ValueError(f"unexpected {token!r}")
        while self._take("."):
            value = self._item(value, self._next())
        return value

    def _name(self, name: str) -> Evaluate:
        def evaluate(variables: Variables) -> Any:
            if name not in variables:
                raise Undefined(f"{name!r} is undefined")
            return variables[name]

        return evaluate

    def _item(self, value: Evaluate, key: str) -> Evaluate:
        return lambda variables: get_item(value(variables), key)


def truth(value: Evaluate, variables: Variables) -> bool:
    """Tell whether a value is true; one that is undefined is not."""
    try:
        return bool(value(variables))
    except Undefined:
        return False


def get_item(value: Any, key: str) -> Any:
    """Look up "value.key"; see `Expression`. Raises Undefined if there is no such thing."""
    if isinstance(value, Mapping):
        if key in value:
            return value[key]
    elif isinstance(value, list | tuple) and key.isdigit():
        if int(key) < len(value):
            return value[int(key)]
    elif not key.startswith("_") and hasattr(value, key):
        return getattr(value, key)
    raise Undefined(f"{key!r} is undefined")
