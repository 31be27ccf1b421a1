"""Parsers of test logs: a log becomes test id to status.

Statuses are those of SWE-bench: ``PASSED``, ``FAILED``, ``ERROR``, ``SKIPPED``, ``XFAIL``, ``XPASS``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from telos.envs.swe.tasks import nearest

__all__ = ["parse_log", "status_of"]

_STATUSES = ("PASSED", "FAILED", "ERROR", "SKIPPED", "XFAIL", "XPASS")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m|\r")
_SUMMARY = re.compile(rf"^({'|'.join(_STATUSES)})\s+(\S.*)$")
_VERBOSE = re.compile(rf"^(\S+::.*?)\s+({'|'.join(_STATUSES)})(\s+\(.*\))?(\s+\[\s*\d+%\])?\s*$")
#: Repositories of SWE-bench and parsers whose logs are plain `pytest -rA`; what remains needs the package.
_NOT_PYTEST = {"django/django", "sympy/sympy"}
_NOT_PYTEST_PARSERS = {"parse_log_django", "parse_log_sympy"}
_PYTEST_PARSERS = {
    f"parse_log_{name}"
    for name in [
        "pytest",
        "pytest_options",
        "pytest_v2",
        "seaborn",
        "matplotlib",
        "astroid",
        "flask",
        "marshmallow",
        "pvlib",
        "pyvista",
        "sqlfluff",
        "xarray",
        "pydicom",
        "requests",
        "pylint",
        "astropy",
        "scikit",
        "sphinx",
    ]
}


def _parse_pytest(log: str) -> dict[str, str]:
    """Pytest's summary (``-rA``) and its verbose lines; the summary comes last and wins."""
    statuses: dict[str, str] = {}
    summary: dict[str, str] = {}
    for raw in log.split("\n"):
        line = _COLOURS.sub("", raw)
        if match := _SUMMARY.match(line):
            status, name = match[1], match[2].strip()
            if status != "PASSED":
                name = name.split(" - ")[0]
            if not (status == "SKIPPED" and name.startswith("[")):
                summary[name] = status
        elif match := _VERBOSE.match(line):
            statuses[match[1]] = match[2]
    return statuses | summary


def _parse_r2e(log: str) -> dict[str, str]:
    """R2E-Gym names tests without their file: ``TestClass.test_name``."""
    statuses = {}
    for name, status in _parse_pytest(log).items():
        _, found, test = name.partition("::")
        statuses[test.replace("::", ".") if found else name] = status
    return statuses


@cache
def _published(parser: str) -> Callable[[str], Mapping[str, str]] | None:
    """The parser of the swebench package, by name (version 5) or by repository (before); None without it."""
    try:
        parsers = importlib.import_module("swebench.harness.log_parsers")
        python = importlib.import_module("swebench.harness.log_parsers.python")
    except ImportError:
        return None
    tables: list[Mapping[str, Any]] = [
        getattr(module, table, {})
        for module, table in (
            (parsers, "PARSER_REGISTRY"),
            (parsers, "MAP_REPO_TO_PARSER"),
            (python, "MAP_REPO_TO_PARSER_PY"),
        )
    ]
    found = next((table[parser] for table in tables if parser in table), None)
    # The second argument, the row's specification, is used by no parser of a Python repository.
    return None if found is None else lambda log: found(log, None)


def parse_log(parser: str, log: str) -> Mapping[str, str]:
    """Parses a log.

    Args:
        parser: ``"pytest"`` or ``"r2e"``, a name from swebench such as ``"parse_log_django"``, or a repository such
            as ``"django/django"``. Swebench's own parser is used where it has one and is installed.
        log: Standard output and error of a test run.

    Returns:
        Test id to status.

    Raises:
        ValueError: If the parser is in the swebench package, which is not installed, or is unknown.
    """
    if parser == "pytest":
        return _parse_pytest(log)
    if parser == "r2e":
        return _parse_r2e(log)
    published = _published(parser)
    if published is not None:
        return published(log)
    if parser in _PYTEST_PARSERS or ("/" in parser and parser not in _NOT_PYTEST):
        return _parse_pytest(log)
    if parser.startswith("parse_log_") or parser in _NOT_PYTEST:
        raise ValueError(f"the log parser of {parser} is in the swebench package: `pip install 'telos-gym[swebench]'`")
    known = sorted({"pytest", "r2e"} | _PYTEST_PARSERS | _NOT_PYTEST_PARSERS)
    raise ValueError(f"unknown log parser {parser!r}. {nearest(parser, known)}")


def status_of(test: str, statuses: Mapping[str, str]) -> str | None:
    """A test's status, None if it has none.

    Some published ids are cut off within their parameters, at a space (676 in SWE-bench Verified, issue 290 of
    SWE-bench). Such an id stands for all tests that begin with it; they must agree.
    """
    if test in statuses:
        return statuses[test]
    if test.count("[") <= test.count("]"):
        return None
    found = {status for name, status in statuses.items() if name.startswith(test)}
    return found.pop() if len(found) == 1 else None
