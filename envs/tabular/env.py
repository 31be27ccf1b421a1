"""Classic tabular environments, as users make them."""

from __future__ import annotations

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv
from telos.envs.tabular.families import DeepSea, FourRooms, RandomMDP
from telos.envs.tabular.family import Tabular

__all__ = [
    "DeepSeaEnv",
    "DeepSeaVectorEnv",
    "FourRoomsEnv",
    "FourRoomsVectorEnv",
    "RandomMDPEnv",
    "RandomMDPVectorEnv",
]


class DeepSeaEnv(Tabular, SimulatedEnv):
    """Deep Sea: one in ``2 ** size`` action sequences finds the treasure, and each step towards it costs.

    ## Description
    A block falls through a ``size`` by ``size`` grid from the top left, one row a step, and moves left or right. The
    treasure is in the bottom right corner: only going right at every step reaches it, and going right costs. Which
    action goes right differs from cell to cell, so that nothing generalises. A test of deep exploration.

    In the stochastic version going right fails with probability ``1 / size`` (the block then falls straight down), and
    the two corners of the last row pay noise. bsuite's noise is standard normal; here it is -1 or 1 with equal odds,
    which has the same mean and variance and keeps the table finite.

    ## Action Space
    ``Discrete(2)``
    | Num | Action |
    |---|---|
    | 0, 1 | left or right, by the cell; `env.unwrapped.family.rights` has the action that goes right in each |

    ## Observation Space
    ``Discrete(size ** 2 + 1)``: ``row * size + column``, and the end. With ``observation="one_hot"``
    ``Box(0, 1, (size ** 2 + 1,), float32)``: bsuite's image of the grid, row by row, and the end.

    ## Rewards
    The sum of two terms, three if ``stochastic``.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `treasure` | 0 or 1 | 1 for going right in the last column; **the outcome** |
    | `move` | 0 or ``-move_cost / size`` | each move to the right costs |
    | `noise` | -1, 0 or 1 | only if `stochastic`: in the corners of the last row |

    ## Starting State
    The top left cell.

    ## Episode End
    ### Termination
    After ``size`` steps.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `size` | 10 | rows and columns |
    | `stochastic` | False | see above |
    | `move_cost` | 0.01 | what going right all the way costs |
    | `randomize_actions` | True | whether the action that goes right is drawn for each cell; if not, it is 1 |
    | `instance_seed` | 0 | seed of that draw, apart from the seed of `reset` |
    | `observation` | `"index"` | `"index"` or `"one_hot"` |

    On ``env.unwrapped``: ``to_tabular()``, the exact model; see :class:`telos.envs.tabular.mdp.TabularMDP`.

    ## Vectorized environment
    ``gym.make_vec("DeepSea-v0", num_envs=1024)``: one batch, no processes, all autoreset modes (argument
    ``autoreset_mode``), ``options={"reset_mask": ...}``, ``device="cuda"``.

    ## Determinism
    A trajectory is a function of ``instance_seed``, arguments, seed and actions alone. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy it exactly.

    ## Baselines
    With the defaults, exactly: optimal 0.99, which is ``1 - move_cost`` for any size; random actions -0.004. If
    ``stochastic``, optimal 0.381: a little more than bsuite's ``(1 - 1 / size) ** (size - 1) - move_cost``, as no moves
    need be paid for after a failure.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    Osband, Van Roy, Russo and Wen, "Deep exploration via randomized value functions", JMLR 20, 2019. Osband et al.,
    "Behaviour suite for reinforcement learning", ICLR 2020; rules and defaults are those of its ``deep_sea``.

    ## Version History
    * v0: initial version (2026).
    """

    family_type = DeepSea


class DeepSeaVectorEnv(Tabular, SimulatedVectorEnv):
    """Many environments with the same table; see :class:`DeepSeaEnv`."""

    family_type = DeepSea


