"""Harder variants of the bandits: contagion, capped rewards, hidden states, instances in the observation."""

import gymnasium as gym
import numpy as np
import pytest
from plain_bandit import PlainBandit, play_beside

import telos  # noqa: F401 - registers the environments
from telos.envs.bandits.arms import Arms
from telos.envs.bandits.coupled_instances import planar_edges

PROBLEMS = ("Intervention", "Path", "Matching", "Capacity")
each = pytest.mark.parametrize("problem", PROBLEMS)


def groups_of(family):
    groups = family.params.interaction.groups
    return [np.flatnonzero(groups == g).tolist() for g in range(groups.max() + 1)]


@each
@pytest.mark.parametrize("kwargs", [{"contagion": 0.4}, {"reward_cap": 3.0}, {"contagion": 1.0, "reward_cap": 5.5}])
def test_trajectories_equal_those_of_a_plain_rendering(problem, kwargs):
    env = gym.make(f"CoRMAB{problem}-v0", instance_seed=20, horizon=8, **kwargs)
    family = env.unwrapped.family
    neighbours = [[] for _ in range(20)]
    for one, other in planar_edges(20, 20).tolist():
        neighbours[one].append(other)
        neighbours[other].append(one)
    assert sorted(arm for group in groups_of(family) for arm in group) == list(range(20))
    assert all(len(group) == 5 for group in groups_of(family))
    plain = PlainBandit(
        family.arms,
        family.start,
        8,
        family.instance.next_state_rewards,
        kwargs.get("contagion", 0.0),
        neighbours,
        groups_of(family),
        kwargs.get("reward_cap"),
    )
    env.action_space.seed(1)
    for *_, info in play_beside(env, plain, env.action_space.sample):
        assert ("expected_reward" in info) == ("reward_cap" not in kwargs)


def test_expected_rewards_under_contagion_are_means():
    envs = gym.make_vec("CoRMABCapacity-v0", num_envs=20_000, contagion=0.5, instance_seed=3)
    envs.reset(seed=0)
    actions = np.tile(envs.unwrapped.sample_feasible(1), (20_000, 1))
    for _ in range(4):
        _, rewards, _, _, infos = envs.step(actions)
        difference = rewards - infos["expected_reward"]
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(20_000)
        assert difference.std() > 0.05


def test_a_cap_that_never_binds_changes_nothing():
    rewards = []
    for kwargs in ({}, {"reward_cap": 1000.0}):
        env = gym.make("CoRMABCapacity-v0", **kwargs)
        env.reset(seed=4)
        env.action_space.seed(0)
        rewards.append([env.step(env.action_space.sample())[1] for _ in range(20)])
    assert rewards[0] == pytest.approx(rewards[1])


def filtered(arms, start, history):
    """The belief about each arm after levels and, where one was above 0, the state seen, by Bayes' rule."""
    beliefs = start.copy()
    for levels, seen in history:
        for arm, level in enumerate(levels):
            if level > 0:
                beliefs[arm] = np.eye(beliefs.shape[1])[seen[arm]]
            beliefs[arm] = beliefs[arm] @ arms.transitions[arm, level]
    return beliefs


