"""Who owns a sandbox, written so that a later process can tell whether the owner still lives."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["LABEL", "alive", "expired", "owner", "owner_labels"]

LABEL = "telos.swe"
_OWNER, _DEADLINE = f"{LABEL}.owner", f"{LABEL}.deadline"


def _start_time(pid: int) -> str | None:
    """Start of a process in clock ticks since boot; with the pid it names one process for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def _machine() -> str:
    """This boot of this machine and the process namespace, within which pids mean something."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"


def owner() -> str:
    """Names this process for good, in letters that a file name may have."""
    pid = os.getpid()
    return f"{_machine()}:{pid}:{_start_time(pid)}"


def alive(name: str) -> bool:
    """Whether the process that :func:`owner` named lives; one of another machine is taken to."""
    machine, _, start = name.rpartition(":")
    machine, _, pid = machine.rpartition(":")
    return machine != _machine() or _start_time(int(pid)) == start


def owner_labels(lifetime: float) -> dict[str, str]:
    """Labels of a sandbox that this process owns and that ends ``lifetime`` seconds from now."""
    return {LABEL: "1", _OWNER: owner(), _DEADLINE: str(int(time.time() + lifetime))}


def expired(labels: Mapping[str, str]) -> bool:
    """Whether the owner is dead (if it lived on this machine) or the deadline is past."""
    return time.time() > float(labels.get(_DEADLINE, "inf")) or not alive(labels.get(_OWNER, ""))
