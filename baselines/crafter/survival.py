"""Eating, drinking, sleeping and fighting: what keeps an agent alive on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from telos.baselines.crafter.surroundings import Cell, Surroundings
from telos.envs.crafter.names import DO, DRINK, ENERGY, FOOD, HEALTH, SLEEP, WATER
from telos.envs.crafter.observe import SIGHTS

if TYPE_CHECKING:
    from telos.baselines.crafter.planner import Planner

__all__ = ["Survival"]

_COW, _ZOMBIE, _SKELETON = (SIGHTS.index(name) for name in ("cow", "zombie", "skeleton"))
#: An agent looks for food or drink when it has no more than this, and takes what is at hand below the other. Ours.
_LOW, _FULL_ENOUGH = 3, 7
_AT_HAND = 3.0
#: Health at which an agent without energy sleeps. Ours.
_WORN_OUT = 3


class Survival:
    """The needs of one agent."""

    def defend(self, now: Surroundings) -> int | None:
        """What to do at once against creatures that are near, or None."""
        for cell in now.around(now.position):
            if now.objects.get(cell) in (_ZOMBIE, _SKELETON):
                return DO if now.ahead == cell else now.move(cell)
        return None

    def need(self, now: Surroundings, planner: Planner) -> int | None:
        """What to do for food, drink and rest, or None if all is well."""
        drink, food = int(now.inventory[DRINK]), int(now.inventory[FOOD])
        water = now.nearest(now.known_cells(WATER))
        if drink < _FULL_ENOUGH and now.of(now.ahead) == WATER:
            return DO
        if drink <= _LOW and drink <= food:
            return planner.seek([WATER])
        cow = self._nearest_cow(now)
        if cow is not None and (food <= _LOW or (food <= 5 and cow[1] <= _AT_HAND)):
            return now.act_on(cow[0])
        if food <= 1 and cow is None:
            return planner.explore(rock=False)
        if self._must_sleep(now):
            return SLEEP
        if drink <= 5 and water is not None and water[1] <= _AT_HAND:
            return now.act_on(water[0])
        return None

    def _must_sleep(self, now: Surroundings) -> bool:
        """Tired agents go on while their health lasts: sleep takes a hundred steps."""
        return bool(now.inventory[ENERGY] == 0 and now.inventory[HEALTH] <= _WORN_OUT)

    def _nearest_cow(self, now: Surroundings) -> tuple[Cell, float] | None:
        wanted = np.zeros(now.material.shape, np.bool_)
        for cell, sight in now.objects.items():
            wanted[cell] = sight == _COW
        return now.nearest(wanted)