@pytest.mark.parametrize("levels", [2, 3])
def test_beliefs_are_those_of_bayes_rule(levels):
    rng = np.random.default_rng(5)
    arms = Arms(rng.dirichlet(np.ones(3), (4, levels, 3)), rng.random((4, levels, 3)))
    start = rng.dirichlet(np.ones(3), 4)
    env = gym.make("RestlessBandit-v0", arms=arms, start=start, budget=2, horizon=7, observe="acted_on")
    family = env.unwrapped.family
    each_arm = np.arange(4)
    env.action_space.seed(2)
    for _ in range(10):
        states, _ = env.reset()
        history = []
        over = False
        while not over:
            believed = filtered(arms, start, history)
            assert family.beliefs[each_arm, states] == pytest.approx(believed, abs=1e-12)
            action = env.action_space.sample()
            states, reward, over, _, _ = env.step(action)
            expected = sum(believed[j] @ arms.rewards[j, action[j]] for j in range(4))
            assert reward == pytest.approx(expected)
            # The observation says what was seen: source 1 + (level - 1) S + state, age 0.
            source, age = np.divmod(states, 7)
            assert (age[action > 0] == 0).all()
            seen = (source - 1) % 3
            assert ((source - 1) // 3 == action - 1)[action > 0].all()
            history.append((action, seen))


def test_what_is_seen_has_the_probability_of_the_belief():
    envs = gym.make_vec("CoRMABCapacity-v0", num_envs=30_000, num_arms=3, budget=3, observe="acted_on", horizon=6)
    family = envs.unwrapped.family
    envs.reset(seed=1)
    action = np.zeros((30_000, 3), np.int8)
    for _ in range(3):
        states = envs.step(action)[0]
    believed = family.beliefs[0, states[0, 0]]
    action[:, 0] = 1
    states = envs.step(action)[0]
    found = np.bincount(states[:, 0] // 6 - 1, minlength=4) / 30_000
    assert np.abs(found - believed).max() < 0.015
    assert believed[2] > 0.01


@each
def test_the_observation_can_hold_the_instance(problem):
    env = gym.make(f"CoRMAB{problem}-v0", instance_seed=2, features=True)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    instance = env.unwrapped.family.instance
    assert observation["features"][:, :4] == pytest.approx(instance.next_state_rewards)
    transitions = observation["features"][:, 4:].reshape(instance.arms.transitions.shape)
    assert transitions == pytest.approx(instance.arms.transitions)
    plain = gym.make(f"CoRMAB{problem}-v0", instance_seed=2)
    assert observation["arms"].tolist() == plain.reset(seed=0)[0].tolist()


def test_streaming_arms_come_and_go():
    envs = gym.make_vec("RestlessBandit-v0", num_envs=500, instance="streaming", horizon=10**6)
    states, _ = envs.reset(seed=0)
    arms = envs.unwrapped.family.arms
    left = returned = present = absent = 0
    for _ in range(50):
        after = envs.step(np.ones((500, 20), np.int8) * (np.arange(20) < 5))[0]
        left += ((states < 4) & (after == 4)).sum()
        returned += ((states == 4) & (after < 4)).sum()
        assert (after[(states == 4) & (after < 4)] == 0).all()
        present, absent = present + (states < 4).sum(), absent + (states == 4).sum()
        states = after
    assert 0.02 < left / present < 0.1
    assert 0.05 < returned / absent < 0.2
    assert (arms.rewards[:, :, 4] <= arms.transitions[:, :, 4, :4].sum(axis=2) * 0.2 + 1e-12).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"contagion": 1.5}, "contagion must be a probability"),
        ({"reward_cap": 0.0}, "reward_cap must be above 0"),
        ({"observe": "acted_on", "contagion": 0.5}, "leave contagion and reward_cap out"),
        ({"observe": "acted_on", "num_arms": 500, "horizon": 200}, "use a shorter horizon"),
    ],
)
def test_bad_arguments_are_told(kwargs, message):
    with pytest.raises(ValueError, match=message):
        gym.make("CoRMABCapacity-v0", **kwargs)


