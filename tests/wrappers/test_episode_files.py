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


def test_nested_observations_and_actions_come_back(tmp_path):
    rng = np.random.default_rng(0)

    def laid_out(steps):
        image = rng.integers(0, 256, (steps, 4, 3), np.uint8)
        return {"a/b": image, "c": ({"d": rng.normal(size=steps)}, rng.normal(size=(steps, 2)).astype(np.float32))}

    as_arrays = [
        Episode(laid_out(length + 1), (np.arange(length), np.ones((length, 2))), {"r": np.ones(length)})
        for length in (1, 3)
    ]
    as_lists = [
        Episode(
            [{"a/b": o["a/b"][t], "c": ({"d": o["c"][0]["d"][t]}, o["c"][1][t])} for t in range(len(e) + 1)],
            [(a[0][t], a[1][t]) for t in range(len(e))],
            e.terms,
        )
        for e, o, a in ((e, e.obs, e.actions) for e in as_arrays)
    ]
    for name, saved in (("arrays", as_arrays), ("lists", as_lists)):
        save_episodes(tmp_path / name, saved)
        for one, other in zip(as_arrays, load_episodes(tmp_path / name), strict=True):
            assert list(other.obs) == ["a/b", "c"]
            assert isinstance(other.obs["c"], tuple)
            assert isinstance(other.actions, tuple)
            for left, right in (
                (one.obs["a/b"], other.obs["a/b"]),
                (one.obs["c"][0]["d"], other.obs["c"][0]["d"]),
                (one.obs["c"][1], other.obs["c"][1]),
                *zip(one.actions, other.actions, strict=True),
            ):
                assert left.dtype == right.dtype
                assert np.array_equal(left, right)


def test_nesting_is_marked_and_flat_files_stay_as_they_were(tmp_path):
    flat, nested = Episode(np.zeros(2), [0], {"r": [1.0]}), Episode({"x": np.zeros(2)}, [0], {"r": [1.0]})
    for name, episode, mark in (("flat", flat, "telos episodes 1"), ("nested", nested, "telos episodes 2")):
        save_episodes(tmp_path / name, [episode])
        with np.load(tmp_path / name) as file:
            assert str(file["format"]) == mark
            assert "actions" in file


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
        ([Episode({"x": np.array(["a", "b"])}, [0], {"r": [1.0]})], (), r"obs\['x'\] cannot be saved: only numbers"),
        ([Episode({"x": np.zeros(3)}, [0], {"r": [1.0]})], (), r"obs\['x'\] cannot be saved: an episode has 3 of them"),
        ([Episode({name: np.zeros(2)}, [0], {"r": [1.0]}) for name in "xy"], (), "not all have a part 'x'"),
        ([Episode([{}, {}], [0], {"r": [1.0]})], (), "there is nothing in"),
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
