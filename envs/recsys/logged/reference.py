"""What a recommender that knows the fitted users can do: for evaluation, not for policies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telos.envs.recsys.logged.family import LoggedRec
from telos.envs.recsys.logged.params import HiddenUsers, factors_of, length_bucket

__all__ = ["expected_feedback", "informed_items", "leave_chances"]

Floats = NDArray[np.float64]


def expected_feedback(family: LoggedRec, users: HiddenUsers) -> Floats:
    """Chance of each signal for each item if it is shown next, float64 ``(n, num_items, S)``."""
    model, items = family.fit.model, slice(family.num_items)
    factors = factors_of(model)
    left, right = model.users[users.user].astype(float), model.items[items].astype(float)
    odds = model.base + np.einsum("nd,id,ds->nis", left[:, :factors], right[:, :factors], model.factor_weights)
    odds += left[:, None, factors:] + right[None, :, factors:]
    odds += _shares(family, users)[:, :, None] * model.boredom
    chances = 1.0 / (1.0 + np.exp(-odds))
    rows, places = np.nonzero((users.recent >= 0) & (users.recent < family.num_items))
    chances[rows, users.recent[rows, places]] = 0.0
    return np.asarray(chances)


def leave_chances(family: LoggedRec, users: HiddenUsers, chances: Floats) -> Floats:
    """Chance that the user leaves after each item, float64 ``(n, num_items)``: with the mean feedback in place of each.

    Args:
        family: The family.
        users: The users.
        chances: What :func:`expected_feedback` found.
    """
    model = family.fit.model
    odds = model.leave_base[length_bucket(users.position)] + model.leave_users[users.user]
    odds = odds[:, None] + chances @ model.leave_coefs[:-1] + _shares(family, users) * model.leave_coefs[-1]
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def informed_items(family: LoggedRec, users: HiddenUsers, loss: float) -> NDArray[np.int64]:
    """The best item for each user, int64 ``(n,)``, where leaving costs so much: expected reward - loss * P(leave).

    ``loss=0`` is the myopic policy that knows all. The best loss is found by trying some; that policy is the
    reference, and not the optimum: it looks one step ahead, and values every end of a session alike.
    """
    chances = expected_feedback(family, users)
    value = chances @ family.params.weights[:-1]
    if loss:
        value = value - loss * leave_chances(family, users, chances)
    return np.asarray(value.argmax(axis=1))


def _shares(family: LoggedRec, users: HiddenUsers) -> Floats:
    """Share of each user's window that is of each item's category, float64 ``(n, num_items)``."""
    model, window = family.fit.model, users.recent.shape[1]
    counts = np.zeros((len(users.user), len(family.fit.categories)))
    rows, places = np.nonzero(users.recent >= 0)
    np.add.at(counts, (rows, model.categories[users.recent[rows, places]]), 1.0 / window)
    return counts[:, model.categories[: family.num_items]]
