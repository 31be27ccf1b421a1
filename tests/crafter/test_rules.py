"""What a step does, worked out by hand, and what agents see of it."""

import gymnasium as gym
import numpy as np
import pytest
from crafter_scenes import scramble

import telos  # noqa: F401 - registers the environments
from telos.envs.crafter.env import CrafterEnv, CrafterVectorEnv, parallel_env
from telos.envs.crafter.names import (
    ACTIONS,
    COW,
    DIAMOND,
    GRASS,
    IRON,
    MATERIALS,
    NOOP,
    PATH,
    SLEEP,
    STONE,
    TREE,
    ZOMBIE,
)
from telos.envs.crafter.observe import SIGHTS, observe_flat

DO = ACTIONS.index("do")


@pytest.fixture
def meadow():
    """A player in the middle of nothing but grass."""
    env = CrafterEnv(size=(21, 21))
    env.reset(seed=0)
    state = env._batch.state
    state.material[...] = GRASS
    state.object_at[...], state.kind[:, 1:], state.count[...] = 0, 0, 1
    state.object_at[0, 10, 10] = 1
    state.chunk[...], state.known_chunks[...] = 0, 0  # nothing comes or goes
    return env


def act(env, name):
    return env.step(ACTIONS.index(name))


def test_hunger_thirst_and_fatigue(meadow):
    """A point of food every 26 steps, of drink every 21, of energy every 31."""
    for step in range(1, 70):
        meadow.step(NOOP)
        expected = [9 - step // 26, 9 - step // 21, 9 - step // 31]
        assert meadow._batch.state.inventory[0, 0, 1:4].tolist() == expected


def test_sleep_brings_energy_back(meadow):
    """A point after 12 steps, and then after every 11."""
    state = meadow._batch.state
    state.inventory[0, 0, 3] = 3
    gains = []
    for step in range(1, 46):
        before = state.inventory[0, 0, 3]
        meadow.step(SLEEP if step == 1 else NOOP)
        if state.inventory[0, 0, 3] > before:
            gains.append(step)
    assert gains == [11, 22, 33, 44]


def test_from_wood_to_a_diamond(meadow):
    """The whole tree of recipes with the least that it takes: 5 wood, 5 stone, 1 coal, 1 iron."""
    state = meadow._batch.state
    rewards = []

    def collect(material, times=1):
        for _ in range(times):
            state.material[0, 10, 11] = material
            rewards.append(act(meadow, "do")[1])
            assert state.material[0, 10, 11] == (GRASS if material == TREE else PATH)

    def craft(name, place=None):
        rewards.append(act(meadow, name)[1])
        if place:
            assert state.material[0, 10, 11] == MATERIALS.index(place)
            # Out of the way, and still near.
            state.material[0, 9 if place == "table" else 11, 11] = MATERIALS.index(place)

    collect(TREE, 5)
    state.material[0, 10, 11] = GRASS
    craft("place_table", "table")
    craft("make_wood_pickaxe")
    collect(STONE, 5)
    craft("make_stone_pickaxe")
    craft("place_furnace", "furnace")
    collect(MATERIALS.index("coal"))
    collect(IRON)
    craft("make_iron_pickaxe")
    collect(DIAMOND)
    assert sum(rewards) == pytest.approx(10.0)
    assert state.inventory[0, 0, 4:].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0]
    *_, info = act(meadow, "noop")
    assert info["unlocked"] == 10


def test_tools_are_needed(meadow):
    state = meadow._batch.state
    for material in (STONE, IRON, DIAMOND):
        state.material[0, 10, 11] = material
        *_, info = act(meadow, "do")
        assert state.material[0, 10, 11] == material
        assert info["action_mask"][DO] == 0
    for name in ("make_wood_pickaxe", "place_stone", "place_table", "place_furnace", "place_plant"):
        _, reward, *_ = act(meadow, name)
        assert reward == 0.0


def put(env, kind, x, y, health):
    state = env._batch.state
    slot = state.count[0]
    state.count[0] += 1
    state.kind[0, slot], state.x[0, slot], state.y[0, slot], state.health[0, slot] = kind, x, y, health
    state.cooldown[0, slot] = 0
    state.object_at[0, x, y] = slot + 1
    return slot


def test_swords(meadow):
    """A cow with health 5, struck with each sword."""
    state = meadow._batch.state
    state.inventory[0, 0, 1] = 2
    for sword, damage in ((None, 1), (13, 2), (14, 3), (15, 5)):
        state.object_at[0, 10, 11] = 0
        state.count[0] = 1
        if sword:
            state.inventory[0, 0, sword] = 1
        slot = put(meadow, COW, 10, 11, 5)
        state.material[0, 9:12, 12], state.material[0, [9, 11], 11] = STONE, STONE
        act(meadow, "do")
        assert state.health[0, slot] == 5 - damage
    assert state.inventory[0, 0, 1] == 8
    assert state.achievements[0, 0, 9] == 1


