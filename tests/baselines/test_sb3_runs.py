"""Runs of Stable-Baselines3: the same folder, logs and evaluations, stopped and resumed."""

import json
import signal

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from telos.baselines.evaluation import evaluate
from telos.baselines.input_errors import InputError
from telos.baselines.sb3_runs import ALGORITHMS, Args, SB3Policy, load, train


class Interrupted(gym.Wrapper):
    """Sends a signal to this process at a step, if ``at`` is not None."""

    at = None

    def step(self, action):
        if Interrupted.at is not None:
            Interrupted.at -= 1
            if Interrupted.at == 0:
                signal.raise_signal(signal.SIGINT)
        return super().step(action)


gym.register("TestInterruptedSB3-v0", entry_point=lambda: Interrupted(gym.make("Acrobot-v1", max_episode_steps=30)))

SHORT = {
    "sb3-ppo": ("n_steps=32", "batch_size=32", "n_epochs=2"),
    "sb3-dqn": ("learning_starts=50", "buffer_size=500"),
    "sb3-a2c": (),
}


def arguments(folder, algorithm, **given):
    often = {"total_steps": 640, "eval_every": 320, "checkpoint_every": 320, "log_every": 64, "eval_episodes": 5}
    common = {"env": "CartPole-v1", "num_envs": 2, "algorithm_arg": SHORT[algorithm], "device": "cpu", "seed": 4}
    return Args(**{"out": folder, "tensorboard": False, **often, **common, **given})


def log_of(run):
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def weights_of(run):
    return load(run.folder).policy.state_dict()


def learned(run):
    """What was logged, without times."""
    return [{k: v for k, v in x.items() if k not in ("time", "charts/SPS")} for x in log_of(run)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_smoke(tmp_path, algorithm):
    run = train(algorithm, Args(env="LoiterChain-v0", smoke=True, out=tmp_path, device="cpu"))
    assert json.loads((run.folder / "done.json").read_text())["status"] == "finished"
    saved = json.loads((run.folder / "args.json").read_text())
    assert saved["algorithm"] == algorithm
    assert log_of(run)[-1]["step"] == saved["total_steps"]
    assert "eval/return" in log_of(run)[-1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_evaluation_is_that_of_the_unshaped_reward(tmp_path, algorithm):
    given = {"env": "LoiterChain-v0", "wrap": ("gated:threshold=1.5",), "label": "gated"}
    run = train(algorithm, arguments(tmp_path, algorithm, **given))
    again = evaluate(SB3Policy(load(run.folder)), "LoiterChain-v0", episodes=5)
    assert log_of(run)[-1]["eval/return"] == again.returns.mean()
    paid = [line for line in log_of(run) if "charts/raw_return" in line]
    assert any(line["charts/raw_return"] != line["charts/episodic_return"] for line in paid)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_resumed_run_goes_on(tmp_path, algorithm):
    first = train(algorithm, arguments(tmp_path, algorithm, total_steps=320))
    before = {name: tensor.clone() for name, tensor in weights_of(first).items()}
    second = train(algorithm, arguments(tmp_path, algorithm, resume="auto"))
    assert second.folder == first.folder
    after = weights_of(second)
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    steps = [line["step"] for line in log_of(second)]
    assert steps == sorted(steps)
    assert [line["step"] for line in log_of(second) if "eval/return" in line] == [320, 640]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signal_saves_and_the_run_can_be_finished(tmp_path, algorithm):
    given = {"env": "TestInterruptedSB3-v0", "eval_every": 10_000, "checkpoint_every": 10_000}
    Interrupted.at = 300
    stopped = train(algorithm, arguments(tmp_path, algorithm, **given))
    Interrupted.at = None
    done = json.loads((stopped.folder / "done.json").read_text())
    assert stopped.exit_status == 128 + signal.SIGINT
    assert done["status"] == "stopped"
    assert 150 <= done["step"] < 640
    assert (stopped.folder / "checkpoints" / f"{done['step']:012d}" / "model.safetensors").exists()
    resumed = train(algorithm, arguments(tmp_path, algorithm, **given, resume="auto"))
    assert json.loads((resumed.folder / "done.json").read_text()) | {"time": 0} == {
        "step": 640,
        "time": 0,
        "status": "finished",
    }


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_seeds_reproduce_and_matter(tmp_path, algorithm):
    runs = [train(algorithm, arguments(tmp_path / name, algorithm, seed=seed)) for name, seed in (("a", 1), ("b", 1))]
    assert learned(runs[0]) == learned(runs[1])
    other = train(algorithm, arguments(tmp_path / "c", algorithm, seed=2))
    assert learned(other) != learned(runs[0])


def test_binary_actions_are_taken(tmp_path):
    run = train("sb3-ppo", arguments(tmp_path, "sb3-ppo", env="CoRMABCapacity-v0", env_arg=('invalid="project"',)))
    assert log_of(run)[-1]["step"] == 640


def test_wrong_arguments_say_what_is_right(tmp_path):
    with pytest.raises(InputError, match=r"sb3-dqn has no n_epochs; it has .*buffer_size"):
        train("sb3-dqn", arguments(tmp_path, "sb3-dqn", algorithm_arg=("n_epochs=3",)))
    with pytest.raises(InputError, match="try sb3-ppo"):
        train("sb3-dqn", arguments(tmp_path, "sb3-dqn", env="Pendulum-v1"))
    with pytest.raises(InputError, match="no network for observations"):
        train("sb3-ppo", arguments(tmp_path, "sb3-ppo", env="SWEDocker-v0"))
