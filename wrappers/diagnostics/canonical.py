"""Canonical forms: what is left of a reward function when what cannot matter is taken away.

Potential shaping adds ``discount * phi(s') - phi(s)`` to ``R(s, a, s')``. S'-redistribution changes ``R(s, a, s')``
without changing its mean over the next state. Neither changes which policies are better. All forms here are linear,
and forget potential shaping; ``val`` and ``minimal`` also forget S'-redistribution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CANONICAL_FORMS",
    "Floats",
    "check_discount",
    "checked_model",
    "dard_form",
    "epic_form",
    "full_reward",
    "unit",
]

Floats: TypeAlias = NDArray[np.float64]
_ZERO = 1e-10  # ours: a form that is this small beside its reward is rounding, and counts as 0


def checked_model(transitions: ArrayLike, discount: float) -> Floats:
    """Checks transition probabilities ``(S, A, S)`` and the discount, and returns the former as float64."""
    model = np.asarray(transitions, np.float64)
    if model.ndim != 3 or model.shape[0] != model.shape[2] or not np.allclose(model.sum(axis=2), 1.0):
        raise ValueError(f"transitions must be probabilities of shape (S, A, S), got shape {model.shape}")
    check_discount(discount)
    return model


def check_discount(discount: float) -> None:
    """Raises ``ValueError`` if the discount is not in [0, 1)."""
    if not 0.0 <= discount < 1.0:
        raise ValueError(f"discount must be in [0, 1), got {discount}")


def full_reward(reward: ArrayLike, states: int, actions: int) -> Floats:
    """Returns a reward of shape ``(S, A, S)``, ``(S, A)`` or ``(S,)`` as float64 ``(S, A, S)``."""
    given = np.asarray(reward, np.float64)
    shape = (states, actions, states)
    if given.ndim not in (1, 2, 3) or given.shape != shape[: given.ndim] or not np.isfinite(given).all():
        raise ValueError(
            f"a reward must be finite, of shape {shape}, {shape[:2]} or {shape[:1]}; got shape {given.shape}"
        )
    return np.asarray(np.broadcast_to(given.reshape(given.shape + (1,) * (3 - given.ndim)), shape))


def val_form(reward: Floats, model: Floats, discount: float, policy: Floats) -> Floats:
    """VAL: advantages under a fixed policy, ``E_S'[R(s, a, S') + discount V(S')] - V(s)``, float64 ``(S, A)``."""
    expected = (model * reward).sum(axis=2)
    values = _values(expected, model, discount, policy)
    return np.asarray(expected + discount * model @ values - values[:, None])


def val_potential_form(reward: Floats, model: Floats, discount: float, policy: Floats) -> Floats:
    """VALPotential: ``R(s, a, s') + discount V(s') - V(s)``, float64 ``(S, A, S)``."""
    values = _values((model * reward).sum(axis=2), model, discount, policy)
    return np.asarray(reward + discount * values - values[:, None, None])


def minimal_form(reward: Floats, model: Floats, discount: float, policy: Floats) -> Floats:
    """The smallest reward, in the Euclidean norm, that differs only in what cannot matter, float64 ``(S, A, S)``.

    Of all rewards with a given mean over next states, the smallest is proportional to their probabilities; the
    potential is then a problem of weighted least squares.
    """
    states, actions, _ = model.shape
    sizes = np.linalg.norm(model, axis=2)
    expected = (model * reward).sum(axis=2)
    shaping = discount * model - np.eye(states)[:, None, :]
    scaled = (shaping / sizes[:, :, None]).reshape(states * actions, states)
    potential = np.linalg.lstsq(scaled, -(expected / sizes).ravel(), rcond=None)[0]
    return np.asarray(((expected + shaping @ potential) / sizes**2)[:, :, None] * model)


def epic_form(reward: Floats, discount: float, states: Floats, actions: Floats) -> Floats:
    """EPIC: ``R(s, a, s') + E[discount R(s', A, S') - R(s, A, S') - discount R(S, A, S')]``, float64 ``(S, A, S)``.

    S and S' are drawn from ``states``, float64 ``(S,)``, and A from ``actions``, ``(A,)``, whatever can follow what.
    """
    mean = np.einsum("sat,a,t->s", reward, actions, states)
    return np.asarray(reward + discount * mean - mean[:, None, None] - discount * (states @ mean))


def dard_form(reward: Floats, model: Floats, discount: float, actions: Floats) -> Floats:
    """DARD: ``R(s, a, s') + E[discount R(s', A, S'') - R(s, A, S') - discount R(S', A, S'')]``, float64 ``(S, A, S)``.

    A is drawn from ``actions``, float64 ``(A,)``; S' follows ``(s, A)`` and S'' follows ``(s', A)``.
    """
    mean = np.einsum("sat,sat,a->s", model, reward, actions)
    # From S' to S'', where S'' does not follow S' but s': for each A, over all pairs of s and s'.
    across = np.zeros_like(reward[:, 0])
    for a, share in enumerate(actions):
        across += share * model[:, a] @ reward[:, a] @ model[:, a].T
    return np.asarray(reward + discount * mean - mean[:, None, None] - discount * across[:, None, :])


def _values(expected: Floats, model: Floats, discount: float, policy: Floats) -> Floats:
    moves = np.einsum("sa,sat->st", policy, model)
    return np.asarray(np.linalg.solve(np.eye(len(moves)) - discount * moves, (policy * expected).sum(axis=1)))


def _unchanged(reward: Floats, model: Floats, discount: float, policy: Floats) -> Floats:
    return reward


def _epic(reward: Floats, model: Floats, discount: float, policy: Floats) -> Floats:
    states, actions, _ = model.shape
    return epic_form(reward, discount, np.full(states, 1.0 / states), np.full(actions, 1.0 / actions))


def _dard(reward: Floats, model: Floats, discount: float, policy: Floats) -> Floats:
    actions = model.shape[1]
    return dard_form(reward, model, discount, np.full(actions, 1.0 / actions))


#: Name to the form: of a reward ``(S, A, S)``, a model ``(S, A, S)``, a discount and a policy ``(S, A)``.
CANONICAL_FORMS: dict[str, Callable[[Floats, Floats, float, Floats], Floats]] = {
    "val": val_form,
    "val_potential": val_potential_form,
    "minimal": minimal_form,
    "epic": _epic,
    "dard": _dard,
    "none": _unchanged,
}


def unit(form: Floats, size: float, norm: float) -> Floats:
    """Returns a form divided by its norm; 0 if it is no more than rounding of a reward whose norm is ``size``."""
    own = float(np.linalg.norm(form.ravel(), norm))
    return np.zeros_like(form) if own <= _ZERO * size else form / own
