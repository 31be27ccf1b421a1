"""Multi-agent PPO: targets by definition, agents that are gone, learning, what a central critic knows, resuming."""

import copy
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from telos.baselines import ippo, mappo  # noqa: E402
from telos.baselines.checkpoints import load_model  # noqa: E402
from telos.baselines.ppo import losses_of  # noqa: E402
from telos.baselines.rollouts import advantages_of  # noqa: E402
from telos.baselines.team_envs import make_training_teams  # noqa: E402
from telos.baselines.training_envs import load_envs, save_envs  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))


def learner_of(args, kwargs=None):
    training = make_training_teams(args.env, kwargs or {}, args.num_envs, args.wrap, "cpu", args.central)
    learner = mappo.MAPPO(args, training)
    learner.begin()
    return learner


def collected(args, kwargs=None):
    """A learner, and its first rollout, before anything was learned."""
    learner = learner_of(args, kwargs)
    kept = {}
    learner._update = lambda rollout, rate: kept.update(rollout=rollout) or {}
    learner.step(1e-3)
    del learner._update
    return learner, kept["rollout"]


@pytest.mark.parametrize("script", [mappo, ippo])
def test_targets_agree_with_a_slow_computation(script):
    """Against a loop over each agent's own episodes, that knows only the definition."""
    args = script.Args("agents_envs:Mortal", num_envs=3, num_steps=30, device="cpu", seed=1)
    _, rollout = collected(args, {"late": True})
    assert not rollout.active.all()
    assert (rollout.active & ~torch.nn.functional.pad(rollout.learnable, (0, 0, 0, 1), value=True)).any()
    assert rollout.truncated.any()
    assert rollout.terminated.any()
    gamma, lam = 0.9, 0.8
    found = advantages_of(rollout, torch.tensor([gamma]), lam, torch.tensor([True]))
    checked = 0
    with torch.no_grad():
        for row in range(9):
            for t in (t for t in range(30) if rollout.active[t, row]):
                expected, discount = 0.0, 1.0
                for u in range(t, 30):
                    assert rollout.active[u, row]
                    following = float(rollout.values[u + 1, row])
                    if rollout.truncated[u, row]:
                        following = float(rollout.finals[u, row])
                    if rollout.terminated[u, row]:
                        following = 0.0
                    error = float(rollout.rewards[u, row]) + gamma * following - float(rollout.values[u, row])
                    expected += discount * error
                    discount *= gamma * lam
                    if rollout.truncated[u, row] or rollout.terminated[u, row]:
                        break
                assert float(found[t, row]) == pytest.approx(expected, abs=1e-4)
                checked += 1
    assert checked > 100


