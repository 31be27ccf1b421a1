"""What happens in a step, and how often, in situations made by hand: ours and the original's, each with own luck."""

from collections import Counter

import numpy as np
import pytest
from crafter_peer import Peer
from crafter_scenes import count_chunks

from telos.envs.crafter.env import CrafterEnv, CrafterVectorEnv
from telos.envs.crafter.names import (
    ARROW,
    COW,
    DO,
    ENERGY,
    GRASS,
    HEALTH,
    NOOP,
    PATH,
    PLANT,
    SAPLING,
    SKELETON,
    STONE,
    TABLE,
    ZOMBIE,
)

TIMES = 600
SIZE = (25, 25)
X, Y = 12, 12  # of the player
NIGHT, MORNING = 209, 9  # before a step in which creatures come and go
LIFE = {COW: 3, ZOMBIE: 5, SKELETON: 3, PLANT: 1, ARROW: 0}


class Scene:
    """A player on a meadow, facing down, in the middle of the day; nothing comes or goes."""

    def __init__(self, env):
        self.state = state = env._batch.state
        state.material[...], state.object_at[...], state.kind[...] = GRASS, 0, 0
        state.count[...], state.time[...], state.sleeping[...] = 1, 30, False
        state.achievements[...], state.counters[...] = 0, 0
        state.inventory[0, 0], state.health_before[...] = [9] * 4 + [0] * 12, 9
        state.kind[0, 0], state.x[0, 0], state.y[0, 0], state.object_at[0, X, Y] = 13, X, Y, 1
        state.facing[0, 0] = (0, 1)

    def cover(self, material, left=0, right=SIZE[0], top=0, bottom=SIZE[1]):
        self.state.material[0, left:right, top:bottom] = material

    def put(self, kind, dx, dy, count=0, facing=(0, 1), health=None):
        """An object at an offset from the player."""
        state, slot = self.state, int(self.state.count[0])
        state.count[0] += 1
        state.kind[0, slot], state.x[0, slot], state.y[0, slot] = kind, X + dx, Y + dy
        state.object_at[0, X + dx, Y + dy] = slot + 1
        state.health[0, slot] = LIFE[kind] if health is None else health
        state.cooldown[0, slot], state.facing[0, slot] = count, facing

    def have(self, item, amount):
        self.state.inventory[0, 0, item] = amount


def on_path(scene):
    scene.cover(PATH)


def at_night(scene):
    scene.state.time[0] = NIGHT


def sleep(scene):
    scene.state.sleeping[0, 0] = True
    scene.have(ENERGY, 3)


def crowd(kind, material):
    """Too many of a kind in one chunk, far from the player."""

    def make(scene):
        scene.cover(STONE)
        scene.cover(material, 0, 12, 0, 12)
        for k in range(6):
            scene.put(kind, -12 + 2 * k, -12)
        scene.state.time[0] = MORNING

    return make


def rare(material, time):
    """A chunk of the right ground far from the player, and what makes it known."""

    def make(scene):
        scene.cover(STONE)
        scene.cover(material, 0, 12, 0, 12)
        scene.put(PLANT, -12, -12)
        scene.state.time[0] = time

    return make


