"""The scripts that run the tests of rows: the rows' own, or their repository's command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

__all__ = ["ACTIVATE", "R2E_PATH", "SWE_GYM_COMMANDS", "swe_bench_script"]

_START, _END = ">>>>> Start Test Output", ">>>>> End Test Output"
ACTIVATE = "source /opt/miniconda3/bin/activate\nconda activate testbed\ncd /testbed\n"
#: In place of an installation that is not editable: the sandbox has no network, and its system cannot be written.
_ON_PATH = "export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}\n"
_INSTALL = re.compile(r"(python\S* -m )?pip install |python\S* setup\.py ")
#: The sandbox cannot make a locale that the image lacks.
_LOCALE = "locale -a 2>/dev/null | grep -qi 'en_US.utf' || export LANG=C.UTF-8 LC_ALL=C.UTF-8\n"
R2E_PATH = "export PATH=/testbed/.venv/bin:/root/.venv/bin:/root/.local/bin:/root/.cargo/bin:$PATH\n"
#: Test commands of repositories whose rows have no script, as the benchmarks' harnesses have them.
_PYTEST = "pytest -rA"
_COMMANDS = {
    "django/django": "./tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1",
    "mwaskom/seaborn": "pytest --no-header -rA",
    "sphinx-doc/sphinx": "tox --current-env -epy39 -v --",
    "sympy/sympy": "PYTHONWARNINGS='ignore::UserWarning,ignore::SyntaxWarning' bin/test -C --verbose",
}
SWE_GYM_COMMANDS = {
    "bokeh/bokeh": "pytest -rA -n0",
    "conan-io/conan": "PYTHONPATH=${PYTHONPATH:-}:$PWD pytest -n0 -rA",
    "dask/dask": "pytest -n0 -rA --color=no",
    "facebookresearch/hydra": "pytest -rA --tb=long",
    "getmoto/moto": "pytest -n0 -rA",
    "iterative/dvc": _PYTEST,
    "modin-project/modin": "pytest -n0 -rA",
    "pandas-dev/pandas": "pytest -rA --tb=long",
    "project-monai/monai": _PYTEST,
    "pydantic/pydantic": "pytest -rA --tb=short -vv -o console_output_style=classic --no-header",
    "python/mypy": _PYTEST,
}
#: Files of a test patch that no test command takes as an argument.
_DATA_SUFFIXES = {".json", ".png", ".csv", ".txt", ".md", ".jpg", ".jpeg", ".pkl", ".yml", ".yaml", ".toml"}


def swe_bench_script(row: Mapping[str, Any], repo: str) -> str:
    """The script of a row of SWE-bench or SWE-Gym: its ``eval_script``, or ``test_cmd`` or its repository's command.

    Raises:
        ValueError: If its script does not mark where the tests begin.
    """
    if row.get("eval_script"):
        return _own_script(str(row["eval_script"]))
    test_patch = str(row["test_patch"])
    command = _COMMANDS.get(repo) or SWE_GYM_COMMANDS.get(repo.lower(), _PYTEST)
    if repo == "django/django" and row.get("version") == "1.9":
        command = "./tests/runtests.py --verbosity 2"
    command = str(row.get("test_cmd") or command)
    if repo == "python/mypy":
        # Its tests are cases in data files, chosen by name.
        cases = re.findall(r"^[ +-]\[case ([^\]]+)\]", test_patch, re.MULTILINE)
        return f"{ACTIVATE}{command} -k '{' or '.join(cases)}'\n"
    files = [path for path in _patched_paths(test_patch) if PurePosixPath(path).suffix not in _DATA_SUFFIXES]
    if repo == "django/django":
        files = [path.removeprefix("tests/").removesuffix(".py").replace("/", ".") for path in files]
        # Its older versions are not installed from the repository.
        return f"{ACTIVATE}{_ON_PATH}{command} {shlex.join(files)}\n"
    return f"{ACTIVATE}{command} {shlex.join(files)}\n"


def _own_script(script: str) -> str:
    """A row's own script up to the end of its tests, less what is done on the host or cannot be done in a sandbox."""
    head, found, tests = script.partition(f": '{_START}'")
    if not found:
        raise ValueError(f"the row's eval_script has no line \": '{_START}'\"")
    kept = "".join(_kept_line(line) for line in _without_git(head.splitlines()))
    if "en_US.UTF-8" in kept:
        kept += _LOCALE
    return kept + tests.partition(f": '{_END}'")[0].strip() + "\n"


def _without_git(lines: Iterable[str]) -> Iterator[str]:
    """Lines other than git's commands and the patches that they read."""
    here_document = ""
    for line in lines:
        if here_document:
            here_document = "" if line == here_document else here_document
        elif line.startswith("git "):
            opening = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", line)
            here_document = opening[1] if opening else ""
        else:
            yield line


def _kept_line(line: str) -> str:
    if line.startswith(("#!", "set -")) or "locale-gen" in line:
        return ""
    if _INSTALL.match(line):
        return "" if " -e " in line else _ON_PATH
    return f"{line}\n"


def _patched_paths(patch: str) -> list[str]:
    return re.findall(r"^diff --git a/.* b/(.*)$", patch, re.MULTILINE)
