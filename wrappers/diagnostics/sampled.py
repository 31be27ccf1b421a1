"""Distances of reward functions from batches of transitions, where there is no table of the model.

The batch says what is compared: transitions that are rare in it count for little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.wrappers.diagnostics.canonical import Floats, check_discount
from telos.wrappers.diagnostics.distances import half_distance, pearson_distance

__all__ = ["RewardFunction", "sampled_dard_distance", "sampled_epic_distance", "sampled_starc_distance"]

States: TypeAlias = NDArray[Any]
RewardFunction: TypeAlias = Callable[[States, NDArray[Any], States], ArrayLike]
"""``(states (n, ...), actions (n, ...), next_states (n, ...)) -> rewards (n,)``."""


def sampled_starc_distance(
    first: ArrayLike,
    second: ArrayLike,
    features: ArrayLike,
    actions: ArrayLike,
    next_features: ArrayLike,
    discount: float,
) -> float:
    """STARC with the VAL form, both of its expectations fitted to a batch by linear least squares.

    The policy of the form is the one that acted. Its values are linear in the features (LSTD), and for each action the
    expected advantage is, too. With one-hot features of states this is the distance on the model that the batch
    counts, each state and action weighed by its number; with others it is as good as the features.

    Args:
        first: Rewards of the transitions, ``(n,)``.
        second: The other function's rewards of the same transitions, ``(n,)``.
        features: Of the states, float ``(n, d)``; include a constant.
        actions: Integers ``(n,)``.
        next_features: Of the next states, float ``(n, d)``; 0 after a termination (but not a truncation).
        discount: In [0, 1).

    Returns:
        In [0, 1], as :func:`telos.wrappers.diagnostics.starc_distance`.

    Raises:
        ValueError: If shapes or the discount are wrong.

    Source: as :func:`telos.wrappers.diagnostics.starc_distance`; LSTD is Bradtke and Barto, Machine Learning 22, 1996.
    """
    check_discount(discount)
    before, after = np.asarray(features, np.float64), np.asarray(next_features, np.float64)
    taken = np.asarray(actions)
    rewards = [np.asarray(given, np.float64) for given in (first, second)]
    count = before.shape[:1]
    if before.ndim != 2 or after.shape != before.shape or any(a.shape != count for a in (taken, *rewards)):
        raise ValueError(
            f"features and next_features must have one shape (n, d), the rest (n,); got {before.shape}, {after.shape}, "
            f"{taken.shape}, {rewards[0].shape} and {rewards[1].shape}"
        )
    system = before.T @ (before - discount * after)

    def form(reward: Floats) -> Floats:
        values = np.linalg.lstsq(system, before.T @ reward, rcond=None)[0]
        advantages = reward + (discount * after - before) @ values
        expected = np.empty_like(advantages)
        for action in np.unique(taken):
            rows = taken == action
            fitted = np.linalg.lstsq(before[rows], advantages[rows], rcond=None)[0]
            expected[rows] = before[rows] @ fitted
        return expected

    return half_distance([form(reward) for reward in rewards], [float(np.linalg.norm(reward)) for reward in rewards])


def sampled_epic_distance(
    first: RewardFunction,
    second: RewardFunction,
    states: ArrayLike,
    actions: ArrayLike,
    next_states: ArrayLike,
    discount: float,
    *,
    mean_states: ArrayLike,
    mean_actions: ArrayLike,
) -> float:
    """EPIC, its expectations taken over samples.

    Args:
        first: Reward function; it is called for transitions that are not in the batch, too.
        second: The other.
        states: Of the transitions to compare, ``(n, ...)``.
        actions: ``(n, ...)``.
        next_states: ``(n, ...)``.
        discount: In [0, 1).
        mean_states: Samples of S', ``(m, ...)``.
        mean_actions: Samples of A, ``(m, ...)``, one beside each.

    Returns:
        In [0, 1], as :func:`telos.wrappers.diagnostics.epic_distance`.

    Raises:
        ValueError: If shapes or the discount are wrong.

    Source: Gleave et al., ICLR 2021 (arXiv 2006.13900), appendix A.1. ``E[R(S, A, S')]`` is the same for all
    transitions, so it is left out: correlation does not see it.
    """
    check_discount(discount)
    before, after, taken = np.asarray(states), np.asarray(next_states), np.asarray(actions)
    drawn, drawn_actions = np.asarray(mean_states), np.asarray(mean_actions)
    _check_lengths(before, taken, after)
    _check_lengths(drawn, drawn_actions)

    def shaping(reward: RewardFunction) -> Floats:
        total = np.zeros(len(before))
        for state, action in zip(drawn, drawn_actions, strict=True):
            to = np.broadcast_to(state, before.shape)
            by = np.broadcast_to(action, taken.shape)
            total += discount * _rewards(reward, after, by, to) - _rewards(reward, before, by, to)
        return total / len(drawn)

    return _compared([first, second], [shaping(first), shaping(second)], before, taken, after)


def sampled_dard_distance(
    first: RewardFunction,
    second: RewardFunction,
    states: ArrayLike,
    actions: ArrayLike,
    next_states: ArrayLike,
    discount: float,
    *,
    follow: Callable[[States, NDArray[Any]], ArrayLike],
    mean_actions: ArrayLike,
) -> float:
    """DARD, its expectations taken over samples of a model.

    Args:
        first: Reward function.
        second: The other.
        states: Of the transitions to compare, ``(n, ...)``.
        actions: ``(n, ...)``.
        next_states: ``(n, ...)``.
        discount: In [0, 1).
        follow: ``(states, actions) -> next states``, drawn anew in each call; a learned or the true model.
        mean_actions: Samples of A, ``(m, ...)``.

    Returns:
        In [0, 1], as :func:`telos.wrappers.diagnostics.dard_distance`.

    Raises:
        ValueError: If shapes or the discount are wrong.

    Source: Wulfe et al., ICLR 2022 (arXiv 2201.10081).
    """
    check_discount(discount)
    before, after, taken = np.asarray(states), np.asarray(next_states), np.asarray(actions)
    _check_lengths(before, taken, after)
    totals = [np.zeros(len(before)), np.zeros(len(before))]
    drawn = np.asarray(mean_actions)
    for action in drawn:
        by = np.broadcast_to(action, taken.shape)
        # The same successors for both functions, or noise would set them apart.
        nearby, beyond = np.asarray(follow(before, by)), np.asarray(follow(after, by))
        for total, reward in zip(totals, (first, second), strict=True):
            total += discount * (_rewards(reward, after, by, beyond) - _rewards(reward, nearby, by, beyond))
            total -= _rewards(reward, before, by, nearby)
    return _compared([first, second], [total / len(drawn) for total in totals], before, taken, after)


def _compared(
    functions: Sequence[RewardFunction],
    shapings: Sequence[Floats],
    states: States,
    actions: NDArray[Any],
    next_states: States,
) -> float:
    rewards = [_rewards(function, states, actions, next_states) for function in functions]
    forms = [reward + shaping for reward, shaping in zip(rewards, shapings, strict=True)]
    return pearson_distance(forms, rewards, np.full(len(states), 1.0 / len(states)))


def _rewards(reward: RewardFunction, states: States, actions: NDArray[Any], next_states: States) -> Floats:
    values = np.asarray(reward(states, actions, next_states), np.float64)
    if values.shape != (len(states),) or not np.isfinite(values).all():
        raise ValueError(f"a reward function must return finite numbers ({len(states)},), got shape {values.shape}")
    return values


def _check_lengths(*arrays: NDArray[Any]) -> None:
    if any(a.ndim < 1 or len(a) != len(arrays[0]) or not len(a) for a in arrays):
        raise ValueError(f"batches must be of one length of at least 1, got shapes {[a.shape for a in arrays]}")
