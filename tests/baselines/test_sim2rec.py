"""Sim2Rec: codes of sets, what a policy sees, learning in a set of simulators, resuming."""

import json
import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

torch = pytest.importorskip("torch")

import telos  # noqa: E402, F401 - registers the environments
from telos.baselines import sim2rec  # noqa: E402
from telos.baselines.action_heads import action_head  # noqa: E402
from telos.baselines.checkpoints import load_model  # noqa: E402
from telos.baselines.context_networks import BoundedMeans, ContextActorCritic  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.networks import ObservationEncoder  # noqa: E402
from telos.baselines.set_vae import SetVAE, fit  # noqa: E402
from telos.baselines.simulator_set import ContextEnvs, GroupContext, SimulatorSet, simulators_of  # noqa: E402
from telos.baselines.training_envs import make_envs  # noqa: E402


def normal_sets(centres, count=2_000):
    generator = torch.Generator().manual_seed(0)
    return [centre + 3.0 * torch.randn(count, 1, generator=generator) for centre in centres]


@pytest.fixture(scope="module")
def fitted():
    vae = SetVAE(1, 2, 16, seed=1)
    losses = fit(vae, normal_sets((6.0, 9.0, 19.0, 21.0)), updates=600)
    return vae, losses


def test_a_set_is_the_product_of_what_its_members_say():
    """Against densities multiplied on a grid."""
    vae = SetVAE(3, 2, seed=1)
    members = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    mean, deviation = vae.posterior(members)
    grid = torch.linspace(-4.0, 4.0, 4001)
    for k in range(2):
        log_density = torch.zeros(4001)
        for member in members:
            own_mean, own_deviation = vae.posterior(member[None])
            log_density -= 0.5 * ((grid - own_mean[k]) / own_deviation[k]) ** 2
        weights = log_density.softmax(dim=0)
        expected = (weights * grid).sum()
        assert mean[k].item() == pytest.approx(expected.item(), abs=1e-4)
        spread = (weights * (grid - expected) ** 2).sum().sqrt()
        assert deviation[k].item() == pytest.approx(spread.item(), rel=1e-3)


def test_the_loss_is_the_evidence_bound_of_all_members(fitted):
    """Against importance-weighted evidence: the bound is below it, and near it when the posterior is good."""
    vae, _ = fitted
    n = 8
    members = normal_sets((9.0,), n)[0]
    losses = vae.losses(members.expand(4_000, n, 1), torch.Generator().manual_seed(1))
    bound = -losses.mean().item() * n
    codes = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        centres, scales = vae._decoder(codes).chunk(2, dim=-1)
        scales = torch.nn.functional.softplus(scales) + 0.1
        away = ((members - vae._mean) / vae._scale).T - centres
        log_likelihood = (-0.5 * (away / scales) ** 2 - scales.log()).sum(dim=1)
    evidence = (log_likelihood.logsumexp(dim=0) - math.log(len(codes))).item()
    assert evidence - 1.0 < bound < evidence + 0.05


def test_codes_order_groups_that_were_never_seen(fitted):
    vae, losses = fitted
    assert np.mean(losses[-50:]) < np.mean(losses[:50])
    groups = normal_sets((6.0, 9.0, 14.0, 19.0, 21.0), 4_000)
    seen = torch.stack([vae.code(members) for members in groups])
    direction = seen[-1] - seen[0]
    places = (seen @ direction).tolist()
    assert places == sorted(places)
    torch.testing.assert_close(vae.code(groups[2].flip(0)), seen[2], atol=1e-4, rtol=1e-4)


def test_simulators_are_one_a_group_and_users_those_of_their_seeds():
    found = simulators_of("LTSRec-v0", {"gap": 5.0})
    assert list(found) == [6.0, 7.0, 8.0, 20.0, 21.0]
    parts = [make_envs("LTSRec-v0", kwargs, k + 1) for k, kwargs in enumerate(found.values())]
    envs = SimulatorSet(parts)
    assert envs.membership.tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]
    together = envs.reset(seed=7)[0]
    actions = np.arange(15) * 2
    given, rewards, *_, infos = envs.step(actions)
    np.testing.assert_array_equal(infos["reward_terms"]["engagement"], rewards)
    for row in range(15):
        group = list(found)[envs.membership[row]]
        assert parts[envs.membership[row]].unwrapped.hidden_users().choc_mean[0] == group
        single = gym.make("LTSRec-v0", groups=(group,))
        np.testing.assert_array_equal(single.reset(seed=7 + row)[0], together[row])
        observation, reward, *_ = single.step(actions[row])
        np.testing.assert_array_equal(observation, given[row])
        assert reward == pytest.approx(rewards[row])
    envs.close()


