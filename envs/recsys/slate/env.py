"""The environment that users make."""

from __future__ import annotations

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv
from telos.envs.recsys.slate.family import PublicCatalogue, SlateRec

__all__ = ["SlateRecEnv", "SlateRecVectorEnv"]


class SlateRecEnv(PublicCatalogue, SimulatedEnv):
    """Slates of items for a user whose taste is hidden, who gets bored, drifts with clicks, and leaves if unsatisfied.

    ## Description
    Each step shows a user ``slate_size`` of ``num_items`` items. Items have two or three of ``num_topics`` topics, as
    unit vectors that a policy may see, and a quality. Users have a taste, a unit vector over three to five topics,
    that it may not see. In each step:

    1. The user looks at place ``k`` (from 0) with probability ``position_discount ** k``, and clicks an item that is
       looked at with probability ``1 / (1 + exp(-slope * (match + quality - offset)))``, independently. The match is
       the dot product of item and taste, without the topics that the user is bored of.
    2. Influence: the taste becomes ``taste_inertia`` of itself and the rest the mean of the clicked items, and is
       scaled to length 1.
    3. Boredom: a topic with ``boredom_threshold`` clicks among the last ``remembered_clicks``, of the last
       ``boredom_steps`` steps, bores the user for ``boredom_steps`` steps. A click counts for its item's main topic,
       the one with the largest weight.
    4. Patience, hidden, falls by the clicks that the slate has less than ``wanted_clicks``; a slate that has them gives
       ``recovery`` back, up to the first patience. At 0 the user leaves.

    So what a user likes best is soon boring: it is clicked, and the next slates are not. A policy has to find out what
    the user likes, before patience ends, and to pace it. Every user begins without history.

    ## Action Space
    ``MultiDiscrete([num_items] * slate_size)``: the items, the place that is looked at most first. An item that is
    already in the slate is a blank place: nobody looks at it. With ``duplicates="error"`` it raises ``ValueError``.

    ## Observation Space
    ``Box(0, 1, (slate_size + 3 * num_topics + 1,), float32)``: what a recommender can see, 41 numbers by default.
    Topics are main topics.
    | Entries | Meaning |
    |---|---|
    | `slate_size` | 1 for each place of the last slate that was clicked |
    | `num_topics` | recent clicks of each topic (see Boredom), as a share of `boredom_threshold`, at most 1 |
    | `num_topics` | clicks of each topic in the episode for each look it could expect from its places, at most 1; 0 without a look |
    | `num_topics` | share of those looks that went to each topic |
    | 1 | share of the horizon that has passed |

    ## Rewards
    Clicks pay item by item, now. A departure costs once, for the whole slate and those before it, and all later clicks
    with it.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `clicks` | 0 to `slate_size` | every step, the number of clicks; **the outcome**: it is what SARDINE scores |
    | `departure` | `-departure_cost` or 0 | the step in which the user leaves |

    ## Starting State
    A user draws how many topics they like, uniform on ``user_topics``; which, without replacement, by popularity; and
    how much, uniform on (0, 1], scaled to length 1. Patience is uniform on ``patience``. The catalogue is drawn from
    ``catalogue_seed`` and does not depend on the seed of ``reset``.

    ## Episode End
    ### Termination
    1. When the user leaves.
    2. After ``horizon`` steps: the horizon is part of the problem.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |
    | `intra_list_diversity` | every step | 1 minus the mean cosine of two places of the slate, in [0, 1]; 0 of a slate of one |
    | `topic_entropy` | every step | entropy of the main topics of the recent clicks, in nats; 0 without a click |
    | `topic_entropy_drift` | every step | the same minus that of all clicks of the episode: below 0, the user has narrowed |

    They are functions of what was shown and clicked. Taste, boredom and patience are in no info:
    ``env.unwrapped.hidden_users()`` has them.

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `num_items` | 1000 | items of the catalogue |
    | `num_topics` | 10 | topics |
    | `slate_size` | 10 | places of a slate |
    | `horizon` | 100 | steps of an episode at most |
    | `catalogue_seed` | 0 | seed of items and of what topics are popular |
    | `quality_std` | 0.05 | standard deviation of the normal quality of items |
    | `new_items` | 0.0 | share of the items whose quality is not told |
    | `popularity_exponent` | 1.0 | the r-th topic has popularity `r ** -popularity_exponent` |
    | `user_topics` | (3, 5) | topics that a user likes, at least and at most |
    | `position_discount` | 0.85 | looks at a place, relative to the place before |
    | `offset` | 0.65 | match at which half of the looks become clicks |
    | `slope` | 100.0 | how sharply that depends on the match |
    | `taste_inertia` | 0.95 | share of the taste that a step with clicks leaves; 1 is without influence |
    | `boredom` | `"topic"` | a bored user has lost interest in the `"topic"`, or in `"all"` |
    | `boredom_threshold` | 5 | recent clicks that make a topic boring |
    | `boredom_steps` | 5 | steps for which clicks are recent, and boredom lasts |
    | `remembered_clicks` | 10 | recent clicks at most |
    | `patience` | (10.0, 30.0) | bounds of the uniform first patience |
    | `wanted_clicks` | 2.0 | clicks that a slate needs to cost no patience |
    | `recovery` | 0.5 | patience that such a slate gives back |
    | `departure_cost` | 20.0 | what the platform pays when a user leaves |
    | `duplicates` | `"blank"` | an item that is twice in a slate is a `"blank"` place or an `"error"` |

    On ``env.unwrapped``, for policies: ``item_topics``, float32 ``(num_items, num_topics)``; ``item_quality``, NaN of
    new items; ``examination``, the probability that each place is looked at. ``hidden_users()`` is for evaluation only;
    see :class:`telos.envs.recsys.slate.params.Users`.

    ## Vectorized environment
    ``gym.make_vec("SlateRec-v0", num_envs=65_536)``: one user an environment, one batch, no processes, all autoreset
    modes (argument ``autoreset_mode``), ``options={"reset_mask": ...}``; ``device="cuda"`` keeps states, observations
    and rewards on a GPU, as PyTorch tensors. A step costs nothing for items that are not shown. A million users take
    about 1.2 GB, their actions and what a step returns included.
    :class:`telos.envs.recsys.slate.metrics.CatalogueMetrics` counts coverage and Gini coefficient of the actions.

    ## Determinism
    A trajectory is a function of arguments, seed and actions alone: user ``i`` of a batch is the user of ``seed + i``,
    however the batch is split. On a GPU, numbers agree with the CPU's to rounding. ``clone_state()`` and
    ``restore_state()`` on ``env.unwrapped`` copy it exactly.

    ## Baselines
    2,000 users; random slates have the score 0 and the best policy that we know 1. It knows the hidden user and is no
    proven optimum; no policy exceeds 535.4, all looks clicked in all steps.
    | Policy | Return | Score | Steps |
    |---|---|---|---|
    | paced: the most clicked items, no topic near boredom; knows the hidden user | 454.7 | 1 | 98.6 |
    | observing: the same from click rates of topics, without what is hidden | 216.3 | 0.49 | 72.4 |
    | myopic: the most clicks now; knows tastes and boredom | 60.9 | 0.16 | 29.8 |
    | the best constant slate that we know | 18.5 | 0.07 | 27.5 |
    | most popular items | 1.0 | 0.03 | 19.1 |
    | random slates | -13.5 | 0 | 13.9 |

    All are in :mod:`telos.envs.recsys.slate.reference`. Standard errors of the returns are at most 3.2.

    ## Licence and data source
    Nothing but rules; MIT.

    ## References
    Deffayet et al., "SARDINE: A Simulator for Automated Recommendation in Dynamic and Interactive Environments", 2024:
    clicks, places, boredom, influence and their constants are those of its code (version 1.0.8). There, influence adds
    one number, the mean over all entries of the clicked items, to all topics alike; here, each topic has its own.
    KuaiSim (its code): patience that falls with the clicks that are missing. Ie et al., "RecSim: A Configurable
    Simulation Platform for Recommender Systems" (arXiv 1909.04847): hidden quality of items. The documentation says
    which constant is whose.

    ## Version History
    * v0: initial version (2026).
    """  # noqa: E501 - a table's row is one line

    family_type = SlateRec


class SlateRecVectorEnv(PublicCatalogue, SimulatedVectorEnv):
    """Many users; see :class:`SlateRecEnv`."""

    family_type = SlateRec
