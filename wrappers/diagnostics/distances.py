"""Distances of reward functions on a known model: exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from telos.wrappers.diagnostics.canonical import (
    CANONICAL_FORMS,
    Floats,
    check_discount,
    checked_model,
    dard_form,
    epic_form,
    full_reward,
    unit,
)
from telos.wrappers.terms import check_choice

__all__ = [
    "dard_distance",
    "epic_distance",
    "half_distance",
    "normalised_regret",
    "pearson_distance",
    "starc_distance",
]


def starc_distance(
    first: ArrayLike,
    second: ArrayLike,
    transitions: ArrayLike,
    discount: float,
    *,
    canonical: Literal["val", "val_potential", "minimal", "epic", "dard", "none"] = "val",
    policy: ArrayLike | None = None,
    norm: float = 2,
) -> float:
    r"""STARC: half the distance of the normalised canonical forms, ``|| c(R1)/|c(R1)| - c(R2)/|c(R2)| || / 2``.

    It is 0 if and only if both rewards order all policies alike (with ``"val"`` or ``"minimal"``), and 1 for opposite
    ones. It is symmetric, fulfils the triangle inequality, and bounds the regret of optimising the one reward in the
    other from both sides, up to constants of the model. A reward for which all policies are equally good has form 0,
    which is 1/2 from every other and 0 from its like. Terminal states must be absorbing in ``transitions`` and pay
    nothing, as in :attr:`telos.envs.tabular.mdp.TabularMDP.transitions`.

    Args:
        first: Reward, float ``(S, A, S)``, ``(S, A)`` or ``(S,)``, finite also for impossible transitions.
        second: The other.
        transitions: Probabilities, float ``(S, A, S)``.
        discount: In [0, 1).
        canonical: ``"val"`` forgets potential shaping and S'-redistribution, as does ``"minimal"`` (the member of
            least norm); ``"val_potential"``, ``"epic"`` and ``"dard"`` forget potential shaping alone, and ``"none"``
            scale alone, so that they are not 0 for all equivalent rewards.
        policy: Policy of the VAL forms, probabilities ``(S, A)``; None is uniform. Any fixed one will do.
        norm: Order of both norms, of the normalisation and of the difference: 1, 2 or infinity.

    Raises:
        ValueError: If shapes, probabilities or the discount are wrong.

    Source: Skalse, Farnik, Motwani, Jenner, Gleave and Abate, "STARC: A general framework for quantifying differences
    between reward functions", ICLR 2024 (arXiv 2309.15257). Half of the distance, so that it is at most 1, is ours.
    """
    check_choice("starc_distance", "canonical", canonical, CANONICAL_FORMS)
    model = checked_model(transitions, discount)
    states, actions, _ = model.shape
    chances = np.full((states, actions), 1.0 / actions) if policy is None else np.asarray(policy, np.float64)
    if chances.shape != (states, actions) or (chances < 0).any() or not np.allclose(chances.sum(axis=1), 1.0):
        raise ValueError(f"policy must be probabilities of shape {(states, actions)}, got shape {chances.shape}")

    rewards = [full_reward(given, states, actions) for given in (first, second)]
    forms = [CANONICAL_FORMS[canonical](reward, model, discount, chances) for reward in rewards]
    return half_distance(forms, [float(np.linalg.norm(reward.ravel(), norm)) for reward in rewards], norm)


def epic_distance(
    first: ArrayLike,
    second: ArrayLike,
    discount: float,
    *,
    states: ArrayLike | None = None,
    actions: ArrayLike | None = None,
    coverage: ArrayLike | None = None,
) -> float:
    """EPIC: the Pearson distance ``sqrt((1 - correlation) / 2)`` of canonically shaped rewards.

    It needs no model: it asks for rewards of all transitions, impossible ones included, and depends on them. It is 0
    for rewards that differ by scale, a constant and potential shaping, 1 for opposite ones, and not 0 for all rewards
    that order policies alike.

    Args:
        first: Reward, float ``(S, A, S)``; ``(S, A)`` or ``(S,)`` if it does not depend on the rest.
        second: The other, of the same shape.
        discount: In [0, 1).
        states: Distribution of states ``(S,)``; None is uniform.
        actions: Distribution of actions ``(A,)``; None is uniform.
        coverage: Distribution of the transitions that are compared, ``(S, A, S)``; None is the product of the others.

    Raises:
        ValueError: If shapes, probabilities or the discount are wrong.

    Source: Gleave, Dennis, Legg, Russell and Leike, "Quantifying differences in reward functions", ICLR 2021
    (arXiv 2006.13900), definitions 4.1 and 4.5.
    """
    check_discount(discount)
    shape = np.asarray(first).shape
    number_of_actions = shape[1] if len(shape) > 1 else 1
    of_states = _distribution("states", states, shape[:1])
    of_actions = _distribution("actions", actions, (number_of_actions,))
    rewards = [full_reward(given, shape[0], number_of_actions) for given in (first, second)]
    forms = [epic_form(reward, discount, of_states, of_actions) for reward in rewards]
    weights = of_states[:, None, None] * of_actions[:, None] * of_states
    if coverage is not None:
        weights = _distribution("coverage", coverage, weights.shape)
    return pearson_distance(forms, rewards, weights)


def dard_distance(
    first: ArrayLike,
    second: ArrayLike,
    transitions: ArrayLike,
    discount: float,
    *,
    actions: ArrayLike | None = None,
    coverage: ArrayLike | None = None,
) -> float:
    """DARD: the Pearson distance of rewards that are canonically shaped by means over possible next states.

    Like EPIC, but rewards of impossible transitions count for less: only ``R(S', A, S'')``, whose states both come soon
    after the transition, may be one.

    Args:
        first: Reward, float ``(S, A, S)``, ``(S, A)`` or ``(S,)``.
        second: The other.
        transitions: Probabilities, float ``(S, A, S)``.
        discount: In [0, 1).
        actions: Distribution of actions ``(A,)``; None is uniform.
        coverage: Distribution of the transitions that are compared, ``(S, A, S)``; None takes states uniformly and next
            states from ``transitions``.

    Raises:
        ValueError: If shapes, probabilities or the discount are wrong.

    Source: Wulfe, Ellis, Mercat, McAllister and Gaidon, "Dynamics-aware comparison of learned reward functions",
    ICLR 2022 (arXiv 2201.10081).
    """
    model = checked_model(transitions, discount)
    number_of_states, number_of_actions, _ = model.shape
    of_actions = _distribution("actions", actions, (number_of_actions,))
    rewards = [full_reward(given, number_of_states, number_of_actions) for given in (first, second)]
    forms = [dard_form(reward, model, discount, of_actions) for reward in rewards]
    weights = model * of_actions[:, None] / number_of_states
    if coverage is not None:
        weights = _distribution("coverage", coverage, weights.shape)
    return pearson_distance(forms, rewards, weights)


def normalised_regret(
    first: ArrayLike, second: ArrayLike, transitions: ArrayLike, discount: float, start: ArrayLike | None = None
) -> float:
    """What optimising ``second`` loses in ``first``: 0 nothing, 1 all that lies between its best and worst policy.

    Of several policies that are optimal for ``second`` it is an arbitrary one. 0 where all policies are equally good.

    Args:
        first: Reward that counts, float ``(S, A, S)``, ``(S, A)`` or ``(S,)``.
        second: Reward that is optimised.
        transitions: Probabilities, float ``(S, A, S)``.
        discount: In [0, 1).
        start: Distribution of the first state, ``(S,)``; None is uniform.

    Raises:
        ValueError: If shapes, probabilities or the discount are wrong.

    Source: as :func:`starc_distance`.
    """
    from telos.envs.tabular.mdp import TabularMDP
    from telos.envs.tabular.optimum import policy_evaluation, policy_iteration

    model = checked_model(transitions, discount)
    states, actions, _ = model.shape
    rewards = {name: full_reward(r, states, actions) for name, r in {"first": first, "second": second}.items()}
    mdp = TabularMDP.from_arrays(model, rewards, _distribution("start", start, (states,)))
    counts, optimised = {"first": 1.0, "second": 0.0}, {"first": 0.0, "second": 1.0}
    best = policy_iteration(mdp, discount, counts).expected
    worst = -policy_iteration(mdp, discount, {"first": -1.0, "second": 0.0}).expected
    chosen = policy_iteration(mdp, discount, optimised).policy
    reached = float(mdp.start @ policy_evaluation(mdp, chosen, discount, counts))
    spread = best - worst
    if spread <= 1e-12 * max(abs(best), abs(worst)):
        return 0.0
    return min(1.0, max(0.0, (best - reached) / spread))


def half_distance(forms: Sequence[Floats], sizes: Sequence[float], norm: float = 2) -> float:
    """Half the distance of two forms that are scaled to norm 1; those that are rounding beside their size are 0."""
    one, other = (unit(form, size, norm) for form, size in zip(forms, sizes, strict=True))
    return float(np.linalg.norm((one - other).ravel(), norm)) / 2.0


def pearson_distance(forms: Sequence[Floats], rewards: Sequence[Floats], weights: Floats) -> float:
    """``sqrt((1 - correlation) / 2)``, in [0, 1], of two forms; the rewards say what is rounding in them.

    A constant form is 1/2 from all but constants, and 0 from these.
    """
    # Of unit vectors, half the Euclidean distance is this without the loss of digits that 1 - correlation has.
    shares = np.sqrt(weights)
    centred = [shares * (form - (weights * form).sum()) for form in forms]
    return half_distance(centred, [float(np.linalg.norm((shares * reward).ravel())) for reward in rewards])


def _distribution(name: str, given: ArrayLike | None, shape: tuple[int, ...]) -> Floats:
    if given is None:
        return np.full(shape, 1.0 / np.prod(shape))
    values = np.asarray(given, np.float64)
    if values.shape != shape or (values < 0).any() or not np.isclose(values.sum(), 1.0):
        raise ValueError(f"{name} must be probabilities of shape {shape} that add up to 1, got shape {values.shape}")
    return values