def test_infos_of_some_simulators_are_masked():
    """Episodes of two lengths: final observations are those of the simulator whose episodes end."""
    envs = SimulatorSet([make_envs("LTSRec-v0", {"groups": (9.0,), "horizon": horizon}, 2) for horizon in (2, 3)])
    envs.reset(seed=1)
    masks = []
    for _ in range(3):
        *_, terminated, _, infos = envs.step(np.zeros(4, np.int64))
        masks.append(infos.get("_final_obs", np.zeros(4, bool)).tolist())
        assert masks[-1] == terminated.tolist()
    assert masks == [[False] * 4, [True, True, False, False], [False, False, True, True]]


def context_of(remembers=True, coded=True):
    kwargs = {"action": "continuous", "horizon": 3}
    parts = [make_envs("LTSRec-v0", {"groups": (group,), **kwargs}, 4) for group in (6.0, 21.0)]
    envs = SimulatorSet(parts)
    extractor = SetVAE(3, 2, seed=1) if coded else None
    spaces = envs.single_observation_space, envs.single_action_space
    return ContextEnvs(envs, GroupContext(*spaces, remembers, extractor, envs.membership)), extractor


def test_a_policy_sees_its_last_action_and_the_code_of_its_group():
    envs, extractor = context_of()
    first, _ = envs.reset(seed=1)
    assert envs.single_observation_space.shape == (6,)
    assert not first[:, 0].any()
    for rows in (slice(0, 4), slice(4, 8)):
        expected = extractor.code(torch.as_tensor(first[rows, 3:]))
        np.testing.assert_allclose(first[rows, 1:3], np.tile(expected, (4, 1)), atol=1e-6)
    actions = np.linspace(-1.0, 1.0, 8, dtype=np.float32)[:, None]
    for _ in range(2):
        seen, *_ = envs.step(actions)
        np.testing.assert_array_equal(seen[:, :1], actions)
        np.testing.assert_array_equal(seen[:, 1:4], first[:, 1:4])
    seen, *_, infos = envs.step(-actions)
    np.testing.assert_array_equal(infos["final_obs"][:, :1], -actions)
    np.testing.assert_array_equal(infos["final_obs"][:, 1:3], first[:, 1:3])
    assert not seen[:, 0].any()
    assert (seen[:, 1:3] != first[:, 1:3]).all()


def test_the_hidden_user_is_behind_what_the_policy_sees_and_changes_nothing_of_it():
    envs, _ = context_of()
    simulators = envs.env
    envs = ContextEnvs(simulators, envs._context, simulators)
    actions = np.zeros((8, 1), np.float32)
    seen, _ = envs.reset(seed=1)
    seen, *_ = envs.step(actions)
    users = [part.hidden_users() for part in simulators._parts]
    for k, name in enumerate(users[0]._fields):
        expected = np.concatenate([getattr(found, name) for found in users])
        np.testing.assert_allclose(seen[:, 6 + k], expected, rtol=1e-6)
    net = ContextActorCritic(
        ObservationEncoder(envs.single_observation_space, torch.device("cpu")),
        action_head(envs.single_action_space),
        hidden=8,
        told=5,
    )
    rows, begins = torch.as_tensor(seen), torch.zeros(8, dtype=torch.bool)
    for changed in (rows[:, :6], torch.cat([rows[:, :6], rows[:, 6:] + 1.0], dim=1)):
        for found, expected in zip(net(changed, net.begin(8), begins), net(rows, net.begin(8), begins), strict=True):
            torch.testing.assert_close(found, expected)


def test_without_flags_only_the_observation_is_seen():
    envs, _ = context_of(remembers=False, coded=False)
    assert envs.single_observation_space.shape == (3,)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_sequences_remember_as_steps_do():
    """A whole sequence with beginnings in its midst, against one step after the other."""
    observed, acted = gym.spaces.Box(-1.0, 1.0, (3,)), gym.spaces.Box(-1.0, 1.0, (1,))
    net = ContextActorCritic(ObservationEncoder(observed, torch.device("cpu")), action_head(acted), hidden=8)
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(6, 4, 3, generator=generator)
    begins = torch.rand(6, 4, generator=generator) < 0.3
    memory = start = torch.randn(4, 8, generator=generator)
    outputs, values, last = net(rows.flatten(0, 1), start, begins.flatten())
    for t in range(6):
        kept = torch.where(begins[t][:, None], 0.0, memory)
        alone = net(rows[t], kept, torch.zeros(4, dtype=torch.bool))
        found = net(rows[t], memory, begins[t])
        torch.testing.assert_close(found[0], alone[0])
        torch.testing.assert_close(outputs.view(6, 4, -1)[t], found[0])
        torch.testing.assert_close(values.view(6, 4, -1)[t], found[1])
        memory = found[2]
    torch.testing.assert_close(last, memory)


