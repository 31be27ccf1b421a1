"""The environment of users fitted to logs that you supply."""

from __future__ import annotations

from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv
from telos.envs.recsys.logged.family import FittedUsers, LoggedRec

__all__ = ["LoggedRecEnv", "LoggedRecVectorEnv"]


class LoggedRecEnv(FittedUsers, SimulatedEnv):
    """Users fitted to logs that you supply: what they click, when they leave, and when they come back.

    ## Description
    Each step recommends a slate of items, which a user is shown one after the other. To each the user gives signals
    (click, like, ..., as the log has them) with chances that depend on user, item, and on how many of the items shown
    just before were of the same category. After each item the user may leave; what the user gave, the session's length
    and the sameness of items decide how likely that is. Whoever leaves comes back days later, the sooner the better the
    session was, and the next session begins at once, on that day. An episode is `days` days of one user.

    The user model is a factorisation fitted to the log by penalised maximum likelihood, calibrated on held-out sessions
    (:class:`telos.envs.recsys.logged.params.UserModel` has the equations). Nothing is bundled or downloaded:

    ```
    telos recsys fit --data-root FOLDER        # KuaiRand-Pure or -1K, KuaiRec, MovieLens 1M or 25M; minutes, once
    ```

    A fit must be **faithful**: :mod:`telos.envs.recsys.logged.fidelity` compares rates of signals, calibration, session
    lengths and days until the return with the log, and an environment of a fit that fails is refused, unless
    `allow_unfaithful` says that you know.

    What is fitted is what the log shows, not what would happen: users were shown what a recommender chose for them, so
    the effects of boredom, of leaving and of returning are associations, except where items were shown at random.
    An item that is among those shown just before in the session gets no signal: logs have next to no repeats to fit to.

    ## Action Space
    ``Discrete(num_items)``: the item, 0 being the most shown of the log. With ``slate`` above 1
    ``MultiDiscrete([num_items] * slate)``: items in the order in which they are shown.

    ## Observation Space
    ``Box(0, 1, float32)``; ``C`` categories, ``S`` signals, ``K`` items in a slate.
    | Entries | Number |
    |---|---|
    | profile: share of logged items of each category to which the user gave the first signal, shrunk | C |
    | share of the window of items shown last in the session that is of each category | C |
    | what was given to each item of the last slate, 0 for items that were not reached | K S |
    | items shown in the session, in hundreds, at most 1; 0 when a session begins | 1 |
    | share of the days that has passed | 1 |

    ## Rewards
    By default 1 for each click, or whatever the layout's first signal is. A session that ends early and a user who stays
    away cost clicks that the rest of the days would have had.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `click` | weight times how many items of the slate got it | KuaiRand; **the outcome** by default |
    | `long_view`, `like`, `comment`, `forward`, `follow`, `hate` | the same | KuaiRand |
    | `watched` | the same; watch ratio above a threshold | KuaiRec; the outcome |
    | `liked` | the same; a rating of 4 or more | MovieLens; the outcome |
    | `return_day` | weight times the days until the return, 0 to 15 | the user left |

    ## Starting State
    One of the logged users, all equally likely, at the beginning of a session.

    ## Episode End
    ### Termination
    When the user would come back only after ``days`` days.
    ### Truncation
    Only by ``max_episode_steps`` of ``gym.make``.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `reward_terms` | every step | see above |
    | `shown` | every step | items of the slate that the user was shown, float |
    | `left` | every step | 1.0 if the user left |
    | `return_day` | every step | days until the return if the user left, 15 for more, else 0.0 |

    What the user is like is in no info: ``env.unwrapped.hidden_users()`` has it.

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `data_root` | None | folder of the logs, in the layout of a known data set |
    | `cache` | None | folder of the fit; None is `telos-cache` in `data_root` |
    | `slate` | 1 | items of a slate |
    | `num_items` | None | only so many items, the most shown; None is all that are fitted, 10,000 at most by default |
    | `days` | 7 | days of an episode |
    | `weights` | None | weights of terms by name, 0 for others; None is 1 for the first signal |
    | `allow_unfaithful` | False | accept a fit that fails its fidelity report, or has none |

    On ``env.unwrapped``: ``item_categories`` and ``item_counts`` are what any recommender knows of items;
    ``hidden_users()``, for evaluation only.

    ## Vectorized environment
    ``gym.make_vec("LoggedRec-v0", num_envs=65_536, data_root=...)``: one user an environment, one batch, no processes,
    all autoreset modes (argument ``autoreset_mode``), ``options={"reset_mask": ...}``; ``device="cuda"`` keeps states,
    observations and rewards on a GPU, as PyTorch tensors.

    ## Determinism
    A trajectory is a function of fit, arguments, seed and actions alone: user ``i`` of a batch is the user of ``seed +
    i``, however the batch is split. On a GPU, chances agree with the CPU's to rounding. A fit is a function of log,
    arguments and seed, up to the rounding of SciPy's linear algebra.

    ## Baselines
    Mean return in seven days on the synthetic log that ``telos recsys synthetic --layout kuairand-pure`` writes by default,
    with default fit; your logs will differ, and `docs/recsys_logged.md` has the other layouts.
    | Policy | Return |
    |---|---|
    | reference: knows the users, looks one step ahead, and counts an end of the session as 12 clicks lost | 67.7 |
    | myopic, knowing the users | 27.9 |
    | by the observation and the log's counts: long views in categories that the user clicks, in turn | 22.9 |
    | random items | 9.4 |
    | the items that are most often clicked when shown, in turn | 8.5 |
    | the most popular items, in turn | 8.0 |
    | the most popular item, always | 2.2 |

    With a single signal (KuaiRec, MovieLens) the myopic policy that knows the users is as good as the reference.

    ## Licence and data source
    The rules are MIT. Data are yours to get and to keep to the terms of: KuaiRand (CC BY-SA 4.0,
    https://zenodo.org/records/10439422), KuaiRec (CC BY-SA 4.0, https://zenodo.org/records/18164998), MovieLens
    (research only, no redistribution, https://grouplens.org/datasets/movielens/). Results on synthetic logs say nothing of
    these.

    ## References
    Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos", CIKM 2022. Gao et
    al., "KuaiRec: A Fully-observed Dataset and Insights for Evaluating Recommender Systems", CIKM 2022 (arXiv
    2202.10842). Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015. Platt,
    "Probabilistic Outputs for Support Vector Machines", 1999, for the calibration. The user model is ours.

    ## Version History
    * v0: initial version (2026).
    """  # noqa: E501 - a table's row is one line

    family_type = LoggedRec


class LoggedRecVectorEnv(FittedUsers, SimulatedVectorEnv):
    """Many users; see :class:`LoggedRecEnv`."""

    family_type = LoggedRec
