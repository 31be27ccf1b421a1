"""Errors of what a user typed, apart from errors of the program.

* ``InputError`` - bad input: ``telos`` prints its message without a traceback
* ``bad_input`` - turns what parsing, loading and making raise into one
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gymnasium.error import Error

__all__ = ["InputError", "bad_input"]


class InputError(ValueError):
    """A command cannot do what it was asked; the message says what to do instead."""


@contextmanager
def bad_input() -> Iterator[None]:
    """Within it, errors that bad input causes become ``InputError``. Keep it to steps that only look at input.

    Raises:
        InputError: In place of ``ValueError``, ``TypeError``, ``OSError`` and Gymnasium's errors.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, Error) as error:
        raise InputError(str(error)) from error
