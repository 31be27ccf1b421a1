"""Values from text, by the type of the field that they are for.

* ``read_value`` - a value of a type
* ``value_type`` - the type of a mapping's values
"""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["read_value", "value_type"]

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_value(where: str, hint: Any, text: str) -> Any:
    """Reads a value.

    Args:
        where: What it is for, as errors begin.
        hint: The type: bool, int, float, str, None, ``Literal``, a union of those that are tried in turn, or a mapping
            or sequence, which is JSON. Of any other type it is JSON if it can be, and text if not.
        text: The text.

    Raises:
        ValueError: If the text is no such value.
    """
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if text.lower() in ("none", "null") and (type(None) in options or hint is Any):
        return None
    errors = []
    for option in sorted((each for each in options if each is not type(None)), key=_looseness):
        try:
            return _read(option, text)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError(f"{where}={text!r} {' and '.join(dict.fromkeys(errors))}.")


def value_type(where: str, hint: Any) -> Any:
    """Returns the type of the values of a mapping, or of the mapping in a union.

    Raises:
        ValueError: If the type holds no mapping.
    """
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        origin = get_origin(option) or option
        if option is Any:
            return Any
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return (*get_args(option), Any, Any)[1]
    raise ValueError(f"{where} is no mapping: give it one value.")


def _looseness(hint: Any) -> int:
    """Strict types first: any text is a str."""
    return 2 if hint is Any else 1 if hint is str else 0


def _read(hint: Any, text: str) -> Any:
    origin = get_origin(hint) or hint
    if origin is Literal:
        choices = {str(choice): choice for choice in get_args(hint)}
        if text in choices:
            return choices[text]
        close = difflib.get_close_matches(text, choices, n=1)
        near = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"is not one of {', '.join(map(repr, choices))}{near}")
    if origin is bool:
        if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        raise ValueError("must be true or false")
    if origin is int or origin is float:
        try:
            return origin(text)
        except ValueError:
            raise ValueError(f"must be {'a whole number' if origin is int else 'a number'}") from None
    if origin is str:
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
    if isinstance(origin, type) and issubclass(origin, (Mapping, Sequence)):
        value = _json(text)
        expected = dict if issubclass(origin, Mapping) else list
        if not isinstance(value, expected):
            example = '{"outcome": 1.0}' if expected is dict else "[1.0, 2.0]"
            raise ValueError(f"must be JSON such as {example}")
        return tuple(value) if origin is tuple else value
    value = _json(text)
    return text if value is _NOT_JSON else value


_NOT_JSON: typing.Final = object()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return _NOT_JSON
