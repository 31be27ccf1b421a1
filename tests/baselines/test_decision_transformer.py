"""The Decision Transformer: causality, what it is asked for, its window, wrappers, resuming."""

import json

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gymnasium import spaces  # noqa: E402
from gymnasium.vector import AutoresetMode  # noqa: E402
from offline_envs import log_of, random_policy, same, weights_of  # noqa: E402

from telos.baselines.causal_transformer import DecisionTransformer, ReturnConditionedPolicy  # noqa: E402
from telos.baselines.decision_transformer import Args, load_policy, train  # noqa: E402
from telos.baselines.evaluation import evaluate, evaluate_in  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.networks import ObservationEncoder  # noqa: E402
from telos.baselines.record_command import RecordArgs, record  # noqa: E402
from telos.baselines.recording import MASK_BEFORE, EpisodeRecorder, record_episodes  # noqa: E402
from telos.wrappers import relabel, save_episodes  # noqa: E402

CPU = torch.device("cpu")
LEARNS = {"total_steps": 150, "eval_every": 150, "learning_rate": 1e-2, "layers": 1, "log_every": 150}


def arguments(folder, env, episodes=None, **given):
    path = folder / "episodes.npz"
    if episodes is not None:
        save_episodes(path, episodes, ("trainable", MASK_BEFORE))
    small = {"hidden": 16, "layers": 2, "heads": 2, "context": 4, "warmup_steps": 10, "learning_rate": 3e-3}
    quick = {"log_every": 20, "batch_size": 16, "seed": 3, "validation": 0.2, "tensorboard": False}
    often = {"total_steps": 40, "eval_every": 20, "checkpoint_every": 20, "eval_episodes": 4}
    files = {"out": folder / "runs", "device": "cpu", "episodes": (path,)}
    return Args(**{"env": env, **files, **small, **quick, **often, **given})


def random_episodes(env, count=20, **kwargs):
    return record_episodes(random_policy(env, kwargs), env, kwargs, episodes=count)[0]


def network(observations, actions, seed=0):
    encode = ObservationEncoder(observations, CPU)
    sizes = {"width": 16, "layers": 3, "heads": 2, "dropout": 0.1, "timesteps": 50}
    return DecisionTransformer(encode, actions, **sizes, seed=seed).eval(), encode


KINDS = {
    "one of some": (spaces.Discrete(3, start=2), lambda g: torch.randint(2, (2, 6), generator=g)),
    "several": (spaces.MultiDiscrete([2, 3]), lambda g: torch.randint(2, (2, 6, 2), generator=g)),
    "bits": (spaces.MultiBinary(4), lambda g: torch.randint(2, (2, 6, 4), generator=g).to(torch.int8)),
    "numbers": (spaces.Box(-1, 1, (2,)), lambda g: torch.rand((2, 6, 2), generator=g)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_changes_nothing_and_what_came_before_does(kind):
    actions_space, draw = KINDS[kind]
    net, _ = network(spaces.Box(-1, 1, (3,)), actions_space)
    g = torch.Generator().manual_seed(0)
    returns, observations, actions = torch.rand(2, 6, generator=g), torch.rand(2, 6, 3, generator=g), draw(g)
    timesteps = torch.arange(6).expand(2, 6)
    before = net(returns, observations, actions, timesteps)
    t = 3
    other = actions.clone()
    other[:, t] = 1 - other[:, t]
    changed = {
        # The return and the observation of a step are seen when its action is chosen; the action itself is not.
        "return": (net(returns + (torch.arange(6) == t), observations, actions, timesteps), t),
        "observation": (net(returns, observations + (torch.arange(6) == t)[:, None], actions, timesteps), t),
        "action": (net(returns, observations, other, timesteps), t + 1),
        "timestep": (net(returns, observations, actions, timesteps + (torch.arange(6) == t)), t),
    }
    for after, first in changed.values():
        assert torch.equal(after[:, :first], before[:, :first])
        assert ((after[:, first:] - before[:, first:]).abs().amax(dim=2) > 1e-6).all()
    assert torch.allclose(net(returns[:, :t], observations[:, :t], actions[:, :t], timesteps[:, :t]), before[:, :t])


@torch.no_grad()
@pytest.mark.parametrize("context", [1, 3, 20])
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("Pendulum-v1", AutoresetMode.SAME_STEP),
        ("Pendulum-v1", AutoresetMode.NEXT_STEP),
        ("TestTurns-v0", AutoresetMode.SAME_STEP),
        ("TestTurns-v0", AutoresetMode.NEXT_STEP),
    ],
)
def test_acting_by_the_window_is_a_full_forward_pass_over_it(name, mode, context):
    kwargs = {"max_episode_steps": 9} if name == "Pendulum-v1" else {}
    envs = gym.make_vec(name, 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **kwargs)
    net, encode = network(envs.single_observation_space, envs.single_action_space, seed=1)
    # Larger weights, so that the choices depend on everything.
    net.load_state_dict({k: v if k == "target" else v * 2 for k, v in net.state_dict().items()})
    recorder = EpisodeRecorder(envs, np.full(3, 3))
    evaluate_in(recorder, ReturnConditionedPolicy(net, encode, context, target=5.0), 9, seed=0)
    shift = net.head.to_env(torch.zeros(net.head.shape, dtype=net.head.dtype))
    for episode in recorder.episodes:
        n = len(episode)
        rows = encode(episode.obs)[None, :n]
        done = torch.as_tensor(episode.actions)
        actions = (done if net.head.dtype.is_floating_point else done - shift)[None]
        earned = np.concatenate([[0.0], np.cumsum(episode.reward)[:-1]])
        returns = torch.as_tensor(5.0 - earned, dtype=torch.float32)[None]
        for t in range(n):
            window = slice(max(0, t + 1 - context), t + 1)
            outputs = net(*(part[:, window] for part in (returns, rows, actions, torch.arange(n)[None])))
            mask = episode.info(MASK_BEFORE, t, None)
            mask = None if mask is None else torch.as_tensor(mask)[None] != 0
            expected = net.head.to_env(net.head.mode(outputs[:, -1], mask))[0]
            assert np.allclose(expected, episode.actions[t], atol=1e-5)
    envs.close()


