"""The recommender environments that users make."""

from __future__ import annotations

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv
from telos.envs.recsys.lts.family import HiddenUsers, LTSRec

__all__ = ["LTSRecEnv", "LTSRecVectorEnv"]


class LTSRecEnv(HiddenUsers, SimulatedEnv):
    """Long-term satisfaction: clickbait is liked now, and everything after it is liked less.

    ## Description
    Each step recommends one of ``num_items`` items to a user; item ``k`` has the clickbait score ``c = k / num_items``.
    The user always clicks, and engages by a normal draw with mean ``(c * choc_mean + (1 - c) * kale_mean) * SAT`` and
    standard deviation ``c * choc_std + (1 - c) * kale_std``. Satisfaction is hidden: ``SAT = 1 / (1 + exp(-sensitivity
    * NPE))``, where the net positive exposure ``NPE`` remembers what was recommended before: after the step it is
    ``memory_discount * NPE - 2 * (c - 0.5)``. So clickbait ("choc") pays at once and costs over the user's memory,
    and the other end ("kale") pays little and builds satisfaction up.

    Users differ: memory discount, sensitivity and group are drawn anew in each episode, and no observation tells them.
    Users of a group like clickbait alike (``choc_mean``), and a noisy cue of the group is observed.

    This is the environment of Sim2Rec. ``split="test"`` is the target, where ``choc_mean`` is 14; ``split="train"`` are
    the simulators, groups whose ``choc_mean`` is further from the target than ``gap``. Gaps of 2, 3 and 4 are, as we
    read it, the ladder LTS1, LTS2 and LTS3 (:data:`telos.envs.recsys.lts.instances.LADDER`). Train on one split and report
    the other: choosing a model by its return on ``"test"`` is no transfer.

    ## Action Space
    ``Discrete(num_items)``: the item. With ``action="continuous"`` ``Box(-1, 1, (1,), float32)``: the item is
    ``int((a + 1) / 2 * (num_items - 1))``, so that the last one takes exactly 1, as in Sim2Rec.

    ## Observation Space
    ``Box``, float32; 3 entries by default.
    | Entry | Range | If |
    |---|---|---|
    | group cue, a draw around `choc_mean` that stays for the episode | within 8.6 `cue_std` of [0, 100] | `observe_group` |
    | memory discount, sensitivity, satisfaction | [0, 1), [0, inf), [0, 1] | `observe_user` |
    | click: 0 at the start, then 1 | [0, 1] | always |
    | engagement with the last item, clipped; 0 at the start | [0, 100] | always |
    | share of the horizon that has passed | [0, 1] | `observe_time` |

    ## Rewards
    Engagement, not clipped. Satisfaction itself pays nothing: it has to be built up because it pays later.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `engagement` | any, about 0 to `choc_mean` | every step; **the outcome**: it is what the platform is after, and what the papers score |

    ## Starting State
    ``NPE = 0.5 / (1 - memory_discount)``. Memory discount and sensitivity are each the logarithm of a uniform draw from
    [1.01, 2.6], so between 0.01 and 0.956; the group is drawn uniformly.

    ## Episode End
    ### Termination
    After ``horizon`` steps: the horizon is part of the problem.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    The hidden user is in no info, so that no policy can use it by accident: ``env.unwrapped.hidden_users()`` has it.

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `split` | `"train"` | `"train"`: the simulators; `"test"`: the target |
    | `gap` | 4.0 | training groups are those whose `choc_mean` is further from the target |
    | `groups` | None | own `choc_mean` of each training group, instead of those that `gap` leaves |
    | `sim_noise` | 0.0 | the `kale_mean` of each training user is off by a uniform draw up to this, clipped to [0, 100] |
    | `target` | 14.0 | `choc_mean` of the target |
    | `group_range` | 8 | candidates for training are `target - group_range`, one apart, to `target + group_range - 1` |
    | `kale_mean` | 4.0 | mean engagement of a satisfied user with an item that is no clickbait |
    | `choc_std` | 0.01 | standard deviation of engagement with pure clickbait |
    | `kale_std` | 0.01 | the same of an item that is no clickbait |
    | `memory_discount` | None | bounds of a uniform draw; None is the logarithm of one, see above |
    | `sensitivity` | None | the same |
    | `innovation_std` | 0.0 | standard deviation of a normal draw that is added to the net positive exposure |
    | `initial_exposure` | (0.5, 0.5) | bounds of a uniform draw for the first `NPE * (1 - memory_discount)` |
    | `num_items` | 30 | items |
    | `horizon` | 140 | steps of an episode |
    | `action` | `"item"` | `"item"` or `"continuous"` |
    | `observe_group` | True | whether the group cue is observed |
    | `cue_std` | 3.0 | its standard deviation |
    | `observe_user` | False | whether the hidden user is observed, for oracles |
    | `observe_time` | False | whether the share of the horizon that has passed is |

    ``split="test"`` leaves ``gap``, ``groups`` and ``sim_noise`` aside, so that equal arguments make both splits.
    Sim2Rec's other users are ``memory_discount=(0.7, 0.9), sensitivity=(0.4, 0.6)``; RecSim's are in
    :data:`telos.envs.recsys.lts.instances.RECSIM_USERS`.

    On ``env.unwrapped``: ``hidden_users()``, for evaluation only; see :class:`telos.envs.recsys.lts.params.Users`.

    ## Vectorized environment
    ``gym.make_vec("LTSRec-v0", num_envs=65_536)``: one user an environment, one batch, no processes, all autoreset modes
    (argument ``autoreset_mode``), ``options={"reset_mask": ...}``; ``device="cuda"`` keeps states, observations and
    rewards on a GPU, as PyTorch tensors. A million users take about 0.2 GB.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone: user ``i`` of a batch is the user of ``seed + i``,
    however the batch is split. On a GPU, numbers agree with the CPU's to rounding. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy it exactly.

    ## Baselines
    Exact mean returns over all users of ``split="test"``, of which each user's own optimum has 1 and random items 0:
    | Policy | Return | Score |
    |---|---|---|
    | optimum, knowing the user and the time | 781.4 | 1 |
    | best constant item of each user | 740.4 | 0.69 |
    | best constant item of all, 12 | 676.6 | 0.20 |
    | random items | 650.8 | 0 |
    | least clickbait | 441.7 | -1.60 |
    | most clickbait, which is also the myopic and the most popular item | 443.1 | -1.59 |

    For other arguments :func:`telos.envs.recsys.lts.optimum.reference_returns`.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    Chen et al., "Sim2Rec: A Simulator-based Decision-making Approach to Optimize Real-World Long-term User Engagement
    in Sequential Recommender Systems", ICDE 2023 (arXiv 2305.04832); rules and defaults are those of its code. There,
    users keep memory discount and sensitivity over episodes, and here each episode has a new user. Ie et al., "RecSim:
    A Configurable Simulation Platform for Recommender Systems" (arXiv 1909.04847), whose Choc/Kale environment
    Sim2Rec's derives from; its engagement is log-normal.

    ## Version History
    * v0: initial version (2026).
    """  # noqa: E501 - a table's row is one line

    family_type = LTSRec


class LTSRecVectorEnv(HiddenUsers, SimulatedVectorEnv):
    """Many users; see :class:`LTSRecEnv`."""

    family_type = LTSRec
