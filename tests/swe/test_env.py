"""SWEDocker-v0 as a user meets it: outcomes, limits, options, records."""

import base64
import io
import subprocess

import gymnasium as gym
import numpy as np
import pytest

from telos.envs.swe import load_tasks
from telos.envs.swe.grading import Outcome
from telos.envs.swe.repository import Repository

TURNS = 8
LIMITS = {"memory": 384 << 20, "disk": 64 << 20, "pids": 128}


def make(kind, **kwargs):
    return gym.make("SWEDocker-v0", sandbox=kind, **{"max_turns": TURNS, "limits": LIMITS, **kwargs})


#: For what has nothing to do with the kind of sandbox: the one that is quicker to start.
one_kind = pytest.mark.parametrize("sandbox_kind", ["bubblewrap"], indirect=True)


@pytest.fixture(scope="module")
def env(sandbox_kind):
    made = make(sandbox_kind, render_mode="ansi")
    yield made
    made.close()


@pytest.fixture
def started(env, easy_task):
    """The module's environment at the start of an episode of the easy task."""
    env.reset(seed=3, options={"task": easy_task.id})
    return env


def gold(task):
    """A command that does what the gold patch does, without git."""
    repository = Repository(task.files)
    lines = []
    for path, entry in repository.apply(task.gold_patch).items():
        text = base64.b64encode(entry[1]).decode()
        lines.append(f"mkdir -p $(dirname '{path}'); echo {text} | base64 -d > '{path}'")
    repository.close()
    return "\n".join(lines)


def play(env, *actions):
    """The results of actions, each checked against the contract."""
    results = []
    for action in actions:
        obs, reward, terminated, truncated, info = env.step(action)
        assert obs in env.observation_space
        assert sum(info["reward_terms"].values()) == reward
        assert info["reward_terms"].keys() == {"format", "tool", "outcome"}
        assert not (terminated and truncated)
        assert ("resolved" in info) == (terminated or truncated)
        results.append((obs, reward, terminated, truncated, info))
    return results


# -- the four outcomes ----------------------------------------------------------------------------------


def test_no_submission(started):
    *_, (_, reward, terminated, truncated, info) = play(started, *["true"] * TURNS)
    assert (terminated, truncated) == (False, True)
    assert info["reward_terms"] == {"format": 0.05, "tool": 0.05, "outcome": -1.0}
    assert reward == 0.05 + 0.05 - 1.0
    assert (info["completed"], info["modified"], info["resolved"], info["outcome_level"]) == (False, False, False, 0)
    assert (info["patch"], info["tests_passed"], info["tests_failed"]) == ("", (), ())


@one_kind
def test_work_that_is_not_submitted_is_recorded_and_not_judged(started, easy_task):
    *_, (_, _, _, truncated, info) = play(started, gold(easy_task), *["true"] * (TURNS - 1))
    assert truncated
    assert info["reward_terms"]["outcome"] == -1.0
    assert (info["completed"], info["modified"], info["resolved"], info["outcome_level"]) == (False, True, False, 0)
    assert info["patch"]
    assert info["tests_passed"] == ()


@one_kind
def test_an_empty_patch(started):
    [(_, reward, terminated, truncated, info)] = play(started, "<submit/>")
    assert (terminated, truncated) == (True, False)
    assert info["reward_terms"] == {"format": 0.05, "tool": 0.0, "outcome": -0.5}
    assert reward == 0.05 - 0.5
    assert (info["completed"], info["modified"], info["resolved"], info["outcome_level"]) == (True, False, False, 1)


def test_a_patch_that_fails(started, easy_task):
    *_, (_, reward, terminated, _, info) = play(started, "echo more >> README.md", "<submit/>")
    assert terminated
    assert reward == 0.05
    assert (info["completed"], info["modified"], info["resolved"], info["outcome_level"]) == (True, True, False, 2)
    assert set(info["tests_failed"]) == set(easy_task.fail_to_pass)
    assert set(info["tests_passed"]) == set(easy_task.pass_to_pass)
    assert "+more\n" in info["patch"]


