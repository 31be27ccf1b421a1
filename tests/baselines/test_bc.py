"""Behaviour cloning: exact experts, known chances, memory, masks, resuming."""

import json
import signal

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from offline_envs import Pays, log_of, random_policy, same, weights_of  # noqa: E402

from telos.baselines.bc import Args, load_policy, train  # noqa: E402
from telos.baselines.evaluation import evaluate  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.recording import MASK_BEFORE, record_episodes  # noqa: E402
from telos.envs.tabular.optimum import policy_iteration  # noqa: E402
from telos.wrappers import Episode, save_episodes  # noqa: E402


def arguments(folder, env, episodes=None, **given):
    path = folder / "episodes.npz"
    if episodes is not None:
        save_episodes(path, episodes, ("trainable", MASK_BEFORE))
    quick = {"hidden": 32, "log_every": 20, "batch_size": 32, "seed": 3, "validation": 0.2}
    often = {"total_steps": 80, "eval_every": 40, "checkpoint_every": 40, "eval_episodes": 5, "tensorboard": False}
    files = {"out": folder / "runs", "device": "cpu", "episodes": (path,)}
    return Args(**{"env": env, **files, **quick, **often, **given})


def random_episodes(env, count=20, **kwargs):
    return record_episodes(random_policy(env, kwargs), env, kwargs, episodes=count)[0]


class TablePolicy:
    """Acts as a table says."""

    def __init__(self, actions):
        self.actions = actions

    def __call__(self, observations, infos, begins):
        return self.actions[observations]


def test_recovers_an_optimal_expert_exactly(tmp_path):
    kwargs = {"slip": 0.0}
    mdp = gym.make("FourRooms-v0", **kwargs).unwrapped.to_tabular()
    expert = policy_iteration(mdp, 0.9).policy
    episodes, _ = record_episodes(TablePolicy(expert), "FourRooms-v0", kwargs, episodes=600)
    args = arguments(
        tmp_path, "FourRooms-v0", episodes, env_arg=("slip=0",), total_steps=800, learning_rate=5e-3, eval_every=800
    )
    run = train(args)
    free = np.flatnonzero(~mdp.terminal)
    assert set(np.concatenate([episode.obs[:-1] for episode in episodes])) == set(free)
    chosen = load_policy(run.folder)(np.arange(mdp.num_states), {}, np.ones(mdp.num_states, bool))
    assert np.array_equal(chosen[free], expert[free])
    found, wanted = (evaluate(p, "FourRooms-v0", kwargs) for p in (load_policy(run.folder), TablePolicy(expert)))
    assert found.lengths.tolist() == wanted.lengths.tolist()
    last = [line for line in log_of(run) if "validation/loss" in line][-1]
    assert last["validation/accuracy"] == 1.0
    assert last["losses/policy_loss"] < 0.05


def test_recovers_the_chances_of_a_stochastic_policy(tmp_path):
    # One episode a draw: in context c the recorded policy takes action k with probability chances[c, k].
    rng, chances = np.random.default_rng(0), np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]])
    contexts = np.arange(4_000) % 2
    actions = np.array([rng.choice(3, p=chances[c]) for c in contexts])
    episodes = [
        Episode(np.array([c, 0]), np.array([a]), {"r": np.ones(1)}) for c, a in zip(contexts, actions, strict=True)
    ]
    kwargs = ("num_states=2", "num_actions=3", "horizon=1")
    args = arguments(
        tmp_path, "RandomMDP-v0", episodes, env_arg=kwargs, total_steps=600, batch_size=512, validation=0.1
    )
    args = Args(**{**vars(args), "env_arg": (*kwargs, "branching=1"), "learning_rate": 3e-3})
    run = train(args)
    policy, n = load_policy(run.folder, deterministic=False, seed=1), 20_000
    drawn = policy(np.arange(n) % 2, {}, np.ones(n, bool))
    found = np.array([np.bincount(drawn[c::2], minlength=3) / (n / 2) for c in range(2)])
    # 2,000 records a context: their frequencies are within 0.033 in 3 standard deviations, the draws' within 0.015.
    assert np.abs(found - chances).max() < 0.06
    last = [line for line in log_of(run) if "validation/loss" in line][-1]
    entropy = -np.mean([p * np.log(p) for row in chances for p in row if p]) * 5 / 2
    assert last["validation/loss"] == pytest.approx(entropy, abs=0.12)


