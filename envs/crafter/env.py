"""The Crafter that users make."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.family import Crafter
from telos.envs.engine.arrays import on_host
from telos.envs.engine.batch import Batch
from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.parallel import SimulatedParallelEnv
from telos.envs.engine.vector import SimulatedParallelVectorEnv, SimulatedVectorEnv

__all__ = ["CrafterEnv", "CrafterParallelVectorEnv", "CrafterVectorEnv", "parallel_env"]


class CrafterEnv(SimulatedEnv):
    """Crafter: gather, build, fight, eat and sleep in a world of its own for every episode, and find a diamond.

    ## Description
    A player walks on a map of 64 x 64 cells: meadows, woods, lakes, beaches, mountains with caves, tunnels, ores and
    lava. It must eat (cows, ripe plants), drink and sleep, and defend itself: zombies roam the meadows, most of them at
    night, and skeletons shoot in the tunnels. Wood makes a table and a pickaxe, that mines stone and coal, these make
    better tools, and the best one mines diamonds. 22 achievements count how far it gets.

    With one agent this is the original game: under the same luck it is the same in every cell, object and number at
    every step, which is tested against the original itself. Only where that depends on addresses in memory (which of
    several creatures leaves) or on whether it is looked at (its night's noise) is it made definite.

    Several agents, see ``telos.envs.crafter.parallel_env``, share one world. They start around its middle, on every
    other cell, in random order. They act in turn, in an order that is drawn anew each step, and then everything else
    that is near any living one does. Zombies and skeletons mind the nearest living player, of several the first, and
    hurt nobody else on purpose; arrows hit whatever is in their way. The terrain does not depend on how many agents
    there are.

    ## Action Space
    ``Discrete(17)``; with several agents that can share ``Discrete(29)``.
    | Number | Action | Needs |
    |---|---|---|
    | 0 | noop | |
    | 1 - 4 | turn and go left, right, up, down | a free cell to go to: grass, sand, path, or lava, which kills |
    | 5 | do: collect, strike or eat what is in front | see below |
    | 6 | sleep, until energy is 9 or something hurts | energy below 9 |
    | 7 | place stone | 1 stone; grass, sand, path, water or lava in front |
    | 8 | place table | 2 wood; grass, sand or path in front |
    | 9 | place furnace | 4 stone; the same |
    | 10 | place plant | 1 sapling; grass in front; ripe after 300 steps, if no creature comes next to it |
    | 11, 14 | make wood pickaxe, wood sword | 1 wood; a table near |
    | 12, 15 | make stone pickaxe, stone sword | 1 wood, 1 stone; a table near |
    | 13, 16 | make iron pickaxe, iron sword | 1 wood, 1 coal, 1 iron; a table and a furnace near |
    | 17 - 28 | give one sapling, wood, stone, coal, iron, diamond, or a tool, in this order | a receiver with room |

    Near is one of the 3 x 3 cells around. Wood comes from trees, which are gone then, drink from water, a sapling from
    grass in one of ten tries; stone and coal take a wood pickaxe, iron a stone one, diamonds an iron one. A gift goes
    to the player in front, or with a range to the nearest one within it. ``env.unwrapped.family.action_names`` has all
    names.

    ## Observation Space
    ``obs="symbolic"``, a ``Dict`` of ``Box``es of small integers; maps are x first, with the agent in the middle:
    | Entry | Shape | Meaning |
    |---|---|---|
    | `material` | (9, 7) | 1 water, 2 grass, 3 stone, 4 path, 5 sand, 6 tree, 7 lava, 8 coal, 9 iron, 10 diamond, 11 table, 12 furnace; 0 beyond the map |
    | `object` | (9, 7) | what is on the cell, by `telos.envs.crafter.observe.SIGHTS`; arrows and players by direction, plants by ripeness |
    | `inventory` | (16,) | health, food, drink, energy, sapling, wood, stone, coal, iron, diamond, pickaxes and swords of wood, stone and iron |
    | `position` | (2,) | cells to the right of and below the middle of the map: its own steps, counted |
    | `status` | (3,) | direction faced (left, right, up, down), asleep or not, daylight from 0 to 255 |

    ``obs="flat"`` is the same without the position as one ``Box`` of 1786 float32 numbers in [0, 1]: cells one-hot, then
    inventory, direction, sleep and daylight. ``obs="rgb"`` is an image, uint8 ``(64, 64, 3)``, as in the original but with pictures of our own.
    ``obs="text"`` is the symbolic one in words, with what can be done and why not (CPU only); the rules in words are
    :func:`telos.envs.crafter.manual.manual`.
    All are local: what an agent sees by itself. What is known to nobody in the world, ``state()`` of
    ``parallel_env`` and of ``CrafterParallelVectorEnv``, is for training only; ``env.unwrapped.family.visibility`` says
    which is which.

    ## Rewards
    1 for the first time that each achievement is reached in an episode, and a tenth of the change of health.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `collect_coal`, `collect_diamond`, `collect_drink`, `collect_iron`, `collect_sapling`, `collect_stone`, `collect_wood`, `defeat_skeleton`, `defeat_zombie`, `eat_cow`, `eat_plant`, `make_iron_pickaxe`, `make_iron_sword`, `make_stone_pickaxe`, `make_stone_sword`, `make_wood_pickaxe`, `make_wood_sword`, `place_furnace`, `place_plant`, `place_stone`, `place_table`, `wake_up` | 0 or 1; with `strict` 0.5 for `wake_up` and another one in the same step | reached for the first time; **the outcome** is their sum, which is what Crafter's score counts |
    | `health` | -0.9 to 0.9 | health has changed |
    | `goal` | 0 or 1 | the team has reached `goal`; the outcome where there is one |

    ## Starting State
    A new world, morning, a player in the middle with health, food, drink and energy of 9, and nothing else.

    ## Episode End
    ### Termination
    1. Health is 0 (of an agent; the others go on).
    2. ``goal`` is reached, for all agents.
    ### Truncation
    ``length`` steps are over, or ``max_episode_steps``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |
    | `action_mask` | always | int8, 1 for actions that have an effect now: exact, if no other agent comes in between ("do" on grass has one in ten tries) |
    | `unlocked` | every step | achievements of the episode so far, 0 to 22 |
    | `discount` | every step | 0 in the step of a death, else 1 |
    | `given_to` | every step | whom the agent gave something in this step, by number, plus 1; else 0 |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `num_agents` | 1 | 1 to 64 |
    | `size` | (64, 64) | width and height of the map, 9 to 256 |
    | `length` | 10000 | steps until an episode is truncated, at most 30000 |
    | `obs` | `"symbolic"` | `"symbolic"`, `"flat"`, `"rgb"` or `"text"` |
    | `view` | (9, 9) | columns and rows in view; the inventory takes the lower rows of an image, so the map is 9 x 7 |
    | `image_size` | (64, 64) | width and height of an image |
    | `share` | `"adjacent"` | who can get gifts: the player in front, with a whole number the nearest one within that distance along both axes together, with `"any"` the nearest one, with `"off"` nobody |
    | `team_reward` | False | every agent earns the mean of what all do |
    | `respawn` | False | the dead begin anew, near the middle, with nothing; their achievements count on |
    | `friendly_fire` | False | players can strike each other |
    | `hostile` | True | there are zombies and skeletons |
    | `costs` | `"crafter"` | `"damcs"`: iron tools take no table, and a player can carry 99 of an item instead of 9 |
    | `goal` | None | an achievement that ends the episode for all agents once one reaches it, such as `"collect_diamond"` |
    | `roles` | None | for each agent the achievements with `collect_`, `place_` and `make_` that it can reach, as names or patterns: `[["collect_*"], ["make_*", "place_*"]]` |
    | `order` | `"random"` | in which order agents act: drawn for each step, or `"fixed"`, that of their numbers |
    | `strict` | None | whether the original's quirks are kept; None keeps them for one agent |

    Quirks that go with ``strict=False``: creatures come and go only in those chunks of 12 x 12 cells in which there has
    been one; at the left and upper edge nothing can be made; reaching two achievements in a step pays 1; a creature that
    has been killed still acts once; who walks into lava may recover in that very step. Always kept: what is 18 or more
    cells from every living player stands still, while creatures come and go everywhere; arrows hit anything; skeletons
    may leave their tunnels.

    ## Vectorized environment
    ``gym.make_vec("Crafter-v0", num_envs=256)``: one batch, no processes, all autoreset modes (argument
    ``autoreset_mode``); ``device="cuda"`` keeps it on a GPU. With several agents
    ``telos.envs.crafter.env.CrafterParallelVectorEnv(256, num_agents=4)``.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone; looking at it changes nothing. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy it exactly.

    ## Baselines
    Uniformly random actions, one agent, 500 episodes: return 1.45, length 170, Crafter score 1.5 (the original's own code:
    1.36, 169, 1.5; all 22 success rates within 3 standard errors, ``benchmarks/crafter_same_game.py``). Published
    scores after a million steps: PPO 4.6, DreamerV3 14.5, human experts 50.5.

    ## Licence and data source
    Rules written anew after the original's behaviour (MIT), pictures drawn anew; MIT.

    ## References
    Hafner, "Benchmarking the Spectrum of Agent Capabilities", ICLR 2022 (arXiv 2109.06780), and its code, version
    1.8.3. Several agents and ``costs="damcs"`` after the Multi-Agent Crafter of DAMCS (arXiv 2502.05453).

    ## Version History
    * v0: initial version (2026).
    """  # noqa: E501 - a table's row is one line

    family_type = Crafter


class CrafterVectorEnv(SimulatedVectorEnv):
    """Many worlds with one agent each; see :class:`CrafterEnv`."""

    family_type = Crafter


class CrafterParallelVectorEnv(SimulatedParallelVectorEnv):
    """Many worlds with several agents each; see :class:`CrafterEnv`."""

    family_type = Crafter

    @property
    def positions(self) -> NDArray[np.int16]:
        """Where agents are, or died, int16 ``(num_envs, num_agents, 2)``, x first: privileged, for measures."""
        return _positions(self._batch)


class parallel_env(SimulatedParallelEnv):  # noqa: N801 - PettingZoo's name for it
    """One world with several agents; see :class:`CrafterEnv`.

    ``state()`` is the whole map, which no agent knows, uint8 ``(W, H, 2)``: of each cell the material, and the kind of
    the object on it (13 player, 14 cow, 15 zombie, 16 skeleton, 17 arrow, 18 plant; 0 none).
    """

    family_type = Crafter

    @property
    def positions(self) -> NDArray[np.int16]:
        """Where agents are, or died, int16 ``(num_agents, 2)``, x first: privileged, for measures, as what follows."""
        own: NDArray[np.int16] = _positions(self._batch)[0]
        return own

    @property
    def inventories(self) -> NDArray[np.uint8]:
        """What the agents have, uint8 ``(num_agents, 16)``, in the order of observations."""
        own: NDArray[np.uint8] = on_host(self._batch.state.inventory)[0].copy()
        return own

    @property
    def achievements(self) -> NDArray[np.uint16]:
        """How often each agent has reached each achievement in the episode, uint16 ``(num_agents, 22)``."""
        own: NDArray[np.uint16] = on_host(self._batch.state.achievements)[0].copy()
        return own


def _positions(batch: Batch) -> NDArray[np.int16]:
    x, y = (on_host(part)[:, : len(batch.family.agents)] for part in (batch.state.x, batch.state.y))
    return np.stack([x, y], axis=-1)
