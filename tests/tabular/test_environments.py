"""The tabular environments: their rules against plain renderings, their models against simulation."""

from collections import deque

import gymnasium as gym
import numpy as np
import pytest
from plain_tabular import PlainDeepSea, PlainFourRooms, PlainLoiterChain, PlainStepChain

import telos  # noqa: F401 - registers the environments
from telos.envs.tabular.mdp import TabularMDP

PLAIN = {
    "LoiterChain-v0": (PlainLoiterChain, {"observe_time": False}),
    "StepChain-v0": (PlainStepChain, {"observe_time": False}),
    "DeepSea-v0": (lambda: PlainDeepSea(6, False, 4), {"size": 6, "instance_seed": 4}),
    "DeepSea-v0 stochastic": (lambda: PlainDeepSea(5, True, 1), {"size": 5, "stochastic": True, "instance_seed": 1}),
    "FourRooms-v0": (PlainFourRooms, {}),
}
IDS = ["LoiterChain-v0", "StepChain-v0", "DeepSea-v0", "RandomMDP-v0", "FourRooms-v0"]


@pytest.mark.parametrize("name", PLAIN)
def test_trajectories_equal_those_of_a_plain_rendering(name):
    make_plain, arguments = PLAIN[name]
    env, plain = gym.make(name.split()[0], **arguments), make_plain()
    env.action_space.seed(2)
    actions = env.action_space
    for episode in range(8):
        seed = 33 if episode == 0 else None
        assert env.reset(seed=seed)[0] == plain.reset(seed)
        for _ in range(4000):
            # Mostly the first action, so that chains are solved, too.
            action = actions.sample() if episode % 2 or name.startswith("Four") else 0
            observation, reward, over, truncated, info = env.step(action)
            state, terms, ended = plain.step(action)
            assert (observation, over, truncated) == (state, ended, False)
            assert info["reward_terms"] == pytest.approx(terms, abs=1e-12)
            assert reward == pytest.approx(sum(terms.values()), abs=1e-12)
            if over:
                break


@pytest.mark.parametrize("env_id", IDS)
def test_a_model_has_the_frequencies_and_rewards_of_the_environment(env_id):
    envs = gym.make_vec(env_id, num_envs=4000, autoreset_mode="Disabled", num_threads=1)
    mdp = envs.unwrapped.to_tabular()
    states = mdp.num_states

    def state_of(observation):
        return observation[:, 0] if observation.ndim == 2 else observation

    observation, _ = envs.reset(seed=0)
    first = np.bincount(state_of(observation), minlength=states) / 4000
    assert (np.abs(first - mdp.start) <= 5 * np.sqrt(mdp.start * (1 - mdp.start) / 4000)).all()
    assert not first[mdp.start == 0].any()
    counts = np.zeros(mdp.transitions.shape)
    paid = {name: np.zeros(mdp.transitions.shape) for name in mdp.terms}
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(mdp.num_actions, size=4000)
        before = state_of(observation).copy()
        observation, _, terminated, _, infos = envs.step(actions)
        where = before, actions, state_of(observation)
        np.add.at(counts, where, 1)
        for name in mdp.terms:
            np.add.at(paid[name], where, infos["reward_terms"][name])
        over = terminated | (np.zeros(4000, bool) if mdp.horizon is None else mdp.terminal[state_of(observation)])
        if over.any():
            observation, _ = envs.reset(options={"reset_mask": over})
    totals = counts.sum(axis=2, keepdims=True)
    sigma = np.sqrt(mdp.transitions * (1 - mdp.transitions) / np.maximum(totals, 1))
    assert (np.abs(counts / np.maximum(totals, 1) - mdp.transitions * (totals > 0)) <= 6 * sigma + 1e-12).all()
    seen = counts > 50
    for name, total in paid.items():
        error = np.abs(total[seen] / counts[seen] - mdp.rewards[name][seen])
        spread = np.ptp(mdp.outcome_rewards[name], axis=2).max()
        assert (error <= 6 * spread / np.sqrt(counts[seen]) + 1e-9).all()
    assert seen.sum() >= 10


@pytest.mark.parametrize("env_id", IDS)
def test_one_hot_observations_show_the_same_state(env_id):
    plain, env = gym.make(env_id), gym.make(env_id, observation="one_hot")
    left, right = plain.reset(seed=3)[0], env.reset(seed=3)[0]
    states = plain.unwrapped.to_tabular().num_states
    for _ in range(6):
        timed = np.ndim(left) > 0
        assert right.shape == (states + timed,)
        assert right[:states].argmax() == (left[0] if timed else left)
        assert right[:states].sum() == 1
        if timed:
            assert right[states] == np.float32(left[1] / plain.unwrapped.to_tabular().horizon)
        (left, _, over, *_), (right, *_) = plain.step(0), env.step(0)
        assert right in env.observation_space
        if over:
            break


def test_four_rooms_have_104_cells_and_the_distances_of_the_map():
    env = gym.make("FourRooms-v0", slip=0.0).unwrapped
    mdp, cells = env.to_tabular(), env.family.cells
    assert (len(cells), mdp.num_states) == (104, 104)
    goal = cells.index((7, 9))
    assert mdp.terminal.nonzero()[0].tolist() == [goal]
    distance, queue = {goal: 0}, deque([goal])
    neighbours = mdp.transitions.sum(axis=1) > 0
    while queue:
        cell = queue.popleft()
        for other in np.flatnonzero(neighbours[:, cell]):
            if other not in distance:
                distance[int(other)] = distance[cell] + 1
                queue.append(int(other))
    assert distance[cells.index((6, 9))] == 1
    # From the top left: 5 right and 2 down to the hallway (3, 6), 3 right, and 4 down.
    assert distance[cells.index((1, 1))] == 14
    assert len(distance) == 104


