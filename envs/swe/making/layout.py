"""Brings a project's files into one layout: the package and its dependencies at the top, its tests under ``tests/``.

So nothing has to be installed or built: whatever runs at the top of the tree imports the package as it stands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import Parser
from pathlib import PurePosixPath

from telos.envs.swe.errors import PackageError
from telos.envs.swe.making.download import read_archive

__all__ = ["Project", "read_project", "with_wheels"]

_TEST_FOLDERS = {"test", "tests", "testing"}
_NO_PACKAGES = {"benchmark", "benchmarks", "build", "ci", "doc", "docs", "downstream", "examples", "example", "scripts"}
_NO_PACKAGES |= {"tools", "utils", "bench", *_TEST_FOLDERS}
_NO_MODULES = {"setup", "conftest", "noxfile", "tasks", "versioneer", "fabfile", "hatch_build", "build", "ez_setup"}
_TEST_MODULE = re.compile(r"(test_\w+|\w+_test|tests?)\.py")
_PAPERS = re.compile(r"(readme|licen[cs]e|copying|notice|authors)[\w.-]*", re.IGNORECASE)
_SIZE_LIMIT = 8 << 20
# Files of tests may import each other by name, as under pytest's default import mode.
_CONFTEST = b"import sys\nfrom pathlib import Path\n\nsys.path.append(str(Path(__file__).parent))\n"


@dataclass(frozen=True)
class Project:
    """A package in the layout that tasks are made from.

    Attributes:
        name: The name that it is imported by.
        files: POSIX path to content, sorted.
        version: Its version, or ``"unknown"``.
        licence: The licence that its metadata names, or ``"unknown"``.
        requirements: What it requires, as pip takes it.
    """

    name: str
    files: Mapping[str, bytes]
    version: str
    licence: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class _Metadata:
    name: str = ""
    version: str = "unknown"
    licence: str = "unknown"
    requirements: tuple[str, ...] = ()


def read_project(files: Mapping[str, bytes], wanted: str) -> Project:
    """Finds the package and its tests among a project's files and lays them out.

    A ``src`` folder is taken off, ``test/``, ``testing/``, tests inside the package and test modules beside it go to
    ``tests/``. What is neither package, test, readme nor licence is left out.

    Args:
        files: POSIX path to content, as in a source distribution or a checkout.
        wanted: What the user called it; the package whose name is nearest is taken.

    Raises:
        PackageError: If there is no package or no test, or if they hold more than 8 MiB.
    """
    metadata = _metadata(files)
    source = "src/" if any(re.fullmatch(r"src/(\w+/__init__|\w+)\.py", path) for path in files) else ""
    packages = _packages(files, source)
    if not packages:
        raise PackageError(f"no Python package (a folder with __init__.py, or a module) in {wanted!r}")
    name = _nearest_package(packages, metadata.name or wanted)
    tree: dict[str, bytes] = {}
    for path, content in files.items():
        place = _place(path, source, packages)
        if place is not None and path.rpartition(".")[2] not in ("so", "pyd", "pyc", "c", "pyx"):
            tree.setdefault(place, content)
    if not any(path.startswith("tests/") and _TEST_MODULE.fullmatch(PurePosixPath(path).name) for path in tree):
        raise PackageError(
            f"no tests in {wanted!r}: looked for test_*.py at its top, in test, tests and testing, and in the package. "
            "Some source distributions come without them; give the path of a checkout"
        )
    tree["tests/conftest.py"] = tree.get("tests/conftest.py", b"") + (b"\n\n" if "tests/conftest.py" in tree else b"")
    tree["tests/conftest.py"] += _CONFTEST
    if "PKG-INFO" in files:
        tree[f"{name}-{metadata.version}.dist-info/METADATA"] = files["PKG-INFO"]
    _check_size(tree, wanted)
    return Project(name, dict(sorted(tree.items())), metadata.version, metadata.licence, metadata.requirements)


def _check_size(tree: Mapping[str, bytes], wanted: str) -> None:
    size = sum(map(len, tree.values()))
    if size > _SIZE_LIMIT:
        raise PackageError(f"{wanted!r} holds {size >> 20} MiB with what it requires; the limit is {_SIZE_LIMIT >> 20}")


def _packages(files: Mapping[str, bytes], source: str) -> dict[str, int]:
    """Names of packages and modules at the top to the bytes of their code."""
    found: dict[str, int] = {}
    for path, content in files.items():
        top, _, rest = path.removeprefix(source).partition("/")
        if not path.startswith(source) or not path.endswith(".py"):
            continue
        module = top.removesuffix(".py")
        is_package = bool(rest) and f"{source}{top}/__init__.py" in files and top not in _NO_PACKAGES
        is_module = not rest and module not in _NO_MODULES and not _TEST_MODULE.fullmatch(top)
        if (is_package or is_module) and module.isidentifier():
            found[module] = found.get(module, 0) + len(content)
    return found


def _nearest_package(packages: Mapping[str, int], wanted: str) -> str:
    plain = re.sub(r"\W|_", "", wanted).lower()

    def rank(name: str) -> tuple[bool, bool, int]:
        own = name.replace("_", "").lower()
        return own == plain, own in plain or plain in own, packages[name]

    return max(sorted(packages), key=rank)


def _place(path: str, source: str, packages: Mapping[str, int]) -> str | None:
    """Where a file goes, None for one that is left out."""
    parts = path.split("/")
    if len(parts) == 1 and _PAPERS.fullmatch(path):
        return path
    if len(parts) == 1 and _TEST_MODULE.fullmatch(path):
        return f"tests/test_{'package.py' if path in ('test.py', 'tests.py') else path.removeprefix('test_')}"
    if parts[0] in _TEST_FOLDERS and len(parts) > 1:
        return "/".join(["tests", *parts[1:]])
    own = path.removeprefix(source).split("/")
    if not path.startswith(source) or own[0].removesuffix(".py") not in packages:
        return None
    for depth, part in enumerate(own[1:-1], 1):
        if part in _TEST_FOLDERS:
            return "/".join(["tests", *own[1:depth], *own[depth + 1 :]])
    return "/".join(own)


def _metadata(files: Mapping[str, bytes]) -> _Metadata:
    if "PKG-INFO" in files:
        message = Parser().parsestr(files["PKG-INFO"].decode("utf-8", "replace"))
        classifiers = [line.rpartition(" :: ")[2] for line in message.get_all("Classifier", []) if "License ::" in line]
        # Some put the whole text of their licence there.
        named = message.get("License", "").strip()
        licence = message.get("License-Expression") or " ".join(classifiers) or named.partition("\n")[0][:60]
        requirements = message.get_all("Requires-Dist", [])
        return _Metadata(
            message.get("Name", ""),
            message.get("Version", "unknown"),
            licence or "unknown",
            tuple(line for line in requirements if "extra ==" not in line and "extra==" not in line),
        )
    try:
        project = tomllib.loads(files.get("pyproject.toml", b"").decode()).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackageError(f"pyproject.toml cannot be read: {error}") from error
    licence = project.get("license", "unknown")
    return _Metadata(
        project.get("name", ""),
        project.get("version", "unknown"),
        licence if isinstance(licence, str) else licence.get("text", "unknown").strip().splitlines()[0],
        tuple(project.get("dependencies", ())),
    )


def with_wheels(project: Project, wheels: Mapping[str, bytes]) -> dict[str, bytes]:
    """A project's files with those of its dependencies beside the package.

    Args:
        project: The project.
        wheels: File name of each wheel to its content.

    Raises:
        PackageError: If a wheel holds a file that the project has too, or if the whole exceeds 8 MiB.
    """
    tree = dict(project.files)
    for name, wheel in wheels.items():
        for path, content in read_archive(name, wheel).items():
            top = path.partition("/")[0]
            if top.endswith(".data") or (top.endswith(".dist-info") and not path.endswith("/METADATA")):
                continue
            if path in tree or top == "tests":
                raise PackageError(f"the dependency {name} holds {path!r}, and so does the package")
            tree[path] = content
    _check_size(tree, project.name)
    return dict(sorted(tree.items()))
