"""Runs on disk: the format, resumption to the bit, and whatever may kill a run."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import gymnasium as gym
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")

from telos.baselines import ppo  # noqa: E402
from telos.baselines.checkpoints import load_model  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.run import Run  # noqa: E402
from telos.baselines.run_args import RunArgs  # noqa: E402

COMMON = {
    "num_envs": 4,
    "num_steps": 32,
    "num_minibatches": 2,
    "eval_episodes": 2,
    "device": "cpu",
    "tensorboard": False,
}


def log_of(folder):
    """The log without what clocks say."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time") and k != "charts/SPS"} for line in lines]


def same_model(first, second):
    models = load_model(first), load_model(second)
    assert models[0].keys() == models[1].keys()
    return all(torch.equal(models[0][name], models[1][name]) for name in models[0])


class Unsaved(gym.Env):
    """Cannot be pickled."""

    observation_space = spaces.Discrete(3)
    action_space = spaces.Discrete(2)

    def __init__(self):
        self.never = (x for x in ())

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return 0, {}

    def step(self, action):
        self.at = (self.at + 1) % 3
        return self.at, float(action), self.at == 0, False, {}


gym.register("test_run/Unsaved-v0", Unsaved)

RESUMED = {
    "native": {"env": "LoiterChain-v0", "wrap": ("accumulated:weights.process=0.5",)},
    "next-step": {"env": "CartPole-v1", "normalise_observations": True, "normalise_rewards": True},
    "sync": {"env": "Acrobot-v1", "recurrent": True},
    "bonus": {"env": "DeepSea-v0", "wrap": ("rnd",)},
}


def stop_at(monkeypatch, step):
    """As a signal would that came in the update before this step."""
    stopped = property(lambda run: run.step >= step and run.checkpoint is None)
    monkeypatch.setattr(ppo.Run, "stopped", stopped)


@pytest.mark.parametrize("setting", RESUMED.values(), ids=RESUMED)
def test_resuming_is_exact(setting, tmp_path, monkeypatch):
    """4 updates are 2 updates, a stop, a new learner and 2 more: weights and log, to the bit."""
    args = ppo.Args(
        **setting, **COMMON, total_steps=512, eval_every=256, checkpoint_every=10**9, out=tmp_path / "whole"
    )
    whole = ppo.train(args)
    stop_at(monkeypatch, 256)
    args.out, args.resume = tmp_path / "parts", "auto"
    stopped = ppo.train(args)
    assert stopped.checkpoint is None
    assert json.loads((stopped.folder / "done.json").read_text())["status"] == "stopped"
    resumed = ppo.train(args)
    assert resumed.folder == stopped.folder
    assert resumed.checkpoint.step == 256
    assert log_of(resumed.folder) == log_of(whole.folder)
    assert same_model(resumed.folder, whole.folder)


def test_what_cannot_be_saved_begins_anew_and_says_so(tmp_path, monkeypatch):
    args = ppo.Args("test_run/Unsaved-v0", **COMMON, total_steps=512, out=tmp_path, resume="auto")
    stop_at(monkeypatch, 256)
    ppo.train(args)
    with pytest.warns(UserWarning, match="begin anew"):
        assert ppo.train(args).step == 512


def test_the_folder_is_as_documented(tmp_path):
    args = ppo.Args(
        "LoiterChain-v0", env_arg=("goal_distance=3",), wrap=("gated:threshold=0.5",), out=tmp_path, smoke=True
    )
    run = ppo.train(args)
    assert run.folder == tmp_path / "LoiterChain-v0" / "ppo-gated-threshold=0.5-seed1"
    saved = json.loads((run.folder / "args.json").read_text())
    assert (saved["algorithm"], saved["label"]) == ("ppo", "ppo gated:threshold=0.5")
    assert saved["machine"]["versions"]["torch"]
    assert json.loads((run.folder / "env.json").read_text())["kwargs"]["goal_distance"] == 3
    lines = log_of(run.folder)
    assert lines[-1]["step"] == saved["total_steps"] == 256
    assert lines[-1]["eval/return"] == pytest.approx(lines[-1]["eval/outcome"] + lines[-1]["eval/process"])
    named = set().union(*lines)
    assert named >= {
        "charts/episodic_return", "charts/raw_return", "charts/episodic_length", "charts/learning_rate",
        "losses/policy_loss", "losses/value_loss", "losses/entropy", "losses/approx_kl", "losses/clipfrac",
        "losses/explained_variance", "reward/outcome", "reward/process", "paid/process", "eval/return_iqm",
        "eval/return_std", "eval/length",
    }  # fmt: skip
    assert list(run.folder.glob("events.out.tfevents.*"))
    done = json.loads((run.folder / "done.json").read_text())
    assert (done["step"], done["status"]) == (256, "finished")
    best = json.loads((run.folder / "checkpoints" / "best.json").read_text())
    kept = {path.name for path in (run.folder / "checkpoints").iterdir() if path.is_dir()}
    assert kept == {"000000000256", f"{best['step']:012d}"}
    # Another run with the same arguments has a folder of its own.
    assert ppo.train(args).folder.name == "ppo-gated-threshold=0.5-seed1-2"


