"""The command `telos rewards`."""

from __future__ import annotations

import json
import sys

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.cli import main
from telos.baselines.reward_report import play_random_episodes
from telos.wrappers import Episode, save_episodes
from telos.wrappers.diagnostics import reward_report


def play(name, count=5, seed=0):
    return play_random_episodes(gym.make(name), count, seed)[0]


def run(monkeypatch, capsys, *arguments):
    """Runs the command; its exit code and what it printed."""
    monkeypatch.setattr(sys, "argv", ["telos", "rewards", *map(str, arguments)])
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    printed = capsys.readouterr()
    return code, " ".join((printed.out + printed.err).split())


def same(one, other):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(one, other, strict=True)
        for name in ("obs", "actions", "reward")
    )


def test_play_is_what_the_environment_does():
    env = gym.make("LoiterChain-v0")
    for number, episode in enumerate(play("LoiterChain-v0")):
        obs, _ = env.reset(seed=0 if number == 0 else None)
        for t, action in enumerate(episode.actions):
            assert np.array_equal(obs, episode.obs[t])
            obs, reward, terminated, truncated, info = env.step(action)
            assert reward == episode.reward[t]
            assert info["reward_terms"] == {name: values[t] for name, values in episode.terms.items()}
            assert (terminated or truncated) == (t + 1 == len(episode))
        assert np.array_equal(obs, episode.obs[-1])
        assert (terminated, truncated) == (episode.terminated, episode.truncated)


class PickyEnv(gym.Env):
    """Refuses most actions, says which it takes, and counts steps in one buffer."""

    observation_space, action_space = gym.spaces.Box(0, np.inf, (1,)), gym.spaces.Discrete(1000)

    def sample_feasible(self, count=1):
        return self.np_random.choice([3, 7], count)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.buffer = np.zeros(1)
        return self.buffer, {}

    def step(self, action):
        if action not in (3, 7):
            raise ValueError(f"no action: {action}")
        self.buffer += 1
        return self.buffer, 1.0, bool(self.np_random.random() < 0.2), False, {}


def test_actions_are_feasible_where_the_environment_offers_them():
    episodes, _ = play_random_episodes(PickyEnv(), 10)
    assert {action for episode in episodes for action in episode.actions} == {3, 7}
    for episode in episodes:
        assert np.array_equal(np.ravel(episode.obs), np.arange(len(episode) + 1))


class EndlessEnv(gym.Env):
    """Odd episodes end after so many steps, even ones never; raises at a step."""

    observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)

    def __init__(self, steps=3, breaks_at=None, kind="plain"):
        self.steps, self.breaks_at, self.kind, self.episode = steps, breaks_at, kind, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode = 0 if seed is not None else self.episode + 1
        self.at = 0
        return 0, {}

    def step(self, action):
        self.at += 1
        if self.at == self.breaks_at:
            raise ValueError("a bug")
        return 0, 1.0, self.episode % 2 == 1 and self.at == self.steps, False, {}


@pytest.fixture
def endless(monkeypatch):
    """The id of that environment."""
    monkeypatch.setitem(gym.registry, "Endless-v0", gym.envs.registration.EnvSpec("Endless-v0", EndlessEnv))
    return "Endless-v0"


def test_episodes_that_do_not_end_are_cut():
    episodes, cut = play_random_episodes(EndlessEnv(), 5, max_steps=4)
    assert [len(episode) for episode in episodes] == [4, 3, 4, 3, 4]
    assert [(episode.terminated, episode.truncated) for episode in episodes] == [(False, True), (True, False)] * 2 + [
        (False, True)
    ]
    assert cut == 3
    # An end at the limit is an end.
    assert play_random_episodes(EndlessEnv(), 5, max_steps=3)[1] == 3
    assert len(play_random_episodes(EndlessEnv(), 1)[0][0]) == 10_000


@pytest.mark.parametrize("name", ["LoiterChain-v0", "CoRMABCapacity-v0"])
def test_play_is_a_function_of_the_seed(name):
    assert same(play(name), play(name))
    assert not same(play(name), play(name, seed=1))


def test_an_environment_without_terms_has_one():
    (episode,) = play("FrozenLake-v1", 1)
    assert list(episode.terms) == ["reward"]