def test_recovers_the_mean_and_the_deviation_of_numbers(tmp_path):
    rng = np.random.default_rng(0)
    shown = rng.uniform(-1, 1, (2_000, 1)).astype(np.float32)
    done = (2 * shown + 0.1 * rng.normal(size=shown.shape)).astype(np.float32)
    episodes = [Episode(np.stack([s, s]), a[None], {"r": np.ones(1)}) for s, a in zip(shown, done, strict=True)]
    run = train(arguments(tmp_path, "TestNumbers-v0", episodes, total_steps=1_500, learning_rate=5e-3, batch_size=64))
    assert weights_of(run)["head.log_std"].exp().item() == pytest.approx(0.1, rel=0.25)
    assert log_of(run)[-1]["eval/return"] > -0.1
    last = [line for line in log_of(run) if "validation/loss" in line][-1]
    assert last["validation/absolute_error"] == pytest.approx(0.1 * np.sqrt(2 / np.pi), abs=0.03)
    assert "validation/accuracy" not in last


@pytest.mark.parametrize("recurrent", [True, False])
def test_memory_is_learned_from_whole_episodes(tmp_path, recurrent):
    cues = np.arange(200) % 2
    # Shorter episodes beside them are padded, and what pads them is not imitated.
    episodes = [Episode(np.array([c, 2, 2, 2]), np.array([0, 0, c]), {"r": np.zeros(3)}) for c in cues]
    episodes += [Episode(np.array([c, 2]), np.array([0]), {"r": np.zeros(1)}) for c in cues]
    args = arguments(tmp_path, "TestCue-v0", episodes, recurrent=recurrent, total_steps=200, learning_rate=1e-2)
    run = train(args)
    accuracy = [line for line in log_of(run) if "validation/loss" in line][-1]["validation/accuracy"]
    if recurrent:
        assert (accuracy, log_of(run)[-1]["eval/return"]) == (1.0, 1.0)
    else:  # The last action of three is guessed, of the 160 or so steps that are held out.
        assert accuracy < 0.95


@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("recurrent", [True, False])
def test_only_allowed_actions_are_taken(tmp_path, observed, recurrent):
    episodes = random_episodes("TestTurns-v0", observed=observed)
    args = arguments(
        tmp_path, "TestTurns-v0", episodes, env_arg=(f"observed={str(observed).lower()}",), recurrent=recurrent
    )
    run = train(args)
    assert log_of(run)[-1]["eval/return"] > 0
    # Two actions are allowed, and chosen evenly: without masks the loss would begin above the logarithm of 3.
    lines = [line for line in log_of(run) if "validation/loss" in line]
    assert lines[0]["losses/policy_loss"] == pytest.approx(np.log(2), abs=0.05)


def test_steps_that_must_not_be_learned_from_are_not(tmp_path):
    def told(k):
        infos = [{"trainable": True}, {"trainable": False}]
        obs = np.array([[0, 0], [1, 0], [2, 0]], np.float32)
        return Episode(obs, np.array([3, 4 if k % 2 else 3]), {"r": np.zeros(2)}, infos=infos)

    run = train(arguments(tmp_path, "TestPays-v0", [told(k) for k in range(20)], learning_rate=1e-2, total_steps=200))
    last = [line for line in log_of(run) if "validation/loss" in line][-1]
    assert last["validation/accuracy"] == 1.0
    assert last["losses/policy_loss"] < 0.01


def test_the_best_episodes_are_imitated(tmp_path):
    def paid(k):
        obs = np.array([[t, 0] for t in range(5)], np.float32)
        # Each pays what it did, but a wrapper that pays the bonus alone ranks them the other way round.
        action = 4 if k % 5 == 0 else 3
        terms = {"paid": np.full(4, action - 3.0), "bonus": np.full(4, (3.0 - action) / 2)}
        return Episode(obs, np.full(4, action), terms)

    episodes = [paid(k) for k in range(40)]
    given = {"total_steps": 150, "learning_rate": 1e-2, "best": 0.2}
    everything = train(arguments(tmp_path, "TestPays-v0", episodes, **(given | {"best": 1.0}), label="all"))
    best = train(arguments(tmp_path, "TestPays-v0", **given, label="best"))
    wrapped = ("accumulated:weights.paid=0,weights.bonus=1",)
    other = train(arguments(tmp_path, "TestPays-v0", **given, wrap=wrapped, label="bonus"))
    assert [log_of(run)[-1]["eval/return"] for run in (everything, best, other)] == [0.0, 4.0, 0.0]
    assert [log_of(run)[0]["data/return_learned"] for run in (best, other)] == [2.0, 0.0]
    assert [log_of(run)[0]["data/episodes_learned"] for run in (everything, best)] == [32, 6]


