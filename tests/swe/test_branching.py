"""Snapshots, forks, shadow grades and replays of whole episodes."""

import json

import gymnasium as gym
import pytest

import telos  # noqa: F401 - registers the environments
from telos.envs.swe.trace import ReplayDivergedError, read_trace, tree_hash
from telos.wrappers import PotentialShaping


@pytest.fixture
def env(sandbox_kind, tmp_path):
    env = gym.make("SWEDocker-v0", sandbox=sandbox_kind, max_turns=8, trace=str(tmp_path / "traces")).unwrapped
    yield env
    env.close()


def begin(env, task):
    env.reset(options={"task": task.id})


def files(env):
    return env.step("ls; cat note 2>/dev/null; pwd")[0]["output"]


def gold(task):
    return f"cat >/tmp/gold <<'END'\n{task.gold_patch}\nEND\ngit apply /tmp/gold"


def test_restore_goes_back_also_after_the_end(env, easy_task):
    begin(env, easy_task)
    env.step("mkdir -p sub && echo one >note")
    name = env.snapshot()
    before = files(env)
    env.step("echo two >note && cd sub && rm -rf ../tests")
    assert env.step("<submit/>")[2]
    observation, info = env.restore(name)
    assert (observation["turn"], info["task"]) == (1, easy_task.id)
    assert observation in env.observation_space
    assert files(env) == before
    assert env.snapshots[name].turn == 1
    # The turns that were undone do not count.
    truncated = [env.step("true")[3] for _ in range(6)]
    assert truncated == [False] * 5 + [True]


def test_eight_forks_diverge_independently(env, easy_task):
    begin(env, easy_task)
    env.step("echo base >note")
    forks = env.fork(8)
    try:
        for k, fork in enumerate(forks):
            fork.step(f"echo fork {k} >>note")
        for k, fork in enumerate(forks):
            assert fork.step("cat note")[0]["output"] == f"base\nfork {k}\n"
        assert env.step("cat note")[0]["output"] == "base\n"
        solved, *others = forks
        solved.step(gold(easy_task))
        assert solved.step("<submit/>")[4]["resolved"]
        assert not others[0].step("<submit/>")[4]["resolved"]
        # One that goes on is forked again, and its lineage tells whence.
        name = others[1].snapshot()
        assert name == "1.2/1"
        assert others[1].snapshots[name].parent == "1"
    finally:
        for fork in forks:
            fork.close()
    assert env.step("cat note")[0]["output"] == "base\n"


def test_forks_draw_the_tasks_that_the_original_draws(env):
    env.reset(seed=5)
    (fork,) = env.fork()
    try:
        assert [fork.reset()[1]["task"] for _ in range(2)] == [env.reset()[1]["task"] for _ in range(2)]
    finally:
        fork.close()


def test_shadow_grades_are_those_of_a_submission_and_change_nothing(env, easy_task):
    begin(env, easy_task)
    assert not env.shadow_grade().resolved
    env.step(gold(easy_task))
    before = files(env)
    assert env.shadow_grade().resolved
    assert files(env) == before
    assert env.step("<submit/>")[4]["resolved"]


def test_the_shadow_follows_the_repository_and_shapes_by_potential(sandbox_kind, easy_task):
    env = gym.make("SWEDocker-v0", sandbox=sandbox_kind, shadow_every=2)
    shaped = PotentialShaping(env, potential="info:shadow", gamma=1.0)
    shaped.reset(options={"task": easy_task.id})
    commands = ["true", "true", gold(easy_task), "true", "rm -r *", "true"]
    steps = [shaped.step(command) for command in commands]
    shadows = [info["shadow"] for *_, info in steps]
    assert shadows == [0.0, 0.0, 0.0, 1.0, 1.0, -1.0]
    assert [info["reward_terms"]["potential"] for *_, info in steps] == [0.0, 0.0, 0.0, 1.0, 0.0, -2.0]
    assert shaped.step("<submit/>")[4]["reward_terms"]["potential"] == 1.0
    # A new episode starts at 0 again.
    shaped.reset(options={"task": easy_task.id})
    assert shaped.step("true")[4]["reward_terms"]["potential"] == 0.0
    shaped.close()


def test_what_is_no_snapshot_is_said(env, easy_task):
    with pytest.raises(gym.error.ResetNeeded):
        env.snapshot()
    begin(env, easy_task)
    name = env.snapshot()
    with pytest.raises(ValueError, match=f"no snapshot '7' is kept.*{name}"):
        env.restore("7")
    env.drop_snapshot(name)
    with pytest.raises(ValueError, match="no snapshot"):
        env.restore(name)
    with pytest.raises(ValueError, match="count must be at least 1"):
        env.fork(0)


def test_a_trace_is_written_as_it_happens_and_plays_again(env, easy_task, tmp_path):
    begin(env, easy_task)
    env.step("echo changed >note; python3 -m pytest -q | tail -1")
    (path,) = (tmp_path / "traces").iterdir()
    assert [event["event"] for event in read_trace(path)] == ["reset", "step"]
    env.step("python3 -c 'print(object())'")
    env.step("<submit/>")
    events = read_trace(path)
    assert events == json.loads(json.dumps(env.events))
    assert events[-1]["outcome_level"] == 2
    _, _, terminated, _, info = env.replay(events)
    assert terminated
    assert info["patch"] == events[-1]["patch"]
    # The last line of a killed trainer.
    path.write_text(path.read_text()[:-20])
    assert read_trace(path) == events[:-1]


@pytest.mark.parametrize(
    ("field", "value"),
    [("output", "something else\n"), ("exit_code", 3), ("tree", "0" * 64), ("result", "exit code 9")],
)
def test_a_replay_tells_the_first_difference(env, easy_task, field, value):
    begin(env, easy_task)
    for text in ("one", "two", "three"):
        env.step(f"echo {text} | tee note")
    events = json.loads(json.dumps(env.events))
    events[2][field] = value
    events[3]["exit_code"] = 7
    with pytest.raises(ReplayDivergedError) as caught:
        env.replay(events)
    assert (caught.value.turn, caught.value.field) == (2, field)


def test_a_forks_trace_plays_from_the_beginning(env, easy_task):
    begin(env, easy_task)
    env.step("echo base >note")
    (fork,) = env.fork()
    try:
        fork.step("echo more >>note; cat note")
        assert [event["event"] for event in fork.events] == ["reset", "step", "branch", "step"]
        assert env.replay(fork.events)[0]["output"] == "base\nmore\n"
    finally:
        fork.close()


def test_the_hash_of_a_tree_is_of_names_contents_and_modes_alone(env, easy_task):
    def now():
        with env._running().save().read_tree() as tree:
            return tree_hash(tree)

    begin(env, easy_task)
    hashes = [now()]
    for command in (
        "touch -d 2001-01-01 *",
        "git add -A; git commit -qm x --allow-empty",
        "echo >note",
        "chmod +x note",
    ):
        env.step(command)
        hashes.append(now())
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes)) == 3
