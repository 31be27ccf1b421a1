"""What a target policy would earn, from sessions of another one whose probabilities were logged.

* ``LoggedSteps`` - what estimators need of a log
* ``importance_sampling``, ``self_normalised`` - whole sessions are weighted (IPS, SNIPS)
* ``per_decision``, ``weighted_per_decision`` - each reward is weighted by the choices before it (PDIS, WPDIS)
* ``doubly_robust``, ``weighted_doubly_robust`` - these correct a model of the values (DR, WDR)
* ``marginalised`` - weights are averaged over what led to the same state (MIS)
* ``double_reinforcement`` - a model of the values, corrected with marginalised weights (DRL)
* ``Estimate`` - an estimate, its interval and its overlap
* ``check_support`` - whether a logging policy can show what a target policy does

In all formulas i is a session of n, t a step, r the reward, pi the target and mu the logging policy,
``rho_t = pi(a_t | s_t) / mu(a_t | s_t)`` and ``w_t = rho_0 ... rho_t``; ``w_{-1} = 1``. A session that has ended keeps
its weight and earns 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.baselines.ope_steps import (
    Estimate,
    Floats,
    LoggedSteps,
    OverlapWarning,
    Solved,
    check_support,
    estimate,
)

__all__ = [
    "Estimate",
    "LoggedSteps",
    "OverlapWarning",
    "check_support",
    "double_reinforcement",
    "doubly_robust",
    "importance_sampling",
    "marginalised",
    "per_decision",
    "self_normalised",
    "weighted_doubly_robust",
    "weighted_per_decision",
]


def importance_sampling(steps: LoggedSteps, *, confidence: float = 0.95, bootstrap: int = 0, seed: int = 0) -> Estimate:
    """IPS: whole sessions are weighted. ``V = 1/n sum_i w_{i,T-1} sum_t gamma^t r_{i,t}``.

    Unbiased if the support is there. Its variance grows exponentially with the length of sessions.

    Args:
        steps: The log.
        confidence: Of the interval.
        bootstrap: Resamples of sessions for a percentile interval; 0 for a normal one.
        seed: Of these.

    Raises:
        ValueError: If ``confidence`` or ``bootstrap`` is out of range.

    Source: Precup, Sutton and Singh, "Eligibility Traces for Off-Policy Policy Evaluation" (ICML 2000).

    Example:
        >>> import numpy as np
        >>> log = LoggedSteps(np.array([1.0, 3.0]), np.array([1, 1]), np.array([0.5, 0.5]), np.array([0.25, 0.75]))
        >>> importance_sampling(log).value
        2.5
    """
    weights = steps.carried(steps.weights)[-1]
    parts = weights * steps.discounted(steps.rewards)
    return estimate(steps, lambda counts: (_mean(counts, parts), parts, [weights]), confidence, bootstrap, seed)


def self_normalised(steps: LoggedSteps, *, confidence: float = 0.95, bootstrap: int = 0, seed: int = 0) -> Estimate:
    """SNIPS: as IPS, divided by the mean weight. ``V = sum_i w_i G_i / sum_i w_i``.

    Consistent, with a bias of order 1/n; never outside the returns that were seen. Arguments and errors are those of
    ``importance_sampling``.

    Source: Swaminathan and Joachims, "The Self-Normalized Estimator for Counterfactual Learning" (NeurIPS 2015);
    for sessions, weighted importance sampling in Precup, Sutton and Singh (ICML 2000).
    """
    weights, returns = steps.carried(steps.weights)[-1], steps.discounted(steps.rewards)

    def solve(counts: Floats) -> Solved:
        mass = _mean(counts, weights)
        value = _ratio(_mean(counts, weights * returns), mass)
        return value, value + _shares(weights, mass) * (returns - value), [weights]

    return estimate(steps, solve, confidence, bootstrap, seed)


def per_decision(steps: LoggedSteps, *, confidence: float = 0.95, bootstrap: int = 0, seed: int = 0) -> Estimate:
    """PDIS: a reward is weighted by the choices before it. ``V = 1/n sum_i sum_t gamma^t w_{i,t} r_{i,t}``.

    Unbiased as IPS, as later choices cannot change earlier rewards. Arguments and errors are those of
    ``importance_sampling``.

    Source: Precup, Sutton and Singh (ICML 2000).
    """
    parts, weights = steps.discounted(steps.weights * steps.rewards), steps.carried(steps.weights)
    return estimate(steps, lambda counts: (_mean(counts, parts), parts, weights), confidence, bootstrap, seed)


def weighted_per_decision(
    steps: LoggedSteps, *, confidence: float = 0.95, bootstrap: int = 0, seed: int = 0
) -> Estimate:
    """WPDIS: as PDIS, each step divided by its mean weight.

    ``V = sum_t gamma^t sum_i w_{i,t} r_{i,t} / sum_i w_{i,t}``.

    Consistent. The sums in the denominator go over all sessions, those that have ended with their last weight.
    Arguments and errors are those of ``importance_sampling``.

    Source: Precup, Sutton and Singh (ICML 2000), who divide all steps by one sum; by one for each step it is known as
    CWPDIS, see Thomas and Brunskill, "Data-Efficient Off-Policy Policy Evaluation for Reinforcement Learning" (ICML
    2016).
    """
    zero = np.zeros(len(steps.rewards))
    return weighted_doubly_robust(steps, zero, zero, confidence=confidence, bootstrap=bootstrap, seed=seed)


def doubly_robust(
    steps: LoggedSteps,
    q: ArrayLike,
    v: ArrayLike,
    *,
    confidence: float = 0.95,
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """DR: a model's values, corrected by weighted errors.

    ``V = 1/n sum_i sum_t gamma^t (w_{i,t-1} v(s_{i,t}) + w_{i,t} (r_{i,t} - q(s_{i,t}, a_{i,t})))``, the sum that the
    recursion ``V_t = v(s_t) + rho_t (r_t + gamma V_{t+1} - q(s_t, a_t))`` unrolls to.

    Unbiased with exact probabilities, whatever the model, if ``v(s)`` is the mean of ``q(s, a)`` under the target
    policy and the model of a session was fitted to others (``telos.baselines.ope_values.fitted_values``). The better
    the model, the smaller the variance. The interval takes the model as given.

    Args:
        steps: The log.
        q: The model's value of the logged action, ``(S,)``.
        v: Its value of the target policy's actions, ``(S,)``.
        confidence: Of the interval.
        bootstrap: Resamples of sessions for a percentile interval; 0 for a normal one.
        seed: Of these.

    Raises:
        ValueError: If ``q`` or ``v`` does not fit, or ``confidence`` or ``bootstrap`` is out of range.

    Source: Jiang and Li, "Doubly Robust Off-policy Value Evaluation for Reinforcement Learning" (ICML 2016).

    Example:
        >>> import numpy as np
        >>> log = LoggedSteps(np.array([1.0, 3.0]), np.array([1, 1]), np.array([0.5, 0.5]), np.array([0.25, 0.75]))
        >>> doubly_robust(log, q=[1.0, 3.0], v=[2.5, 2.5]).standard_error
        0.0
    """
    values = steps.values("q", q), steps.values("v", v)
    parts = steps.discounted(steps.weights_before * values[1] + steps.weights * (steps.rewards - values[0]))
    weights = steps.carried(steps.weights)
    return estimate(steps, lambda counts: (_mean(counts, parts), parts, weights), confidence, bootstrap, seed)


def weighted_doubly_robust(
    steps: LoggedSteps,
    q: ArrayLike,
    v: ArrayLike,
    *,
    confidence: float = 0.95,
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """WDR: as DR, with weights that are divided by their mean over all sessions at the same step.

    Consistent, not unbiased; where weights are heavy it errs far less than DR. Arguments and errors are those of
    ``doubly_robust``.

    Source: Thomas and Brunskill (ICML 2016).
    """
    models = steps.values("q", q), steps.values("v", v)
    weights = steps.carried(steps.weights)

    def solve(counts: Floats) -> Solved:
        value, parts = 0.0, np.zeros(len(steps))
        earlier, mass_earlier = np.ones(len(steps)), 1.0
        for t, (sessions, rows) in enumerate(steps.alive):
            for worth, now, mass in (
                (models[1][rows], earlier, mass_earlier),
                (steps.rewards[rows] - models[0][rows], weights[t], _mean(counts, weights[t])),
            ):
                mean = _ratio(float((counts[sessions] * now[sessions]) @ worth) / len(steps), mass)
                value += steps.gamma**t * mean
                errors = np.full(len(steps), -mean)
                errors[sessions] += worth
                parts += steps.gamma**t * _shares(now, mass) * errors
            earlier, mass_earlier = weights[t], _mean(counts, weights[t])
        return value, value + parts, weights

    return estimate(steps, solve, confidence, bootstrap, seed)


def marginalised(
    steps: LoggedSteps,
    states: ArrayLike,
    *,
    normalise: bool = False,
    confidence: float = 0.95,
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """MIS: weights are averaged over all that led to the same state, and so do not multiply over steps.

    ``V = 1/n sum_i sum_t gamma^t m_t(s_{i,t}) rho_{i,t} r_{i,t}``, where ``m_t(s)`` estimates how much likelier the
    target policy is than the logged one to be in state s at step t: ``m_0 = 1``, and ``m_{t+1}(s)`` is the mean of
    ``m_t(s_{i,t}) rho_{i,t}`` over the sessions with ``s_{i,t+1} = s``. For a finite number of states and a finite
    horizon that is the estimator of Xie et al.: their ``d^pi_t(s)`` is ``m_t(s)`` times the share of sessions in s.

    Consistent if rewards and next states depend on the past through the state alone; other labels are a model that can
    be wrong. It is most useful where sessions are long. The interval linearises, with the states' labels as given: it
    holds around what the labels make it converge to. Other errors are those of ``doubly_robust``.

    Args:
        steps: The log.
        states: A label of each step's state, whole numbers ``(S,)``; see ``telos.baselines.ope_values.binned``.
        normalise: Whether to divide ``rho`` by its mean over the sessions in the same state at the same step (ours,
            after SNIPS). Without it the errors of these means multiply over steps.
        confidence: Of the interval.
        bootstrap: Resamples of sessions for a percentile interval; 0 for a normal one.
        seed: Of these.

    Source: Xie, Ma and Wang, "Towards Optimal Off-Policy Evaluation for Reinforcement Learning with Marginalized
    Importance Sampling" (NeurIPS 2019).
    """
    labels = _labels(steps, states)

    def solve(counts: Floats) -> Solved:
        ratios = _state_ratios(steps, labels, counts, normalise)
        marginal = _marginal(steps, labels, counts, ratios)
        after, parts = np.zeros(len(steps)), np.zeros(len(steps))
        for t, (sessions, rows) in reversed(list(enumerate(steps.alive))):
            # Values of states, by the same means: what a session adds to the estimate, to first order.
            worth = steps.rewards[rows] + steps.gamma * after[sessions]
            values = _group_means(labels[t], ratios[rows] * worth, counts[sessions])
            errors = ratios[rows] * (worth - values) if normalise else ratios[rows] * worth - values
            parts[sessions] += steps.gamma**t * marginal[rows] * errors
            after = np.zeros(len(steps))
            after[sessions] = values
        paid = steps.discounted(marginal * ratios * steps.rewards)
        return _mean(counts, paid), parts + after, steps.carried(marginal * ratios)

    return estimate(steps, solve, confidence, bootstrap, seed, multiplied=False)


def double_reinforcement(
    steps: LoggedSteps,
    q: ArrayLike,
    v: ArrayLike,
    states: ArrayLike,
    *,
    normalise: bool = False,
    confidence: float = 0.95,
    bootstrap: int = 0,
    seed: int = 0,
) -> Estimate:
    """DRL: DR with marginalised weights.

    ``V = 1/n sum_i (v(s_{i,0}) + sum_t gamma^t m_t(s_{i,t}) rho_{i,t} (r_{i,t} + gamma v(s_{i,t+1}) - q(s_{i,t},
    a_{i,t})))``, with ``m_t`` of ``marginalised`` and ``v = 0`` after the end.

    Consistent if either the model of the values or the weights are. The interval takes both as given. Arguments and
    errors are those of ``doubly_robust`` and ``marginalised``.

    Source: Kallus and Uehara, "Double Reinforcement Learning for Efficient Off-Policy Evaluation in Markov Decision
    Processes" (ICML 2020); the weights here are not cross-fitted, the model is if ``q`` and ``v`` are.
    """
    value_of_action, value_of_state = steps.values("q", q), steps.values("v", v)
    labels, following = _labels(steps, states), np.zeros(len(steps.rewards))
    for _, rows in steps.alive[1:]:
        following[rows - 1] = value_of_state[rows]
    errors = steps.rewards + steps.gamma * following - value_of_action
    start = value_of_state[steps.alive[0][1]]

    def solve(counts: Floats) -> Solved:
        ratios = _state_ratios(steps, labels, counts, normalise)
        weights = _marginal(steps, labels, counts, ratios) * ratios
        parts = start + steps.discounted(weights * errors)
        return _mean(counts, parts), parts, steps.carried(weights)

    return estimate(steps, solve, confidence, bootstrap, seed, multiplied=False)


def _labels(steps: LoggedSteps, states: ArrayLike) -> list[NDArray[np.int64]]:
    """States at each step, counted from 0 there."""
    given = np.asarray(states)
    if given.shape != steps.rewards.shape or given.dtype.kind not in "iub":
        raise ValueError(
            f"states must be whole numbers of shape {steps.rewards.shape}, got {given.dtype} {given.shape}"
        )
    return [np.unique(given[rows], return_inverse=True)[1] for _, rows in steps.alive]


def _group_means(labels: NDArray[np.int64], values: Floats, counts: Floats) -> Floats:
    """Each entry's mean over those with the same label, 0 where none of them counts."""
    number, total = np.bincount(labels, counts), np.bincount(labels, counts * values)
    return np.asarray((total / np.where(number > 0.0, number, 1.0))[labels])


