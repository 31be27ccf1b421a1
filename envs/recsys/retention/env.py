"""The retention environments that users make."""

from __future__ import annotations

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv
from telos.envs.recsys.retention.family import HiddenUsers, RetentionRec

__all__ = ["RetentionRecEnv", "RetentionRecVectorEnv"]


class RetentionRecEnv(HiddenUsers, SimulatedEnv):
    """Clicks today, and whether the user comes back: sessions over days, and users who leave one by one.

    ## Description
    Each step answers a request with a slate of ``slate_size`` items. An item is a topic and a level of clickbait ``c``
    in [0, 1]; there is always another piece of each kind, so that a slate may have it several times, and the order of a
    slate does not matter. The user gives three kinds of feedback on each item: a click, and on what was clicked a long
    view and a like. Their probabilities are

    ``base_rate * taste * (1 + clickbait_effect * (2 c - 1)) * (1 + satisfaction_effect * (SAT - initial_satisfaction))``

    where ``taste`` has mean 1 over topics, so that ``base_rates`` are the rates on random items for new users. Clickbait
    is clicked on more, and viewed and liked less.

    Satisfaction is hidden. After a slate it is ``memory * SAT + (1 - memory) * content``, where ``content`` is the mean
    over the slate of ``taste / largest taste * (1 - aversion * c ** 2)``: little clickbait is forgiven, much is not. It
    lies on ``satisfaction_levels + 1`` levels and is rounded to one of the two nearest at random, without bias.

    A session goes on with ``continue_probability``, for at most ``requests`` requests. After it the user leaves for good
    with ``churn_probability``, or comes back on each following day with ``return_probability``, the hazard. All three
    are linear in satisfaction, which remembers the whole session and those before. So clickbait pays at once and costs
    returns, and the favourite topic pays both, if it can be found out: users differ by the order of topics in their
    taste and by their aversion, drawn anew in each episode, and no observation tells these.

    ## Action Space
    ``MultiDiscrete([topics * clickbait_levels] * slate_size)``: item ``topic * clickbait_levels + level``.

    ## Observation Space
    ``Box``, float32; 17 entries by default, what a platform sees.
    | Entry | Range |
    |---|---|
    | day of the session, as a share of the horizon; 1 once the user is gone | [0, 1] |
    | days since the last session, as a share of the horizon; 0 in the first | [0, 1] |
    | requests of this session so far, as a share of `requests` | [0, 1] |
    | share of the days so far that had a session | [0, 1] |
    | clicks, long views and likes on the last slate, as shares of it | [0, 1] each |
    | how much of each topic was shown: its shares of all slates, discounted by `recent_discount` a request | [0, 1 / (1 - `recent_discount`)] each |
    | how much of each topic was clicked on, likewise | the same |

    ## Rewards
    Clicks and returns, each with a weight. :func:`telos.envs.recsys.retention.optimum.pareto_front` has what can be had
    of both.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `click` | `click_weight` times the share of the slate that was clicked on | every step |
    | `retention` | `retention_weight` | a session ends and the user comes back before the horizon; **the outcome**: the sum over an episode is the number of days with a session, but for the first |

    ## Starting State
    Day 0, the first request. Tastes are in every order equally often; aversion is uniform between its bounds.

    ## Episode End
    ### Termination
    The user leaves for good, or does not come back before day ``horizon``; the two look alike. Both are part of the
    problem.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `slate_size` | 5 | items of a slate |
    | `taste` | (2.4, 1.2, 0.7, 0.4, 0.3) | how much a user likes each topic, the favourite first; only ratios matter |
    | `clickbait_levels` | 3 | levels of clickbait from 0 to 1 |
    | `base_rates` | (0.2, 0.04, 0.006) | of clicks, long views and likes on random items for new users |
    | `clickbait_effect` | (0.75, -0.2, -0.5) | of clickbait on each of them, in [-1, 1] |
    | `satisfaction_effect` | 0.3 | of satisfaction on all of them |
    | `aversion` | (0.5, 1.0) | bounds of a user's aversion to clickbait |
    | `memory` | 0.9 | share of satisfaction that a slate leaves as it was |
    | `initial_satisfaction` | 0.5 | satisfaction of new users |
    | `continue_probability` | (0.6, 0.8) | of another request, of wholly dissatisfied and wholly satisfied users |
    | `return_probability` | (0.02, 0.8) | of a session on a day, likewise |
    | `churn_probability` | (0.1, 0.0) | of leaving for good after a session, likewise |
    | `requests` | 5 | requests of a session at most |
    | `horizon` | 30 | days |
    | `satisfaction_levels` | 50 | steps of satisfaction from 0 to 1 |
    | `recent_discount` | 0.9 | of what is observed of topics |
    | `click_weight` | 1.0 | reward of a slate on which everything is clicked |
    | `retention_weight` | 1.0 | reward of a return |

    On ``env.unwrapped``, for evaluation only: ``hidden_users()``; ``return_hazard()``; and ``return_effect(slate,
    instead_of)``, the true effect of one slate on the day of the next session, under the same luck and in closed form.
    See :class:`telos.envs.recsys.retention.family.HiddenUsers`.

    ## Vectorized environment
    ``gym.make_vec("RetentionRec-v0", num_envs=65_536)``: one user an environment, one batch, no processes, all autoreset
    modes (argument ``autoreset_mode``), ``options={"reset_mask": ...}``; ``device="cuda"`` keeps states, observations
    and rewards on a GPU, as PyTorch tensors. Users leave one by one. The state takes 73 bytes a user.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone: user ``i`` of a batch is the user of ``seed + i``,
    however the batch is split. Luck belongs to days and requests, not to steps: after different slates, a user has the
    same luck on the same day, and more satisfaction never means a later return. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy the state exactly.

    ## Baselines
    Exact means over all users, of which the optimum of ``click`` + ``retention`` has 1 and random slates 0:
    | Policy | Clicks (slates' worth) | Returns | Score |
    |---|---|---|---|
    | optimum, knowing taste, aversion and satisfaction | 23.44 | 14.90 | 1 |
    | best constant slate of each user | 23.26 | 13.74 | 0.95 |
    | favourite topic, most clickbait: what each user clicks on most now (myopic) | 15.14 | 6.06 | 0.40 |
    | favourite topic, no clickbait | 8.83 | 18.93 | 0.63 |
    | best constant slate of all users | 6.61 | 7.36 | 0.14 |
    | random slates | 3.70 | 6.28 | 0 |

    A policy of a few lines that shows each topic once, and then, with medium clickbait, what was clicked on most, has
    0.72 and sees nothing but observations (20,000 users). For other arguments
    :func:`telos.envs.recsys.retention.references.reference_points`.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    The environment and all its constants are ours. Its subject is that of Liu et al., "Sequential Recommendation for
    Optimizing Both Immediate Feedback and Long-term Retention" (DT4IER), SIGIR 2024 (arXiv 2404.03637), and of Zhao et
    al., "KuaiSim: A Comprehensive Simulator for Recommender Systems", NeurIPS 2023 Datasets and Benchmarks, whose
    cross-session users return by the last slate of a session alone.

    ## Version History
    * v0: initial version (2026).
    """  # noqa: E501 - a table's row is one line

    family_type = RetentionRec


class RetentionRecVectorEnv(HiddenUsers, SimulatedVectorEnv):
    """Many users; see :class:`RetentionRecEnv`."""

    family_type = RetentionRec
