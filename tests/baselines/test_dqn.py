"""Double deep Q-learning: targets by hand, transitions, an exact optimum, resuming."""

import json
import signal

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

from telos.baselines.dqn import Args, double_q_targets, load_policy, train  # noqa: E402
from telos.baselines.evaluation import evaluate  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.networks import ObservationEncoder  # noqa: E402
from telos.baselines.replay import Batch, Player, Replay, Step, Window  # noqa: E402
from telos.envs.tabular.optimum import policy_iteration  # noqa: E402

CPU = torch.device("cpu")


class Counter(gym.Env):
    """Counts its steps, pays the count, and ends at 3; every other episode by truncation."""

    observation_space = gym.spaces.Box(0, 100, (1,), np.float32)
    action_space = gym.spaces.Discrete(2, start=5)

    def __init__(self):
        self.episodes = -1

    def _observation(self):
        return np.array([10 * self.episodes + self.count], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episodes, self.count = self.episodes + 1, 0
        return self._observation(), {}

    def step(self, action):
        assert action in (5, 6)
        self.count += 1
        ends, truncates = self.count == 3, self.episodes % 2 == 1
        return self._observation(), float(self.count), ends and not truncates, ends and truncates, {}


class Masked(gym.Env):
    """Each step allows one action, which the info names; any other is an error."""

    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(3)

    def _info(self):
        return {"action_mask": np.arange(3) == self.allowed}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.allowed = 0, int(self.np_random.integers(3))
        return self.allowed, self._info()

    def step(self, action):
        assert action == self.allowed, "forbidden"
        self.count, self.allowed = self.count + 1, int(self.np_random.integers(3))
        return self.allowed, 1.0, False, self.count == 5, self._info()


class Image(gym.Env):
    """The right action is where the image is bright."""

    observation_space = gym.spaces.Box(0, 255, (36, 36, 1), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def _observation(self):
        self.right = int(self.np_random.integers(2))
        image = np.zeros((36, 36, 1), np.uint8)
        image[:, 18 * self.right : 18 * self.right + 18] = 255
        return image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observation(), {}

    def step(self, action):
        reward = float(action == self.right)
        return self._observation(), reward, True, False, {}


class Interrupted(gym.Wrapper):
    """Sends a signal to this process at a step, if ``at`` is not None."""

    at = None

    def step(self, action):
        if Interrupted.at is not None:
            Interrupted.at -= 1
            if Interrupted.at == 0:
                signal.raise_signal(signal.SIGTERM)
        return super().step(action)


gym.register("TestCounter-v0", entry_point=Counter)
gym.register("TestMasked-v0", entry_point=Masked)
gym.register("TestImage-v0", entry_point=Image)
gym.register("TestInterrupted-v0", entry_point=lambda: Interrupted(gym.make("Acrobot-v1", max_episode_steps=30)))


def table(values):
    """A network that looks up the values of one-hot observations."""
    layer = nn.Linear(len(values), len(values[0]), bias=False)
    layer.weight.data = torch.tensor(values, dtype=torch.float32).T
    return layer


def batch(n, **parts):
    observations = torch.eye(2)[torch.arange(n) % 2]
    named = {"actions": torch.zeros(n, dtype=torch.int64), "returns": torch.ones(n), "discounts": torch.ones(n)}
    return Batch(**{"observations": observations, "following": observations, "masks": None, **named, **parts})


def test_targets_by_hand():
    # The network prefers action 1 in state 0 and action 0 in state 1; the target network says what these are worth.
    net, target = table([[1, 3], [2, 0]]), table([[10, 20], [30, 40]])
    returns, discounts = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.1, 0.0])
    assert double_q_targets(batch(3, returns=returns, discounts=discounts), net, target).tolist() == [11.0, 5.0, 3.0]
    masks = torch.tensor([[True, False], [False, True]])
    # Only the other actions are allowed: 1 + 10 and 1 + 40.
    assert double_q_targets(batch(2, masks=masks), net, target).tolist() == [11.0, 41.0]


def step(rewards, terminated, truncated, following, learnable=(True, True)):
    rewards, following = (torch.tensor(x, dtype=torch.float32) for x in (rewards, following))
    ends = (torch.tensor(x, dtype=torch.bool) for x in (terminated, truncated, learnable))
    return Step(rewards, *ends, following[:, None], None)


def rows(completed):
    columns = (completed.observations[:, 0], completed.actions, completed.returns, completed.following[:, 0])
    return {tuple(row) for row in zip(*(c.tolist() for c in (*columns, completed.discounts)), strict=True)}


