"""The original, PyPI's ``crafter``, played with the luck and the noise of one of our worlds.

Its random generator is replaced by one that looks up who is asking: every draw is then the one that our rules make for
the same purpose, and both games must agree in everything, at every step.
"""

import linecache
import sys

import crafter
import numpy as np
from crafter import objects

from telos.envs.crafter import luck
from telos.envs.crafter.names import ACHIEVEMENTS, ARROW, COW, ITEMS, PLANT, PLAYER, SKELETON, ZOMBIE
from telos.envs.crafter.params import CHUNK, IN_ORDER
from telos.envs.engine.random import bits, episode_key, integer, step_key, uniform

KINDS = {
    objects.Player: PLAYER,
    objects.Cow: COW,
    objects.Zombie: ZOMBIE,
    objects.Skeleton: SKELETON,
    objects.Arrow: ARROW,
    objects.Plant: PLANT,
}
CLASSES = {kind: made for made, kind in KINDS.items()}
GROUPS = {objects.Zombie: 0, objects.Skeleton: 1, objects.Cow: 2}
#: What a call's function and line have in them, and the purpose of our draw.
PURPOSES = {
    ("_set_material", "> 0.85"): luck.COAL_LUCK,
    ("_set_material", "> 0.75"): luck.IRON_LUCK,
    ("_set_material", "> 0.994"): luck.DIAMOND_LUCK,
    ("_set_material", "> 0.8:"): luck.TREE_LUCK,
    ("_set_object", "> 0.985"): luck.COW_LUCK,
    ("_set_object", "> 0.993"): luck.ZOMBIE_LUCK,
    ("_set_object", "> 0.95:"): luck.SKELETON_LUCK,
    ("Cow", "< 0.5"): luck.WALKS,
    ("Zombie", "< 0.9"): luck.CHASES,
    ("Zombie", "< 0.8"): luck.LONG_AXIS,
    ("Skeleton", "-self.toward"): luck.FLEES_ALONG,
    ("Skeleton", "< 0.5"): luck.SHOOTS,
    ("Skeleton", "< 0.3"): luck.FOLLOWS,
    ("Skeleton", "self.move(self.toward"): luck.FOLLOWS_ALONG,
    ("Skeleton", "< 0.2"): luck.WALKS,
}