def _state_ratios(steps: LoggedSteps, labels: list[NDArray[np.int64]], counts: Floats, normalise: bool) -> Floats:
    """``rho``, ``(S,)``; divided by its mean in the same state at the same step, if that is wanted."""
    if not normalise:
        return steps.ratios
    ratios = np.zeros(len(steps.rewards))
    for t, (sessions, rows) in enumerate(steps.alive):
        means = _group_means(labels[t], steps.ratios[rows], counts[sessions])
        np.divide(steps.ratios[rows], means, out=means, where=means > 0.0)
        ratios[rows] = means
    return ratios


def _marginal(steps: LoggedSteps, labels: list[NDArray[np.int64]], counts: Floats, ratios: Floats) -> Floats:
    """``m_t`` of each step's state, ``(S,)``."""
    marginal = np.ones(len(steps.rewards))
    for t, (sessions, rows) in enumerate(steps.alive[1:], 1):
        before = marginal[rows - 1] * ratios[rows - 1]
        marginal[rows] = _group_means(labels[t], before, counts[sessions])
    return marginal


def _mean(counts: Floats, values: Floats) -> float:
    return float(counts @ values) / len(values)


def _ratio(total: float, mass: float) -> float:
    """A mean by weights; 0 of no weights, where nothing is known."""
    return total / mass if mass > 0.0 else 0.0


def _shares(weights: Floats, mass: float) -> Floats:
    return np.asarray(weights / mass if mass > 0.0 else np.zeros(len(weights)))