def test_a_vehicle_stays_where_it_went():
    env = gym.make("CoRMABPath-v0", persistent=True, instance_seed=3)
    family = env.unwrapped.family
    home = family.instance.feasible
    joined = {(a, b) for one, other in home.edges.tolist() for a, b in ((one, other), (other, one))}
    observation, _ = env.reset(seed=1)
    assert observation in env.observation_space
    place = home.source
    gone = set()
    over = False
    while not over:
        assert np.flatnonzero(observation["vehicle"]).tolist() == [place]
        action = env.unwrapped.sample_feasible()[0]
        pulls, ends = np.split(action, 2)
        reached = {place}
        for _ in range(home.max_length // 2):
            reached |= {b for a, b in joined if a in reached}
        assert set(np.flatnonzero(pulls)) <= reached
        observation, _, over, _, info = env.step(action)
        assert info["acted_on"] == pulls.sum() <= 5
        place = int(ends.argmax()) if ends.any() else place
        assert place in reached
        gone.add(place)
    assert len(gone) > 3


def test_a_vehicle_that_is_elsewhere_makes_an_action_infeasible():
    envs = gym.make_vec("CoRMABPath-v0", num_envs=2, persistent=True, instance_seed=3, horizon=50)
    sets = envs.unwrapped.family.feasible_sets
    observation, _ = envs.reset(seed=0)
    (depot,) = np.flatnonzero(observation["vehicle"][0])
    far = max(range(20), key=lambda node: sets[depot].feasible(np.eye(40, dtype=int)[20 + node]) * 100 + node)
    stay, go = np.zeros(40, np.int8), np.eye(40, dtype=np.int8)[20 + far]
    observation = envs.step(np.stack([stay, go]))[0]
    assert observation["vehicle"].argmax(axis=1).tolist() == [depot, far]
    pulls = np.eye(40, dtype=np.int8)[:20]
    (pull, *_) = pulls[sets[depot].feasible_batch(pulls) & ~sets[far].feasible_batch(pulls)]
    with pytest.raises(ValueError, match=r"environment 1: path: no walk of at most 5 edges"):
        envs.step(np.stack([pull, pull]))


@pytest.mark.parametrize("kwargs", [{}, {"features": True}, {"certify": True}])
def test_a_vehicle_on_a_single_node_is_there(kwargs):
    """The same spaces as on any graph; the arm moves as it does under a vehicle that goes home."""
    roaming = gym.make("CoRMABPath-v0", num_arms=1, budget=1, persistent=True, **kwargs)
    homing = gym.make("CoRMABPath-v0", num_arms=1, budget=1)
    observation, _ = roaming.reset(seed=1)
    states, _ = homing.reset(seed=1)
    acted_on = set()
    over = False
    while not over:
        assert observation in roaming.observation_space
        assert observation["vehicle"].tolist() == [1]
        assert observation["arms"].tolist() == states.tolist()
        action = roaming.unwrapped.sample_feasible()[0]
        observation, reward, over, _, info = roaming.step(action)
        states, expected, ended, _, _ = homing.step(action[:1])
        assert (reward, over) == (expected, ended)
        acted_on.add(info["acted_on"])
    assert acted_on == {0, 1}


def test_no_bound_is_claimed_where_there_is_none():
    """The bound for a vehicle that stays out does not know of contagion, which may earn more than it allows."""
    with pytest.raises(ValueError, match="leave out certify, persistent or contagion"):
        gym.make("CoRMABPath-v0", persistent=True, contagion=0.5, certify=True)


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("CoRMABCapacity-v0", {}),
        ("CoRMABIntervention-v0", {"observe": "acted_on", "horizon": 5}),
        ("CoRMABPath-v0", {"persistent": True}),
        ("CoRMABPath-v0", {"persistent": True, "reward_cap": 5.0}),
        ("CoRMABMatching-v0", {"contagion": 0.5}),
        ("CoRMABCapacity-v0", {"contagion": 0.5, "reward_cap": 5.0}),
        ("RestlessBandit-v0", {"num_arms": 50}),
        ("RestlessBandit-v0", {"instance": "maternal_health", "observe": "acted_on", "horizon": 8}),
    ],
)
def test_the_bound_in_info_is_one(env_id, kwargs):
    """What is earned on average, with the bound on the rest, never rises above the bound at the start."""
    envs = gym.make_vec(env_id, num_envs=500, certify=True, **kwargs)
    family = envs.unwrapped.family
    envs.reset(seed=0)
    index = family.set_index(envs.unwrapped._batch.state)
    rng = np.random.default_rng(0)
    earned = np.zeros(500)
    hopes = []
    for _ in range(family.horizon):
        actions = np.stack([family.feasible_sets[i].sample(rng, 1)[0] for i in index])
        _, rewards, terminated, _, infos = envs.step(actions)
        index = family.set_index(envs.unwrapped._batch.state)
        earned += rewards
        hopes.append(earned + infos["upper_bound"])
    assert terminated.all()
    assert infos["upper_bound"] == pytest.approx(0.0)
    means, errors = np.mean(hopes, axis=1), np.std(hopes, axis=1) / np.sqrt(500)
    assert (np.diff(means) < 4 * errors[1:]).all()
    assert means[0] > means[-1]
