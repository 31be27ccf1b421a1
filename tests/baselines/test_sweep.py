"""Sweeps: real processes that finish, fail, are stopped, are orphaned, and go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from telos.baselines import ppo  # noqa: E402
from telos.baselines.cli import main  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.sweep import SweepArgs, plan_runs, read_seeds  # noqa: E402

SMALL = ("--total-steps", "64", "--num-envs", "2", "--num-steps", "16", "--num-minibatches", "1")
SMALL += ("--update-epochs", "1", "--eval-episodes", "2", "--no-tensorboard")
COMMAND = (sys.executable, "-m", "telos.baselines.cli")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def sweep(folder, *arguments, **popen):
    given = (*COMMAND, "sweep", *map(str, arguments))
    return subprocess.Popen(
        given, cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen
    )


def trainers(out):
    """Processes of runs below a folder, by their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if str(out) in words and "train" in words:
            found.append(int(path.parent.name))
    return found


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def statuses(out):
    return [json.loads(path.read_text())["status"] for path in sorted(out.glob("sweep/*/status.json"))]


def test_one_run_fails_the_others_finish_and_nothing_is_run_twice(tmp_path):
    arguments = ["ppo", "--env", "DeepSea-v0", "size=4", "--env", "DeepSea-v0", "size=-1", "--wrap", "", "--wrap"]
    arguments += ["episodic", "--seeds", "1", "--jobs", "2", "--out", "runs", "--", *SMALL]
    process = sweep(tmp_path, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert statuses(tmp_path / "runs").count("finished") == 2
    assert statuses(tmp_path / "runs").count("failed") == 2
    assert out.count("exit status 1") == 2
    assert "size must be" in out  # What the failed run said.
    assert "telos compare runs" in out
    runs = sorted((tmp_path / "runs/DeepSea-v0").iterdir())
    assert [run.name for run in runs] == ["ppo-episodic-seed1", "ppo-seed1"]
    assert all(json.loads((run / "done.json").read_text())["status"] == "finished" for run in runs)

    # The same by hand.
    torch.set_num_threads(1)
    with pytest.raises(SystemExit) as left:
        ppo.main(["--env", "DeepSea-v0", "--env-arg", "size=4", "--out", str(tmp_path / "hand"), *SMALL])
    assert left.value.code == 0
    model = "checkpoints/000000000064/model.safetensors"
    swept, alone = (tmp_path / root / "DeepSea-v0/ppo-seed1" for root in ("runs", "hand"))
    assert (swept / model).read_bytes() == (alone / model).read_bytes()

    before = {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")}
    arguments[4:7] = []  # Without the environment that cannot be made.
    again = sweep(tmp_path, *arguments)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")} == before


def test_a_killed_sweep_leaves_no_process_and_goes_on(tmp_path):
    out = tmp_path / "runs"
    arguments = ["ppo", "--env", "DeepSea-v0", "--seeds", "1", "--out", out, "--", *SMALL[2:], "--total-steps"]
    killed = sweep(tmp_path, *arguments, 10**8)
    try:
        wait_for(lambda: any(path.stat().st_size for path in out.glob("DeepSea-v0/*/log.jsonl")))
        assert len(trainers(out)) == 1
    finally:
        killed.kill()
        killed.communicate()
    wait_for(lambda: not trainers(out))
    (run,) = (out / "DeepSea-v0").iterdir()
    logged = (run / "log.jsonl").read_text().splitlines()
    reached = json.loads((run / "done.json").read_text())["step"]

    second = sweep(tmp_path, *arguments, reached + 64)
    second.communicate(timeout=120)
    assert second.returncode == 0
    assert list((out / "DeepSea-v0").iterdir()) == [run]
    lines = (run / "log.jsonl").read_text().splitlines()
    assert lines[: len(logged)] == logged
    steps = [json.loads(line)["step"] for line in lines]
    assert list(dict.fromkeys(steps)) == list(range(32, reached + 65, 32))


def test_a_signal_stops_all_runs_which_save(tmp_path):
    out = tmp_path / "runs"
    process = sweep(tmp_path, "ppo", "--env", "DeepSea-v0", "--seeds", "3", "--jobs", "2", "--out", out)
    wait_for(lambda: len(list(out.glob("DeepSea-v0/*/log.jsonl"))) == 2)
    wait_for(lambda: all(path.stat().st_size for path in out.glob("DeepSea-v0/*/log.jsonl")))
    process.send_signal(signal.SIGINT)
    text, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert not trainers(out)
    assert statuses(out) == ["stopped", "stopped"]
    assert "not begun" in text
    done = [json.loads(path.read_text()) for path in out.glob("DeepSea-v0/*/done.json")]
    assert [each["status"] for each in done] == ["stopped", "stopped"]
    assert len(list(out.glob("DeepSea-v0/*/checkpoints/0*"))) == 2


def test_what_is_planned():
    args = SweepArgs(("ppo", "dqn"), (("DeepSea-v0", "size=5"), ("FourRooms-v0",)), ((), ("episodic", "clip")), "7-8")
    planned = plan_runs(args, ["--total-steps", "9"], ["ppo", "dqn"])
    assert len(planned) == len({each.folder for each in planned}) == 2 * 2 * 2 * 2
    assert [each.seed for each in planned] == [7] * 8 + [8] * 8
    first, second, *_ = planned
    assert first.command == (
        "telos train ppo --env DeepSea-v0 --env-arg size=5 --seed 7 --out runs --resume auto --total-steps 9"
    )
    assert second.label == "ppo episodic+clip"
    assert "--wrap episodic --wrap clip" in second.command
    labelled = plan_runs(SweepArgs(("ppo",), (("DeepSea-v0",),), ((), ("clip",)), "1", label="lr=1e-4"), [], ["ppo"])
    assert [each.label for each in labelled] == ["ppo lr=1e-4", "ppo lr=1e-4+clip"]
    (several_agents,) = plan_runs(SweepArgs(("ippo",), (("agents_envs:Mortal",),), seeds="1"), [], ["ippo"])
    assert several_agents.env == "agents_envs:Mortal"


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [1, 2, 3]), ("6-8", [6, 7, 8]), ("3,7,3", [3, 7]), ("4,", [4]), ("0-0", [0])]
)
def test_seeds(text, seeds):
    assert read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "", "five", "8-6", "1,,2", "-3"])
