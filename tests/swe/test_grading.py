"""Grading: four ordered outcomes, and nothing passes but a test that passed."""

import base64
import subprocess
from dataclasses import replace

import gymnasium as gym
import pytest

from telos.envs.swe.grading import Outcome, grade, judge
from telos.envs.swe.pool import SandboxPool, SandboxSpec
from telos.envs.swe.repository import Repository
from telos.envs.swe.sandbox import SandboxLimits
from telos.envs.swe.tasks import Health, Task

FILE = 0o100644
BROKEN = b"def add(a, b):\n    return a - b\n\n\ndef neg(a):\n    return -a\n"
FIXED = BROKEN.replace(b"a - b", b"a + b")
HIDDEN = b"""import pytest

import calc


@pytest.fixture
def fixture():
    if calc.add(2, 2) == 5:
        raise RuntimeError("set-up")
    yield
    if calc.add(2, 2) == 6:
        raise RuntimeError("tear-down")


def test_add(fixture):
    if calc.add(1, 1) == 97:
        pytest.skip("skipped")
    if calc.add(1, 1) == 98:
        pytest.xfail("expected")
    assert calc.add(1, 1) == 2 or calc.add(2, 2) in (5, 6)


@pytest.mark.parametrize("text", ["a b", "\\u00fc\\n", "[x]", "::"])
def test_names(text):
    assert calc.add(text, text) == text + text


def test_neg():
    assert calc.neg(2) == -2


def test_not_asked_for():
    assert calc.add(1, 1) == "never"
"""
NAMES = ("a b", "\\xfc\\n", "[x]", "::")
EXPECTED = (
    "tests/test_calc.py::test_add",
    *(f"tests/test_calc.py::test_names[{name}]" for name in NAMES),
    "tests/test_calc.py::test_neg",
)
TASK = Task(
    id="calc-1",
    statement="add() subtracts.",
    files={"calc.py": BROKEN, "tests/test_old.py": b"def test_old():\n    pass\n", "README.md": b"calc\n"},
    gold_patch="--- a/calc.py\n+++ b/calc.py\n@@ -1,3 +1,3 @@\n"
    " def add(a, b):\n-    return a - b\n+    return a + b\n \n",
    fail_to_pass=EXPECTED[:-1],
    pass_to_pass=EXPECTED[-1:],
    test_files={"tests/test_calc.py": HIDDEN},
    image="telos-swe-base",
    difficulty=1,
    timeout=30.0,
    health=Health(0, 0, 0, 0.0),
)


#: For what has nothing to do with the kind of sandbox: the one that is quicker to start.
one_kind = pytest.mark.parametrize("sandbox_kind", ["bubblewrap"], indirect=True)
docker_only = pytest.mark.parametrize("sandbox_kind", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)


@pytest.fixture(scope="module")
def pool(sandbox_kind):
    limits = SandboxLimits(memory=384 << 20, disk=64 << 20, pids=128)
    made = SandboxPool(SandboxSpec(sandbox_kind, "telos-swe-base", limits, 16_384))
    made.want("tests", 1)
    yield made
    made.close()


def judged(pool, code, task=TASK, **others):
    """The verdict on ``calc.py`` with other content, beside other files."""
    changes = {"calc.py": (FILE, code)} | {name: (FILE, data) for name, data in others.items()}
    verdict = judge(pool, task, changes)
    assert sorted((*verdict.passed, *verdict.failed)) == sorted((*task.fail_to_pass, *task.pass_to_pass))
    assert verdict.resolved == (verdict.outcome is Outcome.PASSES_TESTS) == (not verdict.failed)
    return verdict


def graded(pool, patch, task=TASK):
    repository = Repository(task.files)
    try:
        return grade(pool, repository, task, patch)
    finally:
        repository.close()


# -- outcomes -------------------------------------------------------------------------------------------


def test_outcomes_are_ordered():
    assert Outcome.NO_SUBMIT < Outcome.EMPTY_PATCH < Outcome.FAILS_TESTS < Outcome.PASSES_TESTS


def test_gold_passes(pool):
    verdict = graded(pool, TASK.gold_patch)
    assert (verdict.outcome, verdict.detail) == (Outcome.PASSES_TESTS, "")
    assert set(verdict.passed) == set(EXPECTED)
    assert 0 < verdict.test_seconds <= verdict.seconds


@pytest.mark.parametrize("patch", ["", "\n \n"])
@one_kind
def test_nothing_is_an_empty_patch_and_costs_no_run(pool, patch):
    verdict = graded(pool, patch)
    assert (verdict.outcome, verdict.passed, verdict.failed, verdict.test_seconds) == (Outcome.EMPTY_PATCH, (), (), 0.0)


def test_a_change_that_repairs_nothing_fails_by_name(pool):
    verdict = judge(pool, TASK, {"README.md": (FILE, b"changed\n")})
    assert verdict.outcome is Outcome.FAILS_TESTS
    assert set(verdict.failed) == set(TASK.fail_to_pass)
    assert verdict.passed == TASK.pass_to_pass
    assert verdict.detail == ""