def test_three_step_returns_by_hand_over_both_kinds_of_ends():
    window = Window(3, 0.5, torch.zeros(2, 1))
    show = lambda values: torch.tensor(values, dtype=torch.float32)[:, None]  # noqa: E731
    act = torch.tensor
    first = window.add(show([0, 50]), act([0, 1]), step([1, 3], [False, False], [False, False], [1, 51]))
    assert rows(first) == set()
    # The second environment terminates: 3 + 5 / 2 and 5, and no value follows.
    second = window.add(show([1, 51]), act([1, 0]), step([2, 5], [False, True], [False, False], [2, 52]))
    assert rows(second) == {(50.0, 1, 5.5, 52.0, 0.0), (51.0, 0, 5.0, 52.0, 0.0)}
    # The first has its three steps: 1 + 2 / 2 + 4 / 4, and an eighth of the value that follows.
    third = window.add(show([2, 60]), act([0, 0]), step([4, 0], [False, False], [False, False], [3, 61]))
    assert rows(third) == {(0.0, 0, 3.0, 3.0, 0.125)}
    # It is truncated: what waits is continued by the final observation's value, discounted by the steps there were.
    last = window.add(show([3, 61]), act([1, 1]), step([8, 0], [False, False], [True, False], [4, 62]))
    assert rows(last) == {(1.0, 1, 6.0, 4.0, 0.125), (2.0, 0, 8.0, 4.0, 0.25), (3.0, 1, 8.0, 4.0, 0.5)}


