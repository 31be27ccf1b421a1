"""Reading folders of runs."""

import json

import numpy as np
import pytest
from run_folders import evaluations, write_run

from telos.baselines.runs import Series, common_curves, find_runs, group_runs, read_run


def test_a_run(tmp_path):
    lines = [{"step": 10, "charts/SPS": 5.0}, *evaluations([1, 2, 3]), {"step": 300, "losses/entropy": 0.5}]
    run = read_run(write_run(tmp_path / "a", lines, label="ppo gated", seed=7, wrap=["gated:threshold=0.5"]))
    assert (run.environment, run.label, run.seed, run.status) == ("CartPole-v1", "ppo gated", 7, "finished")
    assert run.step == 300
    assert run.metrics == ("charts/SPS", "eval/return", "losses/entropy")
    assert run.wrappers == ("gated:threshold=0.5",)
    series = run.series("eval/return")
    assert series.steps.tolist() == [100, 200, 300]
    assert series.values.tolist() == [1.0, 2.0, 3.0]
    assert len(run.series("no/such").steps) == 0


def test_arguments_of_the_environment_make_another(tmp_path):
    run = read_run(write_run(tmp_path / "a", [], env_arg=["length=20", "cap=1"]))
    assert run.environment == "CartPole-v1 (cap=1, length=20)"


def test_the_same_step_twice_and_nothing_finite(tmp_path):
    lines = [*evaluations([1, 2]), {"step": 200, "eval/return": 5.0}, {"step": 300, "eval/return": None}]
    series = read_run(write_run(tmp_path / "a", lines)).series("eval/return")
    assert series.values[:2].tolist() == [1.0, 5.0]
    assert np.isnan(series.values[2])
    assert series.finite().steps.tolist() == [100, 200]


@pytest.mark.parametrize("torn", ['{"step": 300, "eval/re', "{", '{"step": 300}', b'{"n": "\xc3'.decode("latin1")])
def test_a_torn_last_line(tmp_path, torn):
    run = read_run(write_run(tmp_path / "a", evaluations([1, 2]), torn=torn, status=None))
    assert run.series("eval/return").values.tolist() == [1.0, 2.0]
    assert run.status == "unfinished"


def test_every_cut_of_a_log(tmp_path):
    """Wherever a process was killed, the whole lines before are read."""
    run = write_run(tmp_path / "a", evaluations([1, 2, 3]))
    log = (run / "log.jsonl").read_bytes()
    for size in range(len(log)):
        (run / "log.jsonl").write_bytes(log[:size])
        # A last line is whole as soon as its brace is there, even without the end of the line.
        assert len(read_run(run).lines) == log[: size + 1].count(b"\n")


def test_status(tmp_path):
    assert read_run(write_run(tmp_path / "a", [], status="stopped")).status == "stopped"
    run = write_run(tmp_path / "b", [])
    (run / "done.json").write_text('{"step": 10')
    assert read_run(run).status == "unfinished"
    (run / "log.jsonl").unlink()
    assert read_run(run).step == 0


def test_damage_is_told(tmp_path):
    run = write_run(tmp_path / "a", evaluations([1, 2]))
    (run / "log.jsonl").write_text('{"step": 1}\n{"step": \n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"line 2 of .*log.jsonl is damaged"):
        read_run(run)
    (run / "log.jsonl").write_text('{"step": 1}\n[1]\n{"step": 3}\n')
    with pytest.raises(ValueError, match="line 2"):
        read_run(run)
    (run / "args.json").write_text("{")
    with pytest.raises(ValueError, match=r"args.json is not JSON"):
        read_run(run)
    (run / "args.json").write_text(json.dumps({"env": "CartPole-v1", "seed": 1}))
    with pytest.raises(ValueError, match='no "label"'):
        read_run(run)
    with pytest.raises(ValueError, match="is no run"):
        read_run(tmp_path)


def test_finding(tmp_path, monkeypatch):
    a, b, c = (write_run(tmp_path / "runs" / name, []) for name in ("x/a", "x/b", "y/c"))
    (tmp_path / "runs" / "sweep.json").write_text("{}")
    (tmp_path / "runs" / "z").mkdir()
    assert find_runs([tmp_path]).runs == (a, b, c)
    assert find_runs([a, str(a), tmp_path / "runs" / "x"]).runs == (a, b)
    assert find_runs([b / "log.jsonl"]).runs == (b,)
    found = find_runs([f"{tmp_path}/runs/*"])
    assert found.runs == (a, b, c)
    assert [path.name for path in found.passed_over] == ["sweep.json", "z"]
    monkeypatch.chdir(tmp_path)
    assert [str(path) for path in find_runs(["runs/*/[ac]"]).runs] == ["runs/x/a", "runs/y/c"]


def test_nothing_found(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        find_runs([tmp_path / "no"])
    with pytest.raises(ValueError, match="matches nothing"):
        find_runs([f"{tmp_path}/*"])
    with pytest.raises(ValueError, match="there is no run in"):
        find_runs([tmp_path])
    with pytest.raises(ValueError, match="no path was given"):
        find_runs([])


def test_groups(tmp_path):
    def write(name, **args):
        return read_run(write_run(tmp_path / name, [], **args))

    runs = [write("1", seed=2), write("2", seed=1), write("3", label="dqn"), write("4", env="Acrobot-v1")]
    groups = group_runs(runs)
    assert list(groups) == ["Acrobot-v1", "CartPole-v1"]
    assert list(groups["CartPole-v1"]) == ["dqn", "ppo"]
    assert [run.seed for run in groups["CartPole-v1"]["ppo"]] == [1, 2]


def test_series():
    series = Series(np.array([0, 100, 300]), np.array([0.0, 2.0, 0.0]))
    assert series.at([50, 200, 900]).tolist() == [1.0, 1.0, 0.0]
    assert series.average() == 1.0
    part = series.between(50, 200)
    assert part.steps.tolist() == [50, 100, 200]
    assert part.average() == 1.5
    assert Series(np.array([7]), np.array([3.0])).average() == 3.0


def test_common_steps():
    one = Series(np.array([0, 100, 200]), np.array([0.0, 1.0, 2.0]))
    other = Series(np.array([50, 150, 250]), np.array([10.0, 30.0, 50.0]))
    steps, values = common_curves([one, other])
    assert steps.tolist() == [50, 100, 150, 200]
    assert values.tolist() == [[0.5, 1.0, 1.5, 2.0], [10.0, 20.0, 30.0, 40.0]]
    steps, values = common_curves([one, other], points=3)
    assert steps.tolist() == [50, 125, 200]
    assert values[0].tolist() == [0.5, 1.25, 2.0]
    later = Series(np.array([900, 1000]), np.array([0.0, 0.0]))
    assert common_curves([one, later])[0].size == 0