def test_a_patch_that_passes(started, easy_task):
    *_, (obs, reward, terminated, truncated, info) = play(started, gold(easy_task), "<submit/>")
    assert (terminated, truncated) == (True, False)
    assert info["reward_terms"] == {"format": 0.05, "tool": 0.0, "outcome": 1.0}
    assert reward == 1.05
    assert (info["completed"], info["modified"], info["resolved"], info["outcome_level"]) == (True, True, True, 3)
    assert set(info["tests_passed"]) == {*easy_task.fail_to_pass, *easy_task.pass_to_pass}
    assert info["tests_failed"] == ()
    assert info["grade_detail"] == ""
    assert info["trainable"]
    assert obs["result"] == "submitted"
    assert info["timing"].keys() == {"sandbox", "step", "grading", "tests"}
    assert 0 < info["timing"]["tests"] < info["timing"]["grading"] <= info["timing"]["step"]


@one_kind
def test_submitting_in_the_last_turn_counts(started):
    *_, (obs, _, terminated, truncated, info) = play(started, *["true"] * (TURNS - 1), "<submit/>")
    assert (terminated, truncated, info["outcome_level"]) == (True, False, 1)
    assert obs["turn"] == TURNS


@one_kind
def test_every_reward_can_be_set(sandbox_kind, easy_task):
    rewards = {"valid_format": 1.0, "malformed": -2.0, "tool_success": 4.0, "tool_failure": -8.0}
    rewards |= {"no_submit": 16.0, "empty_patch": 32.0, "fails_tests": 64.0, "passes_tests": 128.0}
    env = make(sandbox_kind, rewards=rewards, max_turns=3)
    options = {"task": easy_task.id}
    env.reset(options=options)
    assert [step[1] for step in play(env, "true", "false", "<oops/>")] == [5.0, -7.0, 14.0]
    for actions, last in (
        (["<submit/>"], 33.0),
        (["echo >> README.md", "<submit/>"], 65.0),
        ([gold(easy_task), "<submit/>"], 129.0),
    ):
        env.reset(options=options)
        assert play(env, *actions)[-1][1] == last
    env.close()


# -- turns and time -------------------------------------------------------------------------------------


def test_observations_and_terms_of_a_turn(started, easy_task):
    steps = play(started, "echo out; echo err >&2", "exit 7", '<view path="nowhere"/>', '<search pattern="def "/>')
    assert [step[0]["turn"].item() for step in steps] == [1, 2, 3, 4]
    assert [step[0]["exit_code"].item() for step in steps] == [0, 7, 1, 0]
    assert [step[4]["reward_terms"]["tool"] for step in steps] == [0.05, 0.0, 0.0, 0.05]
    assert {step[4]["reward_terms"]["format"] for step in steps} == {0.05}
    assert steps[0][0]["output"] == "out\nerr\n"
    assert [step[0]["result"] for step in steps[:2]] == ["exit code 0", "exit code 7; the shell is new"]
    assert {step[0]["statement"] for step in steps} == {easy_task.statement}
    assert steps[0][4]["resources"]["bytes"] == 8


@pytest.mark.parametrize(
    "action", ["", "<oops/>", "a\0b", "<view/>", '<view path="a" start="' + "9" * 5000 + '"/>', "echo \ud800"]
)
@one_kind
def test_a_malformed_action_costs_its_turn_and_says_why(started, action):
    [(obs, reward, terminated, truncated, info)] = play(started, action)
    assert (reward, terminated, truncated) == (-0.1, False, False)
    assert info["reward_terms"] == {"format": -0.1, "tool": 0.0, "outcome": 0.0}
    assert (obs["turn"].item(), obs["exit_code"].item(), obs["output"]) == (1, 2, "")
    assert obs["result"].startswith("malformed action: ")
    assert len(obs["result"]) > 40
    assert play(started, "echo on")[0][0]["output"] == "on\n"


@one_kind
def test_a_malformed_last_action_ends_the_episode(started):
    *_, (_, reward, _, truncated, info) = play(started, *["true"] * (TURNS - 1), "<oops/>")
    assert truncated
    assert (reward, info["outcome_level"]) == (-0.1 + 0.0 - 1.0, 0)


