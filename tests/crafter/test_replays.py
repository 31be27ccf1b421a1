import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

import telos  # noqa: F401
from telos.baselines.crafter.replays import ParallelRecorder, Recorder, Replay, ReplayDivergedError, whole_file
from telos.baselines.crafter.videos import birds_eye, frames, tell_replay, write_video
from telos.baselines.input_errors import InputError
from telos.envs.crafter import parallel_env
from telos.envs.crafter.names import NOTHING
from telos.envs.crafter.textures import agent_colour

SMALL = {"size": (24, 20), "obs": "symbolic"}


def random_play(env, rng, steps):
    """Plays; returns all that the environment said, beginning with the reset."""
    observations, infos = env.reset(seed=int(rng.integers(1000)))
    said = [(observations, {}, {}, {}, infos)]
    while env.agents and len(said) <= steps:
        said.append(env.step({a: rng.choice(np.flatnonzero(infos[a]["action_mask"])) for a in env.agents}))
        infos = said[-1][-1]
    return said


def flat(outcome):
    """All that there is in nested dictionaries, as bytes."""
    if isinstance(outcome, dict):
        return b"".join(str(key).encode() + flat(value) for key, value in sorted(outcome.items()))
    if isinstance(outcome, tuple):
        return b"".join(map(flat, outcome))
    return np.asarray(outcome).tobytes()


def recorded(steps=60, seed=0, **arguments):
    env = ParallelRecorder(parallel_env(**SMALL, **arguments))
    said = random_play(env, np.random.default_rng(seed), steps)
    return env.replay, said


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_agents": 3, "share": "any", "friendly_fire": True},
        {"num_agents": 2, "goal": "collect_sapling", "roles": [["collect_*"], ["place_*"]], "costs": "damcs"},
    ],
)
def test_a_replay_is_the_episode_step_for_step(tmp_path, arguments):
    env = ParallelRecorder(parallel_env(**SMALL, **arguments))
    for seed in range(4):
        said = random_play(env, np.random.default_rng(seed), 300)
        env.replay.save(tmp_path / "replay.npz")
        replay = Replay.load(tmp_path / "replay.npz")
        again = replay.make_env()
        assert [*map(flat, replay.play(again))] == [*map(flat, said)]
        assert (again.state() == env.state()).all()
        assert len(replay.actions) == len(said) - 1


def test_later_episodes_of_a_seed():
    env = ParallelRecorder(parallel_env(num_agents=2, **SMALL))
    env.reset(seed=7)
    env.step({agent: 0 for agent in env.agents})
    env.reset()
    env.reset()
    env.step({agent: 1 for agent in env.agents})
    replay = env.replay
    assert (replay.seed, replay.episode, len(replay.actions)) == (7, 2, 1)
    again = replay.make_env()
    assert len([*replay.play(again)]) == 2
    assert (again.state() == env.state()).all()


def test_a_recorder_is_a_parallel_env():
    parallel_api_test(ParallelRecorder(parallel_env(num_agents=3, **SMALL)), num_cycles=50)


def test_one_agent_of_gymnasium():
    env = Recorder(gym.make("Crafter-v0", **SMALL))
    rng = np.random.default_rng(0)
    env.reset()  # no seed: one is drawn
    rewards, over = [], False
    while not over and len(rewards) < 400:
        _, reward, terminated, truncated, _ = env.step(int(rng.integers(17)))
        rewards.append(reward)
        over = terminated or truncated
    replay = env.replay
    assert replay.rewards[:, 0].tolist() == rewards
    assert [outcome[1]["player_0"] for outcome in [*replay.play(replay.make_env())][1:]] == rewards


