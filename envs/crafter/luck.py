"""The purposes of Crafter's random numbers; see :mod:`telos.envs.engine.random`."""

from __future__ import annotations

# At reset: by cell, but for the first two.
NOISE, START_CELLS, COAL_LUCK, IRON_LUCK, DIAMOND_LUCK, TREE_LUCK, COW_LUCK, ZOMBIE_LUCK, SKELETON_LUCK = range(9)
# In a step: by agent or slot.
ORDER, SAPLING_LUCK, WALKS, WANDER, CHASES, LONG_AXIS, FLEES_ALONG, SHOOTS, FOLLOWS, FOLLOWS_ALONG = range(9, 19)
# By chunk.
BALANCES, SPAWN_CELL, DESPAWNED = range(19, 22)
