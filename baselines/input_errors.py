"""Errors of what a user typed, apart from errors of the program.

* ``InputError`` - bad input: ``telos`` prints its message without a traceback
* ``print_error`` - prints one
* ``bad_input`` - turns what parsing, loading and making raise into one
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gymnasium.error import Error
from rich.console import Console
from rich.markup import escape

__all__ = ["InputError", "bad_input", "print_error"]


class InputError(ValueError):
    """A command cannot do what it was asked; the message says what to do instead."""


def print_error(error: Exception) -> None:
    """Prints an error that says what to do, without a traceback, on standard error."""
    Console(stderr=True, soft_wrap=True).print(f"[red]error:[/] {escape(str(error))}")


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