def test_auto_takes_the_run_with_the_same_arguments(tmp_path):
    def folder(resume, **changed):
        args = RunArgs("CartPole-v1", out=tmp_path, resume=resume, **changed)
        with Run("x", args, "{}") as run:
            return run.folder.name

    assert folder("auto") == "x-seed1"
    assert folder("auto", num_envs=3) == "x-seed1-2"
    assert folder("auto", total_steps=7) == "x-seed1"
    assert folder(str(tmp_path / "CartPole-v1" / "x-seed1-2"), num_envs=3) == "x-seed1-2"
    with pytest.raises(InputError, match="--num-envs 3, not 16"):
        folder(str(tmp_path / "CartPole-v1" / "x-seed1-2"))
    with pytest.raises(InputError, match="no run"):
        folder(str(tmp_path))
    with (
        Run("x", RunArgs("CartPole-v1", out=tmp_path), "{}") as run,
        pytest.raises(InputError, match="another process"),
    ):
        Run("x", RunArgs("CartPole-v1", out=tmp_path, resume=str(run.folder)), "{}")


def test_a_log_is_cut_at_the_checkpoint(tmp_path):
    args = RunArgs("CartPole-v1", out=tmp_path, resume="auto", tensorboard=False)
    with Run("x", args, "{}") as run:
        run.log(10, {"a": 1.0})
        run.save(10, {"w": torch.ones(2)}, {"state": 5})
        run.log(20, {"a": float("nan")})
    with (run.folder / "log.jsonl").open("a") as log:
        log.write('{"step": 3')
    with Run("x", args, "{}") as again:
        assert [line["step"] for line in log_of(again.folder)] == [10]
        assert again.checkpoint.state == {"state": 5}
        again.log(20, {"a": float("inf")})
    assert [line["a"] for line in log_of(run.folder)] == [1.0, None]


COMMAND = [
    sys.executable, "-m", "telos.baselines.ppo", "--env", "LoiterChain-v0", "--num-envs", "4", "--num-steps", "16",
    "--num-minibatches", "2", "--eval-every", "256", "--eval-episodes", "4", "--checkpoint-every", "64",
    "--no-tensorboard", "--device", "cpu", "--resume", "auto",
]  # fmt: skip


def start(folder, steps, hashseed="0", **kwargs):
    environment = {**os.environ, "PYTHONHASHSEED": hashseed, "OMP_NUM_THREADS": "1"}
    command = [*COMMAND, "--total-steps", str(steps), "--out", str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def newest(folder):
    return max((int(path.name) for path in folder.glob("*/*/checkpoints/[0-9]*")), default=0)


def wait_for_checkpoint(folder, process, after=0):
    while newest(folder) <= after:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def test_killed_at_random_it_goes_on_from_a_whole_checkpoint_to_the_same_end(tmp_path):
    """Also: seeds reproduce across processes and hash seeds."""
    # In a process of its own: sums of floats depend on the number of threads, which other tests may have set here.
    undisturbed = start(tmp_path / "whole", 4096)
    assert undisturbed.wait() == 0, undisturbed.stderr.read()
    (whole,) = (tmp_path / "whole" / "LoiterChain-v0").iterdir()
    folder, rng, reached = tmp_path / "killed", random.Random(0), 0
    for attempt in range(3):
        process = start(folder, 4096, hashseed=str(attempt + 1))
        wait_for_checkpoint(folder, process, reached)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        process.wait()
        assert newest(folder) > reached
        reached = newest(folder)
        for path in folder.glob("*/*/checkpoints/[0-9]*"):
            assert {part.name for part in path.iterdir()} == {"model.safetensors", "state.pt"}
    last = start(folder, 4096, hashseed="9")
    assert last.wait() == 0, last.stderr.read()
    (killed,) = (folder / "LoiterChain-v0").iterdir()
    assert log_of(killed) == log_of(whole)
    assert same_model(killed, whole)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_leave(number, status, tmp_path):
    # Shells start what is in the background with SIGINT ignored, and tests may be.
    process = start(tmp_path, 10**9, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    wait_for_checkpoint(tmp_path, process)
    process.send_signal(number)
    assert process.wait(20) == status
    (folder,) = (tmp_path / "LoiterChain-v0").iterdir()
    done = json.loads((folder / "done.json").read_text())
    assert done["status"] == "stopped"
    assert (folder / "checkpoints" / f"{done['step']:012d}").is_dir()
    assert log_of(folder)[-1]["step"] == done["step"]
    # The first process on a machine says that it compiles.
    said = [line for line in process.stderr.read().splitlines() if not line.startswith(b"telos: compiling")]
    assert said == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--env", "LoiterChan-v0"], "LoiterChain"),
        (["--env", "CartPole-v1", "--num-envs", "0"], "--num-envs must be at least 1"),
        (["--env", "CartPole-v1", "--wrap", "gate"], "there is no wrapper"),
        (["--env", "CartPole-v1", "--cudagraphs"], "needs --compile"),
        (["--env", "CartPole-v1", "--num-envs", "1", "--recurrent"], "--num-minibatches must be from 1 to 1"),
        (["--env", "CartPole-v1", "--resume", "nowhere"], "no run"),
    ],
)
def test_bad_input_is_told_without_a_traceback(flags, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        ppo.main([*flags, "--out", str(tmp_path)])
    assert left.value.code == 1
    assert said in capsys.readouterr().err
