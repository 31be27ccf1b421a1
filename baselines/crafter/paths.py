"""Cheapest ways over a map whose cells cost differently, and what there is to see from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["FAR", "Ways", "cheapest_ways", "first_step", "window_sums"]

#: Farther than any cell can be.
FAR = 1 << 24
_BUCKETS = 64


class Ways(NamedTuple):
    """The cheapest ways from where an agent stands.

    A state is a cell and the direction faced there: ``(column * h + row) * 4 + direction``.

    Attributes:
        far: What it costs to come to each cell, int64 ``(w, h)``; ``FAR`` where no way leads.
        arrival: The state in which a cell is reached, int64 ``(w, h)``, -1 where none is.
        beside: What it costs to come next to each cell and face it, int64 ``(w, h)``.
        stand: The state next to each cell from which that is, int64 ``(w, h)``, -1 where there is none.
        before: The state before each state, int64 ``(4 * w * h,)``, -1 where there is none.
    """

    far: NDArray[np.int64]
    arrival: NDArray[np.int64]
    beside: NDArray[np.int64]
    stand: NDArray[np.int64]
    before: NDArray[np.int64]


def cheapest_ways(
    costs: NDArray[np.int64], blocked: NDArray[np.bool_], start: tuple[int, int], facing: int, turn: int
) -> Ways:
    """The cheapest ways from a cell to every other one (Dijkstra's algorithm with Dial's buckets).

    Args:
        costs: What it costs to come to a cell, int64 ``(w, h)``, with ``turn`` below 64; 0 where nobody can go.
        blocked: Which cells take a turn towards them before, bool ``(w, h)``, as they must be dug through.
        start: Column and row.
        facing: Direction faced at the start: 0 left, 1 right, 2 up, 3 down.
        turn: What a turn costs.
    """
    return Ways(*_cheapest_ways(costs, blocked, *start, facing, turn))


@njit(cache=True)
def _cheapest_ways(costs, blocked, x, y, facing, turn):  # type: ignore[no-untyped-def]
    width, height = costs.shape
    far = np.full((width, height), FAR, np.int64)
    arrival = np.full((width, height), -1, np.int64)
    beside = np.full((width, height), FAR, np.int64)
    stand = np.full((width, height), -1, np.int64)
    states = 4 * width * height
    least = np.full(states, FAR, np.int64)
    before = np.full(states, -1, np.int64)
    first = np.full(_BUCKETS, -1, np.int64)
    waiting_states = np.empty(4 * states + 1, np.int64)
    after = np.empty(4 * states + 1, np.int64)
    start = (x * height + y) * 4 + facing
    least[start], waiting_states[0], after[0], first[0] = 0, start, -1, 0
    used, waiting, reached = 1, 1, 0
    while waiting > 0:
        bucket = reached % _BUCKETS
        while first[bucket] >= 0:
            entry = first[bucket]
            first[bucket] = after[entry]
            waiting -= 1
            state = waiting_states[entry]
            if least[state] != reached:
                continue
            column, row, faced = state // 4 // height, state // 4 % height, state % 4
            if reached < far[column, row]:
                far[column, row], arrival[column, row] = reached, state
            for way in range(4):
                to_x = column + (way == 1) - (way == 0)
                to_y = row + (way == 3) - (way == 2)
                if to_x < 0 or to_y < 0 or to_x >= width or to_y >= height:
                    continue
                turned = reached + turn * (way != faced)
                if turned < beside[to_x, to_y]:
                    beside[to_x, to_y], stand[to_x, to_y] = turned, state
                if costs[to_x, to_y] == 0:
                    continue
                cost = (turned if blocked[to_x, to_y] else reached) + costs[to_x, to_y]
                to = (to_x * height + to_y) * 4 + way
                if cost < least[to]:
                    least[to], before[to] = cost, state
                    waiting_states[used], after[used] = to, first[cost % _BUCKETS]
                    first[cost % _BUCKETS] = used
                    used += 1
                    waiting += 1
        reached += 1
    return far, arrival, beside, stand, before


def first_step(ways: Ways, state: int) -> tuple[int, int] | None:
    """The first cell on the way to a state, or None if the way has no step.

    Args:
        ways: The ways.
        state: Of ``ways.arrival`` or ``ways.stand``.
    """
    height = ways.far.shape[1]
    step = None
    while state >= 0 and (previous := int(ways.before[state])) >= 0:
        step, state = state // 4, previous
    return None if step is None else (step // height, step % height)


def window_sums(values: NDArray[Any], columns: int, rows: int) -> NDArray[np.float64]:
    """The sum of the values in the window around each cell, float64 ``(w, h)``; beyond the edges they are 0.

    Args:
        values: Of the cells, ``(w, h)``.
        columns: Of the window, odd.
        rows: Of the window, odd.
    """
    x, y = columns // 2, rows // 2
    total = np.pad(values.astype(np.float64), ((x + 1, x), (y + 1, y))).cumsum(axis=0).cumsum(axis=1)
    return np.asarray(
        total[columns:, rows:] - total[:-columns, rows:] - total[columns:, :-rows] + total[:-columns, :-rows]
    )