@one_kind
def test_half_a_repair_fails(pool):
    verdict = judged(pool, FIXED.replace(b"a + b", b"a + b if a == 1 else a"))
    assert not verdict.resolved
    assert EXPECTED[0] in verdict.passed


@one_kind
def test_a_repair_that_breaks_what_worked_fails(pool):
    verdict = judged(pool, FIXED.replace(b"-a", b"a"))
    assert verdict.failed == ("tests/test_calc.py::test_neg",)


@pytest.mark.parametrize(
    "patch", ["nonsense\n", TASK.gold_patch.replace("a - b", "a * b"), "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"]
)
@one_kind
def test_a_patch_that_does_not_apply_fails_all(pool, patch):
    verdict = graded(pool, patch)
    assert verdict.outcome is Outcome.FAILS_TESTS
    assert set(verdict.failed) == set(EXPECTED)
    assert verdict.detail.startswith("the patch does not apply: ")


def test_a_gold_patch_in_the_form_of_binary_git_diff_passes(pool):
    repository = Repository(TASK.files)
    patch = repository.patch({"calc.py": (FILE, FIXED), "blob": (FILE, bytes(range(256))), "README.md": None})
    repository.close()
    assert "GIT binary patch" in patch
    assert graded(pool, patch).resolved


def test_a_built_in_task_from_end_to_end(pool, easy_task):
    assert graded(pool, easy_task.gold_patch, easy_task).resolved
    comment = "--- /dev/null\n+++ b/notes.txt\n@@ -0,0 +1 @@\n+nothing\n"
    verdict = graded(pool, comment, easy_task)
    assert set(verdict.failed) == set(easy_task.fail_to_pass)
    assert set(verdict.passed) == set(easy_task.pass_to_pass)


# -- what does not pass ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("97", "skip"),
        ("98", "xfail"),
        ("5 if a == 2 else 2", "set-up error"),
        ("6 if a == 2 else 2", "tear-down error"),
    ],
)
@one_kind
def test_only_passed_is_passed(pool, result, kind):
    code = FIXED.replace(b"a + b", f"a + b if isinstance(a, str) else ({result})".encode())
    verdict = judged(pool, code)
    assert verdict.failed == ("tests/test_calc.py::test_add",), kind


@pytest.mark.parametrize(
    "mark",
    [b"skip", b"skipif(True, reason='x')", b"xfail", b"xfail(strict=True)", b"xfail(run=False)"],
    ids=bytes.decode,
)
@one_kind
def test_marked_tests_do_not_pass(pool, mark):
    marked = HIDDEN.replace(b"def test_neg", b"@pytest.mark.%s\ndef test_neg" % mark)
    verdict = judged(pool, FIXED, replace(TASK, test_files={"tests/test_calc.py": marked}))
    assert "tests/test_calc.py::test_neg" in verdict.failed


@one_kind
def test_a_missing_test_has_not_passed(pool):
    for name in ("tests/test_calc.py::test_gone", "tests/test_gone.py::test_neg"):
        task = replace(TASK, pass_to_pass=(*TASK.pass_to_pass, name))
        assert name in judged(pool, FIXED, task).failed


@one_kind
def test_tests_that_no_one_asked_for_do_not_count(pool):
    assert "test_not_asked_for" not in str(judged(pool, FIXED))


PASS_ALL = b"""
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    result = yield
    result.get_result().outcome = "passed"
"""
STARTUP = b"""
import sys

calc = sys.modules["calc"] = type(sys)("calc")
calc.add, calc.neg = lambda a, b: a + b, lambda a: -a
"""
CALL_NOTHING = b"""
from _pytest.runner import CallInfo

original = CallInfo.from_call.__func__
CallInfo.from_call = classmethod(lambda cls, func, *rest, **more: original(cls, lambda: None, *rest, **more))
"""


RUNNER_FILES = {
    "conftest.py": PASS_ALL,
    "tests/conftest.py": PASS_ALL,
    "tests/test_calc.py": b"def test_add(): pass\n",
    "tests/__init__.py": STARTUP,
    "pytest.ini": b"[pytest]\naddopts = -p evil\n",
    ".pytest.ini": b"[pytest]\naddopts = --collect-only\n",
    "pytest.toml": b"[pytest]\naddopts = ['--collect-only']\n",
    "tox.ini": b"[pytest]\naddopts = --collect-only\n",
    "setup.cfg": b"[tool:pytest]\naddopts = --collect-only\n",
    "pyproject.toml": b"[tool.pytest.ini_options]\naddopts = '--collect-only'\n",
    "sitecustomize.py": STARTUP,
    "usercustomize.py": STARTUP,
    "a.pth": b"import sys; sys.modules['calc'] = None\n",
    "pytest.py": PASS_ALL,
    "_pytest/__init__.py": PASS_ALL,
    "json.py": STARTUP,
    "secrets.py": STARTUP,
}


@one_kind
@pytest.mark.parametrize("path", RUNNER_FILES)
def test_files_of_the_runner_do_not_help_a_bad_repair(pool, path):
    verdict = judge(pool, TASK, {path: (FILE, RUNNER_FILES[path]), "evil.py": (FILE, PASS_ALL)})
    assert set(verdict.failed) >= set(TASK.fail_to_pass)