@pytest.mark.parametrize("recurrent", [False, True])
def test_what_agents_do_when_they_are_gone_is_not_learned_from(recurrent):
    """Whatever stands in their rows, loss, gradient and statistics are the same."""
    args = mappo.Args(
        "agents_envs:Mortal", num_envs=4, num_steps=20, num_minibatches=2, device="cpu", recurrent=recurrent,
        normalise_observations=True, normalise_rewards=True,
    )  # fmt: skip
    found = []
    for garbage in (False, True):
        learner, rollout = collected(args)
        gone = ~rollout.active[:-1]
        assert gone.any()
        if garbage:
            noise = torch.Generator().manual_seed(0)
            for name in ("observations", "outputs", "values", "finals"):
                values = getattr(rollout, name)[: len(gone)]
                values[gone] = torch.randn(values[gone].shape, generator=noise)
            rollout.actions[gone] = (rollout.actions[gone] + 1) % 3
        metrics = learner._update(rollout, 1e-3)
        found.append((metrics, learner.net.state_dict(), learner._worth.state_dict()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for one, other in zip(found[0][1:], found[1][1:], strict=True):
        for name in one:
            assert torch.allclose(one[name].float(), other[name].float(), rtol=1e-4, atol=1e-6), name


def test_a_minibatch_of_nobody_changes_nothing():
    args = mappo.Args("agents_envs:Mortal", num_envs=2, num_steps=8, device="cpu", recurrent=True)
    learner, rollout = collected(args)
    batch, _ = learner._batch(rollout)
    batch = next(learner._minibatches(batch._replace(weights=torch.zeros_like(batch.weights))))
    loss, logged = losses_of(learner.net, batch, args)
    loss.backward()
    assert loss.item() == 0.0
    assert all(not parameter.grad.any() for parameter in learner.net.parameters())
    assert torch.isfinite(logged).all()


@pytest.mark.parametrize("script", [mappo, ippo])
def test_a_team_learns_who_does_what(script, tmp_path):
    """Three agents with one policy must choose different actions; by chance they do in 2 of 9 steps."""
    args = script.Args(
        "agents_envs:Differ", env_arg=("num_agents=3",), num_envs=16, num_steps=16, total_steps=12_000, hidden=32,
        learning_rate=3e-3, eval_episodes=20, out=tmp_path, device="cpu", tensorboard=False,
    )  # fmt: skip
    run = mappo.train(args)
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert lines[0]["charts/raw_return"] < 6
    assert lines[-1]["eval/return"] > 11.5  # The best is 3 agents * 4 steps.
    assert lines[-1]["eval/return_agent_0"] == pytest.approx(lines[-1]["eval/return"] / 3)
    assert json.loads((run.folder / "args.json").read_text())["algorithm"] == script.Args.algorithm
    found = mappo.evaluate(args, script.load_policy(run.folder), 20)
    assert found.returns.mean() == lines[-1]["eval/return"]


def test_a_central_critic_knows_what_another_agent_sees():
    """Rewards are what the other saw, uniform on [-1, 1]: nothing tells an agent, so its critic errs by 1/3."""
    errors = {}
    for script in (mappo, ippo):
        args = script.Args(
            "agents_envs:OthersSecret", num_envs=16, num_steps=8, device="cpu", hidden=32, num_minibatches=2
        )
        learner = learner_of(args)
        for k in range(50):
            learner.step(5e-3 * (1 - k / 50))
        _, rollout = collected(dataclasses.replace(args, seed=2, num_steps=40))
        with torch.no_grad():
            mean, deviation = learner._scale()
            values = learner.net(rollout.observations.flatten(0, 1))[1] * deviation + mean
        errors[script] = float((values - rollout.rewards.flatten(0, 1)).square().mean())
    assert errors[mappo] < 0.01
    assert errors[ippo] == pytest.approx(1 / 3, rel=0.15)


@pytest.mark.parametrize(
    ("env", "wrap", "recurrent", "script"),
    [("agents_envs:Mortal", ("accumulated:weights.work=0.5", "count-bonus"), False, mappo),
     ("agents_envs:Mortal", (), True, mappo), ("team:TeamParallelEnv", (), False, ippo)],
)  # fmt: skip
def test_a_resumed_run_is_the_same_to_the_bit(env, wrap, recurrent, script, tmp_path):
    common = {
        "env": env, "wrap": wrap, "num_envs": 4, "num_steps": 8, "num_minibatches": 2, "hidden": 16, "device": "cpu",
        "recurrent": recurrent, "normalise_observations": True, "normalise_rewards": True, "eval_episodes": 3,
        "eval_every": 64, "checkpoint_every": 64, "tensorboard": False, "anneal_lr": False,
        "env_arg": ("max_episode_steps=9",) if env.startswith("team") else (),
    }  # fmt: skip
    whole = mappo.train(script.Args(**common, total_steps=128, out=tmp_path / "whole"))
    half = mappo.train(script.Args(**common, total_steps=64, out=tmp_path / "parts"))
    rest = mappo.train(script.Args(**common, total_steps=128, out=tmp_path / "parts", resume="auto"))
    assert rest.folder == half.folder
    assert rest.checkpoint.step == 64
    logs = [
        [
            {k: v for k, v in json.loads(line).items() if not k.startswith("time") and k != "charts/SPS"}
            for line in (run.folder / "log.jsonl").read_text().splitlines()
        ]
        for run in (whole, rest)
    ]
    assert logs[0] == logs[1]
    models = [load_model(run.folder, best=False) for run in (whole, rest)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


@pytest.mark.parametrize("script", [mappo, ippo])
def test_images_and_masks(script):
    args = script.Args("agents_envs:Watchers", num_envs=2, num_steps=6, num_minibatches=2, device="cpu")
    learner = learner_of(args)
    before = copy.deepcopy(learner.net.state_dict())
    metrics = learner.step(1e-3)
    assert learner._rollout.observations.dtype == torch.uint8
    assert all(np.isfinite(value) for name, value in metrics.items() if "explained" not in name)
    assert all(not torch.equal(before[name], value) for name, value in learner.net.state_dict().items())


def test_smoke_writes_a_whole_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        mappo.main(["--env", "agents_envs:Mortal", "--smoke", "--out", str(tmp_path), "--device", "cpu"])
    assert left.value.code == 0
    (folder,) = (tmp_path / "agents_envs-Mortal").iterdir()
    assert json.loads((folder / "done.json").read_text())["status"] == "finished"
    assert json.loads((folder / "env.json").read_text())["id"] == "agents_envs:Mortal"
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    assert last["eval/return"] == pytest.approx(last["eval/work"] + last["eval/death"])


@pytest.mark.parametrize(
    ("given", "message"),
    [(["--env", "CartPole-v1"], "telos train ppo"), (["--env", "agents_envs:Difer"], "Did you mean 'Differ'"),
     (["--env", "agents_envs:Differ", "--env-arg", "size=3"], "unexpected keyword argument 'size'"),
     (["--env", "agents_envs:Differ", "--wrap", "gatd"], "there is no wrapper 'gatd'"),
     (["--env", "agents_envs:Differ", "--num-minibatches", "0"], "--num-minibatches must be from 1")],
)  # fmt: skip
def test_bad_input_is_told_without_a_traceback(given, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        mappo.main([*given, "--out", str(tmp_path)])
    assert left.value.code == 1
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert not list(tmp_path.iterdir())


def test_what_wrappers_learned_is_kept_where_environments_cannot_be_saved(tmp_path):
    common = {
        "env": "agents_envs:Unsaved", "wrap": ("count-bonus",), "num_envs": 3, "num_steps": 8, "device": "cpu",
        "eval_episodes": 0, "out": tmp_path, "tensorboard": False,
    }  # fmt: skip
    args = mappo.Args(**common)
    learner, other = learner_of(args), learner_of(args)
    learner.step(1e-3)
    assert len(learned_by(learner)) == 3
    with pytest.raises(AssertionError):
        np.testing.assert_equal(learned_by(other), learned_by(learner))
    other.training, whole = load_envs(save_envs(learner.training), other.training)
    assert not whole
    np.testing.assert_equal(learned_by(other), learned_by(learner))


def test_an_environment_that_would_be_made_anew_begins_anew_and_says_so(tmp_path):
    common = {
        "env": "agents_envs:Unsaved", "wrap": ("count-bonus",), "num_envs": 3, "num_steps": 8, "device": "cpu",
        "eval_episodes": 2, "out": tmp_path, "tensorboard": False,
    }  # fmt: skip
    mappo.train(mappo.Args(**common, total_steps=48))
    with pytest.warns(UserWarning, match="begin anew"):
        assert mappo.train(mappo.Args(**common, total_steps=96, resume="auto")).step == 96


def learned_by(learner):
    return [wrapper.state_dict()["transform"] for wrapper in learner.training.envs.unwrapped.reward_wrappers]
