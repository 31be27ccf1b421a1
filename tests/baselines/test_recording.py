"""Recorded episodes: the same as played one by one, with masks and infos, whatever resets."""

import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

torch = pytest.importorskip("torch")

from offline_envs import Turns, random_policy  # noqa: E402

from telos.baselines import ppo  # noqa: E402
from telos.baselines.evaluation import evaluate, evaluate_in  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.record_command import RecordArgs, record  # noqa: E402
from telos.baselines.recording import MASK_BEFORE, EpisodeRecorder, record_episodes  # noqa: E402
from telos.baselines.training_envs import EVALUATION_SEED, training_seed  # noqa: E402
from telos.wrappers import load_episodes, save_episodes  # noqa: E402


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(equal(*pair) for pair in zip(one, other, strict=True))
    return np.array_equal(one, other)


def step_of(batch, t):
    if isinstance(batch, dict):
        return {key: step_of(part, t) for key, part in batch.items()}
    return tuple(step_of(part, t) for part in batch) if isinstance(batch, tuple) else batch[t]


def replayed(env, seed, episode):
    """Whether a single environment shows the same when the same is done."""
    observation, _ = env.reset(seed=seed)
    for t in range(len(episode)):
        assert equal(step_of(episode.obs, t), observation)
        observation, reward, terminated, truncated, info = env.step(step_of(episode.actions, t))
        assert reward == pytest.approx(episode.reward[t])
        for name, value in info.get("reward_terms", {"reward": reward}).items():
            assert episode.terms[name][t] == pytest.approx(value)
        last = t == len(episode) - 1
        assert (terminated, truncated) == ((episode.terminated, episode.truncated) if last else (False, False))
    assert equal(step_of(episode.obs, len(episode)), observation)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("LoiterChain-v0", {}),
        ("Acrobot-v1", {"max_episode_steps": 15}),
        ("Pendulum-v1", {"max_episode_steps": 9}),
        ("CoRMABCapacity-v0", {"invalid": "project"}),
        ("TestTurns-v0", {}),
        ("TestTurns-v0", {"observed": True}),
    ],
)
def test_recorded_episodes_are_those_of_single_environments(name, kwargs, tmp_path):
    played, worth = record_episodes(random_policy(name, kwargs, 2), name, kwargs, episodes=8, num_envs=3, seed=5)
    assert [len(episode) for episode in played] == worth.lengths.tolist()
    assert [episode.reward.sum() for episode in played] == pytest.approx(worth.returns)
    save_episodes(tmp_path / "file", played, ("trainable", MASK_BEFORE))
    loaded = load_episodes(tmp_path / "file")
    # Environments play 3, 3 and 2 episodes; the first of each has the environment's seed.
    for env, first in ((0, 0), (1, 3), (2, 6)):
        for episode in (played[first], loaded[first]):
            replayed(gym.make(name, **kwargs), training_seed(5, 3) + env, episode)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_all_episodes_are_whole_however_environments_reset(mode):
    envs = gym.make_vec("TestTurns-v0", 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    recorder = EpisodeRecorder(envs, np.array([4, 3, 3]), infos=("note",))
    worth = evaluate_in(recorder, random_policy("TestTurns-v0"), 10, seed=0)
    assert [len(episode) for episode in recorder.episodes] == worth.lengths.tolist()
    assert set(worth.lengths.tolist()) == {2, 3, 4}
    for episode in recorder.episodes:
        n = len(episode)
        assert episode.obs["count"].tolist() == list(range(n + 1))
        assert episode.obs["pair"][0][:, 0].tolist() == list(range(n, -1, -1))
        assert episode.terms["count"].tolist() == list(range(1, n + 1))
        assert episode.terms["half"].tolist() == [-0.5] * n
        assert (episode.terminated, episode.truncated) == (True, False)
        for t in range(n):
            # What the reset said of the first action, too.
            assert episode.info(MASK_BEFORE, t, None).tolist() == [int(k != t % 3) for k in range(3)]
            assert episode.info("note", t, None) == (7.5 if t == 1 else None)
            assert bool(episode.info("trainable", t, True)) == (t != 2)


def test_masks_that_are_observed_are_kept_once():
    (episode,), _ = record_episodes(
        random_policy("TestTurns-v0", {"observed": True}), "TestTurns-v0", {"observed": True}, episodes=1
    )
    assert not episode.has_info(MASK_BEFORE)
    assert episode.obs["action_mask"][:2].tolist() == [[0, 1, 1], [1, 0, 1]]


def test_seeds_reproduce_and_are_never_those_of_evaluations():
    def play(seed):
        played, _ = record_episodes(random_policy("TestTurns-v0", seed=seed), "TestTurns-v0", episodes=6, seed=seed)
        return [episode.actions.tolist() for episode in played]

    assert play(1) == play(1)
    assert play(1) != play(2)
    assert training_seed(1, 32) + 32 <= EVALUATION_SEED
    with pytest.raises(ValueError, match="at least 1"):
        record_episodes(random_policy("TestTurns-v0"), "TestTurns-v0", episodes=0)


def test_texts_cannot_be_recorded():
    class Talks(Turns):
        def step(self, action):
            *step, info = super().step(action)
            return *step, info | {"said": "a"}

    envs = gym.vector.SyncVectorEnv([Talks], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="'said' cannot be recorded"):
        evaluate_in(EpisodeRecorder(envs, np.array([1]), ("said",)), random_policy("TestTurns-v0"), 1, 0)


def test_the_policy_of_a_run_is_recorded(tmp_path, capsys):
    run = ppo.train(ppo.Args(env="LoiterChain-v0", smoke=True, out=tmp_path, device="cpu", tensorboard=False))
    out = tmp_path / "new" / "demos.npz"
    worth = record(RecordArgs(str(run.folder), out, episodes=6, seed=4))
    assert out.name in capsys.readouterr().out
    assert sorted(path.name for path in out.parent.iterdir()) == ["demos.npz"]
    loaded = load_episodes(out)
    assert [episode.reward.sum() for episode in loaded] == pytest.approx(worth.returns)
    greedy = evaluate(ppo.load_policy(run.folder), "LoiterChain-v0", episodes=6, seed=training_seed(4, 6))
    assert greedy.returns.tolist() == worth.returns.tolist()
    drawn = record(RecordArgs(str(run.folder), out, ("deterministic=false",), episodes=20))
    assert len(set(drawn.returns.tolist())) > 1
    short = record(RecordArgs(str(run.folder), out, env_arg=("horizon=20", "loiter_score=0.1"), episodes=2))
    assert short.returns.max() < 4.5


def test_named_policies_are_recorded_without_a_run(tmp_path):
    out = tmp_path / "random.npz"
    record(RecordArgs("random", out, env="TestTurns-v0", env_arg=("observed=true",), episodes=3, info=("note",)))
    assert [episode.info("note", 1, None) for episode in load_episodes(out)] == [7.5] * 3
    best = record(RecordArgs("optimal", out, env="LoiterChain-v0", episodes=2))
    assert best.returns == pytest.approx([11.5, 11.5])


def test_what_is_of_no_use_is_said(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "args.json").write_text(json.dumps({"algorithm": "x", "env": "CartPole-v1", "label": "x", "seed": 1}))
    out = tmp_path / "x.npz"
    cases = [
        ({"policy": "random"}, "--env ID"),
        ({"policy": "randm", "env": "CartPole-v1"}, "random"),
        ({"policy": str(tmp_path)}, "is no run"),
        ({"policy": str(other)}, "policies of x cannot be loaded"),
        ({"policy": "random", "env": "CartPole-v9"}, "CartPole"),
        ({"policy": "random", "env": "CartPole-v1", "episodes": 0}, "--episodes"),
        ({"policy": "random", "env": "CartPole-v1", "policy_arg": ("best=true",)}, "no argument 'best'"),
    ]
    for given, match in cases:
        with pytest.raises(InputError, match=match):
            record(RecordArgs(**{"out": out, **given}))
    # What cannot be written leaves nothing behind.
    out.mkdir()
    with pytest.raises(InputError, match=r"x\.npz"):
        record(RecordArgs("random", out, env="TestTurns-v0", env_arg=("observed=true",), episodes=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "x.npz"]
