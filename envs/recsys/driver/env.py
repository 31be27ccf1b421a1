"""The driver-program environments that users make."""

from __future__ import annotations

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv
from telos.envs.recsys.driver.family import DriverProgram, HiddenDrivers

__all__ = ["DriverProgramEnv", "DriverProgramVectorEnv"]


class DriverProgramEnv(HiddenDrivers, SimulatedEnv):
    """Coupons for ride-hailing drivers: what makes them work more today tires them for the days after.

    ## Description
    Each day for a month, a platform offers a driver a coupon: "finish ``target`` orders today, and get ``bonus``". It is
    paid if the target is met. What counts are the orders that would not have been finished without any coupons, so two
    rollouts of the driver run side by side under the same luck: one with the coupons, and one that never has any.

    It is a synthetic twin of the driver program that Sim2Rec was tested with, whose data are not public. The structure is
    that of its code: the reward, the penalty, the budget, the second rollout, and 30 days. **Everything about drivers is
    ours**: who they are, how they answer a coupon, and what it does to them. A result here says nothing about real drivers.

    A driver has an energy of ``level / 10``, a whole number of levels, that no observation shows. On a day with
    ``usual = propensity * (1 + tilt * cos(2 * pi * day / 7))``, the mean of the finished orders is ::

        rest  = level / 10
        able  = usual * (0.5 + 0.5 * rest)
        d     = max(target - able, 0),   reach = sqrt(responsiveness * rest * bonus)
        mean  = able + d / (1 + (d / reach) ** 4)       able without a coupon

    and the orders are ``mean + sqrt(mean) * luck``, rounded, with a normal ``luck``. Then the level changes by ``1 - tiring *
    max(orders - usual, 0) - discouragement * (target missed)``, rounded up or down at random, within 0 and 10.

    So a target below what the driver does anyway is money for nothing; one far beyond the reach moves nobody, and
    discourages; and one that is just right works until it tires. A policy has to find out who the driver is, and to let
    the driver rest. A myopic policy does not, even if it knows all that is hidden.

    Drivers of a city are alike: the city's demand, response and fatigue are the means of propensity, responsiveness and
    tiring. ``split="test"`` is the target city, at the origin of these three; ``split="train"`` are simulators, cities
    at random places of the cube around it that are further from it than ``gap``. So the group is hidden, as in LTSRec-v0,
    and the cues of many of its drivers tell it but for its fatigue. Train on one split and report the other.

    ## Action Space
    ``Box(-1, 1, (2,), float32)``: target and bonus, each on a scale on which ``-1 / (1 + overreach)`` and ``1 / (1 +
    overreach)`` are the bounds of the data. Targets are rounded to whole orders and bonuses to multiples of ``bonus_step``;
    a bonus of 0 is no coupon. What is beyond the bounds has the effect of the bound and a penalty.

    With ``action="grid"`` ``Discrete(37)``: 0 is no coupon, and the others are 9 targets with 4 bonuses each, evenly over the
    bounds, the bonus changing first; ``env.unwrapped.family.coupons()`` lists them, the bonus in units of ``bonus_step``.

    ## Observation Space
    ``Box``, float32; 10 entries by default. Scales differ: normalise.
    | Entry | Range | If |
    |---|---|---|
    | cue of the propensity and of the responsiveness, draws around them that stay for the episode | within 8.6 `cue_std` of what they are of | `observe_history` |
    | propensity, responsiveness, tilt, tiring, discouragement, energy | at least 0; tilt [-0.3, 0.3], energy [0, 1] | `observe_driver` |
    | cosine and sine of the day of the week | [-1, 1] | always |
    | share of the horizon that has passed | [0, 1] | always |
    | orders of the last day; 0 at the start | at least 0 | always |
    | target and bonus of the last day; 0 without a coupon | [0, `target_bounds[1]`], [0, `max_bonus`] | always |
    | whether that target was met | 0, 1 | always |
    | money paid so far, as a share of the budget | [0, 1 + `max_bonus` / `budget`] | always |

    ## Rewards
    What the orders beyond those of the rollout without coupons are worth, less the money at what it must bring in, less
    the penalty. Without any coupon it is exactly 0. Sim2Rec's reward has all finished orders; its mean differs from this
    one's by a number that no policy changes.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `orders` | `unit_gmv` times a whole number, also below 0 | every step; **the outcome**: the gross value that the coupons brought |
    | `spend` | `-bonus / coupon_ratio` | when a coupon's target was met, else 0 |
    | `penalty` | `-unit_gmv * penalty` times the distance from the bounds, in widths, summed over target and bonus | every step |

    ## Starting State
    The city is drawn uniformly. The driver's numbers are uniform draws: propensity 0.5 to 1.5, responsiveness 0.25 to 1.75
    and tiring 0.5 to 1.5 times the city's mean, tilt -0.3 to 0.3, discouragement 0.3 to 1.2. In the target city the means
    are 14 orders a day, 4 squared orders a unit of money, and 0.1 levels an order; at the faces of the cube, demand is 40
    percent less or more, and the other two half or double. The level is 6 to 10, in both rollouts. The first day is the
    peak of the week.

    ## Episode End
    ### Termination
    After ``horizon`` days: the horizon is part of the problem.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    The hidden driver is in no info: ``env.unwrapped.hidden_drivers()`` has it.

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `split` | `"train"` | `"train"`: the simulators; `"test"`: the target city |
    | `gap` | 0.5 | training cities are further from the target than this, in [0, 1) |
    | `cities` | 20 | training cities |
    | `city_seed` | 0 | what they are drawn with |
    | `action` | `"continuous"` | `"continuous"` or `"grid"` |
    | `target_bounds` | (5, 35) | targets that the data have |
    | `max_bonus` | 40.0 | largest bonus that the data have |
    | `bonus_step` | 5.0 | bonuses are multiples of it |
    | `overreach` | 0.2 | what continuous actions cover beyond these bounds, as a share of their width |
    | `unit_gmv` | 20.0 | gross value of an order (Sim2Rec's code) |
    | `coupon_ratio` | 0.4 | the money that a unit of gross value is worth spending |
    | `penalty` | 5.0 | orders that an action a width beyond the bounds loses |
    | `budget` | 100.0 | a driver who was paid more gets no more coupons |
    | `horizon` | 30 | days (Sim2Rec's code) |
    | `observe_history` | True | whether the two cues are observed |
    | `cue_std` | (1.5, 1.0) | their standard deviations, in orders and in squared orders a unit of money |
    | `observe_driver` | False | whether what is hidden is observed, for oracles |

    On ``env.unwrapped``: ``hidden_drivers()``, for evaluation only; see :class:`telos.envs.recsys.driver.params.Drivers`.

    ## Vectorized environment
    ``gym.make_vec("DriverProgram-v0", num_envs=65_536)``: one driver an environment, one batch, no processes, all autoreset
    modes (argument ``autoreset_mode``), ``options={"reset_mask": ...}``; ``device="cuda"`` keeps states, observations and
    rewards on a GPU, as PyTorch tensors. A million drivers take about 0.3 GB.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone: driver ``i`` of a batch is the driver of ``seed + i``,
    however the batch is split. Luck is shared by both rollouts and does not depend on actions, so policies can be compared
    on equal drivers under equal luck. On a GPU, numbers agree with the CPU's to rounding. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy it exactly.

    ## Baselines
    Exact expected returns, averaged over the 1,000 drivers of ``split="test"`` with seeds 0 to 999; no coupons have a
    score of 0:
    | Policy | Return | Score |
    |---|---|---|
    | optimum, knowing the driver and the energy | 2173 (standard error over drivers 25) | 1 |
    | best constant coupon of each driver | 1322 | 0.61 |
    | myopic, knowing the driver and the energy | 899 | 0.41 |
    | best constant coupon of all, 40 for 26 orders | 421 | 0.19 |
    | the largest target with the largest bonus | 192 | 0.09 |
    | no coupons | 0 | 0 |
    | random actions | -49 | -0.02 |

    For other arguments and drivers :func:`telos.envs.recsys.driver.optimum.solve`.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    Chen et al., "Sim2Rec: A Simulator-based Decision-making Approach to Optimize Real-World Long-term User Engagement
    in Sequential Recommender Systems", ICDE 2023 (arXiv 2305.04832): the structure of its code's driver program. There,
    drivers are imitated from data that are not public.

    ## Version History
    * v0: initial version (2026).
    """  # noqa: E501 - a table's row is one line

    family_type = DriverProgram


class DriverProgramVectorEnv(HiddenDrivers, SimulatedVectorEnv):
    """Many drivers; see :class:`DriverProgramEnv`."""

    family_type = DriverProgram