def test_a_zombie_strikes_every_sixth_step(meadow):
    state = meadow._batch.state
    state.material[0, 9:12, 12], state.material[0, [9, 11], 11] = STONE, STONE
    put(meadow, ZOMBIE, 10, 11, 5)
    healths = [meadow.step(NOOP)[0]["inventory"][0] for _ in range(14)]
    assert healths == [7] * 6 + [5] * 6 + [3] * 2


def test_symbols(meadow):
    state = meadow._batch.state
    state.material[0, 6, 7], state.material[0, 14, 13] = STONE, IRON
    put(meadow, ZOMBIE, 13, 10, 5)
    state.material[0, 12:15, 9:12] = STONE
    observation, *_ = act(meadow, "move_left")
    assert observation in meadow.observation_space
    assert observation["material"].shape == (9, 7)
    assert state.x[0, 0] == 9
    assert observation["position"].tolist() == [-1, 0]
    assert observation["material"][1, 0] == STONE
    assert SIGHTS[observation["object"][4, 3]] == "player_left"
    assert SIGHTS[observation["object"][8, 3]] == "zombie"
    assert observation["status"].tolist() == [0, 0, round(255 * float(state.daylight[0]))]


def test_beyond_the_map(meadow):
    state = meadow._batch.state
    state.object_at[...] = 0
    state.x[0, 0] = state.y[0, 0] = 0
    state.object_at[0, 0, 0] = 1
    observation, *_ = meadow.step(NOOP)
    assert (observation["material"][:4] == 0).all()
    assert (observation["material"][:, :3] == 0).all()
    assert (observation["material"][4:, 3:] == GRASS).all()


def test_flat_is_one_hot_of_the_symbols():
    env = CrafterEnv(size=(20, 20))
    flat = CrafterEnv(size=(20, 20), obs="flat")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    row = np.empty((1, 1, *flat.observation_space.shape), np.float32)
    for _ in range(20):
        scramble(env, rng)
        symbols = {name: values[0] for name, values in symbols_of(env).items()}
        observe_flat(0, env._batch.state, env.family.params, row)
        cells = row[0, 0, : 63 * 28].reshape(9, 7, 28)
        assert (cells[..., :13].argmax(-1) == symbols["material"]).all()
        assert (cells[..., 13:].argmax(-1) == symbols["object"]).all()
        assert (cells.sum(-1) == 2).all()
        own = row[0, 0, 63 * 28 :]
        assert np.allclose(own[:16] * 9, symbols["inventory"])
        assert own[16:20].argmax() == symbols["status"][0]
        assert own[20] == symbols["status"][1]
        assert own[21] == pytest.approx(symbols["status"][2] / 255)
        assert row[0, 0] in flat.observation_space


def symbols_of(env):
    return env._batch.reset(np.zeros(1, np.bool_), None).observation._asdict()


def test_two_achievements_in_a_step_pay_one(meadow):
    state = meadow._batch.state
    state.sleeping[0, 0] = True
    state.material[0, 10, 11] = TREE
    _, reward, _, _, info = act(meadow, "do")
    assert reward == 1.0
    assert info["reward_terms"]["wake_up"] == info["reward_terms"]["collect_wood"] == 0.5


@pytest.mark.parametrize("length", [30, 12])
def test_an_episode_is_truncated_at_its_length_in_every_face(length):
    """Or earlier, if a face is told so."""
    arguments = {"size": (16, 16), "length": 30, "hostile": False}
    earlier = {} if length == 30 else {"max_episode_steps": length}
    batch = CrafterVectorEnv(4, autoreset_mode="Disabled", **arguments, **earlier)
    single = gym.make("Crafter-v0", **arguments, **earlier)
    team = parallel_env(num_agents=2, **arguments, **earlier)
    for env in (batch, single, team):
        env.reset(seed=0)
    for step in range(1, length + 1):
        *_, terminated, truncated, infos = batch.step(np.zeros(4, int))
        assert not terminated.any()
        assert (truncated == (step == length)).all()
        assert (infos["discount"] == 1.0).all()
        assert single.step(NOOP)[2:4] == (False, step == length)
        *_, terminated, truncated, _ = team.step(dict.fromkeys(team.agents, NOOP))
        assert set(terminated.values()) == {False}
        assert set(truncated.values()) == {step == length}
    assert team.agents == []
    if not earlier:  # else Gymnasium's TimeLimit truncates
        with pytest.raises(gym.error.ResetNeeded):
            single.step(NOOP)
