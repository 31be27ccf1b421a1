"""The rules of Crafter in words, for language agents: what need not be said in every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.names import (
    ACHIEVEMENTS,
    GIVE,
    GRASS,
    ITEMS,
    MAKE_WOOD_PICKAXE,
    MATERIALS,
    SLEEP,
    VITALS,
)
from telos.envs.crafter.needs import FULL, RIPE
from telos.envs.crafter.params import CAP, FRIENDLY_FIRE, HOSTILE, Params

__all__ = ["BLOCKS", "in_words", "manual"]

#: Bits of ``Params.near``.
BLOCKS = {1: "table", 2: "furnace"}


def manual(params: Params, action_names: Sequence[str]) -> str:
    """How to play, with the costs and options of these arguments; the same for all agents and steps.

    Args:
        params: The family's, on the host.
        action_names: Of the actions, in their order.
    """
    cap = int(params.options[CAP])
    lines = [
        "Each step you take one action. move_left, move_right, move_up and move_down turn you, and move you if the "
        "cell is free: grass, sand or path. Lava kills.",
        f"You have at most {FULL} of {', '.join(VITALS)}, and {cap} of each other item. Food, drink and energy fall "
        "with time. While one of them is 0 health falls, else it comes back slowly. You die when it is 0.",
        f"do acts on the cell in front. It collects {'; '.join(_collecting(params))}. It strikes cows, which are food, "
        f"and eats plants, ripe after {RIPE} steps if no creature comes next to them.",
        "sleep restores energy; until then you do nothing else, unless you are hurt. Wall yourself in first.",
        *(
            f"{name} uses {_needs(action, params)}."
            for action, name in enumerate(action_names[:GIVE])
            if action > SLEEP
        ),
    ]
    if params.options[HOSTILE]:
        lines.append(
            "Zombies roam grass, most of them in the dark, and strike who is next to them, sleepers hardest. "
            "Skeletons live in dark caves and shoot arrows. Each better sword strikes harder."
        )
    if action_names[GIVE:]:
        reach = params.share_range
        whom = "the player in front" if reach < 0 else f"the nearest player, at most {reach} cells away"
        lines.append(f"give_* gives one item to {whom}.")
    if params.options[FRIENDLY_FIRE]:
        lines.append("do strikes players, too.")
    lines.append(f"Achieve as many as you can of: {', '.join(ACHIEVEMENTS)}.")
    return "\n".join(lines)


def _collecting(params: Params) -> list[str]:
    """What each material gives, and what that takes."""
    found = []
    for material, item in enumerate(params.yields.tolist()):
        if item >= 0:
            tool = int(params.tool[material])
            takes = f" with {ITEMS[tool]}" if tool >= 0 else ", one time in ten" if material == GRASS else ""
            found.append(f"{ITEMS[item]} from {MATERIALS[material]}{takes}")
    return found


def _needs(action: int, params: Params) -> str:
    """What placing or making uses up, and where it can be done."""
    uses = in_words(params.cost[action])
    if action >= MAKE_WOOD_PICKAXE:
        blocks = [name for bit, name in BLOCKS.items() if int(params.near[action]) & bit]
        return f"{uses}, with a {' and a '.join(blocks)} among the 8 cells around you"
    where = [name for name, fits in zip(MATERIALS, params.place_on[action].tolist(), strict=True) if fits]
    return f"{uses}, in front of you on {' or '.join(where)}"


def in_words(amounts: NDArray[np.int64]) -> str:
    """Amounts of items, ``(16,)``, such as "1 wood, 1 stone"."""
    return ", ".join(f"{n} {ITEMS[k]}" for k, n in enumerate(amounts.tolist()) if n)