def test_another_process_plays_the_same(tmp_path):
    replay, said = recorded(100, num_agents=3)
    replay.save(tmp_path / "replay.npz")
    script = """
import sys, hashlib
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/.."]
from test_replays import flat
from telos.baselines.crafter.replays import Replay
replay = Replay.load(sys.argv[1])
print(hashlib.sha256(b"".join(map(flat, replay.play(replay.make_env())))).hexdigest())
"""
    told = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "replay.npz", os.path.dirname(__file__)],
        env={**os.environ, "PYTHONHASHSEED": "123"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert told == hashlib.sha256(b"".join(map(flat, said))).hexdigest()


def test_a_file_is_small_and_comes_back_whole(tmp_path):
    actions = np.random.default_rng(0).integers(0, 17, (10_000, 1)).astype(np.uint8)
    replay = Replay({"size": (24, 20), "obs": "rgb"}, 2**63 - 1, 3, actions, np.zeros((10_000, 1)))
    replay.save(tmp_path / "new folder" / "replay")
    (path,) = (tmp_path / "new folder").iterdir()
    assert path.name == "replay"
    assert path.stat().st_size < 7_000  # 5 bits for each random action
    loaded = Replay.load(path)
    assert (loaded.actions == actions).all()
    assert (loaded.rewards == replay.rewards).all()
    assert (loaded.seed, loaded.episode) == (2**63 - 1, 3)
    assert loaded.make_env().family.size == (24, 20)


def test_files_that_are_no_replays(tmp_path):
    with pytest.raises(FileNotFoundError):
        Replay.load(tmp_path / "none.npz")
    path = tmp_path / "other.npz"
    path.write_text("hello")
    with pytest.raises(ValueError, match="no replay of Crafter"):
        Replay.load(path)
    np.savez(path, actions=np.zeros(3))
    with pytest.raises(ValueError, match="no replay of Crafter"):
        Replay.load(path)
    replay, _ = recorded(20)
    replay.save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        middle = archive.getinfo("rewards.npy").header_offset - 5  # the end of the actions
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(ValueError, match="no replay of Crafter"):
        Replay.load(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="no replay of Crafter"):
        Replay.load(path)


def write_half(path):
    with whole_file(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt


def test_files_are_whole_or_not_there(tmp_path):
    replay, _ = recorded(5)
    path = tmp_path / "replay.npz"
    replay.save(path)
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        replace(replay, arguments={"size": object()}).save(path)
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_another_game_is_told_from_the_one_that_was_played(tmp_path):
    replay, said = recorded(200, seed=1, num_agents=2)
    (step, agent), *_ = np.argwhere(replay.rewards)
    rewards = replay.rewards.copy()
    rewards[step, agent] += 0.5
    other = replace(replay, rewards=rewards)
    with pytest.raises(ReplayDivergedError, match=f"step {step + 1} pays player_{agent}"):
        [*other.play(other.make_env())]
    other.save(tmp_path / "replay.npz")
    same, told = tell_replay(tmp_path / "replay.npz", None)
    assert not same
    assert told.startswith("another episode: step")
    replay.save(tmp_path / "replay.npz")
    same, told = tell_replay(tmp_path / "replay.npz", None)
    assert same
    assert f"seed {replay.seed}, {len(said) - 1} steps, 2 agents" in told


def test_an_episode_that_ends_too_early():
    replay, _ = recorded(300, goal="collect_sapling", hostile=False)
    assert len(replay.actions) < 300
    longer = replace(replay, actions=np.vstack([replay.actions, [[0]]]), rewards=np.vstack([replay.rewards, [[0.0]]]))
    with pytest.raises(ReplayDivergedError, match=f"ended after {len(replay.actions)} steps"):
        [*longer.play(longer.make_env())]


def test_states_are_gone_back_to_with_the_record():
    env = ParallelRecorder(parallel_env(num_agents=2, **SMALL))
    env.reset(seed=1)
    step = {agent: 1 for agent in env.agents}
    env.step(step)
    copy = env.clone_state()
    env.step(step)
    env.step(step)
    env.restore_state(copy)
    env.step({agent: 3 for agent in env.agents})
    replay = env.replay
    assert replay.actions[:, 0].tolist() == [1, 3]
    again = replay.make_env()
    assert len([*replay.play(again)]) == 3
    assert (again.state() == env.state()).all()


def test_steps_past_the_recorder_are_noticed():
    env = Recorder(gym.make("Crafter-v0", **SMALL))
    env.reset(seed=1)
    env.unwrapped.step(0)
    with pytest.raises(RuntimeError, match="1 steps, of which 0 were recorded"):
        _ = env.replay


def test_only_crafter_is_recorded():
    with pytest.raises(TypeError, match="replays are of Crafter"):
        Recorder(gym.make("CartPole-v1"))


def test_frames_show_the_map_or_what_agents_see():
    replay, said = recorded(12, num_agents=3)
    env = replay.make_env()
    [*replay.play(env)]
    state = env.clone_state().state
    for view in ("map", "agents"):
        images = [*frames(replay, view, 200)]
        assert len(images) == len(said)
        assert {image.shape for image in images} == {images[0].shape}
        assert images[0].dtype == np.uint8
        assert not any(side % 2 for side in images[0].shape[:2])
        assert any((image != images[0]).any() for image in images[1:])
        if view == "map":
            assert (images[-1] == birds_eye(state, 0, 10)).all()
    with pytest.raises(ValueError, match="'map', 'agents'"):
        next(frames(replay, "sky"))


def test_agents_have_numbers_in_their_colours():
    env = parallel_env(num_agents=3, **SMALL)
    env.reset(seed=0)
    state = env.clone_state().state

    def has(image, agent):
        return (image == np.array(agent_colour(agent))).all(-1).any()

    state.kind[0, 1] = NOTHING
    with_all, unit = birds_eye(state, 0, 10), 10
    for agent in (0, 2):
        x, y = int(state.x[0, agent]) * unit, int(state.y[0, agent]) * unit
        assert has(with_all[y - 12 : y, x : x + unit], agent)
    assert not has(with_all, 1)


def test_videos_have_all_pictures(tmp_path):
    imageio = pytest.importorskip("imageio.v2")
    pytest.importorskip("imageio_ffmpeg")
    replay, said = recorded(9, num_agents=2)
    shape = next(frames(replay, height=120)).shape
    replay.save(tmp_path / "replay.npz")
    for ending in ("mp4", "gif"):
        path = tmp_path / f"video.{ending}"
        same, told = tell_replay(tmp_path / "replay.npz", path, "map", 120, 5.0)
        assert same
        assert told.endswith(str(path))
        with imageio.get_reader(path) as reader:
            seen = [np.asarray(image)[..., :3] for image in reader]
        assert len(seen) == len(said)
        assert {image.shape for image in seen} == {shape}
        first = next(frames(replay, height=120))
        assert np.abs(seen[0].astype(int) - first).mean() < 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["replay.npz", "video.gif", "video.mp4"]


def interrupted(images):
    yield from images
    raise KeyboardInterrupt


def test_a_video_that_is_broken_off_leaves_nothing(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    for ending in ("mp4", "gif"):
        with pytest.raises(KeyboardInterrupt):
            write_video(interrupted([np.zeros((32, 32, 3), np.uint8)] * 3), tmp_path / f"video.{ending}")
    assert not [*tmp_path.iterdir()]


def test_what_a_video_needs(tmp_path, monkeypatch):
    replay, _ = recorded(2)
    replay.save(tmp_path / "replay.npz")
    with pytest.raises(InputError, match=r"\.mp4 or \.gif"):
        tell_replay(tmp_path / "replay.npz", tmp_path / "video.avi")
    monkeypatch.setitem(sys.modules, "imageio.v2", None)
    with pytest.raises(InputError, match=r"pip install 'telos-gym\[video\]'"):
        tell_replay(tmp_path / "replay.npz", tmp_path / "video.mp4")
    with pytest.raises(InputError, match="No such file"):
        tell_replay(tmp_path / "none.npz", None)
    assert [path.name for path in tmp_path.iterdir()] == ["replay.npz"]
