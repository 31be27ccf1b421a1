"""References for slates: policies that know the hidden user, and policies that know no user at all.

No optimum is known: the state has the whole recent past of a user. The best policy that we know, :func:`paced_slates`,
knows the hidden user. It is a reference and no proven optimum; :func:`return_bound` is what no policy exceeds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.batch import Batch
from telos.envs.engine.kernels import Kernel
from telos.envs.engine.rules import rule
from telos.envs.engine.threads import default_threads
from telos.envs.recsys.slate.family import SlateRec, users_of
from telos.envs.recsys.slate.params import Floats, Users

__all__ = [
    "Played",
    "click_probabilities",
    "constant_slate",
    "myopic_slates",
    "new_users",
    "observed_slates",
    "paced_slates",
    "play",
    "popular_slate",
    "return_bound",
]

Slates = NDArray[np.int64]
_MARGIN = 10.0  # more than any two values of items differ by


class Played(NamedTuple):
    """What happened to n users in T steps; each array ``(T, n)``, 0 after a user's episode.

    Attributes:
        clicks: Float64.
        rewards: Float64.
        present: Bool, whether the user was there at the start of the step.
        bored_topics: Int64, topics that the user was bored of at the start of the step.
    """

    clicks: Floats
    rewards: Floats
    present: NDArray[np.bool_]
    bored_topics: NDArray[np.int64]


@rule
def _fill(i: Any, values: Any, chances: Any, room: Any, topics: Any, examination: Any, slates: Any) -> None:
    """The most valuable items of topics with room; where there is none, the least valuable of the others."""
    for place in range(examination.shape[0]):
        best, best_value = 0, -np.inf
        for item in range(values.shape[1]):
            value = values[i, item]
            if room[i, topics[item]] <= 0.0:
                value = -_MARGIN - value if value > -_MARGIN else value
            if value > best_value:
                best, best_value = item, value
        slates[i, place] = best
        room[i, topics[best]] -= examination[place] * chances[i, best]
        values[i, best] = -4.0 * _MARGIN


_FILLER = Kernel(_fill, Path(__file__).parent, "the references of telos.envs.recsys.slate")


def _slates(family: SlateRec, values: Floats, chances: Floats, room: Floats) -> Slates:
    """Fills slates greedily; ``values`` and ``chances`` of a click ``(n, N)``, ``room`` for clicks ``(n, T)``."""
    examination = family.params.examination
    slates = np.empty((len(values), len(examination)), np.int64)
    arguments = (np.array(values), chances, np.array(room, np.float64), family.params.item_topics[:, 0])
    _FILLER(len(values), (*arguments, examination, slates), default_threads(), values.shape[1] * len(examination))
    return slates


def click_probabilities(family: SlateRec, users: Users) -> Floats:
    """The probability that each user clicks each item when looking at it, float64 ``(n, num_items)``.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        users: As they are now, ``env.unwrapped.hidden_users()``.
    """
    params = family.params
    bored = users.boredom > 0
    interest = np.where(bored, 0.0, users.taste)
    if params.bored_of_all:
        interest[bored.any(axis=1)] = 0.0
    match = interest @ family.catalogue.matrix.T.astype(np.float64) + params.quality
    return np.asarray(1.0 / (1.0 + np.exp(-params.slope * (match - params.offset))))


def myopic_slates(family: SlateRec, users: Users) -> Slates:
    """The slates with the most expected clicks now, int64 ``(n, slate_size)``: it knows tastes and boredom.

    Arguments are those of :func:`click_probabilities`.
    """
    chances = click_probabilities(family, users)
    return _slates(family, chances, chances, np.full(users.taste.shape, np.inf))


def paced_slates(family: SlateRec, users: Users, slack: float = 1.75) -> Slates:
    """The best policy that we know: the most expected clicks that leave no topic near boredom, int64 ``(n, K)``.

    Items are taken by their probability of a click, while the recent and the expected clicks of their main topic are
    below ``boredom_threshold - slack``. Places that are left get the items that are least likely to be clicked.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        users: As they are now, ``env.unwrapped.hidden_users()``.
        slack: Ours; chosen for the default environment among steps of a quarter.
    """
    chances = click_probabilities(family, users)
    return _slates(family, chances, chances, family.params.boredom_threshold - slack - users.recent)


def observed_slates(
    family: SlateRec, observations: NDArray[np.float32], bonus: float = 0.1, slack: float = 2.5
) -> Slates:
    """A hand-written policy that uses what a recommender may: observations, and topics and known quality of items.

    It takes the clicks a topic got per look as the taste, with a bonus for topics that few looks went to, and paces
    like :func:`paced_slates`. Returns int64 ``(n, slate_size)``.

    Args:
        family: The environment's, ``env.unwrapped.family``.
        observations: Float32 ``(n, ...)``, as the environment gives them.
        bonus: Ours; of a topic without any look.
        slack: Ours, as that of :func:`paced_slates`.
    """
    params, catalogue = family.params, family.catalogue
    places, threshold = len(params.examination), float(params.boredom_threshold)
    seen = observations.astype(np.float64)
    recent, rate, share = np.split(seen[:, places:-1], 3, axis=1)
    looks = share * seen[:, -1:] * float(params.horizon) * params.examination.sum()
    taste = (rate * looks + 0.1) / (looks + 1.0) + bonus / np.sqrt(looks + 1.0)
    taste /= np.linalg.norm(taste, axis=1, keepdims=True)
    values = taste @ catalogue.matrix.T.astype(np.float64) + np.where(catalogue.new, 0.0, catalogue.quality)
    chances = np.asarray(taste[:, catalogue.topics[:, 0]])
    return _slates(family, values, chances, threshold - slack - threshold * recent)


def new_users(family: SlateRec, number: int = 4096, seed: int = 2**40) -> Users:
    """Users at the start of an episode, those of ``seed`` on, as the environment draws them."""
    batch = Batch(family, number)
    batch.reset(np.ones(number, np.bool_), np.arange(seed, seed + number, dtype=np.uint64))
    return users_of(batch.state)


def popular_slate(family: SlateRec, number: int = 4096) -> Slates:
    """The items that most of so many new users like, int64 ``(slate_size,)``, the most popular one first."""
    liked = click_probabilities(family, new_users(family, number)).mean(axis=0)
    return np.argsort(-liked, kind="stable")[: len(family.params.examination)]


def constant_slate(family: SlateRec, number: int = 1024) -> Slates:
    """The best slate for everyone at all times that we know, int64 ``(slate_size,)``.

    Found greedily for so many new users: each place gets the item that adds most to the clicks that keep patience,
    those up to ``wanted_clicks`` a user.
    """
    liked = click_probabilities(family, new_users(family, number))
    expected, slate = np.zeros((number, 1)), np.empty(len(family.params.examination), np.int64)
    for place, looked in enumerate(family.params.examination):
        gained = np.minimum(expected + looked * liked, float(family.params.wanted_clicks)).mean(axis=0)
        gained[slate[:place]] = -1.0
        slate[place] = gained.argmax()
        expected = expected + looked * liked[:, slate[place], None]
    return slate


def return_bound(family: SlateRec) -> float:
    """What no policy exceeds: that every item that is looked at is clicked, in all steps."""
    return float(family.params.examination.sum() * family.params.horizon)


def play(envs: Any, policy: Callable[[NDArray[np.float32]], Slates], seed: int) -> Played:
    """Plays one episode of every user.

    Args:
        envs: ``gym.make_vec("SlateRec-v0", ...)`` on the CPU, with ``autoreset_mode="SameStep"``.
        policy: From observations to slates ``(n, slate_size)``.
        seed: Of the first user.
    """
    number, present = envs.num_envs, np.ones(envs.num_envs, np.bool_)
    record: list[tuple[Any, ...]] = []
    observations, _ = envs.reset(seed=seed)
    while present.any():
        bored = (envs.unwrapped.hidden_users().boredom > 0).sum(axis=1) * present
        observations, _, terminated, _, info = envs.step(policy(observations))
        terms = {name: np.zeros(number) for name in envs.unwrapped.family.terms}
        for told in (info, info.get("final_info", {})):
            for name in terms:
                terms[name] += told["reward_terms"][name] * present if told else 0.0
        record.append((terms["clicks"], terms["clicks"] + terms["departure"], present, bored))
        present = present & ~terminated
    return Played(*(np.stack(column) for column in zip(*record, strict=True)))
