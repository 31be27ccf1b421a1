"""The map in an agent's head: all that it has seen or been told, and nothing else."""

import numpy as np
import pytest

from telos.envs.crafter.env import parallel_env
from telos.envs.crafter.names import DIAMOND, GRASS, STONE, TREE, WATER
from telos.envs.crafter.observe import SIGHTS
from telos.envs.crafter.teamwork import Channel, ChannelParallelEnv, KnownCells, MapMemory, Schema

SIZE = (40, 32)


def whole(memory, values):
    """Values of the cells of the map, from the memory's arrays."""
    left, top = memory.origin[0] - SIZE[0] // 2, memory.origin[1] - SIZE[1] // 2
    return values[left : left + SIZE[0], top : top + SIZE[1]]


def wander(env, rng):
    """Actions that mostly go somewhere."""
    return {agent: int(rng.choice([1, 2, 3, 4, 5, 5, 6, 7, 8, 17])) for agent in env.agents}


def window(position, view=(9, 7)):
    left, top = np.asarray(position, int) - np.array(view) // 2
    inside = np.s_[max(left, 0) : max(left + view[0], 0), max(top, 0) : max(top + view[1], 0)]
    return inside


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("respawn", [False, True])
def test_memory_is_what_was_seen(seed, respawn):
    """Beside an own account, from the true positions and the true map."""
    env = parallel_env(num_agents=3, size=SIZE, respawn=respawn)
    rng = np.random.default_rng(seed)
    observations, _ = env.reset(seed=seed)
    memories = {agent: MapMemory() for agent in env.agents}
    truth = {agent: (np.zeros(SIZE, np.uint8), np.full(SIZE, -1)) for agent in env.agents}
    for step in range(250):
        actual, places = env.state()[..., 0], env.unwrapped.positions
        for k, agent in enumerate(env.possible_agents):
            if agent in env.agents:
                memories[agent].see(observations[agent], step)
                material, seen = truth[agent]
                cells = window(places[k])
                material[cells], seen[cells] = actual[cells], step
            memory, (material, seen) = memories[agent], truth[agent]
            assert (whole(memory, memory.step) == seen).all()
            assert (whole(memory, memory.material) == material).all()
        if not env.agents:
            break
        observations, *_ = env.step(wander(env, rng))
    assert sum((seen >= 0).sum() for _, seen in truth.values()) > 400
    for memory in memories.values():
        beyond = memory.known.copy()
        whole(memory, beyond)[...] = False
        assert not memory.material[beyond].any()
        static = np.isin(whole(memory, memory.material), [WATER, DIAMOND])
        assert (whole(memory, memory.material)[static] == env.state()[..., 0][static]).all()


def test_objects_are_remembered_where_they_were_seen():
    env = parallel_env(num_agents=2, size=SIZE)
    observations, _ = env.reset(seed=4)
    memory = MapMemory()
    memory.see(observations["player_0"], 0)
    kinds = env.state()[..., 1]
    cells = window(env.positions[0])
    expected = kinds[cells].copy()
    x, y = env.positions[0] - np.array([cells[0].start, cells[1].start])
    assert expected[x, y] == 13
    expected[x, y] = 0
    seen = whole(memory, memory.object)[cells]
    assert ((seen > 0) == (expected > 0)).all()
    assert np.isin(
        seen[expected == 13], [SIGHTS.index(f"player_{way}") for way in ("left", "right", "up", "down")]
    ).all()


def observation(x, y, material):
    return {
        "material": np.full((9, 7), material, np.uint8),
        "object": np.zeros((9, 7), np.uint8),
        "position": np.array([x, y], np.int16),
    }


def test_told_cells_are_known_and_the_newer_ones_win():
    teller, hearer = MapMemory(), MapMemory()
    teller.see(observation(0, 0, STONE), 1)
    hearer.see(observation(4, 0, GRASS), 3)
    teller.see(observation(8, 0, TREE), 5)
    x, y = hearer.origin
    assert hearer.hear(teller.tell()) == 9 * 7 + 4 * 7  # x from 0 to 3 was seen at step 3, after the teller
    assert hearer.material[x - 4 : x + 13, y].tolist() == [STONE] * 4 + [GRASS] * 4 + [TREE] * 9
    assert hearer.step[x - 4 : x + 13, y].tolist() == [1] * 4 + [3] * 4 + [5] * 9
    assert hearer.known.sum() == 17 * 7
    assert hearer.hear(teller.tell()) == 0


