"""Transitions by state number, and logs of unshaped episodes."""

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.episode_totals import EpisodeTotals
from telos.baselines.tabular_evaluation import expected_episode, train
from telos.baselines.tabular_experience import TabularPlayer
from telos.wrappers.specs import wrap

MODES = ("SameStep", "NextStep")


@pytest.mark.parametrize("mode", MODES)
def test_transitions_follow_the_table(mode):
    envs = gym.make_vec("FourRooms-v0", num_envs=4, autoreset_mode=mode, max_episode_steps=7, start=[6, 9])
    mdp, rng = envs.unwrapped.to_tabular(), np.random.default_rng(0)
    player = TabularPlayer(envs, seed=3)
    first, lengths, ends = int(mdp.start.argmax()), np.zeros(4, int), 0
    for _ in range(400):
        actions = rng.integers(4, size=4)
        step = player.step(actions)
        for row in np.flatnonzero(step.active):
            assert step.next_states[row] in mdp.next_states[step.states[row], actions[row]]
            assert step.terminated[row] == mdp.terminal[step.next_states[row]] == step.rewards[row]
            assert lengths[row] or step.states[row] == first
            lengths[row] += 1
            assert step.done[row] == (step.terminated[row] or lengths[row] == 7)
            ends += step.terminated[row]
        lengths[step.done] = 0
    assert ends > 10
    assert step.active.all() or mode == "NextStep"


@pytest.mark.parametrize("mode", MODES)
def test_vector_environments_of_gymnasium_give_the_same(mode):
    arguments = {"num_envs": 3, "goal_distance": 2, "horizon": 4}
    sync = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    native = EpisodeTotals(gym.make_vec("LoiterChain-v0", autoreset_mode=mode, **arguments))
    others = EpisodeTotals(gym.make_vec("LoiterChain-v0", **sync, **arguments))
    players = [TabularPlayer(wrap(envs, "gated:threshold=1"), seed=0) for envs in (native, others)]
    for actions in np.random.default_rng(0).integers(2, size=(60, 3)):
        first, second = (player.step(actions) for player in players)
        for name in ("states", "rewards", "next_states", "terminated", "truncated", "active"):
            assert np.array_equal(getattr(first, name), getattr(second, name)), name
    logs = native.take(), others.take()
    assert logs[0].keys() == logs[1].keys()
    assert all(np.array_equal(logs[0][name], logs[1][name]) for name in logs[0])
    assert len(logs[0]["row"]) > 20


def test_states_are_numbered_in_row_major_order():
    envs = gym.make_vec("LoiterChain-v0", num_envs=2, autoreset_mode="SameStep")
    player = TabularPlayer(envs, seed=0)
    assert player.num_states == 6 * 21
    assert player.step(np.array([0, 1])).next_states.tolist() == [1 * 21 + 1, 0 * 21 + 1]


@pytest.mark.parametrize(
    ("env_id", "arguments", "message"),
    [
        ("DeepSea-v0", {"autoreset_mode": "Disabled"}, "reset themselves"),
        ("DeepSea-v0", {"autoreset_mode": "SameStep", "observation": "one_hot"}, "Discrete or MultiDiscrete"),
        ("CoRMABCapacity-v0", {"autoreset_mode": "SameStep"}, "observations|actions"),
    ],
)
def test_unfit_environments_are_refused(env_id, arguments, message):
    with pytest.raises(ValueError, match=message):
        TabularPlayer(gym.make_vec(env_id, num_envs=2, **arguments), seed=0)


@pytest.mark.parametrize("mode", MODES)
def test_log_holds_what_single_environments_pay(mode):
    envs = EpisodeTotals(gym.make_vec("StepChain-v0", num_envs=3, autoreset_mode=mode))
    shaped = wrap(envs, "clip:weight=7", "outcome")
    player, rng = TabularPlayer(shaped, seed=5), np.random.default_rng(1)
    made = [[], [], []]
    for _ in range(120):
        actions = rng.integers(3, size=3)
        step = player.step(actions)
        for row in np.flatnonzero(step.active):
            made[row].append(int(actions[row]))
    log = envs.take()
    assert not envs.take()
    for row in range(3):
        single, actions = gym.make("StepChain-v0"), iter(made[row])
        single.reset(seed=5 + row)
        mine = log["row"] == row
        for length, outcome, process in zip(
            *(log[name][mine] for name in ("length", "outcome", "process")), strict=True
        ):
            terms = []
            for t in range(length):
                _, _, terminated, _, info = single.step(next(actions))
                terms.append(info["reward_terms"])
                assert terminated == (t == length - 1)
            assert outcome == sum(term["outcome"] for term in terms)
            assert process == pytest.approx(sum(term["process"] for term in terms))
            single.reset()
        assert mine.sum() > 5


def test_log_forgets_episodes_that_are_cut_by_a_reset():
    envs = EpisodeTotals(gym.make_vec("LoiterChain-v0", num_envs=2, autoreset_mode="SameStep"))
    envs.reset(seed=0)
    envs.step(np.zeros(2, int))
    envs.reset(options={"reset_mask": np.array([True, False])})
    for _ in range(4):
        envs.step(np.zeros(2, int))
    assert envs.take()["row"].tolist() == [1]
    envs.step(np.zeros(2, int))
    log = envs.take()
    assert (log["row"].tolist(), log["length"].tolist(), log["process"].tolist()) == ([0], [5], [pytest.approx(3.0)])


@pytest.mark.parametrize("observe_time", [False, True])
def test_expected_episode_is_the_mean_of_played_ones(observe_time):
    arguments = {"autoreset_mode": "SameStep", "observe_time": observe_time, "num_steps": 2, "max_steps": 6}
    envs = EpisodeTotals(gym.make_vec("StepChain-v0", 2000, **arguments))
    mdp, rng = envs.unwrapped.to_tabular(), np.random.default_rng(0)
    player = TabularPlayer(envs, seed=0)
    policy = rng.dirichlet(np.ones(3), size=player.num_states)
    for _ in range(6):
        draws = rng.random((2000, 1))
        player.step((draws >= policy[player.states].cumsum(axis=1)[:, :-1]).sum(axis=1))
    log = envs.take()
    _, first = np.unique(log["row"], return_index=True)
    assert len(first) == 2000
    expected = expected_episode(mdp, policy)
    for name in ("outcome", "process", "length"):
        played = log[name][first]
        assert expected[name] == pytest.approx(played.mean(), abs=5 * played.std() / np.sqrt(2000) + 1e-9)
    assert 0 < expected["completion"] < 1
    with pytest.raises(ValueError, match="shape"):
        expected_episode(mdp, policy[:-1])


def test_training_is_watched():
    from telos.baselines.reinforce import Reinforce

    envs = gym.make_vec("LoiterChain-v0", num_envs=8, autoreset_mode="SameStep", observe_time=False)
    learner = Reinforce(wrap(envs, "outcome"), episodes=4, discount=1.0, learning_rate=0.5, baseline_rate=0.2, seed=0)
    found = train(learner, envs.unwrapped.to_tabular(), updates=4, every=2)
    assert found.updates.tolist() == [0, 2, 4]
    assert found.paid.shape == (2, 2)
    assert found.expected["outcome"].shape == (3, 2)
    # 20 fair coins: 1 minus the chance of fewer than 5 steps forward.
    assert found.expected["completion"][0] == pytest.approx([1 - 6196 / 2**20] * 2)
    with pytest.raises(ValueError, match="multiple"):
        train(learner, envs.unwrapped.to_tabular(), updates=3, every=2)