def test_steps_that_must_not_be_learned_from_take_those_before_them_along():
    window = Window(2, 1.0, torch.zeros(2, 1))
    zeros = torch.zeros(2, dtype=torch.int64)
    none = [False, False]
    window.add(torch.zeros(2, 1), zeros, step([1, 1], none, none, [1, 1]))
    done = window.add(torch.ones(2, 1), zeros, step([1, 9], none, [True, True], [2, 2], learnable=(True, False)))
    assert rows(done) == {(0.0, 0, 2.0, 2.0, 1.0), (1.0, 0, 1.0, 2.0, 1.0)}
    later = window.add(torch.zeros(2, 1), zeros, step([1, 1], [True, True], none, [1, 1]))
    assert rows(later) == {(0.0, 0, 1.0, 1.0, 0.0)}


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_transitions_do_not_cross_episodes_however_these_are_reset(mode, n):
    envs = gym.make_vec("TestCounter-v0", 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    player = Player(envs, Counter.action_space, ObservationEncoder(Counter.observation_space, CPU))
    player.begin(0)
    window, found = Window(n, 0.5, player.observations), []
    for _ in range(16):
        observations, actions = player.observations, torch.zeros(3, dtype=torch.int64)
        found += rows(window.add(observations, actions, player.step(actions)[0]))
    expected = set()
    for episode in range(4):
        for count in range(3):
            end = min(3, count + n)
            worth = sum(0.5**k * (count + k + 1) for k in range(end - count))
            ends = end == 3 and episode % 2 == 0
            expected.add(
                (10.0 * episode + count, 0, worth, 10.0 * episode + end, 0.0 if ends else 0.5 ** (end - count))
            )
    assert {row for row in found if row[0] < 40 and row[0] // 10 < 4} == expected


def test_replay_forgets_the_oldest_and_draws_the_rest_evenly():
    replay = Replay(5, batch(1))
    for k in range(4):
        replay.add(batch(2, returns=torch.tensor([2.0 * k, 2.0 * k + 1])))
    drawn = replay.sample(10_000, torch.Generator().manual_seed(0)).returns
    values, counts = drawn.unique(return_counts=True)
    assert values.tolist() == [3.0, 4.0, 5.0, 6.0, 7.0]
    assert (counts > 1_850).all()


def arguments(folder, **given):
    quick = {"num_envs": 4, "hidden": 32, "batch_size": 32, "learning_starts": 100, "log_every": 200, "seed": 3}
    often = {"total_steps": 400, "eval_every": 200, "checkpoint_every": 200, "eval_episodes": 5, "tensorboard": False}
    return Args(**{"env": "CartPole-v1", "out": folder, "device": "cpu", **quick, **often, **given})


def log_of(run):
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time") and k != "charts/SPS"} for line in lines]


def weights_of(run):
    return load_file(sorted((run.folder / "checkpoints").glob("0*"))[-1] / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_learns_the_optimal_policy_and_its_values_through_truncations(tmp_path):
    # Never terminates: who takes truncation after 10 steps for an end values every state far too low.
    kwargs = {"num_states": 6, "num_actions": 3, "branching": 1, "horizon": None, "max_episode_steps": 10}
    run = train(
        Args(
            env="RandomMDP-v0",
            env_arg=tuple(f"{name}={str(value).lower()}" for name, value in kwargs.items()),
            num_envs=32,
            total_steps=24_000,
            gamma=0.8,
            hidden=32,
            learning_rate=2e-3,
            train_frequency=16,
            target_frequency=640,
            n_step=1,
            epsilon_end=1.0,
            eval_episodes=20,
            out=tmp_path,
            device="cpu",
            tensorboard=False,
        )
    )
    exact = policy_iteration(gym.make("RandomMDP-v0", **kwargs).unwrapped.to_tabular(), 0.8)
    policy = load_policy(run.folder)
    states = np.arange(6)
    chosen = policy(states, {}, np.ones(6, bool))
    assert exact.optimal[states, chosen].all()
    values = policy.values(states).max(dim=1).values.numpy()
    assert np.abs(values - exact.values).max() < 0.1


@pytest.mark.parametrize("env", ["CartPole-v1", "LoiterChain-v0"])
def test_resuming_is_the_same_as_going_on(tmp_path, env):
    # The probability of random actions does not depend on the length of the run, which differs.
    given = {"env": env, "exploration_fraction": 0.0, "epsilon_end": 0.3, "n_step": 3}
    whole = train(arguments(tmp_path / "whole", **given))
    train(arguments(tmp_path / "parts", **given, total_steps=200))
    parts = train(arguments(tmp_path / "parts", **given, resume="auto"))
    assert same(weights_of(whole), weights_of(parts))
    assert log_of(whole) == log_of(parts)
    assert [line["step"] for line in log_of(parts) if "eval/return" in line] == [200, 400]


def test_a_signal_saves_and_the_rest_is_as_if_there_had_been_none(tmp_path):
    given = {"env": "TestInterrupted-v0", "checkpoint_every": 10_000, "eval_every": 10_000, "n_step": 2}
    whole = train(arguments(tmp_path / "whole", **given))
    Interrupted.at = 250
    stopped = train(arguments(tmp_path / "parts", **given))
    assert stopped.exit_status == 128 + signal.SIGTERM
    assert json.loads((stopped.folder / "done.json").read_text())["status"] == "stopped"
    assert json.loads((stopped.folder / "done.json").read_text())["step"] < 400
    Interrupted.at = None
    resumed = train(arguments(tmp_path / "parts", **given, resume="auto"))
    assert resumed.folder == stopped.folder
    assert same(weights_of(whole), weights_of(resumed))
    assert log_of(whole) == log_of(resumed)


def test_seeds_reproduce_and_matter(tmp_path):
    one, two, other = (train(arguments(tmp_path / name, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert log_of(one) == log_of(two)
    assert same(weights_of(one), weights_of(two))
    assert not same(weights_of(one), weights_of(other))


def test_only_allowed_actions_are_taken(tmp_path):
    run = train(arguments(tmp_path, env="TestMasked-v0"))
    assert log_of(run)[-1]["eval/return"] == 5.0


def test_images_go_through_convolutions(tmp_path):
    run = train(arguments(tmp_path, env="TestImage-v0", train_frequency=8, buffer_size=400, eval_episodes=20))
    assert log_of(run)[-1]["eval/return"] == 1.0


def test_evaluation_is_of_the_unshaped_reward(tmp_path):
    run = train(arguments(tmp_path, env="LoiterChain-v0", wrap=("gated:threshold=1.5",), label="gated"))
    last = log_of(run)[-1]
    again = evaluate(load_policy(run.folder), "LoiterChain-v0", episodes=5)
    assert last["step"] == 400
    assert last["eval/return"] == again.returns.mean()
    trained = [line for line in log_of(run) if "charts/raw_return" in line]
    assert trained[-1]["charts/raw_return"] != trained[-1]["charts/episodic_return"]


@pytest.mark.parametrize("env", ["Pendulum-v1", "CoRMABCapacity-v0"])
def test_other_actions_are_referred_to_ppo(tmp_path, env):
    with pytest.raises(InputError, match="ppo"):
        train(arguments(tmp_path, env=env))
    assert not list(tmp_path.rglob("args.json"))


@pytest.mark.parametrize("wrong", [{"n_step": 0}, {"gamma": 1.5}, {"buffer_size": 3}, {"log_every": 0}])
def test_wrong_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(InputError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
        train(arguments(tmp_path, **wrong))


def test_smoke(tmp_path):
    run = train(Args(env="DeepSea-v0", smoke=True, out=tmp_path, device="cpu"))
    assert json.loads((run.folder / "done.json").read_text())["status"] == "finished"
    assert log_of(run)[-1]["step"] == 512
