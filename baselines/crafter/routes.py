"""The order in which to visit a few places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from telos.baselines.crafter.surroundings import Cell, Surroundings

__all__ = ["shortest_route"]


def shortest_route(
    now: Surroundings, stops: Sequence[Sequence[tuple[Cell, float]]], last: Sequence[tuple[Cell, float]]
) -> Cell:
    """The first stop of the shortest way past one place of each kind, in any order.

    Args:
        now: Where the agent is, and what it knows.
        stops: Of each kind, at least one, places with the steps to them.
        last: Places to one of which the way goes on at the end; may be empty.
    """
    cells = {cell for places in stops for cell, _ in places}
    between = {cell: now.steps_from(cell) for cell in cells} if len(stops) > 1 or last else {}
    best, first = float("inf"), stops[0][0][0]
    for order in permutations(stops):
        ways = {cell: (steps, cell) for cell, steps in order[0]}
        for places in order[1:]:
            ways = {to: min((way + between[at][to], start) for at, (way, start) in ways.items()) for to, _ in places}
        for at, (way, start) in ways.items():
            total = way + min((between[at][to] for to, _ in last), default=0.0)
            if total < best:
                best, first = total, start
    return first