def test_it_gets_what_it_is_asked_for(tmp_path):
    episodes = random_episodes("TestPays-v0", 200)
    run = train(arguments(tmp_path, "TestPays-v0", episodes, **LEARNS))
    for asked in range(5):
        found = evaluate(load_policy(run.folder, target_return=asked), "TestPays-v0", episodes=3, num_envs=2)
        assert found.returns.tolist() == [asked] * 3
    # By default the best return in the data, in evaluations and afterwards.
    assert log_of(run)[0]["data/target_return"] == 4.0
    assert log_of(run)[-1]["eval/return"] == 4.0
    assert load_policy(run.folder).target == 4.0
    little = train(arguments(tmp_path, "TestPays-v0", total_steps=1, target_return=1.5, label="little"))
    assert log_of(little)[0]["data/target_return"] == load_policy(little.folder).target == 1.5


def test_shaped_returns_are_asked_for_and_unshaped_ones_are_evaluated(tmp_path):
    # The wrapper pays 10 for each step that pays 1.
    given = {"wrap": ("accumulated:weights.paid=10",), **LEARNS}
    run = train(arguments(tmp_path, "TestPays-v0", random_episodes("TestPays-v0", 200), **given))
    assert log_of(run)[0]["data/target_return"] == log_of(run)[0]["data/return_best"] == 40.0
    assert log_of(run)[-1]["eval/return"] == log_of(run)[-1]["eval/paid"] == 4.0
    for asked in (0, 10, 20, 30):
        policy = load_policy(run.folder, target_return=asked)
        assert policy.reward_wrappers == given["wrap"]
        assert evaluate(policy, "TestPays-v0", episodes=2).returns.tolist() == [asked / 10] * 2


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_a_policy_is_told_what_wrappers_would_pay_and_measured_by_what_is_paid(mode):
    class Listens:
        reward_wrappers = ("clip_delta:term=count,threshold=1", "accumulated:weights.half=3")

        def __init__(self):
            self.told, self.play = [], random_policy("TestTurns-v0")

        def __call__(self, observations, infos, begins):
            return self.play(observations, infos, begins)

        def receive(self, rewards):
            self.told.append(rewards.copy())

    envs = gym.make_vec("TestTurns-v0", 1, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    policy, recorder = Listens(), EpisodeRecorder(envs, np.array([3]))
    found = evaluate_in(recorder, policy, 3, seed=0)
    assert [episode.reward.sum() for episode in recorder.episodes] == pytest.approx(found.returns)
    expected = [paid.reward for paid in relabel(recorder.episodes, list(Listens.reward_wrappers))]
    if mode is AutoresetMode.NEXT_STEP:  # A step that only resets pays nothing.
        expected = [part for reward in expected for part in (reward, [0.0])][:-1]
    told = np.concatenate(policy.told)
    assert told == pytest.approx(np.concatenate(expected))
    assert told.sum() != pytest.approx(found.returns.sum())


def test_the_policy_of_a_run_is_recorded_for_a_return(tmp_path):
    run = train(arguments(tmp_path, "LoiterChain-v0", random_episodes("LoiterChain-v0")))
    found = record(RecordArgs(str(run.folder), tmp_path / "out.npz", ("target_return=7",), episodes=3))
    expected = evaluate(load_policy(run.folder, target_return=7.0), "LoiterChain-v0", episodes=3)
    assert found.returns.tolist() == expected.returns.tolist()


@pytest.mark.parametrize("observed", [True, False])
def test_only_allowed_actions_are_taken(tmp_path, observed):
    episodes = random_episodes("TestTurns-v0", observed=observed)
    run = train(arguments(tmp_path, "TestTurns-v0", episodes, env_arg=(f"observed={str(observed).lower()}",)))
    assert log_of(run)[-1]["eval/return"] > 0
    lines = [line for line in log_of(run) if "validation/loss" in line]
    assert lines[-1]["losses/policy_loss"] == pytest.approx(np.log(2), abs=0.1)


@pytest.mark.parametrize("env", ["Pendulum-v1", "CoRMABCapacity-v0", "TestImages-v0"])
def test_other_spaces(tmp_path, env):
    class Images(gym.Env):
        observation_space = spaces.Box(0, 255, (36, 36, 1), np.uint8)
        action_space = spaces.MultiDiscrete([2, 3])

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.observation_space.sample(), {}

        def step(self, action):
            return self.observation_space.sample(), 1.0, bool(self.np_random.random() < 0.5), False, {}

    if env not in gym.registry:
        gym.register(env, entry_point=Images)
    kwargs = {"CoRMABCapacity-v0": {"invalid": "project"}, "Pendulum-v1": {"max_episode_steps": 5}}.get(env, {})
    env_arg = tuple(f"{name}={value}" for name, value in kwargs.items())
    run = train(
        arguments(tmp_path, env, random_episodes(env, 8, **kwargs), env_arg=env_arg, total_steps=4, log_every=2)
    )
    assert np.isfinite(log_of(run)[-1]["eval/return"])
    again = evaluate(load_policy(run.folder), env, kwargs, episodes=4)
    assert again.returns.mean() == pytest.approx(log_of(run)[-1]["eval/return"])


def test_episodes_may_be_longer_than_any_in_the_data(tmp_path):
    short = random_episodes("Pendulum-v1", 4, max_episode_steps=3)
    run = train(arguments(tmp_path, "Pendulum-v1", short, env_arg=("max_episode_steps=12",), total_steps=2))
    assert log_of(run)[-1]["eval/length"] == 12
    assert len(weights_of(run)["of_timestep.weight"]) == 3


def test_resuming_is_the_same_as_going_on(tmp_path):
    # Dropout draws from the global generator.
    given = {"dropout": 0.3, "warmup_steps": 30}
    whole = train(arguments(tmp_path, "LoiterChain-v0", random_episodes("LoiterChain-v0"), **given))
    parts = {**given, "out": tmp_path / "parts"}
    first = train(arguments(tmp_path, "LoiterChain-v0", **parts, total_steps=20))
    second = train(arguments(tmp_path, "LoiterChain-v0", **parts, resume="auto"))
    assert first.folder == second.folder
    assert same(weights_of(whole), weights_of(second))
    assert log_of(whole) == log_of(second)
    assert [line["step"] for line in log_of(whole) if "eval/return" in line] == [20, 40]
    rates = [line["charts/learning_rate"] for line in log_of(whole) if "charts/learning_rate" in line]
    assert rates == pytest.approx([3e-3 * 20 / 30, 3e-3])


def test_seeds_reproduce_and_matter(tmp_path):
    episodes = random_episodes("LoiterChain-v0")
    runs = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        torch.manual_seed(len(runs))  # Whatever was drawn before.
        runs.append(train(arguments(tmp_path, "LoiterChain-v0", episodes, seed=seed, out=tmp_path / name)))
    assert log_of(runs[0]) == log_of(runs[1])
    assert same(*(weights_of(run) for run in runs[:2]))
    assert not same(weights_of(runs[0]), weights_of(runs[2]))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"heads": 3}, "--heads must divide"),
        ({"context": 0}, "--context"),
        ({"dropout": 1.0}, "--dropout"),
        ({"env": "CartPole-v1"}, "was not recorded in this environment"),
    ],
)
def test_wrong_input_is_refused_before_there_is_a_run(tmp_path, wrong, match):
    given = arguments(tmp_path, "TestPays-v0", random_episodes("TestPays-v0", 3))
    with pytest.raises(InputError, match=match):
        train(Args(**{**vars(given), **wrong}))
    assert not list(tmp_path.rglob("args.json"))


def test_smoke_needs_no_file(tmp_path):
    run = train(Args(env="LoiterChain-v0", smoke=True, out=tmp_path, device="cpu"))
    assert json.loads((run.folder / "done.json").read_text())["status"] == "finished"
    assert log_of(run)[-1]["step"] == 40
