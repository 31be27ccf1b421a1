"""Episodes in files."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.reward_report import play_random_episodes
from telos.wrappers import Episode, load_episodes, relabel, save_episodes


@pytest.mark.parametrize("name", ["LoiterChain-v0", "CoRMABCapacity-v0", "RandomMDP-v0"])
def test_saved_episodes_come_back(name, tmp_path):
    episodes, _ = play_random_episodes(gym.make(name), 5)
    save_episodes(tmp_path / "run", episodes)
    loaded = load_episodes(tmp_path / "run")
    for one, other in zip(episodes, loaded, strict=True):
        for part in ("obs", "actions", "reward"):
            assert np.array_equal(getattr(one, part), getattr(other, part))
        assert (one.terminated, one.truncated, list(one.terms)) == (
            other.terminated,
            other.truncated,
            list(other.terms),
        )
    stack = ["count_bonus", "episodic"]
    for one, other in zip(relabel(episodes, stack), relabel(loaded, stack), strict=True):
        assert one.reward.tolist() == other.reward.tolist()


def test_infos_that_are_named_are_kept(tmp_path):
    infos = [{"heads": np.array([1.0, 2.0]), "note": "x"}, {"heads": np.array([3.0, 4.0]), "trainable": False}]
    long = Episode(None, None, {"a/b": [1.0, 2.0]}, truncated=True, terminated=False, infos=infos)
    short = Episode(None, None, {"a/b": np.float32([0.5]), "c": [1.0]}, infos={"heads": np.array([[5.0, 6.0]])})
    save_episodes(tmp_path / "run.npz", [long, short], infos=("heads", "trainable", "nowhere"))
    first, second = load_episodes(tmp_path / "run.npz")
    assert (first.obs, first.actions, first.terminated, first.truncated) == (None, None, False, True)
    assert [first.info("heads", t, None).tolist() for t in range(2)] == [[1.0, 2.0], [3.0, 4.0]]
    assert second.info("heads", 0, None).tolist() == [5.0, 6.0]
    assert [first.info("trainable", t, "missing") for t in range(2)] == ["missing", False]
    assert not first.has_info("note")
    assert second.terms["a/b"].tolist() == [0.5]
    assert (first.terms["c"].tolist(), second.terms["c"].tolist()) == ([0.0, 0.0], [1.0])
    paid = relabel([first, second], "accumulated:weights.c=2")
    assert [each.reward.tolist() for each in paid] == [[1.0, 0.0], [2.5]]


@pytest.mark.parametrize(
    ("episodes", "infos", "match"),
    [
        ([], (), "no episodes"),
        ([Episode(["a", "b"], [0], {"r": [1.0]})], (), "obs cannot be saved: only numbers"),
        ([Episode({"x": np.zeros(2)}, [0], {"r": [1.0]})], (), "obs cannot be saved"),
        ([Episode((np.zeros(2), np.zeros(2)), [0], {"r": [1.0]})], (), "obs cannot be saved"),
        ([Episode([0, 1], [(0, 1)], {"r": [1.0]})], (), "actions cannot be saved"),
        ([Episode(None, [0], {"r": [1.0]}), Episode([0, 1], [0], {"r": [1.0]})], (), "obs: some episodes have them"),
        ([Episode(np.zeros((2, k)), [0], {"r": [1.0]}) for k in (1, 2)], (), "obs cannot be saved: .* several shapes"),
        ([Episode(None, None, {"r": [1.0]}, infos=[{"note": "x"}])], ("note",), "info 'note' cannot be saved"),
    ],
)
def test_what_cannot_be_saved_is_refused(episodes, infos, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        save_episodes(tmp_path / "run.npz", episodes, infos)
    assert not (tmp_path / "run.npz").exists()


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_episodes(tmp_path / "none.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match="no file of save_episodes"):
        load_episodes(tmp_path / "array.npy")
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="lacks the mark"):
        load_episodes(tmp_path / "other.npz")