def test_the_command_reports_on_an_environment_and_on_a_run(monkeypatch, capsys, tmp_path):
    wraps = ("--wrap", "accumulated:weights.process=0.5", "--wrap", "gated:threshold=1.5")
    out = tmp_path / "made" / "report.json"
    code, text = run(
        monkeypatch, capsys, "--env", "LoiterChain-v0", *wraps, "--episodes", 20, "--seed", 4, "--out", out
    )
    assert code == 0
    assert "GatedReward(threshold=1.5)" in text
    record = json.loads(out.read_text())
    episodes = play("LoiterChain-v0", 20, seed=4)
    expected = reward_report(episodes, [wraps[1], wraps[3]])
    assert record["report"] == expected.to_dict()
    assert (record["env"], record["seed"], record["wrap"]) == ("LoiterChain-v0", 4, [wraps[1], wraps[3]])
    save_episodes(tmp_path / "run.npz", episodes)
    code, text = run(monkeypatch, capsys, "--run", tmp_path / "run.npz", *wraps, "--out", out)
    assert code == 0
    assert json.loads(out.read_text())["report"] == record["report"]


def test_the_command_counts_what_it_cut(endless, monkeypatch, capsys, tmp_path):
    out = tmp_path / "report.json"
    arguments = ("--env", endless, "--env-arg", "steps=7", "--env-arg", "kind=ring", "--wrap", "episodic", "--out", out)
    code, text = run(monkeypatch, capsys, *arguments, "--episodes", 5, "--max-steps", 9)
    assert code == 0
    assert "3 of 5 episodes were cut after 9 steps" in text
    record = json.loads(out.read_text())
    assert record["report"]["steps"] == 3 * 9 + 2 * 7
    assert (record["max_steps"], record["cut"], record["env_args"]) == (9, 3, {"steps": 7, "kind": "ring"})
    code, text = run(monkeypatch, capsys, "--env", "LoiterChain-v0", "--wrap", "gated", "--out", out)
    assert (code, json.loads(out.read_text())["cut"]) == (0, 0)
    assert "cut after" not in text


def test_arguments_reach_the_environment(monkeypatch, capsys, tmp_path):
    out = tmp_path / "report.json"
    short = ("--env", "LoiterChain-v0", "--env-arg", "horizon=3", "--wrap", "gated", "--episodes", 4, "--out", out)
    assert run(monkeypatch, capsys, *short)[0] == 0
    expected = play_random_episodes(gym.make("LoiterChain-v0", horizon=3), 4)[0]
    assert json.loads(out.read_text())["report"] == reward_report(expected, "gated").to_dict()


@pytest.mark.parametrize("step", [1, 5])
def test_errors_of_an_environment_keep_their_traceback(step, endless, monkeypatch, capsys):
    with pytest.raises(ValueError, match="a bug"):
        run(monkeypatch, capsys, "--env", endless, "--env-arg", f"breaks_at={step}", "--wrap", "episodic")


def test_a_run_without_what_a_wrapper_looks_at_is_refused(monkeypatch, capsys, tmp_path):
    save_episodes(tmp_path / "run.npz", [Episode(None, None, {"reward": [1.0, 2.0]})])
    code, text = run(monkeypatch, capsys, "--run", tmp_path / "run.npz", "--wrap", "count_bonus")
    assert code == 1
    assert "give each Episode obs and actions" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "LoiterChain-v0", "--wrap", "gatd"], "Did you mean 'gated'?"),
        (["--env", "LoiterChain-v0", "--wrap", "gated:threshhold=1"], "Did you mean 'threshold'?"),
        (["--env", "LoiterChain-v0", "--wrap", "gated:outcome=outcom"], "Did you mean 'outcome'?"),
        (["--env", "LoiterChan-v0", "--wrap", "gated"], "Did you mean: `LoiterChain`?"),
        (["--env", "LoiterChain-v0", "--wrap", "gated:low_cap=-1"], "low_cap=-1"),
        (["--env", "LoiterChain-v0", "--wrap", "gated", "--episodes", "0"], "episodes=0 must be at least 1"),
        (["--env", "LoiterChain-v0", "--wrap", "gated", "--max-steps", "0"], "max_steps=0 must be at least 1"),
        (["--env", "LoiterChain-v0", "--wrap", "gated", "--env-arg", "horizon"], "'horizon' is no argument; write"),
        (["--env", "LoiterChain-v0", "--wrap", "gated", "--env-arg", "horizn=3"], "did you mean 'horizon'"),
        (["--env", "LoiterChain-v0", "--wrap", "gated", "--episodes", "1", "--out", "/"], "Is a directory"),
        (["--run", "x.npz", "--wrap", "gated", "--env-arg", "horizon=3"], "--env-arg is for"),
        (["--env", "LoiterChain-v0"], "at least one wrapper"),
        (["--wrap", "gated"], "either --env"),
        (["--env", "LoiterChain-v0", "--run", "x.npz", "--wrap", "gated"], "either --env"),
        (["--run", "/nowhere/x.npz", "--wrap", "gated"], "No such file"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, message, monkeypatch, capsys):
    code, text = run(monkeypatch, capsys, *arguments)
    assert code == 1
    assert message in text
    assert "Traceback" not in text
