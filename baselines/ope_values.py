"""Models of values for off-policy estimators, and labels of states.

* ``fitted_values`` - fitted Q evaluation by least squares, fitted to other sessions than it is asked about
* ``crossed`` - features of an action in a context
* ``binned`` - labels of states by quantiles of what is known of them
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.baselines.ope_steps import Floats, LoggedSteps

__all__ = ["binned", "crossed", "fitted_values"]


def fitted_values(
    steps: LoggedSteps,
    features: ArrayLike,
    expected: ArrayLike,
    *,
    folds: int = 2,
    ridge: float = 1e-6,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Values of actions and states under the target policy, each session's from a model that was fitted to others.

    Backward from the last step, ``Q_t(x, a) = features(x, a) @ theta_t`` is fitted by least squares to ``r_t + gamma *
    V_{t+1}``, where ``V_{t+1} = expected_{t+1} @ theta_{t+1}``, and 0 where the session has ended: fitted Q evaluation
    for a finite horizon. A fold's sessions are predicted by the model of all other folds.

    Args:
        steps: The log.
        features: Of each step's state and logged action, ``(S, D)``.
        expected: Their mean over the target policy's actions in that state, ``(S, D)``; or the mean over some draws.
        folds: Parts of the sessions, drawn at random; at least 2.
        ridge: Weight of the squares of theta, as a share of the features' mean square.
        seed: Of the folds.

    Returns:
        ``q`` of the logged actions and ``v``, float64 ``(S,)`` each. The mean of ``v`` at the first steps is the direct
        method's estimate.

    Raises:
        ValueError: If shapes do not fit, there are fewer sessions than folds, or a number is out of range.

    Source: Le, Voloshin and Yue, "Batch Policy Learning under Constraints" (ICML 2019); Duan, Jia and Wang,
    "Minimax-Optimal Off-Policy Evaluation with Linear Function Approximation" (ICML 2020). Cross-fitting: Chernozhukov
    et al., "Double/Debiased Machine Learning" (2018).
    """
    given, mean = np.asarray(features), np.asarray(expected)
    if given.ndim != 2 or len(given) != len(steps.rewards) or mean.shape != given.shape:
        raise ValueError(f"features and expected must be ({len(steps.rewards)}, D), got {given.shape} and {mean.shape}")
    if not 2 <= folds <= len(steps) or ridge < 0.0:
        raise ValueError(
            f"folds must be from 2 to the {len(steps)} sessions, and ridge at least 0, got {folds}, {ridge}"
        )
    fold = np.random.default_rng(seed).permutation(len(steps)) % folds
    q, v = np.empty(len(given)), np.empty(len(given))
    for held_out in range(folds):
        after = np.zeros(len(steps))
        for sessions, rows in reversed(steps.alive):
            inside = fold[sessions] != held_out
            x, wanted = given[rows[inside]].astype(np.float64), steps.rewards[rows] + steps.gamma * after[sessions]
            gram = x.T @ x
            penalty = ridge * float(np.trace(gram)) / len(gram)
            # Least squares and not an inverse: features may be collinear, and rows few.
            theta = np.linalg.lstsq(gram + penalty * np.eye(len(gram)), x.T @ wanted[inside], rcond=None)[0]
            values = mean[rows] @ theta
            q[rows[~inside]], v[rows[~inside]] = given[rows[~inside]] @ theta, values[~inside]
            after = np.zeros(len(steps))
            after[sessions] = values
    return q, v


def crossed(context: NDArray[Any], of_action: NDArray[Any]) -> NDArray[Any]:
    """All products of a context's features and an action's, ``(S, U)`` and ``(S, P)`` to ``(S, U * P)``.

    The mean over actions of the products is the product with the mean, so this makes ``features`` from the logged
    actions and ``expected`` from the target policy's means.
    """
    return np.asarray((context[:, :, None] * of_action[:, None, :]).reshape(len(context), -1))


def binned(columns: Sequence[ArrayLike], bins: int | Sequence[int], times: ArrayLike) -> NDArray[np.int64]:
    """Labels of states: which quantiles of what is known of them they are in, at each step anew.

    Args:
        columns: What is known, each ``(S,)``; at least one.
        bins: Quantiles of each, or of all alike, at least 1.
        times: The step of each row, from 0, ``(S,)``.

    Returns:
        Int64 ``(S,)``. Equal values are in one bin, so that there may be fewer.

    Raises:
        ValueError: If there are no columns, or bins do not fit.
    """
    values, when = [np.asarray(column, np.float64) for column in columns], np.asarray(times)
    numbers = [bins] * len(values) if isinstance(bins, int) else list(bins)
    if not values or len(numbers) != len(values) or min(numbers) < 1:
        raise ValueError(f"there must be columns, each with at least 1 bin; got {len(values)} and {bins}")
    labels = np.zeros(len(when), np.int64)
    order = np.argsort(when, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(when[order])) + 1):
        for column, number in zip(values, numbers, strict=True):
            edges = np.unique(np.quantile(column[rows], np.arange(1, number) / number))
            labels[rows] = labels[rows] * number + np.searchsorted(edges, column[rows], side="right")
    return labels