def test_wrong_seeds(text):
    with pytest.raises(InputError, match="neither a count"):
        read_seeds(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pppo", "--env", "DeepSea-v0"], "Did you mean 'ppo'"),
        (["ppo", "--env", "DeepSee-v0"], "DeepSea"),
        (["ppo", "--env", "DeepSea-v0", "--wrap", "gatd"], "Did you mean 'gated'"),
        (["ppo", "--env", "DeepSea-v0", "--", "--seed=3"], "--seed is given by the sweep"),
        (["ppo", "--env", "DeepSea-v0", "--jobs", "0"], "--jobs must be at least 1"),
        (["ppo"], "at least one algorithm and one --env"),
    ],
)
def test_wrong_input_is_named_before_anything_runs(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["telos", "sweep", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_same_runs_on_ray(tmp_path):
    pytest.importorskip("ray")
    arguments = ["ppo", "--env", "DeepSea-v0", "size=4", "--env", "DeepSea-v0", "size=-1", "--seeds", "1"]
    process = sweep(tmp_path, *arguments, "--jobs", "2", "--ray", "--out", "runs", "--", *SMALL)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 1, err
    assert sorted(statuses(tmp_path / "runs")) == ["failed", "finished"]
    assert "size must be" in out
    (run,) = (tmp_path / "runs/DeepSea-v0").iterdir()
    assert json.loads((run / "done.json").read_text())["status"] == "finished"