#: What is done, and how the situation is made: changes of the meadow, and ``(kind, dx, dy, count)`` of objects.
SITUATIONS = {
    "a zombie chases along the longer way": (NOOP, [(ZOMBIE, 5, 2)]),
    "a zombie chases along a diagonal": (NOOP, [(ZOMBIE, -3, 3)]),
    "a zombie that is far roams": (NOOP, [(ZOMBIE, 6, 5)]),
    "a zombie chases past a stone": (NOOP, [lambda s: s.cover(STONE, X + 3, X + 4, Y - 1, Y + 2), (ZOMBIE, 4, 1)]),
    "a zombie comes and strikes": (NOOP, [(ZOMBIE, 2, 0)]),
    "a zombie waits to strike": (NOOP, [(ZOMBIE, 0, -1, 3)]),
    "a zombie strikes a sleeper": (NOOP, [sleep, (ZOMBIE, 1, 1)]),
    "a zombie is struck": (DO, [(ZOMBIE, 0, 1, 4)]),
    "a dying zombie acts": (DO, [lambda s: s.put(ZOMBIE, 0, 1, health=1)]),
    "a skeleton flees": (NOOP, [on_path, (SKELETON, 2, 1)]),
    "a skeleton in a dead end shoots": (
        NOOP,
        [on_path, lambda s: s.cover(STONE, X + 4, X + 5, Y - 1, Y + 2), (SKELETON, 3, 0)],
    ),
    "a skeleton shoots or comes near": (NOOP, [on_path, (SKELETON, 4, -1)]),
    "a skeleton that reloads comes near": (NOOP, [on_path, (SKELETON, 4, 1, 3)]),
    "a skeleton follows": (NOOP, [on_path, (SKELETON, -5, 2)]),
    "a skeleton that is far roams": (NOOP, [on_path, (SKELETON, 6, 6)]),
    "an arrow hits the player": (NOOP, [lambda s: s.put(ARROW, 1, 0, facing=(-1, 0))]),
    "an arrow breaks a table": (
        NOOP,
        [lambda s: s.cover(TABLE, X + 3, X + 4, Y, Y + 1), lambda s: s.put(ARROW, 2, 0, facing=(1, 0))],
    ),
    "a cow wanders": (NOOP, [(COW, 4, 4)]),
    "a cow wanders between a player and a stone": (
        NOOP,
        [lambda s: s.cover(STONE, X, X + 1, Y - 3, Y - 2), (COW, 0, -1)],
    ),
    "grass gives a sapling": (DO, []),
    "a plant grows ripe, and is eaten by a cow": (NOOP, [(PLANT, 0, 1, 300), (PLANT, 4, 1, 8), (COW, 4, 2)]),
    "a sleeper wakes up": (NOOP, [lambda s: s.state.sleeping.fill(True)]),
    "zombies come at night": (NOOP, [rare(GRASS, NIGHT)]),
    "cows come by day": (NOOP, [rare(GRASS, MORNING + 50)]),
    "skeletons come": (NOOP, [rare(PATH, MORNING + 50)]),
    "zombies go by day": (NOOP, [crowd(ZOMBIE, GRASS)]),
    "skeletons go": (NOOP, [crowd(SKELETON, PATH)]),
    "cows go": (NOOP, [crowd(COW, GRASS)]),
}
#: Those in which only numbers count: where something comes is as good as everywhere.
COUNTED = ("come at", "come by", "skeletons come", " go")


@pytest.fixture(scope="module")
def games():
    single, many = CrafterEnv(size=SIZE), CrafterVectorEnv(TIMES, size=SIZE, autoreset_mode="Disabled")
    single.reset(seed=0)
    return single, many, Peer(single)


@pytest.mark.parametrize("name", SITUATIONS)
def test_transitions_are_as_frequent_as_the_originals(games, name):
    single, many, peer = games
    action, parts = SITUATIONS[name]
    scene = Scene(single)
    for part in parts:
        part(scene) if callable(part) else scene.put(*part)
    count_chunks(scene.state)
    many.reset(seed=1)
    for own, made in zip(many._batch.state, scene.state, strict=True):
        own[...] = made
    many.step(np.full(TIMES, action))
    numbers_only = any(part in name for part in COUNTED)
    ours = Counter(our_outcome(many._batch.state, row, numbers_only) for row in range(TIMES))
    theirs = Counter()
    peer.luck = np.random.RandomState(1)
    for _ in range(TIMES):
        peer.load()
        peer.env.step(action)
        theirs[their_outcome(peer, numbers_only)] += 1
    for outcome in ours.keys() | theirs.keys():
        share = (ours[outcome] + theirs[outcome]) / (2 * TIMES)
        error = np.sqrt(2 * TIMES * share * (1 - share))
        assert abs(ours[outcome] - theirs[outcome]) <= 4 * error, (outcome, ours[outcome], theirs[outcome])


def our_outcome(state, row, numbers_only):
    parts = (state.kind, state.x, state.y, state.cooldown)
    slots = [slot for slot in range(1, state.count[row]) if state.kind[row, slot]]
    things = [tuple(int(part[row, slot]) for part in parts) for slot in slots]
    cells = state.material[row].tobytes()
    return outcome(things, state.inventory[row, 0].tolist(), bool(state.sleeping[row, 0]), cells, numbers_only)


def their_outcome(peer, numbers_only):
    seen = peer.summary()
    things = [(kind, *place, count) for place, (kind, _, count, _) in seen["things"].items()]
    cells = peer.env._world._mat_map.astype(np.uint8).tobytes()
    return outcome(things, seen["inventory"], seen["sleeping"], cells, numbers_only)


def outcome(things, inventory, sleeping, cells, numbers_only):
    if numbers_only:
        return tuple(sorted(Counter(kind for kind, *_ in things).items()))
    return tuple(sorted(things)), inventory[HEALTH], inventory[SAPLING], sleeping, cells
