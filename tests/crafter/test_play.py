import sys

import numpy as np
import pytest

from telos.baselines.crafter.play import Session, key_help, play
from telos.baselines.crafter.replays import ParallelRecorder, Replay
from telos.baselines.input_errors import InputError
from telos.envs.crafter import parallel_env
from telos.envs.crafter.names import ACTIONS, GIFTS
from telos.envs.crafter.render import frame

SMALL = {"size": (24, 20), "hostile": False}


def session(others="idle", seed=0, **arguments):
    return Session(ParallelRecorder(parallel_env(**SMALL, **arguments)), others, seed)


def test_keys_are_told_for_all_actions():
    told = key_help(True)
    assert all(action in told for action in ACTIONS[1:])
    assert all(f"give_{item}" in told for item in GIFTS)
    assert "give_" not in key_help(False)


def test_the_person_plays_one_agent_and_the_others_are_idle():
    game = session(num_agents=3)
    game.step("move_left")
    game.switch()
    assert game.agent == "player_1"
    game.step("move_up")
    game.switch()
    game.switch()
    assert game.agent == "player_0"
    assert game.env.replay.actions.tolist() == [[1, 0, 0], [0, 3, 0]]


def test_others_may_act_at_random_and_with_effect():
    game, same = session("random", num_agents=3), session("random", num_agents=3)
    for _ in range(30):
        game.step("noop")
        same.step("noop")
    actions = game.env.replay.actions
    assert not actions[:, 0].any()
    assert len(np.unique(actions[:, 1:])) > 4
    assert (actions == same.env.replay.actions).all()


def test_what_happens_is_told_once():
    game = session(costs="crafter", seed=3)
    news = []
    for _ in range(60):  # grass in front gives a sapling in one of ten tries
        news += game.step("do")
    assert news.count("player_0 achieved collect_sapling") == 1
    assert "reward +1.0, return 1.0" in news
    assert game.unlocked == ["collect_sapling"]
    assert game.returns["player_0"] >= 1.0


def test_why_an_action_has_no_effect():
    game = session()
    game.step("make_wood_pickaxe")
    assert game.hint == "cannot make_wood_pickaxe: needs 1 wood; no table within 1"
    game.step("move_left")
    assert game.hint == ""
    game.step("give_wood")  # alone there are no gifts
    assert game.env.replay.actions[:, 0].tolist() == [11, 1, 0]


def test_the_dead_are_left_and_the_end_is_told():
    game = session(num_agents=2, length=500)
    copy = game.env.unwrapped.clone_state()
    copy.state.inventory[0, 0, 0] = 1  # health
    copy.state.inventory[0, 0, 1:4] = 0
    copy.state.counters[0, 0, 3] = -15
    game.env.unwrapped.restore_state(copy)
    news = game.step("noop")
    assert "player_0 is dead, after 1 steps" in news
    assert news[-1] == "you are player_1 now"
    assert game.agent == "player_1"
    copy = game.env.unwrapped.clone_state()
    copy.state.inventory[0, 1, :4] = 1, 0, 0, 0
    copy.state.counters[0, 1, 3] = -15
    game.env.unwrapped.restore_state(copy)
    news = game.step("noop")
    assert game.over
    assert news[-1].startswith("the episode is over after 2 steps; returns: player_0 ")


def test_the_picture_is_of_the_agent_alone():
    game = session(num_agents=3)
    game.step("move_left")
    game.switch()
    everyone = frame(game.state, 0, (90, 90))
    assert (game.picture(105) == everyone[:90, 90:]).all()
    game.switch()
    assert (game.picture(90) == everyone[90:, :90]).all()


@pytest.fixture
def pygame(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    module = pytest.importorskip("pygame")
    module.display.init()
    yield module
    module.quit()


def press(pygame, *names):
    for name in names:
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=pygame.key.key_code(name)))


def test_a_game_with_keys_is_recorded(pygame, tmp_path):
    told = []
    press(pygame, *("a", "left", "space", "t", "tab", "w", "f2", "z", "p", "escape"))
    record = tmp_path / "game.npz"
    play(
        {"num_agents": 2, **SMALL},
        seed=4,
        frames_per_second=1000.0,
        wait=True,
        record=record,
        height=90,
        tell=told.append,
    )
    replay = Replay.load(record)
    assert replay.actions.tolist() == [[1, 0], [1, 0], [5, 0], [8, 0], [0, 3], [0, 18], [0, 6], [0, 10]]
    assert replay.seed == 4
    assert told[0] == key_help(True)
    assert told[-1] == f"recorded in {record}"
    assert not pygame.display.get_init()


def test_tab_sleeps_where_there_is_one_agent(pygame, tmp_path):
    press(pygame, "tab", "z", "escape")
    play(SMALL, frames_per_second=1000.0, wait=True, record=tmp_path / "game.npz", height=90, tell=lambda line: None)
    assert Replay.load(tmp_path / "game.npz").actions.tolist() == [[6], [6]]


def test_every_episode_has_a_record(pygame, tmp_path):
    press(pygame, "a", "d", "return", "w", "s", "escape")
    told = []
    play(
        {"length": 2, **SMALL},
        frames_per_second=1000.0,
        wait=True,
        record=tmp_path / "game.npz",
        height=90,
        tell=told.append,
    )
    assert Replay.load(tmp_path / "game.npz").actions.tolist() == [[1], [2]]
    second = Replay.load(tmp_path / "game-2.npz")
    assert second.actions.tolist() == [[3], [4]]
    assert second.episode == 1
    assert sum(line.startswith("the episode is over after 2 steps") for line in told) == 2


def test_a_closed_window_ends_the_game_at_once(pygame, tmp_path):
    press(pygame, "a", "a")
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    play(SMALL, frames_per_second=1000.0, wait=True, record=tmp_path / "game.npz", height=90, tell=lambda line: None)
    assert not [*tmp_path.iterdir()]
    assert not pygame.display.get_init()


def test_the_window_is_closed_after_an_interruption(pygame, tmp_path):
    def interrupt(line):
        if "achieved" in line:
            raise KeyboardInterrupt

    press(pygame, *["space"] * 60)
    with pytest.raises(KeyboardInterrupt):
        play(
            SMALL, seed=3, frames_per_second=1000.0, wait=True, record=tmp_path / "game.npz", height=90, tell=interrupt
        )
    assert not pygame.display.get_init()
    assert Replay.load(tmp_path / "game.npz").rewards[-1, 0] == 1.0


def test_where_there_is_no_display(pygame, monkeypatch):
    pygame.quit()
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(InputError, match="no window can be opened"):
        play(SMALL)


def test_what_cannot_be_played(pygame):
    with pytest.raises(InputError, match="did you mean 'num_agents'"):
        play({"num_agent": 2})
    with pytest.raises(InputError, match="'idle', 'random'"):
        play({}, others="clever")


def test_playing_needs_pygame(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(InputError, match=r"pip install 'telos-gym\[play\]'"):
        play({})