def test_files_of_the_runner_come_from_the_task(pool):
    """All of them at once neither help a bad repair nor harm a good one."""
    changes = {path: (FILE, content) for path, content in RUNNER_FILES.items()} | {"evil.py": (FILE, PASS_ALL)}
    assert set(judge(pool, TASK, changes).failed) >= set(TASK.fail_to_pass)
    assert judge(pool, TASK, {**changes, "calc.py": (FILE, FIXED)}).resolved


@one_kind
def test_deleting_the_tests_does_not_help(pool):
    assert not judge(pool, TASK, {"tests/test_old.py": None, "README.md": None}).resolved
    assert judge(pool, TASK, {"tests/test_old.py": None, "calc.py": (FILE, FIXED)}).resolved


# -- reports that are not valid -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (b"import os; os._exit(0)\n", "ended early with exit code 0"),
        (b"import os; os._exit(1)\n", "ended early with exit code 1"),
        (b"import os, signal; os.kill(os.getpid(), 9)\n", "ended early with exit code 137"),
        (
            b"import os\nfor fd in range(3, 99):\n    try: os.write(fd, b'x passed\\n')\n    except OSError: pass\n",
            "result pipe",
        ),
        (b"import os\nfor fd in range(3, 99):\n    try: os.close(fd)\n    except OSError: pass\n", "ended early"),
    ],
    ids=["exit 0", "exit 1", "killed", "junk", "closed"],
)
def test_a_run_that_does_not_end_as_pytest_ends_fails_all(pool, code, detail):
    verdict = judged(pool, code + FIXED)
    assert set(verdict.failed) == set(EXPECTED)
    assert detail in verdict.detail


def test_a_run_that_never_ends_meets_the_tasks_limit(pool):
    verdict = judged(pool, b"import time; time.sleep(1000)\n" + FIXED, replace(TASK, timeout=2.0))
    assert set(verdict.failed) == set(EXPECTED)
    assert verdict.detail == "stopped: timeout"
    assert 2.0 <= verdict.test_seconds <= 2.5


@pytest.mark.parametrize(
    "code", [b"def add(:\n", b"raise RuntimeError('at import')\n", b"import sys; sys.exit(0)\n", b""]
)
@one_kind
def test_code_that_cannot_be_imported_fails_all(pool, code):
    assert set(judged(pool, code).failed) == set(EXPECTED)


@one_kind
def test_a_missing_module_fails_all(pool):
    assert set(judge(pool, TASK, {"calc.py": None}).failed) == set(EXPECTED)


def test_a_candidate_that_makes_every_test_pass_gives_itself_away(pool):
    verdict = judged(pool, CALL_NOTHING + BROKEN)
    assert set(verdict.failed) == set(EXPECTED)
    assert verdict.detail


@one_kind
def test_printed_results_are_only_a_log(pool):
    verdict = judged(pool, b"print('tests/test_calc.py::test_add PASSED\\n6 passed in 0.01s')\n" + BROKEN)
    assert EXPECTED[0] in verdict.failed


def test_a_flood_of_output_stays_bounded(pool):
    verdict = judged(pool, b"import os\nfor _ in range(2000): os.write(1, b'x' * 10_000)\n" + FIXED)
    assert len(verdict.log) < 20_000


# -- an infrastructure failure is not the agent's -------------------------------------------------------


@pytest.fixture
def docker_env(sandbox_kind):
    assert sandbox_kind == "docker"
    env = gym.make("SWEDocker-v0", sandbox="docker", max_turns=5)
    yield env
    env.close()


@pytest.mark.parametrize("action", ["echo hi", '<view path="."/>', "<submit/>", "<oops/>"])
@docker_only
def test_a_container_that_goes_away_is_no_fault_of_the_agents(docker_env, easy_task, action):
    docker_env.reset(options={"task": easy_task.id})
    patch = base64.b64encode(easy_task.gold_patch.encode()).decode()
    docker_env.step(f"echo {patch} | base64 -d | git apply")
    container = docker_env.unwrapped._sandbox.id
    subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)
    if action == "<oops/>":
        # A malformed action does not touch the container; the one after it does.
        assert docker_env.step(action)[2:4] == (False, False)
        action = "true"
    obs, reward, terminated, truncated, info = docker_env.step(action)
    assert obs in docker_env.observation_space
    assert (terminated, truncated, info["trainable"]) == (False, True, False)
    assert reward == 0.0
    assert set(info["reward_terms"].values()) == {0.0}
    assert set(info["infra"]) == {"kind", "detail"}
    assert all(isinstance(text, str) and text for text in info["infra"].values())
    assert not {"resolved", "outcome_level", "tests_passed", "patch"} & info.keys()
    with pytest.raises(gym.error.ResetNeeded):
        docker_env.step("echo")
    docker_env.reset(options={"task": easy_task.id})
    assert docker_env.step("echo alive")[0]["output"] == "alive\n"
    assert docker_env.step("<submit/>")[4]["trainable"]
