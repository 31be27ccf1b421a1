"""`telos evaluate`: policies become runs that `telos compare` shows beside trained ones."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from run_folders import evaluations, write_run

from telos.baselines import ippo, mappo, ppo
from telos.baselines.cli import main
from telos.baselines.compare import load_comparison
from telos.baselines.evaluation import evaluate
from telos.baselines.policy_runs import EvaluateArgs, evaluate_policy
from telos.baselines.runs import read_run
from telos.baselines.training_envs import EVALUATION_SEED, training_seed


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a few updates."""
    out = tmp_path_factory.mktemp("trained")
    args = ppo.Args("StepChain-v0", seed=3, smoke=True, out=out, wrap=("gated:threshold=0.5",), tensorboard=False)
    return ppo.train(args).folder


def telos(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["telos", *map(str, arguments)])
    main()


def test_a_policy_becomes_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    telos(monkeypatch, "evaluate", "random", "--env", "StepChain-v0", "--env-arg", "max_steps=9", "--episodes", 50)
    folder = tmp_path / capsys.readouterr().out.splitlines()[-1]
    assert folder == tmp_path / "runs/StepChain-v0/random-seed1"
    run = read_run(folder)
    assert (run.environment, run.label, run.seed, run.status) == (
        "StepChain-v0 (max_steps=9)",
        "random",
        1,
        "finished",
    )
    (line,) = run.lines
    assert line["step"] == 0
    assert {"eval/return", "eval/return_iqm", "eval/length", "eval/outcome", "eval/process"} < set(line)
    assert line["eval/return"] == pytest.approx(line["eval/outcome"] + line["eval/process"])
    assert json.loads((folder / "args.json").read_text())["algorithm"] == "random"
    assert json.loads((folder / "env.json").read_text())["kwargs"]["max_steps"] == 9


def test_seeds_reproduce_and_episodes_are_never_those_of_training_or_of_its_evaluations(tmp_path):
    def returns(seed):
        args = EvaluateArgs("random", env="StepChain-v0", episodes=40, seed=seed, out=tmp_path)
        return evaluate_policy(args)[0].returns.tolist()

    assert returns(5) == returns(5)
    assert returns(5) != returns(6)
    for seed in range(200):
        first = EVALUATION_SEED + training_seed(seed, 32)
        assert EVALUATION_SEED <= first <= first + 32 <= 2**31


def test_a_run_is_evaluated_in_its_environment_and_elsewhere(trained, tmp_path):
    found, folder = evaluate_policy(EvaluateArgs(str(trained), episodes=20, out=tmp_path))
    run = read_run(folder)
    assert (run.label, run.seed, run.environment) == ("ppo gated:threshold=0.5 evaluated", 3, "StepChain-v0")
    assert run.wrappers == ()
    seed = EVALUATION_SEED + training_seed(3, 32)
    direct = evaluate(ppo.load_policy(trained), "StepChain-v0", episodes=20, num_envs=20, seed=seed)
    assert np.array_equal(found.returns, direct.returns)

    args = EvaluateArgs(str(trained), ("deterministic=false",), env_arg=("p_correct=0.5",), episodes=20, out=tmp_path)
    _, folder = evaluate_policy(args)
    run = read_run(folder)
    assert run.label == "ppo gated:threshold=0.5 evaluated deterministic=false"
    assert run.environment == "StepChain-v0 (p_correct=0.5)"


def test_a_run_of_stable_baselines3_is_evaluated(tmp_path):
    pytest.importorskip("stable_baselines3")
    from telos.baselines import sb3_runs

    args = sb3_runs.Args("StepChain-v0", smoke=True, out=tmp_path, tensorboard=False)
    folder = sb3_runs.train("sb3-ppo", args).folder
    found, written = evaluate_policy(EvaluateArgs(str(folder), episodes=5, out=tmp_path))
    assert len(found.returns) == 5
    assert read_run(written).label == "sb3-ppo evaluated"


def test_a_run_of_several_agents_is_evaluated(tmp_path):
    args = ippo.Args("agents_envs:Mortal", smoke=True, out=tmp_path, tensorboard=False, seed=4)
    folder = mappo.train(args).folder
    found, written = evaluate_policy(EvaluateArgs(str(folder), episodes=6, out=tmp_path))
    run = read_run(written)
    assert (run.label, run.environment, run.seed) == ("ippo evaluated", "agents_envs:Mortal", 4)
    seed = EVALUATION_SEED + training_seed(4, 32)
    assert np.array_equal(found.returns, mappo.evaluate(args, ippo.load_policy(folder), 6, seed).returns)


def test_comparisons_show_policies_at_every_step(tmp_path):
    for seed in (1, 2):
        write_run(tmp_path / f"ppo-{seed}", evaluations([1.0, 2.0, 5.0]), seed=seed, env="StepChain-v0")
    found, _ = evaluate_policy(EvaluateArgs("random", env="StepChain-v0", episodes=10, out=tmp_path))
    comparison = load_comparison([tmp_path], threshold=2.0, baseline="random")
    (compared,) = comparison.environments
    trained, random = compared.groups
    assert compared.step == 300
    assert trained.final.estimate == 5.0
    assert trained.curve.steps.tolist() == [100, 200, 300]
    assert trained.reached.steps.estimate == 200
    score = found.returns.mean()
    assert random.final.estimate == random.average.estimate == pytest.approx(score)
    assert random.curve.estimate == pytest.approx([score] * len(random.curve.steps))
    assert random.reached.steps.estimate == (0 if score >= 2.0 else 300)
    assert not any("different steps" in text or "random (1)" in text for text in comparison.warnings)


def test_comparisons_of_policies_alone(tmp_path):
    for name in ("random", "optimal"):
        evaluate_policy(EvaluateArgs(name, env="StepChain-v0", episodes=10, out=tmp_path))
    (compared,) = load_comparison([tmp_path]).environments
    assert compared.step == 0
    best = max(compared.groups, key=lambda group: group.final.estimate)
    assert best.label == "optimal"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rndom", "--env", "StepChain-v0"], "Did you mean 'random'"),
        (["whittle", "--env", "StepChain-v0"], "is not for StepChain-v0, but for RestlessBandit-v0"),
        (["whittle"], "--env RestlessBandit-v0"),
        (["random", "--env", "StepChian-v0"], "StepChain"),
        (["random", "--env", "StepChain-v0", "--episodes", "0"], "at least 1"),
        (["optimal", "--env", "RestlessBandit-v0"], "joint states"),
        (["."], "is no run"),
    ],
)
def test_wrong_input_is_named_and_nothing_is_written(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        telos(monkeypatch, "evaluate", *arguments)
    assert left.value.code == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_wrong_argument_of_a_run_is_named(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        telos(monkeypatch, "evaluate", trained, "--policy-arg", "bets=true")
    assert "the policy of ppo has no argument 'bets'. Did you mean 'best'?" in capsys.readouterr().err


def test_policies_are_listed(monkeypatch, capsys):
    telos(monkeypatch, "list", "policies")
    text = capsys.readouterr().out
    assert all(name in text for name in ("random", "optimal", "whittle", "price-rollout", "gold patch"))