SMALL = {
    "env_arg": ("action=continuous", "horizon=4", "groups=[6, 9, 19]"),
    "num_envs": 30,
    "num_steps": 6,
    "num_minibatches": 2,
    "total_steps": 1_800,
    "eval_every": 900,
    "eval_episodes": 60,
    "code_updates": 20,
    "hidden": 8,
    "device": "cpu",
    "tensorboard": False,
}


def lines_of(run):
    kept = []
    for line in (run.folder / "log.jsonl").read_text().splitlines():
        record = json.loads(line)
        kept.append({k: v for k, v in record.items() if not k.startswith("time") and k != "charts/SPS"})
    return kept


@pytest.mark.parametrize("flags", [{"guess_weight": 0.1}, {"set_code": False, "recurrent": False}])
def test_a_resumed_run_is_the_same(tmp_path, flags):
    def trained(out, **given):
        return sim2rec.train(sim2rec.Args("LTSRec-v0", out=tmp_path / out, **SMALL | flags | given, anneal_lr=False))

    straight = trained("straight")
    begun = trained("resumed", total_steps=900)
    resumed = trained("resumed", resume=str(begun.folder))
    assert resumed.folder == begun.folder
    assert lines_of(resumed) == lines_of(straight)
    assert any("losses/policy_loss" in line for line in lines_of(straight))
    kept, again = (load_model(run.folder, False) for run in (straight, resumed))
    assert all(torch.equal(tensor, again[name]) for name, tensor in kept.items())


def test_a_saved_policy_plays_as_it_was_evaluated(tmp_path):
    """Also: evaluations are of the groups that were held out, and the target is another group of users."""
    given = SMALL | {"held_out": (9.0,), "eval_episodes": 50, "guess_weight": 0.1}
    run = sim2rec.train(sim2rec.Args("LTSRec-v0", out=tmp_path, **given))
    evaluated = [line["eval/return"] for line in lines_of(run) if "eval/return" in line]
    policy = sim2rec.load_policy(run.folder)
    kwargs = {"action": "continuous", "horizon": 4}
    found = sim2rec.evaluate(policy, "LTSRec-v0", {**kwargs, "groups": (9.0,)}, 50)
    assert found.returns.mean() == pytest.approx(evaluated[-1], rel=1e-5)
    target = sim2rec.evaluate(policy, "LTSRec-v0", {**kwargs, "split": "test"}, 50)
    assert len(target.returns) == 50
    assert (target.returns != found.returns).all()


def test_wrong_groups_and_environments_are_said(tmp_path):
    for held_out in ((14.0,), (6.0, 9.0, 19.0)):
        with pytest.raises(InputError, match=r"held-out must be some of the groups \(6.0, 9.0, 19.0\)"):
            sim2rec.train(sim2rec.Args("LTSRec-v0", out=tmp_path, **SMALL | {"held_out": held_out}))
    with pytest.raises(InputError, match="CartPole-v1 has no groups of users"):
        sim2rec.train(sim2rec.Args("CartPole-v1", out=tmp_path))
    with pytest.raises(InputError, match="num-envs must be at least 3"):
        sim2rec.train(sim2rec.Args("LTSRec-v0", out=tmp_path, **SMALL | {"num_envs": 2}))
    assert not list(tmp_path.iterdir())


def test_learns_which_item_pays_in_one_step(tmp_path):
    """With a horizon of 1 the last item is best for everybody: the myopic optimum is exact."""
    args = SMALL | {"env_arg": ("action=continuous", "horizon=1", "groups=[9, 19]"), "total_steps": 6_000}
    args |= {"learning_rate": 2e-2, "eval_every": 6_000, "num_steps": 10, "set_code": False}
    run = sim2rec.train(sim2rec.Args("LTSRec-v0", out=tmp_path, **args))
    policy = sim2rec.load_policy(run.folder)
    kwargs = {"action": "continuous", "horizon": 1, "split": "test"}
    found = sim2rec.evaluate(policy, "LTSRec-v0", kwargs, 500).returns.mean()
    envs = make_envs("LTSRec-v0", kwargs, 500)
    envs.reset(seed=2**30)
    users = envs.unwrapped.hidden_users()
    best = (29 / 30 * 14.0 + 1 / 30 * 4.0) * users.satisfaction
    assert found > 0.95 * best.mean()


def test_bounded_means_find_back_inside():
    """Descending never leads further out, and always back in."""
    bound = BoundedMeans(gym.spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 4.0]), dtype=np.float64))
    numbers = torch.tensor([[-3.0, -3.0], [0.5, 1.0], [3.0, 9.0]], requires_grad=True)
    means = bound(numbers)
    torch.testing.assert_close(means, torch.tensor([[-1.1, -0.2], [0.5, 1.0], [1.1, 4.2]]))
    means.sum().backward()
    assert numbers.grad.tolist() == [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    numbers.grad = None
    (-bound(numbers).sum()).backward()
    assert numbers.grad.tolist() == [[-1.0, -1.0], [-1.0, -1.0], [0.0, 0.0]]
