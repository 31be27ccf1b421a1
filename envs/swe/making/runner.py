"""Runs a tree's tests in fresh sandboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from telos.envs.swe.grading import TestReport, run_tests
from telos.envs.swe.pool import SandboxPool

__all__ = ["SandboxRunner"]


class SandboxRunner:
    """Runs tests, each time in a fresh sandbox of a pool. Thread-safe.

    Args:
        pool: Where the sandboxes come from.

    Attributes:
        pool: The same.
    """

    def __init__(self, pool: SandboxPool) -> None:
        self.pool = pool

    def run_tests(self, files: Mapping[str, bytes], timeout: float, tests: Sequence[str] = ("tests",)) -> TestReport:
        """Runs the tests under ``tests/`` of a tree, or only some: files, classes, functions, as pytest names them."""
        return run_tests(self.pool, {path: (0o100644, content) for path, content in files.items()}, tests, timeout)
