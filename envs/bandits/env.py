"""The bandit environments that users make."""

from __future__ import annotations

from telos.envs.bandits.feasible_actions import FeasibleActions
from telos.envs.bandits.restless import RestlessBandit
from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv

__all__ = ["RestlessBanditEnv", "RestlessBanditVectorEnv"]


class RestlessBanditEnv(FeasibleActions, SimulatedEnv):
    """A restless bandit: every arm moves at every step, and a budget lets the agent act on a few.

    ## Description
    ``J`` arms are Markov chains with ``S`` states. At each step the agent picks a level for each arm, 0 being passive;
    an arm's next state depends on its state and its level. The levels' costs must not exceed the budget. What makes it
    hard is that the reward of acting on an arm may come only several steps later, and that a passive arm moves, too.

    ## Action Space
    ``MultiBinary(J)`` for two levels, ``MultiDiscrete([A] * J)`` for more: each arm's level.

    ## Observation Space
    ``Box(0, S - 1, (J,), int16)``: each arm's state. With ``features=True`` a ``Dict``: ``arms`` as above, and
    ``features``, ``Box(-inf, inf, (J, F), float32)``: each arm's rewards by level and state, then its transition
    probabilities. With ``observe="acted_on"`` each arm's belief state, see
    :class:`telos.envs.bandits.belief.BeliefArms`; ``env.unwrapped.family.beliefs`` turns it into probabilities.

    ## Rewards
    The sum over arms of the expected reward of the level in the state before the step; unbounded in general.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `arms` | any | every step; **the outcome** |

    ## Starting State
    Each arm's state is drawn from its row of ``start``, uniform by default.

    ## Episode End
    ### Termination
    After ``horizon`` steps: the horizon is part of the problem.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |
    | `acted_on` | every step | number of arms with a level above 0 |
    | `expected_reward` | every step | expectation of the reward before the draw |
    | `upper_bound` | every step, with `certify=True` | no policy can expect more reward from here to the end; 0 at the end |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `instance` | `"birth_death"` | generator of the arms, a key of `telos.envs.bandits.restless.CLASSIC_INSTANCES` |
    | `num_arms` | 20 | `J` |
    | `budget` | 5 | largest sum of the levels' costs |
    | `horizon` | 20 | steps of an episode |
    | `instance_seed` | 0 | seed of the generator, apart from the seed of `reset` |
    | `level_costs` | None | cost of each level, integers, the passive level's 0; None is the level's number |
    | `invalid` | `"error"` | what an action over the budget does: `"error"`, `"project"` (arms that come first keep their levels while the budget lasts), `"noop"` (all passive) |
    | `observe` | `"always"` | `"acted_on"`: only the arms acted on show their state; the reward is the expected one under the belief |
    | `features` | False | whether the observation holds the instance |
    | `certify` | False | whether `info` has `upper_bound` |
    | `arms` | None | own arms: an `Arms`, or its arrays by name; `instance` and `num_arms` are then ignored |
    | `start` | None | probabilities of the first states, `(J, S)` |

    On ``env.unwrapped``: ``feasible(action)``, ``sample_feasible(count)``, ``linear_oracle(weights)``,
    ``linear_constraints()``, ``enumerate()``; see :class:`telos.envs.bandits.feasible.base.FeasibleSet`.

    ## Vectorized environment
    ``gym.make_vec("RestlessBandit-v0", num_envs=1024)``: one batch, no processes, all autoreset modes (argument
    ``autoreset_mode``), ``options={"reset_mask": ...}``; ``device="cuda"`` keeps states, observations and rewards on a
    GPU, as PyTorch tensors.

    ## Determinism
    A trajectory is a function of ``instance_seed``, arguments, seed and actions alone. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy it exactly.

    ## Baselines
    Whittle's index: :mod:`telos.envs.bandits.whittle`. Bounds and prices: :mod:`telos.envs.bandits.relaxation`.

    ## Licence and data source
    All instances are generated; MIT.

    ## References
    Whittle, "Restless bandits: activity allocation in a changing world", Journal of Applied Probability 25A, 1988.

    ## Version History
    * v0: initial version (2026).
    """  # noqa: E501 - a table's row is one line

    family_type = RestlessBandit


class RestlessBanditVectorEnv(FeasibleActions, SimulatedVectorEnv):
    """Many restless bandits with the same arms; see :class:`RestlessBanditEnv`."""

    family_type = RestlessBandit