class RandomMDPEnv(Tabular, SimulatedEnv):
    """A random Markov decision process (Garnet): for statistics over problems rather than for one problem.

    ## Description
    Each action in each state leads to ``branching`` different states, drawn without repetition; their probabilities are
    drawn from a Dirichlet distribution with all parameters ``concentration``; the reward of each of these transitions
    is drawn from a standard normal distribution. With ``concentration=1`` this is a Garnet problem, as its uniform cut
    points give the same distribution; with ``branching=num_states`` transitions are dense.

    ## Action Space
    ``Discrete(num_actions)``.

    ## Observation Space
    The state, ``Discrete(num_states)``; with ``observe_time=True`` ``MultiDiscrete([num_states, horizon + 1])``: the
    steps taken, too. With ``observation="one_hot"`` a float32 ``Box``: 1 in the state's place, and last, if it is
    observed, the share of the horizon that has passed.

    ## Rewards
    One term.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `outcome` | any | every step, by the transition; **the outcome** |

    ## Starting State
    Uniform over all states.

    ## Episode End
    ### Termination
    After ``horizon`` steps: the horizon is part of the problem. With ``horizon=None`` never.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `num_states` | 32 | S |
    | `num_actions` | 4 | A |
    | `branching` | 5 | states that can follow an action, at most `num_states` |
    | `concentration` | 1.0 | of their probabilities: near 0 one is nearly sure, large ones are nearly uniform |
    | `horizon` | 100 | steps of an episode, or None |
    | `instance_seed` | 0 | seed of the table, apart from the seed of `reset` |
    | `observation` | `"index"` | `"index"` or `"one_hot"` |
    | `observe_time` | False | whether the steps taken are observed, too |

    On ``env.unwrapped``: ``to_tabular()``, the exact model; see :class:`telos.envs.tabular.mdp.TabularMDP`.

    ## Vectorized environment
    ``gym.make_vec("RandomMDP-v0", num_envs=1024)``: one batch, no processes, all autoreset modes (argument
    ``autoreset_mode``), ``options={"reset_mask": ...}``, ``device="cuda"``.

    ## Determinism
    A trajectory is a function of ``instance_seed``, arguments, seed and actions alone. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy it exactly.

    ## Baselines
    With the defaults, exactly: optimal 75.3, random actions 3.9 an episode. For other tables see
    :mod:`telos.envs.tabular.optimum`.

    ## Licence and data source
    All tables are generated; MIT.

    ## References
    Archibald, McKinnon and Thomas, "On the generation of Markov decision processes", JORS 46, 1995. Bhatnagar, Sutton,
    Ghavamzadeh and Lee, "Natural actor-critic algorithms", Automatica 45, 2009. Sizes and rewards are ours.

    ## Version History
    * v0: initial version (2026).
    """

    family_type = RandomMDP


class RandomMDPVectorEnv(Tabular, SimulatedVectorEnv):
    """Many environments with the same table; see :class:`RandomMDPEnv`."""

    family_type = RandomMDP


class FourRoomsEnv(Tabular, SimulatedEnv):
    """Four rooms joined by hallways, and moves that slip: the grid of the options framework.

    ## Description
    A 13 by 13 map with 104 free cells. A move goes the wanted way with probability ``1 - slip``, and each of the other
    three ways with ``slip / 3``; a move into a wall stays where it is. Reaching the goal pays 1.

    ## Action Space
    ``Discrete(4)``
    | Num | Action |
    |---|---|
    | 0 | up |
    | 1 | right |
    | 2 | down |
    | 3 | left |

    ## Observation Space
    The free cell, counted row by row: ``Discrete(104)``; ``env.unwrapped.family.cells`` has rows and columns. With
    ``observation="one_hot"`` ``Box(0, 1, (104,), float32)``: 1 in the cell's place.

    ## Rewards
    One term.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `goal` | 0 or 1 | 1 on reaching the goal; **the outcome** |

    ## Starting State
    Uniform over the cells but the goal, or ``start``.

    ## Episode End
    ### Termination
    On reaching the goal.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``; a random walk takes some hundreds of steps.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `goal` | (7, 9) | row and column of the goal; the default is the hallway between the rooms on the right |
    | `slip` | 0.3333333333333333 | probability, 1/3, of another direction than the wanted one |
    | `start` | None | row and column of the first cell, or None |
    | `observation` | `"index"` | `"index"` or `"one_hot"` |

    On ``env.unwrapped``: ``to_tabular()``, the exact model; see :class:`telos.envs.tabular.mdp.TabularMDP`.

    ## Vectorized environment
    ``gym.make_vec("FourRooms-v0", num_envs=1024)``: one batch, no processes, all autoreset modes (argument
    ``autoreset_mode``), ``options={"reset_mask": ...}``, ``device="cuda"``.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone. ``clone_state()`` and ``restore_state()`` on
    ``env.unwrapped`` copy it exactly.

    ## Baselines
    With the defaults, exactly: at a discount of 0.9, optimal 0.329 and random actions 0.033; a random walk takes 502
    steps on average. For other goals see :mod:`telos.envs.tabular.optimum`.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    Sutton, Precup and Singh, "Between MDPs and semi-MDPs: a framework for temporal abstraction in reinforcement
    learning", Artificial Intelligence 112, 1999, section 3 and figure 2. Goal and start are ours.

    ## Version History
    * v0: initial version (2026).
    """

    family_type = FourRooms


class FourRoomsVectorEnv(Tabular, SimulatedVectorEnv):
    """Many environments with the same table; see :class:`FourRoomsEnv`."""

    family_type = FourRooms
