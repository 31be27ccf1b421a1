"""Scripted agents as a team: they tell what they see, share out what there is to do, and give what others lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.baselines.crafter.paths import FAR
from telos.baselines.crafter.planner import Planner
from telos.baselines.crafter.recipe_plan import SOURCE_OF
from telos.baselines.crafter.surroundings import Cell
from telos.envs.crafter.names import (
    COAL,
    DIAMOND,
    GIVE,
    IRON,
    IRON_PICKAXE,
    NOOP,
    SAPLING,
    STONE,
    STONE_PICKAXE,
    TREE,
    WOOD_PICKAXE,
)
from telos.envs.crafter.teamwork.memory import KnownCells
from telos.envs.crafter.teamwork.texts import Schema

__all__ = ["REPORTS", "Report", "TeamPlanner"]

#: Steps that a material costs while nobody knows where it is. Ours, about what one agent needs.
_SEARCH = {TREE: 10.0, STONE: 15.0, COAL: 20.0, IRON: 40.0, DIAMOND: 60.0}
#: Steps within which a gift is worth the way, of an agent that has other things to do. Ours.
_GIFT_WAY = 2.0
#: Agents from this number on look for ores from the beginning, in teams that are larger. Ours.
_GATHERERS = 4
#: Steps between messages of an agent that has nothing new to tell, and after which one that is silent is forgotten.
_HEARTBEAT, _FORGOTTEN = 10, 20
#: Another agent's goal makes cells within so many steps of it less worth going to, down to this share. Ours.
_CLAIM_REACH, _CLAIM_LEAST = 14.0, 0.15


@dataclass
class Report:
    """What an agent tells the others. Cells are counted right of and below the middle of the map.

    Attributes:
        position: Where it is.
        target: The cell that it goes to, to collect or to look around, or None.
        eta: Steps that it thinks it needs to a diamond.
        equipped: Whether it has an iron pickaxe.
        lacks: What it lacks for one: amounts by item's number.
        news: Cells that it has seen for the first time, or changed.
    """

    position: tuple[int, int]
    target: tuple[int, int] | None
    eta: int
    equipped: bool
    lacks: dict[int, int]
    news: KnownCells


#: What travels over a channel between these agents.
REPORTS = Schema(max_chars=4000, record=Report)


class TeamPlanner(Planner):
    """A :class:`Planner` in a team.

    Everyone tells what it sees. Who is nearer to what it goes for has it; the others look elsewhere. In large teams
    some look for ores from the beginning. Who is likely to be first gets what it lacks from those that are near, and
    once it can dig diamonds the others only look for one.

    Args:
        number: Of this agent, from 0, its place among ``possible_agents``.
        sharing: Whether it talks, listens and gives; without it every agent is on its own.
        **arguments: Of :class:`Planner`.
    """

    def __init__(self, number: int, sharing: bool = True, **arguments: Any) -> None:
        self.number, self.sharing = number, sharing
        super().__init__(**arguments)

    def reset(self) -> None:
        """Forgets everything, what others told included."""
        super().reset()
        self._reports: dict[int, tuple[int, Report]] = {}
        self._told: tuple[Any, ...] = ()
        self._spoke = -_HEARTBEAT

    def act(self, observation: Mapping[str, NDArray[Any]], messages: Sequence[Any] = ()) -> tuple[int, Any]:
        """An action, and a message for all others.

        Args:
            observation: The symbolic one of this step.
            messages: What each of ``possible_agents`` said, as text of ``REPORTS``; ``""`` for silence.

        Returns:
            The action, and a text of ``REPORTS`` or None for silence.
        """
        if not self.sharing:
            return super().act(observation)
        self._listen(messages)
        known, material = self.memory.known, self.memory.material.copy()
        self.notice(observation)
        self.eta = self._estimate()
        action = self.choose()
        return action, self._speak(self.memory.known & ~(known & (material == self.memory.material)) & self._world)

    def _listen(self, messages: Sequence[Any]) -> None:
        for sender, text in enumerate(messages):
            report = REPORTS.decode(text) if text and sender != self.number else None
            if report is not None:
                self._reports[sender] = (self._step, report)
                self.memory.hear(report.news)
        late = [sender for sender, (step, _) in self._reports.items() if step < self._step - _FORGOTTEN]
        for sender in late:
            del self._reports[sender]

    def _speak(self, new: NDArray[np.bool_]) -> str | None:
        """The report of this step, if there is anything to tell."""
        x, y = np.nonzero(new)
        lacks = self.lacking()
        told = (self._target, lacks)
        if not len(x) and told == self._told and self._step < self._spoke + _HEARTBEAT:
            return None
        self._told, self._spoke = told, self._step
        memory, (left, top) = self.memory, self.memory.origin
        news = KnownCells(
            *((x - left).tolist(), (y - top).tolist()),
            *(values[x, y].tolist() for values in (memory.material, memory.object, memory.step)),
        )
        target = None if self._target is None else (self._target[0] - left, self._target[1] - top)
        equipped = bool(self.now.inventory[IRON_PICKAXE])
        return REPORTS.encode(Report(memory.position, target, self.eta, equipped, lacks, news))

    @property
    def _others(self) -> list[tuple[int, Report]]:
        return [(sender, report) for sender, (_, report) in sorted(self._reports.items())]

    def _cell(self, place: tuple[int, int]) -> Cell:
        return place[0] + self.memory.origin[0], place[1] + self.memory.origin[1]

    def _estimate(self) -> int:
        """Steps that it may take to a diamond: one way for each material, longer ones for those nobody has seen."""
        now, lacking = self.now, self.lacking()
        materials = [SOURCE_OF[item] for item in lacking] + [DIAMOND]
        if not now.inventory[STONE_PICKAXE] and STONE not in materials:
            materials.append(STONE)
        steps = 2.0 * sum(lacking.values())
        for material in materials:
            found = now.nearest(now.known_cells(material))
            steps += _SEARCH[material] if found is None else found[1]
        return int(steps)

    def _leader(self) -> tuple[int, Report] | None:
        """Who is likely to be first, if it is not this agent."""
        best = min(self._others, key=lambda other: (other[1].eta, other[0]), default=None)
        return best if best is not None and (best[1].eta, best[0]) < (self.eta, self.number) else None

    def work(self) -> int:
        """The next action on the team's way to a diamond."""
        leader = self._leader() if self.sharing else None
        if leader is None:
            return super().work()
        gift = self._gift(leader[1], _GIFT_WAY)
        if gift is not None:
            return gift
        if not self._others_need_me(leader[1]):
            action = self.explore(rock=True)
            if action != NOOP:
                return action
        action = super().work()
        if action == NOOP:
            gift = self._gift(leader[1], FAR)
        return action if gift is None else gift

    def _others_need_me(self, leader: Report) -> bool:
        """Whether this agent should make tools of its own."""
        if self.now.known_cells(DIAMOND).any():
            return True
        scouts = self.number >= _GATHERERS and not self.now.inventory[WOOD_PICKAXE]
        return not leader.equipped and not scouts

    def _gift(self, leader: Report, most: float) -> int | None:
        """The next action of bringing the leader what it lacks, if this agent has it and the way is short enough."""
        now, cell = self.now, self._cell(leader.position)
        lacks = [item for item, amount in leader.lacks.items() if now.inventory[item] >= min(amount, 2)]
        if not lacks or not now.inside(cell) or now.steps_beside[cell] > most:
            return None
        if now.ahead == cell and cell in now.objects:
            return GIVE + max(lacks) - SAPLING
        self._target = cell
        return now.act_on(cell)

    def claimed(self) -> NDArray[np.bool_]:
        """Cells that others go to who are nearer."""
        mask = np.zeros(self._world.shape, np.bool_)
        if self.sharing:
            for target, nearer in self._claims():
                mask[target] |= nearer
        return mask

    def _claims(self) -> list[tuple[Cell, bool]]:
        """Where others go, and whether they are nearer to it than this agent."""
        claims = []
        for sender, report in self._others:
            if report.target is not None:
                target, place = self._cell(report.target), self._cell(report.position)
                claims.append(
                    (target, (_apart(target, place), sender) < (_apart(target, self.now.position), self.number))
                )
        return claims

    def taken(self) -> Any:
        """What is left of the worth of going to each cell: less where others go, or are nearer."""
        share = np.ones(self._world.shape)
        if not self.sharing:
            return share
        x, y = np.indices(share.shape)
        for target, nearer in self._claims():
            if nearer:
                share *= np.clip((abs(x - target[0]) + abs(y - target[1])) / _CLAIM_REACH, _CLAIM_LEAST, 1.0)
        for _, report in self._others:
            place = self._cell(report.position)
            share *= np.where(abs(x - place[0]) + abs(y - place[1]) < self.now.steps, 0.7, 1.0)
        return share


def _apart(a: Cell, b: Cell) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])