def test_a_command_that_meets_its_deadline(sandbox_kind, easy_task):
    env = make(sandbox_kind, command_timeout=0.5)
    env.reset(options={"task": easy_task.id})
    [(obs, _, terminated, truncated, info)] = play(env, "echo first; sleep 100")
    assert (terminated, truncated) == (False, False)
    assert (obs["exit_code"].item(), obs["output"]) == (124, "first\n")
    assert obs["result"].startswith("stopped after 0.5 s")
    assert info["reward_terms"]["tool"] == 0.0
    assert play(env, "echo next")[0][0]["output"] == "next\n"
    env.close()


def test_the_time_limit_ends_the_episode_and_cuts_the_command(sandbox_kind, easy_task):
    env = make(sandbox_kind, time_limit=1.5)
    env.reset(options={"task": easy_task.id})
    [(obs, _, terminated, truncated, info)] = play(env, "sleep 100")
    assert (terminated, truncated) == (False, True)
    assert (info["outcome_level"], info["completed"]) == (0, False)
    assert obs["exit_code"].item() == 124
    assert info["timing"]["sandbox"] < 1.5 + 0.5 + 1.0
    env.close()


@one_kind
def test_step_after_the_end_is_an_error(started):
    play(started, "<submit/>")
    with pytest.raises(gym.error.ResetNeeded):
        started.step("true")


# -- reset ----------------------------------------------------------------------------------------------


def test_reset_shows_the_task_and_a_clean_repository(env, easy_task):
    obs, info = env.reset(options={"task": easy_task.id})
    assert obs in env.observation_space
    assert (info["task"], info["difficulty"]) == (easy_task.id, easy_task.difficulty)
    assert (obs["statement"], obs["output"], obs["result"]) == (easy_task.statement, "", "ready")
    assert (obs["turn"].item(), obs["exit_code"].item()) == (0, 0)
    [(obs, *_)] = play(env, "git status --porcelain; git log --oneline --all | wc -l; git ls-files")
    assert obs["output"].splitlines() == ["1", *sorted(easy_task.files)]


def test_each_episode_is_a_fresh_sandbox(started, easy_task):
    play(started, "export LEFT=1; echo x > /tmp/left; echo x > left; cd /tmp; sleep 1000 &")
    started.reset(options={"task": easy_task.id})
    [(obs, *_)] = play(started, "pwd; echo [$LEFT]; ls /tmp left 2>&1; pgrep sleep")
    assert obs["output"].splitlines()[:2] == ["/testbed", "[]"]
    assert "cannot access 'left'" in obs["output"]
    assert obs["exit_code"].item() == 1


def test_hidden_tests_are_not_there_during_the_episode(started, easy_task):
    for test in easy_task.fail_to_pass:
        name = test.partition("::")[2].partition("[")[0]
        assert not any(f"def {name}(".encode() in data for data in easy_task.files.values())
    name = easy_task.fail_to_pass[0].partition("::")[2].partition("[")[0]
    [(obs, *_)] = play(
        started, f"grep -rl 'def {name}(' / --include=*.py 2>/dev/null; git log --all -p | grep -c 'def {name}('"
    )
    assert obs["output"].strip() == "0"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "no such task at all"}, "Valid: "),
        ({"tsk": "x"}, "the only one is 'task'"),
        ({"task": 3}, "unknown task 3"),
    ],
)
@one_kind
def test_wrong_options_are_told_what_is_right(env, easy_task, options, words):
    with pytest.raises(ValueError, match=words):
        env.reset(options=options)
    env.reset(options={"task": easy_task.id})
    assert play(env, "echo on")[0][0]["output"] == "on\n"


@one_kind
def test_a_misspelled_task_is_told_the_nearest(env, easy_task):
    with pytest.raises(ValueError, match=f"Did you mean .*'{easy_task.id}'"):
        env.reset(options={"task": easy_task.id.replace("-", "_")})


@one_kind
def test_the_seed_draws_the_tasks(env):
    def draw(seed):
        return [env.reset(seed=seed if number == 0 else None)[1]["task"] for number in range(4)]

    first = draw(5)
    assert draw(5) == first
    assert len({tuple(draw(seed)) for seed in (5, 6, 7)}) == 3
    assert len(set(first)) > 1


