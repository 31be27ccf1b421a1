"""SEQUOIA: the maximum over actions, and a learner that comes near the optimum of a small instance."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
from coupled_sets import PROBLEMS, best_value, random_network, small_set

import telos  # noqa: F401 - registers the environments

torch = pytest.importorskip("torch")

from telos.baselines.bandit_evaluation import evaluate_policy  # noqa: E402
from telos.baselines.policies.bandits import Myopic  # noqa: E402
from telos.baselines.q_argmax import Enumeration, LocalSearch, MixedInteger, make_argmax  # noqa: E402
from telos.baselines.q_network import Inputs, QNetwork  # noqa: E402
from telos.baselines.sequoia import Sequoia, SequoiaConfig, train  # noqa: E402
from telos.envs.bandits.feasible import BudgetSet  # noqa: E402
from telos.envs.bandits.optimum import finite_horizon_optimum  # noqa: E402

HORIZON = 12
SHORT = SequoiaConfig(horizon=HORIZON, warm_samples=400, warm_epochs=2, episodes=4, batch=32)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(num_envs, problem="Capacity", **kwargs):
    arguments = {"num_arms": 6, "budget": 2, "horizon": HORIZON, "instance_seed": 2, "autoreset_mode": "SameStep"}
    return gym.make_vec(f"CoRMAB{problem}-v0", num_envs=num_envs, num_threads=1, **(arguments | kwargs))


def states(count, num_arms=6):
    return np.random.default_rng(0).integers(0, 4, size=(count, num_arms)).astype(np.int16)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("skip", [0.0, 1.0, 5.0])
def test_enumeration_and_program_agree_with_listing(problem, skip):
    feasible_set = small_set(problem)
    network = random_network(feasible_set, 3, seed=7, skip=skip)
    best = [best_value(feasible_set, network, row) for row in range(3)]
    listed = Enumeration(feasible_set)(network)
    solved = MixedInteger(feasible_set, (5, 6))(network[:1])
    for decision in (listed, solved):
        rows = len(decision.values)
        assert feasible_set.feasible_batch(decision.actions).all()
        np.testing.assert_allclose(decision.values, best[:rows], atol=1e-6)
        np.testing.assert_allclose(decision.upper_bounds, best[:rows], atol=1e-5)
        np.testing.assert_allclose(
            network[:rows].values(feasible_set.levels(decision.actions)[:, None])[:, 0], decision.values, atol=1e-9
        )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_local_search_is_feasible_and_its_bound_holds(problem):
    feasible_set = small_set(problem, num_arms=9)
    network = random_network(feasible_set, 20, seed=8)
    best = np.array([best_value(feasible_set, network, row) for row in range(20)])
    found = LocalSearch(feasible_set)(network)
    assert feasible_set.feasible_batch(found.actions).all()
    np.testing.assert_allclose(network.values(feasible_set.levels(found.actions)[:, None])[:, 0], found.values)
    assert (found.values <= best + 1e-9).all()
    assert (best <= found.upper_bounds + 1e-9).all()
    assert np.isclose(found.values, best).mean() >= 0.8


def test_local_search_is_exact_for_a_linear_network():
    feasible_set = small_set("capacity", num_arms=30, budget=6)
    network = random_network(feasible_set, 4, seed=9)
    network.layers[-1][0][:] = 0.0  # only the skip connection counts
    found = LocalSearch(feasible_set)(network)
    expected = feasible_set.linear_oracle(network.gains[..., -1])
    np.testing.assert_array_equal(feasible_set.levels(found.actions), feasible_set.levels(expected))
    np.testing.assert_allclose(found.upper_bounds, found.values, atol=1e-9)


def test_what_cannot_be_listed_is_searched():
    feasible_set = small_set("capacity")
    assert isinstance(make_argmax(feasible_set), Enumeration)
    assert isinstance(make_argmax(feasible_set, limit=5), LocalSearch)


@pytest.mark.parametrize(("gates", "num_levels"), [(1, 2), (4, 2), (4, 3)])
def test_the_network_at_an_observation_is_the_network(gates, num_levels):
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    network = QNetwork(9, gates, 5, num_levels, (6, 7), skip=True)
    torch.nn.init.normal_(network.skip.weight)
    inputs = Inputs(rng.normal(size=(8, 9)).astype(np.float32), rng.normal(size=(8, 5, gates)).astype(np.float32))
    levels = rng.integers(0, num_levels, size=(8, 5))
    with torch.no_grad():
        expected = network(*(torch.as_tensor(part) for part in (*inputs, levels))).numpy()
    np.testing.assert_allclose(network.at(inputs).values(levels[:, None])[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_training_comes_near_the_optimum():
    envs = make(20)
    family = envs.unwrapped.family
    arms, feasible_set = family.instance.arms, family.instance.feasible
    config = SequoiaConfig(horizon=HORIZON, warm_samples=4000, warm_epochs=6, episodes=60)
    policy = train(envs, [feasible_set], config)
    test = make(400, autoreset_mode="NextStep")
    optimum = finite_horizon_optimum(arms, feasible_set, HORIZON, initial=family.start).expected / HORIZON
    learned = evaluate_policy(test, policy, HORIZON, seed=1)
    myopic = evaluate_policy(test, Myopic(arms, feasible_set), HORIZON, seed=1)
    assert learned.mean <= optimum + 5 * learned.error
    assert learned.mean >= 0.95 * optimum  # 0.99 of it here; myopic has 0.54
    assert learned.mean > myopic.mean + 5 * (learned.error + myopic.error)
    assert len(policy.history) == 3
    assert policy.history[-1] > policy.history[0]


@pytest.mark.parametrize(("problem", "mode"), [("Capacity", "SameStep"), ("Intervention", "NextStep")])
def test_equal_seeds_train_equal_policies(problem, mode):
    extra = {"num_actions": 4} if problem == "Intervention" else {}
    policies = []
    for seed in (0, 0, 1):
        envs = make(3, problem, autoreset_mode=mode, **extra)
        policies.append(train(envs, [envs.unwrapped.feasible_set], dataclasses.replace(SHORT, seed=seed)))
    weights = [torch.nn.utils.parameters_to_vector(policy.network.parameters()) for policy in policies]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert policies[0].history == policies[1].history


def test_a_checkpoint_decides_as_before(tmp_path):
    envs = make(4)
    feasible_set = envs.unwrapped.feasible_set
    policy = train(envs, [feasible_set], SHORT)
    policy.save(tmp_path / "runs" / "policy.pt")
    loaded = Sequoia.load(tmp_path / "runs" / "policy.pt", [feasible_set])
    assert loaded.config == SHORT
    for t in (0, HORIZON - 1):
        before, after = policy.decide(states(50), t), loaded.decide(states(50), t)
        np.testing.assert_array_equal(before.actions, after.actions)
        np.testing.assert_array_equal(before.values, after.values)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["policy.pt"]
    with pytest.raises(ValueError, match="trained for"):
        Sequoia.load(tmp_path / "runs" / "policy.pt", [BudgetSet(7, 2)])


def test_each_observation_gets_an_action_of_its_own_set():
    """Where arm 0 is in an even state, nothing may be done."""
    sets = [BudgetSet(6, 0), BudgetSet(6, 2)]
    envs = make(4, invalid="project")
    policy = train(envs, sets, SHORT, set_of=lambda observation: observation[:, 0].astype(np.int64) % 2)
    seen = states(200)
    actions = policy(seen, 3)
    assert not actions[seen[:, 0] % 2 == 0].any()
    assert (actions.sum(axis=1) <= 2).all()
    assert actions[seen[:, 0] % 2 == 1].any()


@pytest.mark.parametrize("inputs", ["gated", "one_hot", "scaled"])
def test_time_matters_only_if_it_is_an_input(inputs):
    for remaining_time in (True, False):
        envs = make(4)
        config = dataclasses.replace(SHORT, inputs=inputs, remaining_time=remaining_time)
        policy = train(envs, [envs.unwrapped.feasible_set], config)
        same = np.array_equal(policy.decide(states(9), 0).values, policy.decide(states(9), HORIZON - 1).values)
        assert same is not remaining_time


def test_environments_that_do_not_reset_themselves_are_refused():
    envs = make(2, autoreset_mode="Disabled")
    with pytest.raises(ValueError, match="autoreset_mode='SameStep'"):
        train(envs, [envs.unwrapped.feasible_set], SHORT)