def test_tell_says_what_was_asked_for():
    memory = MapMemory()
    memory.see(observation(0, 0, STONE), 1)
    memory.see(observation(30, 0, GRASS), 2)
    memory.see(observation(-20, 0, 0), 3)
    assert set(memory.tell().material) == {STONE, GRASS}
    assert set(memory.tell(since=2).x) == set(range(26, 35))
    assert set(memory.tell(materials=[STONE]).step) == {1}
    first = memory.tell(limit=3)
    assert len(first) == 3
    assert (first.x, first.y, first.step) == ([26, 26, 26], [0, -1, 1], [2, 2, 2])


def test_frontier_and_walkable():
    memory = MapMemory(view=(5, 3))
    seen = {
        "material": np.full((5, 3), GRASS, np.uint8),
        "object": np.zeros((5, 3), np.uint8),
        "position": np.array([0, 0], np.int16),
    }
    seen["material"][0], seen["object"][4, 2], seen["object"][2, 1] = 0, 1, 12
    memory.see(seen, 0)
    x, y = memory.origin
    frame = np.s_[x - 2 : x + 3, y - 1 : y + 2]
    assert memory.walkable[frame].tolist() == [[False] * 3, [True] * 3, [True] * 3, [True] * 3, [True, True, False]]
    assert memory.frontier[frame].tolist() == [[False] * 3, *[[True, False, True]] * 3, [True] * 3]
    assert memory.frontier.sum() == 9
    assert memory.walkable.sum() == 11


def test_a_team_that_tells_knows_what_it_has_seen_together():
    """Through the channel, as records; nobody knows a cell that nobody saw."""
    schema = Schema(20_000, record=KnownCells)
    env = ChannelParallelEnv(parallel_env(num_agents=3, size=SIZE, hostile=False), Channel(schema))
    rng = np.random.default_rng(0)
    observations, _ = env.reset(seed=2)
    told = {agent: MapMemory() for agent in env.agents}
    own = {agent: MapMemory() for agent in env.agents}
    for step in range(60):
        for agent in env.agents:
            for memory in (told[agent], own[agent]):
                memory.see(observations[agent], step)
            for text in observations[agent]["messages"]:
                if text:
                    told[agent].hear(schema.decode(text))
        actions = wander(env, rng)
        said = {agent: schema.encode(own[agent].tell(since=step)) for agent in actions}
        observations, *_ = env.step({agent: {"action": actions[agent], "message": said[agent]} for agent in actions})
    for agent, memory in told.items():
        latest = own[agent].known
        others = [own[other] for other in told if other != agent]
        # What the others saw last is still under way, and only cells of the map are told.
        seen = latest | np.logical_or.reduce([other.known & (other.material > 0) for other in others])
        assert not (memory.known & ~seen).any()
        assert (seen & ~memory.known).sum() <= 2 * 9 * 7
        assert memory.known.sum() > latest.sum()


def test_the_fog_can_be_lifted():
    env = parallel_env(num_agents=1, size=SIZE)
    env.reset(seed=0)
    memory = MapMemory()
    memory.reveal(env.state(), 0)
    assert (whole(memory, memory.material) == env.state()[..., 0]).all()
    assert memory.known.sum() == SIZE[0] * SIZE[1]
    memory.forget()
    assert not memory.known.any()


def test_the_edge_of_the_largest_map():
    memory = MapMemory()
    for corner in ((-128, -128), (127, 127)):
        memory.see(observation(*corner, GRASS), 0)
    assert memory.known.sum() == 2 * 9 * 7
    with pytest.raises(ValueError, match="beyond"):
        MapMemory(size=(32, 32)).see(observation(30, 0, GRASS), 0)
    with pytest.raises(ValueError, match="view"):
        MapMemory(view=(5, 5)).see(observation(0, 0, GRASS), 0)
    with pytest.raises(ValueError, match="impossible"):
        memory.hear(KnownCells([999], [0], [2], [0], [0]))
    with pytest.raises(ValueError, match="length"):
        memory.hear(KnownCells([1, 2], [0], [2], [0], [0]))