@one_kind
def test_choosing_a_task_does_not_disturb_the_luck(env, easy_task):
    env.reset(seed=9)
    wanted = env.reset()[1]["task"]
    env.reset(seed=9)
    env.reset(options={"task": easy_task.id})
    assert env.reset()[1]["task"] == wanted


def test_difficulty_chooses_among_the_tasks():
    env = make("bubblewrap", difficulty=[2, 3], warm=0)
    wanted = {task.id for task in load_tasks("builtin") if task.difficulty in (2, 3)}
    assert set(env.unwrapped.task_ids) == wanted
    assert 0 < len(wanted) < len(load_tasks("builtin"))
    env.close()


# -- arguments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rewards": {"pass_tests": 1.0}}, "Did you mean 'passes_tests'"),
        ({"limits": {"memoy": 1}}, "Did you mean 'memory'"),
        ({"limits": {"zzz": 1}}, "limits has no entry 'zzz'. Valid: "),
        ({"limits": {"memory": 0}}, "memory must be positive"),
        ({"max_turns": 0}, "max_turns must be at least 1"),
        ({"command_timeout": 0}, "command_timeout and time_limit positive"),
        ({"time_limit": -1.0}, "command_timeout and time_limit positive"),
        ({"output_limit": 10}, "output_limit at least 256"),
        ({"difficulty": [4]}, "difficulties are 1, 2 and 3"),
        ({"difficulty": []}, "difficulties are 1, 2 and 3"),
        ({"tasks": "bultin"}, "Did you mean 'builtin'"),
        ({"sandbox": "podman"}, "choose 'docker' or 'bubblewrap'"),
    ],
)
def test_wrong_arguments_are_told_what_is_right(arguments, words):
    with pytest.raises(ValueError, match=words):
        gym.make("SWEDocker-v0", **{"sandbox": "bubblewrap", "warm": 0, **arguments})


@one_kind
def test_output_limit_is_that_of_the_observation(sandbox_kind, easy_task):
    env = make(sandbox_kind, output_limit=256)
    env.reset(options={"task": easy_task.id})
    [(obs, *_)] = play(env, "seq 10000")
    assert "bytes omitted" in obs["output"]
    assert len(obs["output"]) < 256 + 100
    env.close()


@one_kind
def test_spaces(env):
    assert "x" * 200_000 in env.action_space
    assert "x" * 200_001 not in env.action_space
    assert env.observation_space["turn"] == gym.spaces.Box(0, TURNS, (1,), np.int64)


# -- grade ----------------------------------------------------------------------------------------------


def test_grade_is_on_the_side(started, easy_task):
    play(started, "cd /tmp; keep=1; echo x > /testbed/mine; sleep 1000 &")
    grade = started.unwrapped.grade
    assert grade(easy_task.gold_patch).resolved
    assert grade("").outcome is Outcome.EMPTY_PATCH
    assert grade("garbage").outcome is Outcome.FAILS_TESTS
    [(obs, *_)] = play(started, "echo $keep $PWD; cat /testbed/mine; kill %1 && echo alive")
    assert obs["output"] == "1 /tmp\nx\nalive\n"
    assert obs["turn"].item() == 2
    [(_, _, _, _, info)] = play(started, "<submit/>")
    assert "b/mine" in info["patch"]
    assert grade(info["patch"]).outcome is Outcome.FAILS_TESTS


def test_grade_needs_a_task():
    env = make("bubblewrap", warm=0)
    with pytest.raises(gym.error.ResetNeeded):
        env.unwrapped.grade("")
    env.close()


@one_kind
def test_grade_of_a_patch_that_adds_a_submodule(started):
    patch = (
        "diff --git a/sub b/sub\nnew file mode 160000\n--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n"
        "+Subproject commit 0123456789012345678901234567890123456789\n"
    )
    assert started.unwrapped.grade(patch).outcome is Outcome.FAILS_TESTS


# -- the patch ------------------------------------------------------------------------------------------


