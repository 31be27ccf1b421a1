"""The run of a data set's own suite in a sealed sandbox.

What is sealed: the sandbox is fresh and without network, the tests and their configuration come from the task, and
the log travels on a pipe that the tested code does not hold. Where the script calls pytest itself, what counts is not
the log but what a plugin in pytest reports of every phase, in the names that the log's parser gives them; a printed
``PASSED`` is only text. Other suites (Django's and SymPy's own runners, tox) have nothing but their log and their
exit code, which must agree: there a candidate that prints results of tests can forge them.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from functools import cache
from importlib import resources

from telos.envs.swe.datasets.logs import parse_log, status_of
from telos.envs.swe.errors import SandboxUnavailableError, SandboxWreckedError
from telos.envs.swe.grading import TestReport
from telos.envs.swe.pool import SandboxPool
from telos.envs.swe.tasks import Suite, Task

__all__ = ["run_suite"]

_RESULT_LIMIT = 24 << 20
_LOG_TAIL = 16_384
_PHASES = {"setup", "call", "teardown"}
#: A command that is pytest, with variables before it: then the plugin is loaded.
_PYTEST = re.compile(r"^(\w+=\S+ +)*(\S*/)?(pytest|python[\d.]*( -W \S+| -[bBE])* -m pytest)\b")
#: Settings of the script that would keep the plugin from being found.
_HIDES_PLUGIN = re.compile(r"PYTEST_ADDOPTS=|PYTHONPATH=(?!\S*\$\{?PYTHONPATH)|\benv -i\b| -[IE]\b")
_BAD = ("FAILED", "ERROR")
_OUTCOMES = {"FAILED": "failed", "ERROR": "error", "SKIPPED": "skipped", "XFAIL": "xfailed", "XPASS": "xpassed"}


@cache
def _runner_source() -> str:
    return (resources.files("telos.envs.swe.datasets") / "suite_runner.py").read_text()


def _takes_plugin(script: str) -> bool:
    commands = [line.strip() for line in script.splitlines() if line.strip() and not line.strip().startswith("#")]
    calls = [bool(_PYTEST.match(command)) for command in commands]
    return sum(calls) == 1 and calls[-1] and not _HIDES_PLUGIN.search(script)


def _status(phases: Mapping[str, tuple[str, bool]]) -> str:
    """A test's status from its phases, ``(outcome, whether a failure was expected)`` each."""
    if any(phases.get(phase, ("passed", False))[0] == "failed" for phase in ("setup", "teardown")):
        return "ERROR"
    if "subtest" in phases:
        return "FAILED"
    outcome, expected = phases.get("call") or phases.get("setup") or ("failed", False)
    if outcome == "skipped":
        return "XFAIL" if expected else "SKIPPED"
    if outcome == "passed" and expected:
        return "XPASS"
    # A run that ended in the middle of a test has not all phases.
    return "PASSED" if outcome == "passed" and set(phases) >= _PHASES else "FAILED"


def _reported(text: str) -> dict[str, str] | None:
    """Node id to status of what the plugin sent; None if it is not what the plugin sends."""
    phases: dict[str, dict[str, tuple[str, bool]]] = {}
    for line in text.splitlines():
        try:
            test, phase, outcome, expected = json.loads(line)
        except (ValueError, TypeError):
            return None
        if phase == "subtest" and outcome != "failed":
            continue
        if phase != "subtest" and phase in phases.get(str(test), {}):
            return None
        phases.setdefault(str(test), {})[str(phase)] = (str(outcome), bool(expected))
    return {test: _status(seen) for test, seen in phases.items()}


def _statuses(parser: str, log: str, reports: str, plugin: bool) -> tuple[Mapping[str, str], str]:
    """Statuses by the names that the parser gives, and what is wrong with them."""
    from_log = parse_log(parser, log)
    if not plugin:
        return from_log, ""
    reported = _reported(reports)
    if reported is None:
        return {}, "the tests' reports are not those of pytest's plugin"
    if not reported and "PASSED" in from_log.values():
        return {}, "the log shows passing tests of which pytest reported none"
    lines = ["=== short test summary info ===", *(f"{status} {test}" for test, status in reported.items())]
    # Names that are no tests' ids, such as those of progress lines in some published lists, are only in the log.
    others = {name: status for name, status in from_log.items() if "::" not in name and parser != "r2e"}
    return others | dict(parse_log(parser, "\n".join(lines) + "\n")), ""


def run_suite(pool: SandboxPool, files: Mapping[str, tuple[int, bytes]], task: Task, suite: Suite) -> TestReport:
    """Runs a suite on a tree in a fresh sandbox.

    Args:
        pool: Where the sandbox comes from; its image must be the task's.
        files: The whole tree: POSIX path to (git mode, content).
        task: Whose expected tests are looked up.
        suite: How they are run.

    Returns:
        Outcomes of the expected tests. One that passes before and after the repair may be expected to fail: the
        data sets count it.

    Raises:
        InfrastructureError: If the machinery failed.
        SandboxUnavailableError: If the pool's sandboxes are not containers, which alone have the task's image.
        ValueError: If the log's parser is missing.
    """
    if pool.spec.kind != "docker":
        raise SandboxUnavailableError(f"the task {task.id} runs in an image of its own: pass sandbox='docker'")
    nonce, plugin = secrets.token_hex(16), _takes_plugin(suite.script)
    sandbox = pool.take()
    try:
        sandbox.put(files)
        settings = json.dumps({"nonce": nonce, "script": suite.script, "plugin": plugin}).encode()
        run = sandbox.spawn(["python3", "-I", "-B", "-c", _runner_source()], settings, task.timeout, _RESULT_LIMIT)
    except SandboxWreckedError as error:
        return TestReport({}, {}, valid=False, problem=f"the candidate broke the sandbox: {error}", log="", seconds=0.0)
    finally:
        sandbox.close()
    command = run.command

    def report(outcomes: Mapping[str, str], problem: str, log: str) -> TestReport:
        return TestReport(outcomes, {}, not problem, problem, log[-_LOG_TAIL:], command.seconds)

    if command.stopped:
        return report({}, f"stopped: {command.stopped}", command.output)
    if not run.result.startswith(nonce.encode()):
        return report({}, f"the run ended early with exit code {command.exit_code}", command.output)
    try:
        record = json.loads(run.result[len(nonce) :])
    except ValueError:
        return report({}, "foreign text on the result pipe", command.output)
    log, exit_code = str(record["log"]), int(record["status"])
    statuses, problem = _statuses(suite.parser, log, record["reports"], plugin)
    if not problem and exit_code and statuses and not set(_BAD) & set(statuses.values()):
        problem = f"the suite ended with {exit_code}, which its results do not bear out"
    outcomes = {}
    for test in (*task.fail_to_pass, *task.pass_to_pass):
        status = status_of(test, statuses)
        passed = status == "PASSED" or (status == "XFAIL" and test not in task.fail_to_pass)
        if status is not None:
            outcomes[test] = "passed" if passed else _OUTCOMES.get(status, "failed")
    return report(outcomes, problem, log)
