"""Arrays of Crafter: what all worlds share, and what each has of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.names import ACHIEVEMENTS, ITEMS

__all__ = ["CHUNK", "STRIP", "Params", "State", "new_state", "number_of_chunks"]

#: Cells along a side of a chunk, the unit in which creatures are balanced.
CHUNK = 12
#: Columns of the map whose noise is worked out together.
STRIP = 16
#: Slots for objects in each chunk: at most 3 zombies, 2 skeletons and 2 cows are balanced in, and the rest is for
#: what a world begins with, arrows and plants. Ours: the original's list grows without end.
_SLOTS_PER_CHUNK = 12


#: Entries of ``Params.options``. They are in one array, as every array makes every rule longer to compile.
REACH, COLUMNS, ROWS, CAP, SHARE_RANGE, GOAL = range(6)
HOSTILE, FRIENDLY_FIRE, RESPAWN, TEAM_REWARD, SHUFFLED, STRICT = range(6, 12)
#: Entries of a row of ``Params.collecting``, of a row of ``Params.crafting``, and of one of ``State.chunk``.
YIELDS, TOOL, LEAVES, COLLECTED = range(4)
NEAR, DONE_BY = range(2)
GRASS_CELLS, PATH_CELLS, KNOWN, IN_ORDER, CREATURES = range(5)


class Params(NamedTuple):
    """Shared by all worlds.

    Actions are numbered as in :data:`~telos.envs.crafter.names.ACTIONS`, then the gifts.

    Attributes:
        options: Int64 ``(12,)``:

            * REACH: objects nearer than this to a living player are active (L1 distance)
            * COLUMNS, ROWS: of the local view, in cells
            * CAP: the most of an item that is not vital; of the vital ones it is 9
            * SHARE_RANGE: 0 for no gifts, -1 for gifts to the agent faced, or the largest L1 distance of one
            * GOAL: the achievement that ends the episode for the team, or -1
            * HOSTILE: 1 if there are zombies and skeletons
            * FRIENDLY_FIRE: 1 if players can hurt each other
            * RESPAWN: 1 if the dead come back
            * TEAM_REWARD: 1 if all agents earn the mean of what each does
            * SHUFFLED: 1 if players act in random order
            * STRICT: 1 if the original's quirks are kept
        start: Int64 ``(agents, 2)``, offsets of the start cells from the middle of the map.
        collecting: Int64 ``(materials, 4)``: YIELDS, the item that collecting gives, or -1 if nothing can be collected;
            TOOL, the item that it takes, or -1; LEAVES, what is left of the cell; COLLECTED, the achievement.
        cost: Int64 ``(actions, items)``, what an action uses up.
        crafting: Int64 ``(actions, 2)``: NEAR, blocks that must be near, 1 a table, 2 a furnace, 3 both; DONE_BY, the
            achievement.
        place_on: Bool ``(actions, materials)``, on what a thing can be placed.
        may: Bool ``(agents, achievements)``, what an agent's role allows it to collect, place and make.
        pixels: Pictures, :class:`telos.envs.crafter.render.Pixels`, if observations are images; else an empty tuple.
    """

    options: NDArray[np.int64]
    start: NDArray[np.int64]
    collecting: NDArray[np.int64]
    cost: NDArray[np.int64]
    crafting: NDArray[np.int64]
    place_on: NDArray[np.bool_]
    may: NDArray[np.bool_]
    pixels: Any

    @property
    def window(self) -> NDArray[np.int64]:
        """Columns and rows of the local view."""
        return self.options[[COLUMNS, ROWS]]

    @property
    def share_range(self) -> int:
        """See SHARE_RANGE."""
        return int(self.options[SHARE_RANGE])

    @property
    def strict(self) -> bool:
        """See STRICT."""
        return bool(self.options[STRICT])

    @property
    def yields(self) -> NDArray[np.int64]:
        """YIELDS of each material."""
        return self.collecting[:, YIELDS]

    @property
    def tool(self) -> NDArray[np.int64]:
        """TOOL of each material."""
        return self.collecting[:, TOOL]

    @property
    def collected(self) -> NDArray[np.int64]:
        """COLLECTED of each material."""
        return self.collecting[:, COLLECTED]

    @property
    def near(self) -> NDArray[np.int64]:
        """NEAR of each action."""
        return self.crafting[:, NEAR]

    @property
    def done_by(self) -> NDArray[np.int64]:
        """DONE_BY of each action."""
        return self.crafting[:, DONE_BY]


class State(NamedTuple):
    """Of ``n`` worlds with W x H cells, A agents, M slots for objects and C chunks. Positions are x first.

    Slot ``k < A`` is the player of agent ``k``; creatures, arrows and plants have the slots after, in the order in
    which they came to be.

    Attributes:
        material: Uint8 ``(n, W, H)``.
        object_at: Int16 ``(n, W, H)``, the slot of the object on a cell plus 1, or 0.
        kind: Uint8 ``(n, M)``, 13 player, 14 cow, 15 zombie, 16 skeleton, 17 arrow, 18 plant, 0 for an empty slot (and
            for a player who is dead).
        x: Int16 ``(n, M)``.
        y: Int16 ``(n, M)``.
        health: Int16 ``(n, M)``, of all but players, whose health is an item.
        facing: Int8 ``(n, M, 2)``, direction of players and arrows.
        cooldown: Int16 ``(n, M)``, steps until a zombie strikes or a skeleton can shoot again; a plant's age, which is
            ripe above 300.
        count: Int32 ``(n,)``, the highest slot in use plus 1.
        inventory: Uint8 ``(n, A, 16)``.
        sleeping: Bool ``(n, A)``.
        achievements: Uint16 ``(n, A, 22)``, how often each was achieved.
        counters: Float32 ``(n, A, 4)``, hunger, thirst, fatigue and recovery.
        health_before: Uint8 ``(n, A, 2)``, at the end of the player's last update, and at the end of the last step.
        time: Int64 ``(n,)``, steps taken in the episode.
        daylight: Float64 ``(n,)``, in [0, 1].
        chunk: Int16 ``(n, C, 7)``, of each chunk: GRASS_CELLS and PATH_CELLS, how many there are; KNOWN, 1 if it is
            balanced. IN_ORDER of row k is the k-th chunk to become known. From CREATURES on, scratch of balancing:
            zombies, skeletons and cows.
        known_chunks: Int32 ``(n,)``, how many are known.
        order: Int16 ``(n, A)``, in which the players act in a step.
        permutation: Uint8 ``(n, 256)``, of the world's noise.
        noise: Float32 ``(n, 3, STRIP, H)``, scratch of world generation.
    """

    material: NDArray[np.uint8]
    object_at: NDArray[np.int16]
    kind: NDArray[np.uint8]
    x: NDArray[np.int16]
    y: NDArray[np.int16]
    health: NDArray[np.int16]
    facing: NDArray[np.int8]
    cooldown: NDArray[np.int16]
    count: NDArray[np.int32]  # type: ignore[assignment]  # a tuple has a method of that name
    inventory: NDArray[np.uint8]
    sleeping: NDArray[np.bool_]
    achievements: NDArray[np.uint16]
    counters: NDArray[np.float32]
    health_before: NDArray[np.uint8]
    time: NDArray[np.int64]
    daylight: NDArray[np.float64]
    chunk: NDArray[np.int16]
    known_chunks: NDArray[np.int32]
    order: NDArray[np.int16]
    permutation: NDArray[np.uint8]
    noise: NDArray[np.float32]


def number_of_chunks(size: tuple[int, int]) -> int:
    """Chunks of a map of ``(W, H)`` cells; those at the right and lower edge may be smaller."""
    width, height = size
    return -(-width // CHUNK) * -(-height // CHUNK)


def new_state(num_envs: int, size: tuple[int, int], agents: int) -> State:
    """Arrays of zeros for ``num_envs`` worlds of ``(W, H)`` cells."""
    chunks = number_of_chunks(size)
    slots = agents + _SLOTS_PER_CHUNK * chunks

    def zeros(dtype: type[np.generic], *shape: int) -> NDArray[Any]:
        return np.zeros((num_envs, *shape), dtype)

    return State(
        material=zeros(np.uint8, *size),
        object_at=zeros(np.int16, *size),
        kind=zeros(np.uint8, slots),
        x=zeros(np.int16, slots),
        y=zeros(np.int16, slots),
        health=zeros(np.int16, slots),
        facing=zeros(np.int8, slots, 2),
        cooldown=zeros(np.int16, slots),
        count=zeros(np.int32),
        inventory=zeros(np.uint8, agents, len(ITEMS)),
        sleeping=zeros(np.bool_, agents),
        achievements=zeros(np.uint16, agents, len(ACHIEVEMENTS)),
        counters=zeros(np.float32, agents, 4),
        health_before=zeros(np.uint8, agents, 2),
        time=zeros(np.int64),
        daylight=zeros(np.float64),
        chunk=zeros(np.int16, chunks, CREATURES + 3),
        known_chunks=zeros(np.int32),
        order=zeros(np.int16, agents),
        permutation=zeros(np.uint8, 256),
        noise=zeros(np.float32, 3, STRIP, size[1]),
    )