def test_the_patch_holds_committed_and_untracked_work(started, easy_task, tmp_path):
    commands = [
        "echo committed > one.txt && git add one.txt && git commit -qm 'my work' && git checkout -qb other",
        "echo staged > two.txt && git add two.txt; mkdir -p deep; echo untracked > deep/three.txt; rm README.md",
        "printf '\\0\\377' > four.bin; printf '#!/bin/sh\\n' > five.sh; chmod +x five.sh; ln -s one.txt six",
    ]
    *_, (_, _, _, _, info) = play(started, *commands, "<submit/>")
    for path, data in easy_task.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    subprocess.run(["git", "apply", "--binary"], input=info["patch"].encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "one.txt").read_text() == "committed\n"
    assert (tmp_path / "two.txt").read_text() == "staged\n"
    assert (tmp_path / "deep/three.txt").read_text() == "untracked\n"
    assert (tmp_path / "four.bin").read_bytes() == b"\0\xff"
    assert (tmp_path / "five.sh").stat().st_mode & 0o100
    assert (tmp_path / "six").readlink().name == "one.txt"
    assert not (tmp_path / "README.md").exists()


@one_kind
def test_undoing_everything_is_an_empty_patch(started):
    *_, (_, _, _, _, info) = play(
        started, "cp README.md x; rm README.md; mkdir __pycache__; mv x README.md", "<submit/>"
    )
    assert (info["patch"], info["modified"], info["outcome_level"]) == ("", False, 1)


@pytest.mark.parametrize(
    "command",
    [
        "ln -s $(printf '\\377') odd",
        "printf '\\374\\n' > 'back\\slash'",
        "printf '\\374\\n' > $(printf 'n\\374me')",
        "mkdir .GIT; echo x > .GIT/config; echo x > git~1",
        "rm -rf .git",
        "rm -rf * .[!.]*",
        "chmod 000 README.md",
    ],
)
def test_an_odd_tree_is_judged_and_not_a_crash(started, command):
    *_, (_, _, terminated, _, info) = play(started, "echo more > README.md", command, "<submit/>")
    assert terminated
    assert "infra" not in info
    assert info["outcome_level"] == 2
    assert info["patch"].encode()


def test_a_change_larger_than_any_repair_fails(started, easy_task):
    *_, (_, _, terminated, _, info) = play(started, gold(easy_task), "head -c 20000000 /dev/urandom > big", "<submit/>")
    assert terminated
    assert (info["outcome_level"], info["completed"], info["modified"]) == (2, True, True)
    assert "big has 20000000 bytes" in info["grade_detail"]
    assert set(info["tests_failed"]) == {*easy_task.fail_to_pass, *easy_task.pass_to_pass}


def test_work_done_after_the_submission_has_begun_is_too_late(started, easy_task):
    """Background jobs are dead before the tree is read."""
    play(started, "(while :; do date +%N > racing; done) & sleep 0.5")
    [(_, _, _, _, info)] = play(started, "<submit/>")
    assert info["patch"].count("diff --git") == 1


# -- rendering ------------------------------------------------------------------------------------------


@one_kind
def test_ansi_is_the_transcript(started, easy_task):
    play(started, "echo some output", "<oops/>", "seq 500", "<submit/>")
    text = started.render()
    for part in (
        easy_task.id,
        easy_task.statement,
        "> echo some output",
        "some output\n",
        "exit code 0",
        "empty patch",
    ):
        assert part in text
    assert "malformed action" in text
    assert "-- turn 4" in text
    assert len(text.splitlines()) < len(easy_task.statement.splitlines()) + 90
    started.reset(options={"task": easy_task.id})
    assert "some output" not in started.render()


@one_kind
def test_human_prints_each_part_once(sandbox_kind, easy_task, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stdout", screen)
    env = make(sandbox_kind, render_mode="human")
    env.reset(options={"task": easy_task.id})
    play(env, "echo visible", "<submit/>")
    env.close()
    assert screen.getvalue().count(easy_task.statement.strip().splitlines()[0]) == 1
    assert screen.getvalue().count("> echo visible") == 1
    assert "empty patch" in screen.getvalue()


def test_without_a_render_mode_nothing_is_rendered(easy_task):
    env = make("bubblewrap", warm=0).unwrapped
    assert env.render() is None
    env.close()
