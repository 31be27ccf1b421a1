"""Recorded episodes as tensors: returns by hand, shares of them, and what does not fit."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gymnasium import spaces  # noqa: E402
from offline_envs import Pays, Turns, random_policy  # noqa: E402

from telos.baselines.action_heads import action_head  # noqa: E402
from telos.baselines.episode_data import as_data, read_files, returns_to_go  # noqa: E402
from telos.baselines.networks import ObservationEncoder  # noqa: E402
from telos.baselines.recording import MASK_BEFORE, record_episodes  # noqa: E402
from telos.wrappers import Episode, relabel, save_episodes  # noqa: E402

CPU = torch.device("cpu")


def episode(rewards, terminated=True, actions=None, infos=None, **terms):
    n = len(rewards)
    obs = np.stack([np.arange(n + 1.0), np.zeros(n + 1)], axis=1).astype(np.float32)
    return Episode(
        obs,
        np.full(n, 3) if actions is None else np.array(actions),
        {"paid": np.array(rewards, float), **terms},
        terminated,
        not terminated,
        infos,
    )


def data_of(episodes, wrappers=(), space=Pays):
    encode = ObservationEncoder(space.observation_space, CPU)
    return as_data(episodes, encode, action_head(space.action_space), wrappers)


def test_returns_to_go_by_hand_through_both_kinds_of_ends():
    # Nothing crosses an end, and nothing is added behind a truncation.
    data = data_of([episode([1, 0, 2]), episode([4, 8], terminated=False), episode([16])])
    assert data.returns_to_go.tolist() == [3, 2, 2, 12, 8, 16]
    assert data.returns.tolist() == [3, 12, 16]
    assert data.timesteps.tolist() == [0, 1, 2, 0, 1, 0]
    # The last observation of an episode is none to act on.
    assert data.observations[:, 0].tolist() == [0, 1, 2, 0, 1, 0]
    assert returns_to_go(torch.tensor([1.0, 2.0]), torch.tensor([2])).tolist() == [3.0, 2.0]


def test_wrappers_pay_instead_of_what_was_recorded():
    played = [episode([1, 0, 2], judge=np.array([0.5, 0.5, 0.5])), episode([0, 4], judge=np.zeros(2))]
    assert data_of(played).returns_to_go.tolist() == [4.5, 3, 2.5, 4, 4]
    assert data_of(played, ["accumulated:weights.judge=2,weights.paid=0"]).returns_to_go.tolist() == [3, 2, 1, 0, 0]
    # All of it at the end.
    assert data_of(played, ["episodic"]).returns_to_go.tolist() == [4.5, 4.5, 4.5, 4, 4]


def test_rewards_that_hindsight_rewrites_are_those_of_hindsight():
    played = [episode([0, 0, 1], judge=np.array([0.5, 0.25, 0.0]))]
    spec = "gated:threshold=0.5,outcome=paid,pay=hindsight"
    (expected,) = relabel(played, spec)
    assert expected.info["hindsight"].reward.tolist() != expected.reward.tolist()
    assert data_of(played, [spec]).rewards.tolist() == expected.info["hindsight"].reward.tolist()


def test_the_best_share_is_of_steps_and_of_whole_episodes():
    data = data_of([episode([1] * 5), episode([9, 9]), episode([3] * 3), episode([18])])
    # In order of their returns, the earlier first among equals: 2, 1, 3 and 5 steps of 11.
    for share, returns in ((0.01, [18]), (0.18, [18]), (0.2, [18, 18]), (0.3, [18, 9, 18]), (0.6, [5, 18, 9, 18])):
        assert data.best(share).returns.tolist() == returns
    picked = data.best(0.3)
    assert picked.lengths.tolist() == [2, 3, 1]
    assert picked.returns_to_go.tolist() == [18, 9, 9, 6, 3, 18]
    assert data.best(1.0) is data


def test_held_out_episodes_are_whole_and_drawn_by_the_seed():
    data = data_of([episode([k]) for k in range(20)])
    learned, held_out = data.split(0.25, seed=1)
    assert (len(learned), len(held_out)) == (15, 5)
    assert sorted(learned.returns.tolist() + held_out.returns.tolist()) == list(range(20))
    assert data.split(0.25, seed=1)[1].returns.tolist() == held_out.returns.tolist()
    assert data.split(0.25, seed=2)[1].returns.tolist() != held_out.returns.tolist()
    assert data.split(0.0, seed=1) == (data, None)
    few = data_of([episode([1]), episode([2])])
    assert [len(part) for part in few.split(0.01, 0)] == [1, 1]
    assert [len(part) for part in few.split(0.99, 0)] == [1, 1]
    with pytest.raises(ValueError, match="--validation 0"):
        data_of([episode([1])]).split(0.1, 0)


def test_actions_are_counted_from_0_and_masks_are_of_the_same_step(tmp_path):
    assert data_of([episode([1, 2], actions=[4, 3])]).actions.tolist() == [1, 0]
    for observed in (False, True):
        kwargs = {"observed": observed}
        played, _ = record_episodes(random_policy("TestTurns-v0", kwargs), "TestTurns-v0", kwargs, episodes=9)
        save_episodes(tmp_path / "file", played, ("trainable", MASK_BEFORE))
        env = Turns(observed)
        loaded, _ = read_files([tmp_path / "file"], env.observation_space, env.action_space)
        data = data_of(loaded, space=env)
        assert data.masks.tolist() == [[k != t % 3 for k in range(3)] for t in data.timesteps.tolist()]
        assert data.learnable.tolist() == [t != 2 for t in data.timesteps.tolist()]


def test_forbidden_and_useless_steps_are_refused():
    masks = [{MASK_BEFORE: np.array([1, 0])}, {MASK_BEFORE: np.array([1, 0])}]
    assert data_of([episode([1, 2], infos=masks)]).masks.tolist() == [[True, False]] * 2
    with pytest.raises(ValueError, match="1 recorded actions are forbidden"):
        data_of([episode([1, 2], actions=[3, 4], infos=masks)])
    with pytest.raises(ValueError, match="have 3 entries, and a policy has 2 outputs"):
        data_of([episode([1], infos=[{MASK_BEFORE: np.ones(3)}])])
    with pytest.raises(ValueError, match="no recorded step may be learned from"):
        data_of([episode([1], infos=[{"trainable": False}])])


@pytest.mark.parametrize(
    ("observations", "actions", "obs", "acts", "match"),
    [
        (
            spaces.Discrete(3),
            spaces.Discrete(2),
            [0, 1, 3],
            [0, 1],
            "observations go from 0 to 3, and the space is Dis",
        ),
        (spaces.Discrete(3), spaces.Discrete(2, start=1), [0, 1, 2], [0, 1], "actions go from 0 to 1"),
        (spaces.Discrete(3), spaces.Discrete(2), [0, 0.5, 1], [0, 1], "observations are numbers of dtype float64"),
        (spaces.Box(0, 1, (2,)), spaces.Discrete(2), np.zeros((3, 4)), [0, 1], r"observations have the shape \(4,\)"),
        (spaces.Box(0, 1, ()), spaces.Box(0, 1, (1,)), np.zeros(3), np.zeros(2), r"actions have the shape \(\)"),
        (spaces.Box(0, 1, ()), spaces.Discrete(2), [0, np.nan, 1], [0, 1], "not all finite"),
        (spaces.Box(0, 1, ()), spaces.Discrete(2), None, [0, 1], "observations are missing"),
        (spaces.Dict(a=spaces.Discrete(2)), spaces.Discrete(2), [0, 1, 1], [0, 1], "observations have the parts"),
        (spaces.Dict(a=spaces.Discrete(2)), spaces.Discrete(2), {"b": np.zeros(3, int)}, [0, 1], r"parts \['b'\]"),
        (spaces.Discrete(2), spaces.Discrete(2), {"b": np.zeros(3, int)}, [0, 1], r"parts \['b'\]"),
        (spaces.Discrete(2), spaces.MultiDiscrete([2, 2]), [0, 1, 1], [[0, 1], [0, 2]], "actions go from 0 to 2"),
    ],
)
def test_files_of_other_environments_are_refused(observations, actions, obs, acts, match, tmp_path):
    obs = obs if obs is None or isinstance(obs, dict) else np.array(obs)
    save_episodes(tmp_path / "file.npz", [Episode(obs, np.array(acts), {"r": np.ones(2)})])
    with pytest.raises(ValueError, match=f"file.npz was not recorded in this environment: its .*{match}"):
        read_files([tmp_path / "file.npz"], observations, actions)


def test_a_changed_file_has_another_hash(tmp_path):
    spaces_of = (Pays.observation_space, Pays.action_space)
    hashes = []
    for rewards in ([1], [1], [2]):
        save_episodes(tmp_path / "file", [episode(rewards)])
        hashes.append(read_files([tmp_path / "file"], *spaces_of)[1])
    assert hashes[0] == hashes[1] != hashes[2]
