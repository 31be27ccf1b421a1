"""Policies that need no training: they play wherever they say, and are what they say."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

pytest.importorskip("torch")

from telos.baselines.evaluation import evaluate
from telos.baselines.policies.registry import POLICIES, make_policy
from telos.baselines.policies.simple import ConstantAction, RandomActions
from telos.envs.bandits.optimum import finite_horizon_optimum
from telos.envs.tabular.optimum import finite_horizon_evaluation
from telos.envs.tabular.optimum import finite_horizon_optimum as table_optimum

SMALL = {
    "RestlessBandit-v0": {"num_arms": 3, "budget": 1, "horizon": 4},
    "CoRMABIntervention-v0": {"num_arms": 3, "budget": 2, "num_actions": 3, "horizon": 4},
    "CoRMABPath-v0": {"num_arms": 3, "budget": 2, "horizon": 4},
    "CoRMABMatching-v0": {"num_arms": 3, "budget": 2, "horizon": 4},
    "CoRMABCapacity-v0": {"num_arms": 3, "budget": 2, "horizon": 4},
    "LoiterChain-v0": {},
    "StepChain-v0": {},
    "DeepSea-v0": {"size": 4},
    "RandomMDP-v0": {"horizon": 10},
    "FourRooms-v0": {},
    "CartPole-v1": {},
}
"""Small environments, one an id; those of policies for any environment are all of them."""

PLACES = [(name, env_id) for name, row in POLICIES.items() for env_id in row.environments or SMALL]


def arguments_of(name, env_id):
    """Arguments that a policy cannot do without, or that keep it quick."""
    if name == "constant":
        env = gym.make(env_id, **SMALL[env_id])
        return {"action": np.zeros(env.action_space.shape, int).tolist()}
    return {"samples": 4} if name == "price-rollout" else {}


def returns_of(name, env_id, episodes, kwargs=None, **arguments):
    kwargs = SMALL[env_id] if kwargs is None else kwargs
    policy = make_policy(name, env_id, kwargs, seed=1, arguments=arguments)
    return evaluate(policy, env_id, kwargs, episodes=episodes, num_envs=min(episodes, 2_000)).returns


@pytest.mark.parametrize(("name", "env_id"), PLACES)
def test_every_policy_plays_where_it_says(name, env_id):
    if name == "constant" and env_id == "FourRooms-v0":
        pytest.skip("always up never reaches the goal, and the episode has no other end")
    kwargs = SMALL[env_id]
    policy = make_policy(name, env_id, kwargs, seed=1, arguments=arguments_of(name, env_id))
    found = evaluate(policy, env_id, kwargs, episodes=1)
    assert found.lengths[0] >= 1
    assert np.isfinite(found.returns[0])


@pytest.mark.parametrize("observation", ["index", "one_hot"])
@pytest.mark.parametrize("observe_time", [False, True])
def test_the_optimum_of_a_table_is_reached(observation, observe_time):
    kwargs = {"num_states": 8, "horizon": 12, "observation": observation, "observe_time": observe_time}
    optimum = table_optimum(gym.make("RandomMDP-v0", **kwargs).unwrapped.to_tabular())
    returns = returns_of("optimal", "RandomMDP-v0", 4_000, kwargs)
    error = returns.std() / np.sqrt(len(returns))
    assert abs(returns.mean() - optimum.expected) < 4 * error


@pytest.mark.parametrize("env_id", ["LoiterChain-v0", "DeepSea-v0"])
def test_the_optimum_of_a_deterministic_table_is_reached_exactly(env_id):
    optimum = table_optimum(gym.make(env_id, **SMALL[env_id]).unwrapped.to_tabular())
    assert returns_of("optimal", env_id, 3) == pytest.approx(optimum.expected)


def test_an_optimum_without_horizon_is_quicker_than_any_other():
    optimal = evaluate(make_policy("optimal", "FourRooms-v0", {}), "FourRooms-v0", episodes=200)
    hasty = make_policy("optimal", "FourRooms-v0", {}, arguments={"discount": 0.5})
    random = evaluate(make_policy("random", "FourRooms-v0", {}), "FourRooms-v0", episodes=50)
    assert optimal.returns.min() == 1.0
    assert optimal.lengths.mean() < 40 < random.lengths.mean()
    assert evaluate(hasty, "FourRooms-v0", episodes=10).returns.min() == 1.0


@pytest.mark.parametrize("env_id", ["RestlessBandit-v0", "CoRMABCapacity-v0", "CoRMABIntervention-v0"])
def test_the_optimum_of_a_bandit_is_reached_and_bounds_the_others(env_id):
    family = gym.make(env_id, **SMALL[env_id]).unwrapped.family
    arms, feasible_set = family.arms, family.feasible_sets[0]
    exact = finite_horizon_optimum(arms, feasible_set, family.horizon, initial=family.start).expected
    returns = returns_of("optimal", env_id, 8_000)
    error = returns.std() / np.sqrt(len(returns))
    assert abs(returns.mean() - exact) < 4 * error
    for name in ("null", "random", "myopic", "greedy", "prices"):
        assert returns_of(name, env_id, 4_000).mean() < exact + 4 * error * np.sqrt(2)


def test_the_optimum_takes_contagion_into_account():
    kwargs = SMALL["CoRMABCapacity-v0"] | {"contagion": 0.8}
    from telos.envs.bandits.interacting_optimum import interacting_optimum

    exact = interacting_optimum(gym.make("CoRMABCapacity-v0", **kwargs).unwrapped.family).expected
    returns = returns_of("optimal", "CoRMABCapacity-v0", 8_000, kwargs)
    assert abs(returns.mean() - exact) < 4 * returns.std() / np.sqrt(len(returns))


@pytest.mark.parametrize("name", ["random", "null", "myopic", "prices"])
def test_a_vehicle_that_stays_out_has_policies(name):
    kwargs = {"num_arms": 5, "budget": 2, "horizon": 4, "persistent": True}
    assert np.isfinite(returns_of(name, "CoRMABPath-v0", 5, kwargs)).all()


@pytest.mark.parametrize("variant", [{"features": True}, {"observe": "acted_on"}, {"reward_cap": 2.0}])
def test_variants_are_played(variant):
    kwargs = SMALL["CoRMABCapacity-v0"] | variant
    for name in ("random", "prices", "greedy"):
        assert np.isfinite(returns_of(name, "CoRMABCapacity-v0", 5, kwargs)).all()


def test_myopic_takes_what_pays_most_next():
    table = gym.make("RandomMDP-v0", horizon=6).unwrapped.to_tabular()
    best = table.expected_reward(None).argmax(axis=1)
    exact = float(table.start @ finite_horizon_evaluation(table, best)[0])
    returns = returns_of("myopic", "RandomMDP-v0", 4_000, {"horizon": 6})
    assert abs(returns.mean() - exact) < 4 * returns.std() / np.sqrt(len(returns))


def test_random_is_uniform():
    table = gym.make("RandomMDP-v0", horizon=6).unwrapped.to_tabular()
    uniform = np.full((table.num_states, table.num_actions), 1 / table.num_actions)
    exact = float(table.start @ finite_horizon_evaluation(table, uniform)[0])
    returns = returns_of("random", "RandomMDP-v0", 4_000, {"horizon": 6})
    assert abs(returns.mean() - exact) < 4 * returns.std() / np.sqrt(len(returns))


@pytest.mark.parametrize("where", ["info", "observation"])
def test_random_is_uniform_over_what_the_mask_allows(where):
    mask = np.tile(np.array([1, 0, 1, 0, 1], np.int8), (6_000, 1))
    seen, infos = (np.zeros(6_000), {"action_mask": mask}) if where == "info" else ({"action_mask": mask}, {})
    policy = RandomActions(spaces.Discrete(5, start=10), seed=3)
    drawn = policy(seen, infos, np.ones(6_000, bool))
    counts = np.bincount(drawn - 10, minlength=5)
    assert counts[[1, 3]].tolist() == [0, 0]
    assert np.abs(counts[[0, 2, 4]] - 2_000).max() < 4 * np.sqrt(6_000 * 1 / 3 * 2 / 3)


@pytest.mark.parametrize(
    ("space", "mask"),
    [(spaces.MultiDiscrete([2, 3]), [0, 1, 1, 0, 1]), (spaces.MultiBinary(3), [1, 0, 1])],
)
def test_random_obeys_masks_of_joint_actions(space, mask):
    masks = np.tile(np.array(mask, np.int8), (500, 1))
    drawn = RandomActions(space)(np.zeros(500), {"action_mask": masks}, np.ones(500, bool))
    found = {tuple(row) for row in drawn.tolist()}
    assert found == ({(1, 0), (1, 2)} if len(mask) == 5 else {(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)})


def test_random_takes_every_feasible_action_of_a_bandit():
    kwargs = SMALL["CoRMABCapacity-v0"]
    policy = make_policy("random", "CoRMABCapacity-v0", kwargs, seed=2)
    drawn = policy(np.zeros((2_000, 3), np.int16), {}, np.ones(2_000, bool))
    feasible = gym.make("CoRMABCapacity-v0", **kwargs).unwrapped.enumerate()
    assert {tuple(row) for row in drawn.tolist()} == {tuple(row) for row in feasible.tolist()}


def test_seeds_decide_random_actions():
    spaced = spaces.Box(-1.0, 1.0, (2,), np.float32)
    first, again, other = (RandomActions(spaced, seed)(None, {}, np.ones(3, bool)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert all(spaced.contains(action) for action in first)


def test_a_constant_action_is_of_the_space():
    policy = make_policy("constant", "LoiterChain-v0", {}, arguments={"action": 1})
    assert isinstance(policy, ConstantAction)
    assert evaluate(policy, "LoiterChain-v0", episodes=3).returns == pytest.approx(10.0)  # 20 steps of loitering.


@pytest.mark.parametrize(
    ("name", "env_id", "arguments", "message"),
    [
        ("whitle", "RestlessBandit-v0", {}, "Did you mean 'whittle'"),
        ("whittle", "DeepSea-v0", {}, "not for DeepSea-v0, but for RestlessBandit-v0"),
        ("sampling", "RestlessBandit-v0", {"cout": 3}, "Did you mean 'count'"),
        ("null", "RestlessBandit-v0", {"count": 3}, "It has none"),
        ("constant", "DeepSea-v0", {}, "needs an action"),
        ("constant", "DeepSea-v0", {"action": 2}, "is not in Discrete"),
        ("constant", "DeepSea-v0", {"action": 0.5}, "is not in Discrete"),
        ("constant", "DeepSea-v0", {"action": "left"}, "is not in Discrete"),
        ("constant", "RestlessBandit-v0", {"action": [1, 1, 1]}, "is not feasible: budget"),
    ],
)
def test_wrong_input_is_named(name, env_id, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_policy(name, env_id, SMALL[env_id], arguments=arguments)


def test_policies_of_arms_with_two_levels_say_so():
    from telos.envs.bandits.arms import Arms

    third = np.full((2, 3, 2, 2), 0.5)
    arms = Arms(third, np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="two levels"):
        make_policy("whittle", "RestlessBandit-v0", {"arms": arms, "budget": 1})
