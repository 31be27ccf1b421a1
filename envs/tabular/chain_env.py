"""Chains on which reward schemes can be compared exactly, as users make them."""

from __future__ import annotations

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv
from telos.envs.tabular.families import LoiterChain, StepChain
from telos.envs.tabular.family import Tabular

__all__ = ["LoiterChainEnv", "LoiterChainVectorEnv", "StepChainEnv", "StepChainVectorEnv"]


class LoiterChainEnv(Tabular, SimulatedEnv):
    """Walk to the goal, or loiter and be paid for it: where stepwise rewards are worth farming.

    ## Description
    The goal is ``goal_distance`` steps ahead and pays once. A judge scores every step, too, and it does not punish
    loitering as long as the episode goes on: its score is only a little below that of a useful step. An agent that is
    paid the sum of all scores therefore loiters until there is just time left to arrive. A unit environment for what a
    reward scheme makes optimal: :func:`telos.envs.tabular.episodic.episode_optimum` says it exactly.

    ## Action Space
    ``Discrete(2)``
    | Num | Action |
    |---|---|
    | 0 | one step towards the goal |
    | 1 | loiter |

    ## Observation Space
    The state (steps made towards the goal), and the steps taken: ``MultiDiscrete([goal_distance + 1, horizon + 1])``.
    With ``observe_time=False`` the state alone, ``Discrete(goal_distance + 1)``. With ``observation="one_hot"`` a
    float32 ``Box``: 1 in the state's place, and last, if it is observed, the share of the horizon that has passed.

    ## Rewards
    The sum of two terms.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `outcome` | 0 or 1 | 1 on reaching the goal; **the outcome** |
    | `process` | `forward_score` or `loiter_score` | every step |

    ## Starting State
    State 0.

    ## Episode End
    ### Termination
    1. On reaching the goal.
    2. After ``horizon`` steps: the horizon is part of the problem.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `goal_distance` | 5 | steps to the goal |
    | `horizon` | 20 | steps of an episode at most |
    | `forward_score` | 0.6 | score of a step towards the goal |
    | `loiter_score` | 0.5 | score of loitering; above `forward_score`, averages of scores are farmed, too |
    | `observation` | `"index"` | `"index"` or `"one_hot"` |
    | `observe_time` | True | whether the steps taken are observed, too |

    On ``env.unwrapped``: ``to_tabular()``, the exact model; see :class:`telos.envs.tabular.mdp.TabularMDP`.

    ## Vectorized environment
    ``gym.make_vec("LoiterChain-v0", num_envs=1024)``: one batch, no processes, all autoreset modes (argument
    ``autoreset_mode``), ``options={"reset_mask": ...}``, ``device="cuda"``.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone. ``clone_state()`` and ``restore_state()`` on
    ``env.unwrapped`` copy it exactly.

    ## Baselines
    With the defaults, exactly: the optimum of the sum of both terms is 11.5, with 15 steps of loitering; that of the
    outcome alone is 1. Random actions earn 6.49, of which the outcome is 0.99. ``benchmarks/rewards_loiter.py`` has the
    optima of other schemes.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    Ours. The question is that of *Stabilizing Long-term Multi-turn Reinforcement Learning with Gated Rewards*
    (arXiv 2508.10548).

    ## Version History
    * v0: initial version (2026).
    """

    family_type = LoiterChain


class LoiterChainVectorEnv(Tabular, SimulatedVectorEnv):
    """Many environments with the same table; see :class:`LoiterChainEnv`."""

    family_type = LoiterChain


class StepChainEnv(Tabular, SimulatedEnv):
    """Solve a chain of steps, or repeat what the step judge likes: where a process reward model is hacked.

    ## Description
    A problem takes ``num_steps`` steps in a row, each of them right with probability ``p_correct``; one wrong step
    spoils the answer. A process reward model (PRM) scores each step. It likes trivial repetitions more than real steps,
    so that raw scores pay for length and not for answers, as reported of language models trained on such rewards.

    ## Action Space
    ``Discrete(3)``
    | Num | Action |
    |---|---|
    | 0 | solve the next step; with none left, the same as 1 |
    | 1 | repeat something that is trivially right |
    | 2 | answer |

    ## Observation Space
    The state, and the steps taken: ``MultiDiscrete([2 * num_steps + 2, max_steps + 1])``. With ``observe_time=False``
    the state alone, ``Discrete(2 * num_steps + 2)``. With ``observation="one_hot"`` a float32 ``Box``: 1 in the
    state's place, and last, if it is observed, the share of the horizon that has passed.
    States 0 to ``num_steps`` count solved steps that are all right, ``num_steps + 1`` to ``2 * num_steps`` count 1 to
    ``num_steps`` solved steps of which one was wrong, and the last state is the end.

    ## Rewards
    The sum of two terms.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `outcome` | 0 or 1 | 1 for an answer after ``num_steps`` right steps; **the outcome** |
    | `process` | a score, plus or minus `prm_noise` with equal odds | every step |

    ## Starting State
    State 0.

    ## Episode End
    ### Termination
    1. After an answer.
    2. After ``max_steps`` steps: the limit is part of the problem.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `num_steps` | 4 | steps that the answer needs |
    | `p_correct` | 0.85 | probability that a solved step is right |
    | `max_steps` | 24 | steps of an episode at most |
    | `prm_noise` | 0.03 | distance of a score from its mean |
    | `correct_score` | 0.8 | mean score of a right step |
    | `wrong_score` | 0.3 | mean score of a wrong step |
    | `repeat_score` | 0.96 | mean score of a repetition, and of an answer |
    | `observation` | `"index"` | `"index"` or `"one_hot"` |
    | `observe_time` | True | whether the steps taken are observed, too |

    On ``env.unwrapped``: ``to_tabular()``, the exact model; see :class:`telos.envs.tabular.mdp.TabularMDP`.

    ## Vectorized environment
    ``gym.make_vec("StepChain-v0", num_envs=1024)``: one batch, no processes, all autoreset modes (argument
    ``autoreset_mode``), ``options={"reset_mask": ...}``, ``device="cuda"``.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone. ``clone_state()`` and ``restore_state()`` on
    ``env.unwrapped`` copy it exactly.

    ## Baselines
    No policy answers right more often than ``p_correct ** num_steps``, 0.522 with the defaults, exactly. The optimum of
    the sum of both terms is 23.04, and answers never. Random actions earn 2.69, of which the outcome is 0.03.
    ``benchmarks/rewards_loiter.py`` has the optima of other schemes.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    Ours, after *On Designing Effective RL Reward at Training Time for LLM Reasoning* (arXiv 2410.15115), whose raw
    process rewards were farmed by repeated trivial steps. All numbers are ours.

    ## Version History
    * v0: initial version (2026).
    """

    family_type = StepChain


class StepChainVectorEnv(Tabular, SimulatedVectorEnv):
    """Many environments with the same table; see :class:`StepChainEnv`."""

    family_type = StepChain
