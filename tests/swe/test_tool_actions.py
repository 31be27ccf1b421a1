"""SWETools-v0: numbered tools in a real sandbox."""

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.envs.swe.repairs import candidate_repairs, reproduction_of
from telos.envs.swe.tool_actions import ToolActions

OPEN, SEARCH, REPRODUCE, TEST, REPAIR, SUBMIT = 0, 4, 6, 7, 8, 9


@pytest.fixture(scope="module")
def env(sandbox_kind):
    env = gym.make("SWETools-v0", sandbox=sandbox_kind, difficulty=[1], max_turns=12)
    yield env
    env.close()


def play(env, actions, seed=0):
    steps = [(*env.reset(seed=seed)[:1], 0.0, False, False, {})]
    for action in actions:
        steps.append(env.step(action))
        if steps[-1][2] or steps[-1][3]:
            break
    return steps


def test_a_repair_that_helps_resolves_the_task(env):
    """The first seeds' tasks are within reach of single mutations, as the figures of the honest fixer say of most."""
    resolved = 0
    for seed in range(4):
        observation, info = env.reset(seed=seed)
        env.step(REPRODUCE)
        while info["action_mask"][REPAIR] and observation[0] < 0.7:
            observation, *_, info = env.step(REPAIR)
        found = observation[3] == 1.0
        *_, terminated, truncated, info = env.step(SUBMIT)
        assert terminated
        assert not truncated
        assert found or not info["resolved"], "nothing was changed"
        assert found == info["modified"]
        resolved += info["resolved"]
    assert resolved > 0


def test_features_tell_what_happened(env):
    first, opened, reproduced, tested = (step[0] for step in play(env, [OPEN, REPRODUCE, TEST]))
    last = slice(10, 20)
    assert first[last].sum() == 0
    assert [step[last].argmax() for step in (opened, reproduced, tested)] == [OPEN, REPRODUCE, TEST]
    assert np.allclose([step[0] for step in (first, opened, reproduced, tested)], np.arange(4) / 12)
    assert first[4:10].tolist() == opened[4:10].tolist() == [1, 0, 0, 1, 0, 0]
    assert reproduced[4:10].tolist() == [0, 1, 0, 1, 0, 0], "the report's script must fail on a broken repository"
    assert tested[7] == 0


def test_loitering_pays_until_the_turns_are_over(env):
    steps = play(env, [OPEN] * 20)
    assert len(steps) == 13
    assert [step[1] for step in steps[1:-1]] == pytest.approx([0.1] * 11)
    *_, truncated, info = steps[-1]
    assert truncated
    assert info["reward_terms"] == pytest.approx({"format": 0.05, "tool": 0.05, "outcome": -1.0})


def test_an_action_that_makes_no_sense_costs_its_turn(env):
    for seed in range(50):
        _, info = env.reset(seed=seed)
        senseless = np.flatnonzero(info["action_mask"] == 0)
        if len(senseless):
            break
    observation, reward, terminated, truncated, info = env.step(int(senseless[0]))
    assert (reward, terminated, truncated) == (pytest.approx(-0.1), False, False)
    assert observation[1] == 1.0


def test_bad_arguments_are_told(env):
    env.reset(seed=0)
    with pytest.raises(ValueError, match="0 to 9"):
        env.step(10)
    with pytest.raises(ValueError, match="from 1 to 1000"):
        gym.make("SWETools-v0", sandbox="bubblewrap", candidates=0)


def test_the_wrapper_fits_around_the_text_environment(sandbox_kind, easy_task):
    text = gym.make("SWEDocker-v0", sandbox=sandbox_kind, render_mode="ansi")
    env = ToolActions(text, candidates=8)
    try:
        _, info = env.reset(options={"task": easy_task.id})
        assert info["task"] == easy_task.id
        env.step(REPRODUCE)
        assert "/tmp/reproduction.py" in env.render()
    finally:
        env.close()


def test_the_likeliest_repairs_come_first():
    text = "def first(x):\n    return x + 1\n\n\ndef second(x):\n    return x - 1\n"
    edits = candidate_repairs({"m.py": text, "broken.py": "def"}, "second(3) is wrong")
    in_second = [start > text.index("def second") for _, start, _, _ in edits]
    assert in_second == sorted(in_second, reverse=True)
    assert 0 < sum(in_second) < len(edits)
    assert {path for path, *_ in edits} == {"m.py"}


def test_the_script_of_a_report(easy_task):
    assert reproduction_of("no script") == ""
    assert "import" in reproduction_of(easy_task.statement)
