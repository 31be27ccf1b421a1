"""The machine, versions and commit that a measurement belongs to."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe_machine"]

_PACKAGES = (
    *("gymnasium", "pettingzoo", "numpy", "numba", "scipy", "torch", "stable-baselines3", "minari", "docker"),
    *("pytest", "crafter", "craftax"),
)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of the source tree, marked if anything but results has changed since; empty outside a checkout."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return ""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    # A benchmark that has just written its results does not mark those after it.
    sources = (".", ":!benchmarks/results", ":!docs/figures")
    dirty = git("status", "--porcelain", "--untracked-files=no", "--", *sources)
    return git("describe", "--always", "--abbrev=12") + ("-dirty" if dirty else "")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_machine() -> dict[str, Any]:
    """Hardware, versions and commit, for the JSON that every benchmark writes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "versions": _versions(),
        "commit": _commit(),
        "load": os.getloadavg()[0],
    }
