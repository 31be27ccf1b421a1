"""Fixtures for every test of SWEDocker-v0: which sandboxes this machine has, and a small task."""

from __future__ import annotations

import os
from functools import cache

import pytest

from telos.envs.swe import load_tasks
from telos.envs.swe.errors import SandboxUnavailableError
from telos.envs.swe.sandbox import SandboxLimits, open_sandbox
from telos.envs.swe.tasks import Task

IMAGE = "telos-swe-base"


@cache
def _why_not(kind: str) -> str:
    """Why this machine has no such sandbox; empty if it has."""
    try:
        open_sandbox(kind, IMAGE, SandboxLimits()).close()
    except SandboxUnavailableError as error:
        return str(error)
    return ""


def _require(kind: str) -> str:
    """The kind. One that is missing skips the test, or fails it under TELOS_REQUIRE_DOCKER=1."""
    reason = _why_not(kind)
    if reason and os.environ.get("TELOS_REQUIRE_DOCKER") == "1":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
    return kind


@pytest.fixture(scope="session", params=[pytest.param("docker", marks=pytest.mark.docker), "bubblewrap"])
def sandbox_kind(request: pytest.FixtureRequest) -> str:
    """Each sandbox in turn."""
    return _require(request.param)


@pytest.fixture(scope="session")
def quick_sandbox_kind() -> str:
    """The sandbox that starts quickest, where the kind does not matter."""
    return _require("bubblewrap")


def _effort(task: Task) -> tuple[bool, int, str]:
    # A hidden test outside the first file leaves a candidate the time to tamper with the rest.
    first = min(path for path in task.test_files if path.endswith(".py"))
    hidden_late = all(test.partition("::")[0] > first for test in task.fail_to_pass)
    return not hidden_late, sum(map(len, task.files.values())), task.id


@pytest.fixture(scope="session")
def easy_task() -> Task:
    """The smallest built-in task of difficulty 1; the same on every machine."""
    return min((task for task in load_tasks("builtin") if task.difficulty == 1), key=_effort)
