"""Parsing Python in a process with many threads."""

from __future__ import annotations

import ast

from telos.envs.swe.locks import ForkSafeLock

__all__ = ["parse"]

_lock = ForkSafeLock()


def parse(source: str | bytes) -> ast.Module:
    """``ast.parse``, one at a time: before Python 3.11.8 two threads at once can get a ``SystemError``.

    https://github.com/python/cpython/issues/106905: the parser counts its depth in one place for all threads.

    Raises:
        SyntaxError: If the source is not Python.
    """
    with _lock:
        return ast.parse(source)