class OurLuck:
    """Stands in for ``numpy.random.RandomState``."""

    def __init__(self, world):
        self.world, self.key, self.slots = world, None, {}

    def uniform(self):
        frame = sys._getframe(1)
        local, name = frame.f_locals, frame.f_code.co_name
        if name == "_do_material":
            return uniform(self.key, luck.SAPLING_LUCK, 0)
        if name == "_balance_object":
            return uniform(self.key, luck.BALANCES, self.chunk_index(local))
        if name == "update":
            name = type(local["self"]).__name__
            index = self.slots[id(local["self"])]
        else:
            index = local["x"] * self.world.area[1] + local["y"]
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        (purpose,) = {number for (asker, text), number in PURPOSES.items() if asker == name and text in line}
        return uniform(self.key, purpose, index)

    def randint(self, low, high):
        frame = sys._getframe(1)
        local, name = frame.f_locals, frame.f_code.co_name
        if name == "generate_world":
            return int(bits(self.key, luck.NOISE, 0))
        if name == "random_dir":
            return integer(self.key, luck.WANDER, self.slots[id(local["self"])], high)
        assert name == "_balance_object"
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if "len(xs)" in line:
            return integer(self.key, luck.SPAWN_CELL, self.chunk_index(local), high)
        # The original takes them from a set, in any order; ours is that in which they came to be.
        creatures = local["creatures"]
        ordered = sorted(creatures, key=lambda one: self.world._obj_map[tuple(one.pos)])
        wanted = ordered[integer(self.key, luck.DESPAWNED, self.chunk_index(local), high)]
        return creatures.index(wanted)

    def chunk_index(self, local):
        left, _, top, _ = local["chunk"]
        rows = -(-self.world.area[1] // CHUNK)
        return 3 * (left // CHUNK * rows + top // CHUNK) + GROUPS[local["cls"]]


class Peer:
    """The original beside one of our single environments, ``env``, whose luck it has."""

    def __init__(self, env):
        self.ours = env.unwrapped
        self.env = crafter.Env(area=self.ours.family.size, length=self.ours.family.max_episode_steps, seed=0)
        self.env._obs = lambda: None
        self.luck = OurLuck(self.env._world)
        reset = self.env._world.reset

        def reset_world(seed=None):
            reset(seed)
            self.env._world.random = self.luck

        self.env._world.reset = reset_world

    def _key(self, step):
        clock = self.ours._batch.clock
        with np.errstate(over="ignore"):
            return step_key(episode_key(clock.seed[0], clock.episode[0]), step)

    def reset(self):
        """Begins the episode that ours has begun."""
        self.luck.key = self._key(0)
        with np.errstate(over="ignore"):
            self.env.reset()

    def load(self):
        """Takes over everything from the state of ours."""
        state, env = self.ours._batch.state, self.env
        world, player = env._world, None
        world.reset()
        world._mat_map[...] = state.material[0]
        for chunk in state.chunk[0, : state.known_chunks[0], IN_ORDER]:
            rows = -(-world.area[1] // CHUNK)
            world._chunks[world.chunk_key((chunk // rows * CHUNK, chunk % rows * CHUNK))]
        for slot in range(state.count[0]):
            kind, place = state.kind[0, slot], (int(state.x[0, slot]), int(state.y[0, slot]))
            facing = tuple(state.facing[0, slot].tolist())
            if kind == PLAYER:
                env._player = player = objects.Player(world, place)
                made = player
                player.facing = facing
            elif kind == ARROW:
                made = objects.Arrow(world, place, np.array(facing))
            elif kind:
                made = {COW: objects.Cow, ZOMBIE: objects.Zombie, SKELETON: objects.Skeleton, PLANT: objects.Plant}[
                    kind
                ](world, place, *([player] if kind in (ZOMBIE, SKELETON) else []))
            else:
                continue
            if kind != PLAYER:
                made.health = int(state.health[0, slot])
            for name in ("cooldown", "reload", "grown"):
                if hasattr(made, name):
                    setattr(made, name, int(state.cooldown[0, slot]))
            world.add(made)
        player.inventory = dict(zip(ITEMS, state.inventory[0, 0].tolist(), strict=True))
        player.achievements = dict(zip(ACHIEVEMENTS, state.achievements[0, 0].tolist(), strict=True))
        player._hunger, player._thirst, player._fatigue, player._recover = state.counters[0, 0].tolist()
        player.sleeping = bool(state.sleeping[0, 0])
        player._last_health, env._last_health = state.health_before[0, 0].tolist()
        env._unlocked = {name for name, count in player.achievements.items() if count}
        env._step = int(state.time[0])
        env._update_time()

    def step(self, action):
        """Takes the step that ours is about to take: to be called before ours."""
        state = self.ours._batch.state
        self.luck.key = self._key(self.ours._batch.clock.step[0] + 1)
        self.luck.slots = {id(one): int(state.object_at[0][tuple(one.pos)]) - 1 for one in self.env._world.objects}
        with np.errstate(over="ignore"):
            _, reward, done, _ = self.env.step(action)
        return reward, done

    def summary(self):
        """Everything about the world, to be compared with ``summary_of`` ours."""
        world, player = self.env._world, self.env._player
        things = {}
        for one in world.objects:
            if one is player:
                continue
            count = next((getattr(one, name) for name in ("cooldown", "reload", "grown") if hasattr(one, name)), 0)
            facing = tuple(np.asarray(one.facing).tolist()) if isinstance(one, objects.Arrow) else None
            health = 0 if isinstance(one, objects.Arrow) else one.health
            things[tuple(one.pos.tolist())] = (KINDS[type(one)], health, count, facing)
        return {
            "things": things,
            "player": tuple(player.pos.tolist()),
            "facing": tuple(player.facing),
            "inventory": list(player.inventory.values()),
            "achievements": list(player.achievements.values()),
            "counters": [player._hunger, player._thirst, player._fatigue, player._recover],
            "sleeping": bool(player.sleeping),
            "daylight": round(float(world.daylight), 12),
            "chunks": [(key[0], key[2]) for key in world.chunks],
        }


def summary_of(env):
    """What ``Peer.summary`` says, of ours."""
    state = env.unwrapped._batch.state
    things = {}
    for slot in range(1, state.count[0]):
        kind = int(state.kind[0, slot])
        if kind:
            facing = tuple(state.facing[0, slot].tolist()) if kind == ARROW else None
            health = 0 if kind == ARROW else int(state.health[0, slot])
            count = int(state.cooldown[0, slot])
            things[int(state.x[0, slot]), int(state.y[0, slot])] = (kind, health, count, facing)
    rows = -(-state.material.shape[2] // CHUNK)
    known = state.chunk[0, : state.known_chunks[0], IN_ORDER]
    return {
        "things": things,
        "player": (int(state.x[0, 0]), int(state.y[0, 0])),
        "facing": tuple(state.facing[0, 0].tolist()),
        "inventory": state.inventory[0, 0].tolist(),
        "achievements": state.achievements[0, 0].tolist(),
        "counters": state.counters[0, 0].tolist(),
        "sleeping": bool(state.sleeping[0, 0]),
        "daylight": round(float(state.daylight[0]), 12),
        "chunks": [(chunk // rows * CHUNK, chunk % rows * CHUNK) for chunk in known.tolist()],
    }