def test_four_rooms_slip_as_published():
    mdp = gym.make("FourRooms-v0").unwrapped.to_tabular()
    cells = gym.make("FourRooms-v0").unwrapped.family.cells
    here = cells.index((2, 2))
    row = mdp.transitions[here, 1]
    assert row[cells.index((2, 3))] == pytest.approx(2 / 3)
    for other in ((1, 2), (3, 2), (2, 1)):
        assert row[cells.index(other)] == pytest.approx(1 / 9)
    corner = cells.index((1, 1))
    assert mdp.transitions[corner, 0, corner] == pytest.approx(2 / 3 + 1 / 9)


def test_instance_seeds_make_instances():
    def table(env_id, seed):
        mdp = gym.make(env_id, instance_seed=seed).unwrapped.to_tabular()
        return np.concatenate([mdp.next_states.ravel(), *(r.ravel() for r in mdp.outcome_rewards.values())])

    for env_id in ("DeepSea-v0", "RandomMDP-v0"):
        assert np.array_equal(table(env_id, 1), table(env_id, 1))
        assert not np.array_equal(table(env_id, 1), table(env_id, 2))


def test_a_random_mdp_has_as_many_successors_as_asked_for():
    mdp = gym.make("RandomMDP-v0", num_states=9, num_actions=3, branching=4, instance_seed=8).unwrapped.to_tabular()
    assert ((mdp.transitions > 0).sum(axis=2) == 4).all()
    dense = gym.make("RandomMDP-v0", num_states=9, branching=9, concentration=50.0).unwrapped.to_tabular()
    assert np.abs(dense.transitions - 1 / 9).max() < 0.1


def test_without_a_horizon_a_random_mdp_goes_on():
    envs = gym.make_vec("RandomMDP-v0", num_envs=2, horizon=None, num_states=3, branching=2)
    envs.reset(seed=0)
    assert not any(envs.step(np.array([0, 1]))[2].any() for _ in range(300))


def test_pictures():
    env = gym.make("DeepSea-v0", size=3, randomize_actions=False, render_mode="ansi")
    env.reset(seed=0)
    env.step(1)
    assert env.render() == "t=1  \n...\n.@.\n..."
    rooms = gym.make("FourRooms-v0", start=[1, 2], render_mode="ansi")
    rooms.reset(seed=0)
    lines = rooms.render().split("\n")
    assert lines[2] == "# @   #     #"
    assert lines[8] == "#     ###G###"
    chain = gym.make("StepChain-v0", p_correct=0.0, render_mode="ansi")
    chain.reset(seed=0)
    chain.step(0)
    assert chain.render() == "t=1  1/4 steps, wrong so far"


@pytest.mark.parametrize(
    ("env_id", "arguments", "message"),
    [
        ("LoiterChain-v0", {"goal_distance": 0}, "goal_distance must be at least 1"),
        ("LoiterChain-v0", {"horizon": 0}, "horizon must be at least 1"),
        ("LoiterChain-v0", {"observation": "pixels"}, "'pixels' is unknown: choose 'index' or 'one_hot'"),
        ("StepChain-v0", {"p_correct": 1.5}, r"p_correct must be in \[0, 1\]"),
        ("DeepSea-v0", {"size": 1}, "size must be at least 2"),
        ("RandomMDP-v0", {"branching": 33}, "branching must be at most num_states=32"),
        ("RandomMDP-v0", {"horizon": None, "observe_time": True}, "needs a horizon"),
        ("FourRooms-v0", {"goal": [0, 0]}, "not a free cell"),
        ("FourRooms-v0", {"start": [7, 9]}, "is the goal"),
    ],
)
def test_bad_arguments_are_told(env_id, arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make(env_id, **arguments)


def test_tables_are_checked():
    good = {"transitions": np.full((2, 1, 2), 0.5), "rewards": {"r": np.zeros((2, 1))}, "start": [1.0, 0.0]}
    assert TabularMDP.from_arrays(**good).num_states == 2
    for change, message in (
        ({"transitions": np.full((2, 1, 2), 0.4)}, "probabilities must be at least 0 and add up to 1"),
        ({"start": [0.5, 0.4]}, "start must be"),
        ({"terminal": [True, False]}, "no episode may start in its end"),
        ({"rewards": {}}, "at least one term"),
        ({"rewards": {"r": np.full((2, 1), np.nan)}}, "r must be finite"),
        ({"horizon": 0}, "horizon must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            TabularMDP.from_arrays(**{**good, **change})


def test_a_terminal_state_stays_and_pays_nothing():
    mdp = TabularMDP.from_arrays(np.full((2, 1, 2), 0.5), {"r": np.ones((2, 1, 2))}, [1.0, 0.0], terminal=[False, True])
    assert mdp.transitions[1, 0].tolist() == [0.0, 1.0]
    assert mdp.expected_reward().ravel().tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="no reward term 'q'"):
        mdp.reward({"q": 1.0})
