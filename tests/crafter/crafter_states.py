"""Worlds put together by hand or at random, for tests of what is seen of them."""

import numpy as np

from telos.envs.crafter.names import DIRECTIONS, FURNACE, PLANT, PLAYER, WATER
from telos.envs.crafter.params import State, new_state


def random_state(
    seed: int,
    agents: int = 1,
    size: tuple[int, int] = (24, 20),
    daylight: float = 1.0,
    start: tuple[int, int] | None = None,
) -> State:
    """One world with any material anywhere, and an object on every third cell; agent 0 is at ``start``."""
    rng = np.random.default_rng(seed)
    state = new_state(1, size, agents)
    state.material[0] = rng.integers(WATER, FURNACE + 1, size)
    state.permutation[0] = rng.permutation(256)
    state.daylight[0] = daylight
    state.time[0] = rng.integers(1000)
    state.inventory[0] = rng.integers(0, 10, state.inventory.shape[1:])
    slots = min(state.kind.shape[1], size[0] * size[1] // 3)
    cells = [divmod(int(number), size[1]) for number in rng.choice(size[0] * size[1], slots, replace=False)]
    if start is not None:
        cells = [start, *(cell for cell in cells if cell != start)][:slots]
    for slot, cell in enumerate(cells):
        kind = PLAYER if slot < agents else int(rng.integers(PLAYER + 1, PLANT + 1))
        put(state, slot, kind, cell, DIRECTIONS[rng.integers(4)])
        state.cooldown[0, slot] = rng.integers(600)
    return state


def put(state: State, slot: int, kind: int, cell: tuple[int, int], facing: tuple[int, int] = (0, 1)) -> None:
    """Puts an object of world 0 on a free cell."""
    x, y = cell
    assert state.object_at[0, x, y] == 0
    state.object_at[0, x, y] = slot + 1
    state.kind[0, slot], state.x[0, slot], state.y[0, slot], state.facing[0, slot] = kind, x, y, facing
    state.count[0] = max(state.count[0], slot + 1)