def test_images_go_through_convolutions(tmp_path):
    class Bright(gym.Env):
        observation_space = gym.spaces.Box(0, 255, (36, 36, 1), np.uint8)
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.right = int(self.np_random.integers(2))
            image = np.zeros((36, 36, 1), np.uint8)
            image[:, 18 * self.right : 18 * self.right + 18] = 255
            return image, {}

        def step(self, action):
            reward = float(action == self.right)
            return self.reset()[0], reward, True, False, {}

    gym.register("TestBright-v0", entry_point=Bright)
    # The best half by return: the random actions that were right.
    episodes = random_episodes("TestBright-v0", 60)
    run = train(arguments(tmp_path, "TestBright-v0", episodes, best=0.3, total_steps=20, eval_episodes=20))
    assert log_of(run)[-1]["eval/return"] == 1.0


@pytest.mark.parametrize("recurrent", [False, True])
def test_resuming_is_the_same_as_going_on(tmp_path, recurrent):
    episodes, parts = random_episodes("LoiterChain-v0"), {"out": tmp_path / "parts", "recurrent": recurrent}
    whole = train(arguments(tmp_path, "LoiterChain-v0", episodes, recurrent=recurrent))
    first = train(arguments(tmp_path, "LoiterChain-v0", **parts, total_steps=40))
    second = train(arguments(tmp_path, "LoiterChain-v0", **parts, resume="auto"))
    assert first.folder == second.folder
    assert same(weights_of(whole), weights_of(second))
    assert log_of(whole) == log_of(second)
    assert [line["step"] for line in log_of(whole) if "eval/return" in line] == [40, 80]


def test_a_signal_saves_and_the_rest_is_as_if_there_had_been_none(tmp_path, monkeypatch):
    given = {"eval_every": 10_000, "checkpoint_every": 10_000}
    whole = train(
        arguments(tmp_path, "LoiterChain-v0", random_episodes("LoiterChain-v0"), **given, out=tmp_path / "whole")
    )
    from telos.baselines.bc import BC

    learn, count = BC.learn, 0

    def interrupted(self, rate):
        nonlocal count
        count += 1
        if count == 33:
            signal.raise_signal(signal.SIGINT)
        learn(self, rate)

    monkeypatch.setattr(BC, "learn", interrupted)
    parts = arguments(tmp_path, "LoiterChain-v0", **given, out=tmp_path / "parts")
    stopped = train(parts)
    assert (stopped.exit_status, stopped.step) == (130, 20)
    assert json.loads((stopped.folder / "done.json").read_text())["step"] == 33
    resumed = train(arguments(tmp_path, "LoiterChain-v0", **given, out=tmp_path / "parts", resume="auto"))
    assert same(weights_of(whole), weights_of(resumed))
    assert log_of(whole) == log_of(resumed)


def test_changed_files_are_not_gone_on_with(tmp_path):
    train(arguments(tmp_path, "LoiterChain-v0", random_episodes("LoiterChain-v0"), total_steps=40))
    again = arguments(tmp_path, "LoiterChain-v0", random_episodes("LoiterChain-v0", 21), resume="auto")
    with pytest.raises(InputError, match="have changed"):
        train(again)


def test_seeds_reproduce_and_matter(tmp_path):
    episodes = random_episodes("LoiterChain-v0")
    runs = [
        train(arguments(tmp_path, "LoiterChain-v0", episodes, seed=seed, out=tmp_path / name))
        for seed, name in ((1, "a"), (1, "b"), (2, "c"))
    ]
    assert log_of(runs[0]) == log_of(runs[1])
    assert same(*(weights_of(run) for run in runs[:2]))
    assert not same(weights_of(runs[0]), weights_of(runs[2]))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"episodes": ()}, "--episodes FILE"),
        ({"episodes": ("nowhere.npz",)}, "nowhere.npz"),
        ({"env": "CartPole-v1"}, r"episodes.npz was not recorded in this environment: its observations have the shape"),
        ({"validation": 1.0}, "--validation"),
        ({"best": 0.0}, "--best"),
        ({"best": 0.001}, "--validation 0"),
        ({"log_every": 0}, "--log-every"),
        ({"wrap": ("gatd",)}, "gated"),
        ({"wrap": ("gated:outcome=nothing",)}, "nothing"),
    ],
)
def test_wrong_input_is_refused_before_there_is_a_run(tmp_path, wrong, match):
    episodes = [Episode(np.zeros((2, 2), np.float32), np.array([4]), {"paid": np.ones(1)}) for _ in range(3)]
    assert Pays.action_space.contains(4)
    given = arguments(tmp_path, "TestPays-v0", episodes)
    with pytest.raises(InputError, match=match):
        train(Args(**{**vars(given), **wrong}))
    assert not list(tmp_path.rglob("args.json"))


def test_smoke_needs_no_file(tmp_path):
    run = train(Args(env="StepChain-v0", smoke=True, out=tmp_path, device="cpu"))
    assert json.loads((run.folder / "done.json").read_text())["status"] == "finished"
    assert log_of(run)[-1]["step"] == 40
    assert log_of(run)[0]["data/episodes"] == 20
