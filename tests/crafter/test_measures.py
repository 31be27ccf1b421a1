"""Measures of cooperation, beside games worked out by hand, and what giving leaves alone."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telos.envs.crafter.env import parallel_env
from telos.envs.crafter.names import (
    ACTIONS,
    DIAMOND,
    DO,
    GIFTS,
    GIVE,
    GRASS,
    IRON_PICKAXE,
    LAVA,
    NOOP,
    SAPLING,
    STONE_PICKAXE,
    TREE,
    WOOD,
)
from telos.envs.crafter.teamwork import (
    Channel,
    ChannelParallelEnv,
    Symbols,
    TeamRecorder,
    Text,
    crafter_score,
    gini,
)

MOVE_RIGHT = ACTIONS.index("move_right")
GIVE_WOOD = GIVE + WOOD - SAPLING
GIVE_PICKAXE = GIVE + STONE_PICKAXE - SAPLING


def test_gini():
    assert gini([3, 3, 3]) == 0.0
    assert gini([0, 0]) == 0.0
    assert gini([0, 0, 0, 5]) == pytest.approx(3 / 4)
    # Pairs differ by 1, 2, 1 each way: 8 / 9 over 2 * 2.
    assert gini([1, 2, 3]) == pytest.approx(8 / 9 / 4)
    assert gini([10, 20, 30]) == pytest.approx(gini([1, 2, 3]))


def test_crafter_score():
    half = np.zeros((10, 22))
    half[:5] = 3
    assert crafter_score(half) == pytest.approx(50.0)
    one = np.zeros((4, 22), bool)
    one[:, 0] = True
    assert crafter_score(one) == pytest.approx(101 ** (1 / 22) - 1)
    assert crafter_score(np.zeros((3, 22))) == 0.0


def row_of_players(agents=3, channel=None, **arguments):
    """Players side by side on a meadow, each looking at the next one to the right."""
    env = parallel_env(num_agents=agents, size=(24, 24), hostile=False, **arguments)
    env.reset(seed=0)
    recorder = TeamRecorder(env if channel is None else ChannelParallelEnv(env, channel))
    recorder.reset(seed=0)
    state = env._batch.state
    state.material[...], state.object_at[...] = GRASS, 0
    state.kind[:, agents:], state.count[...] = 0, agents
    for k in range(agents):
        state.x[0, k], state.y[0, k], state.object_at[0, 8 + k, 8] = 8 + k, 8, k + 1
        state.facing[0, k] = (1, 0)
    return recorder, state


def step(env, **actions):
    return env.step({agent: actions.get(agent, NOOP) for agent in env.agents})


def test_an_episode_worked_out_by_hand():
    env, state = row_of_players(share="adjacent", goal="collect_diamond")
    state.inventory[0, 0, WOOD], state.inventory[0, 1, WOOD] = 2, 1
    state.inventory[0, 1, IRON_PICKAXE] = 1
    state.material[0, 11, 8] = TREE
    # Player 0 gives wood to player 1, who has some, and player 2 fells a tree.
    step(env, player_0=GIVE_WOOD, player_2=DO)
    # Player 1 gives wood to player 2, who has one now; then a tool, that it lacks.
    step(env, player_1=GIVE_WOOD)
    step(env, player_1=GIVE + IRON_PICKAXE - SAPLING)
    # Two reach an achievement in one step; then player 0 is the second to collect wood.
    state.facing[0, :2] = (0, 1)
    for k in range(2):
        state.material[0, 8 + k, 9] = TREE
    state.material[0, 11, 8] = DIAMOND
    *_, infos = step(env, player_0=DO)
    assert "team_episode" not in infos["player_0"]
    *_, infos = step(env, player_2=DO)
    episode = infos["player_1"]["team_episode"]
    assert env.episodes == [episode]
    assert episode.steps == 5
    assert episode.first_steps == {"collect_wood": 1, "collect_diamond": 5}
    assert episode.reached == {
        "player_0": ("collect_wood",),
        "player_1": (),
        "player_2": ("collect_diamond", "collect_wood"),
    }
    assert episode.contributions == {"player_0": 0.0, "player_1": 0.0, "player_2": 2.0}
    assert episode.contribution_gini == pytest.approx(2 / 3)
    assert episode.gifts_given == {"player_0": 1, "player_1": 2, "player_2": 0}
    assert episode.gifts_received == {"player_0": 0, "player_1": 1, "player_2": 2}
    assert episode.help_given == {"player_0": 0, "player_1": 1, "player_2": 0}
    assert (episode.diamonds, episode.steps_to_diamond, episode.died) == (1, 5, ())
    assert episode.returns == {"player_0": 2.0, "player_1": 1.0, "player_2": 3.0}


def test_those_who_are_first_together_share():
    env, state = row_of_players(length=1, team_reward=True)
    state.facing[0] = np.where(np.arange(state.facing.shape[1])[:, None] < 3, (0, 1), state.facing[0])
    state.material[0, 9:11, 9] = TREE
    *_, infos = step(env, player_1=DO, player_2=DO)
    episode = infos["player_0"]["team_episode"]
    assert episode.contributions == {"player_0": 0.0, "player_1": 0.5, "player_2": 0.5}
    assert episode.steps_to_diamond is None


def test_messages_are_counted_as_the_channel_has_them():
    env, _ = row_of_players(channel=Channel(Text(50), delay=1), length=3)
    for said in ("coal at 3, 4", "", "ok"):
        *_, infos = env.step({agent: {"action": NOOP, "message": said} for agent in env.agents})
    episode = infos["player_0"]["team_episode"]
    assert episode.messages == dict.fromkeys(env.possible_agents, 2)
    assert episode.message_size == dict.fromkeys(env.possible_agents, len("coal at 3, 4ok"))
    assert sum(episode.message_size.values()) == sum(message.size for message in env.env.traffic)


def test_the_summary_has_a_row_for_every_episode():
    env, state = row_of_players(channel=Channel(Symbols(3)), goal="collect_diamond", length=4)
    state.inventory[0, 2, IRON_PICKAXE] = 1
    state.material[0, 11, 8] = DIAMOND
    env.step({agent: {"action": DO, "message": [2]} for agent in env.agents})
    env.reset()
    state.material[0, state.x[0, 0] + 1, state.y[0, 0]], state.facing[0, 0] = LAVA, (1, 0)
    state.object_at[0, state.x[0, 0] + 1, state.y[0, 0]] = 0
    while env.agents:
        env.step({agent: {"action": MOVE_RIGHT if agent == "player_0" else NOOP} for agent in env.agents})
    summary = env.summary()
    assert summary["steps"].tolist() == [1, 4]
    np.testing.assert_array_equal(summary["steps_to_diamond"], [1, np.nan])
    np.testing.assert_array_equal(summary["messages_per_diamond"], [3, np.nan])
    assert summary["deaths"].tolist() == [0, 1]
    assert env.episodes[1].died == ("player_0",)
    assert summary["agent_reached"].shape == (2, 3, 22)
    assert summary["team_reached"].sum(axis=1).tolist() == [1, 0]
    assert crafter_score(summary["team_reached"]) == pytest.approx(51 ** (1 / 22) - 1)
    empty = TeamRecorder(parallel_env(num_agents=2)).summary()
    assert empty["team_reached"].shape == (0, 22)


def test_a_copy_goes_on_counting_from_where_it_was():
    env, state = row_of_players(length=4)
    state.inventory[0, 0, WOOD] = 3
    step(env, player_0=GIVE_WOOD)
    snapshot = env.clone_state()
    step(env, player_0=GIVE_WOOD)
    env.restore_state(snapshot)
    while env.agents:
        step(env)
    assert env.episodes[0].gifts_given["player_0"] == 1
    assert env.episodes[0].steps == 4


def test_recording_changes_nothing():
    plain, recorded = (parallel_env(num_agents=2, size=(20, 20)) for _ in range(2))
    recorded = TeamRecorder(recorded)
    rng = np.random.default_rng(0)
    first, second = plain.reset(seed=1), recorded.reset(seed=1)
    for _ in range(30):
        assert repr(first) == repr(second)
        actions = {agent: int(rng.integers(29)) for agent in plain.agents}
        first, second = plain.step(actions), recorded.step(actions)


def test_only_crafter_can_be_recorded():
    from pettingzoo.utils import BaseParallelWrapper

    class Other(BaseParallelWrapper):
        def __init__(self):
            self.possible_agents = []

        @property
        def unwrapped(self):
            return object()

    with pytest.raises(TypeError, match="parallel_env"):
        TeamRecorder(Other())


_ENVS = {}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    share=st.sampled_from(["adjacent", "any", 2]),
    agents=st.integers(2, 4),
    order=st.sampled_from(["random", "fixed"]),
    data=st.data(),
)
def test_giving_conserves_items(share, agents, order, data):
    """Whatever is given to whom, nothing is lost, made, or more than an agent can carry; and all of it is counted."""
    key = share, agents, order
    if key not in _ENVS:
        _ENVS[key] = row_of_players(agents, share=share, order=order)
    env, state = _ENVS[key]
    env.reset(seed=data.draw(st.integers(0, 100)))
    state.material[...], state.object_at[...] = GRASS, 0
    state.kind[:, agents:], state.count[...] = 0, agents
    for k in range(agents):
        state.x[0, k], state.y[0, k], state.object_at[0, 8 + k, 8] = 8 + k, 8, k + 1
        state.facing[0, k] = data.draw(st.sampled_from([(1, 0), (-1, 0)]))
    items = st.lists(st.integers(0, 9), min_size=len(GIFTS), max_size=len(GIFTS))
    for k in range(agents):
        state.inventory[0, k, SAPLING:] = data.draw(items)
    before = env.unwrapped.inventories[:, SAPLING:].astype(int)
    gifts = 0
    for _ in range(data.draw(st.integers(1, 6))):
        actions = {agent: GIVE + data.draw(st.integers(0, len(GIFTS) - 1)) for agent in env.agents}
        *_, infos = env.step(actions)
        gifts += sum(info["given_to"] > 0 for info in infos.values())
        now = env.unwrapped.inventories[:, SAPLING:].astype(int)
        assert (now.sum(axis=0) == before.sum(axis=0)).all()
        assert now.max() <= 9
    tally = env._tally
    assert tally.given.sum() == tally.received.sum() == gifts
    assert (now.sum(axis=1) - before.sum(axis=1) == tally.received - tally.given).all()
