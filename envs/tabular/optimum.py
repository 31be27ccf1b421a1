"""Exact solutions of a table: values, all optimal policies, and how often a policy is where.

A policy is an array: actions, integers ``(S,)``, or probabilities, float ``(S, A)``; where the horizon is finite also
with the time as a first axis, ``(H, S)`` or ``(H, S, A)``. ``weights`` are factors of the reward terms, 1 for those not
listed. Methods are textbook ones: Puterman, Markov Decision Processes, 1994, chapters 4 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.tabular.mdp import Floats, TabularMDP

__all__ = [
    "TabularOptimum",
    "finite_horizon_evaluation",
    "finite_horizon_occupancy",
    "finite_horizon_optimum",
    "occupancy",
    "policy_evaluation",
    "policy_iteration",
    "value_iteration",
]

_LARGE = 500  # ours: states from which sparse systems are solved as such
_TIE = 1e-9  # ours: actions whose values differ by less, relative to the largest value, are equally good


@dataclass(frozen=True, eq=False)
class TabularOptimum:
    """An optimum; with a finite horizon, the first axis of every array is the time.

    Attributes:
        values: Float64 ``(S,)``, or ``(H + 1, S)``: best expected (discounted) reward from here on.
        action_values: Float64 ``(S, A)``, or ``(H, S, A)``.
        expected: The optimum from the first state.
    """

    values: Floats
    action_values: Floats
    expected: float

    @property
    def optimal(self) -> NDArray[np.bool_]:
        """All optimal actions, bool ``(S, A)`` or ``(H, S, A)``: a policy is optimal if it takes no others."""
        best = self.action_values.max(axis=-1, keepdims=True)
        return np.asarray(self.action_values >= best - _TIE * max(1.0, float(np.abs(best).max())))

    @property
    def policy(self) -> NDArray[np.int64]:
        """The optimal policy that takes the first of equally good actions, int64 ``(S,)`` or ``(H, S)``."""
        return np.asarray(self.optimal.argmax(axis=-1), np.int64)


def policy_evaluation(
    mdp: TabularMDP, policy: ArrayLike, discount: float, weights: Mapping[str, float] | None = None
) -> Floats:
    """Values of a policy without a limit of steps, float64 ``(S,)``; the horizon, if any, is left aside.

    Raises:
        ValueError: If the discount is not in [0, 1), the policy has another shape, or a term does not exist.
    """
    _check_discount(discount)
    chances = _chances(mdp, policy)
    return _solve(mdp, chances, discount, (chances * mdp.expected_reward(weights)).sum(axis=1))


def policy_iteration(mdp: TabularMDP, discount: float, weights: Mapping[str, float] | None = None) -> TabularOptimum:
    """The optimum without a limit of steps, exact up to rounding; the horizon, if any, is left aside.

    Raises:
        ValueError: If the discount is not in [0, 1), or a term does not exist.
    """
    reward = mdp.expected_reward(weights)
    policy = reward.argmax(axis=1)
    while True:
        values = policy_evaluation(mdp, policy, discount, weights)
        action_values = _backup(mdp, reward, discount, values)
        optimum = TabularOptimum(values, action_values, float(mdp.start @ values))
        # An action that is as good is kept, or ties would go round and round.
        kept = np.take_along_axis(optimum.optimal, policy[:, None], axis=1)[:, 0]
        if kept.all():
            return optimum
        policy = np.where(kept, policy, action_values.argmax(axis=1))


def value_iteration(
    mdp: TabularMDP, discount: float, weights: Mapping[str, float] | None = None, tolerance: float = 1e-10
) -> TabularOptimum:
    """The optimum without a limit of steps, to a certified error; the horizon, if any, is left aside.

    Args:
        mdp: The table.
        discount: In [0, 1).
        weights: Factors of the reward terms.
        tolerance: No value is further from the true one than this.

    Raises:
        ValueError: If the discount or the tolerance is out of range, or a term does not exist.
    """
    _check_discount(discount)
    if not tolerance > 0.0:
        raise ValueError(f"tolerance must be above 0; got {tolerance}")
    reward = mdp.expected_reward(weights)
    values = np.zeros(mdp.num_states)
    while True:
        action_values = _backup(mdp, reward, discount, values)
        before, values = values, action_values.max(axis=1)
        if np.abs(values - before).max() * discount <= tolerance * (1.0 - discount):
            return TabularOptimum(values, action_values, float(mdp.start @ values))


def finite_horizon_optimum(
    mdp: TabularMDP, discount: float = 1.0, weights: Mapping[str, float] | None = None, horizon: int | None = None
) -> TabularOptimum:
    """The optimum over a finite horizon by backward induction; ``horizon`` is the table's unless given.

    Raises:
        ValueError: If there is no horizon, the discount is not in [0, 1], or a term does not exist.
    """
    steps = _horizon(mdp, horizon, discount)
    reward = mdp.expected_reward(weights)
    values = np.zeros((steps + 1, mdp.num_states))
    action_values = np.empty((steps, *reward.shape))
    for t in range(steps - 1, -1, -1):
        action_values[t] = _backup(mdp, reward, discount, values[t + 1])
        values[t] = action_values[t].max(axis=1)
    return TabularOptimum(values, action_values, float(mdp.start @ values[0]))


def finite_horizon_evaluation(
    mdp: TabularMDP,
    policy: ArrayLike,
    discount: float = 1.0,
    weights: Mapping[str, float] | None = None,
    horizon: int | None = None,
) -> Floats:
    """Values of a policy over a finite horizon, float64 ``(H + 1, S)``; the policy may depend on the time.

    Raises:
        ValueError: As :func:`finite_horizon_optimum`, or if the policy has another shape.
    """
    steps = _horizon(mdp, horizon, discount)
    chances = _timed_chances(mdp, policy, steps)
    reward = mdp.expected_reward(weights)
    values = np.zeros((steps + 1, mdp.num_states))
    for t in range(steps - 1, -1, -1):
        values[t] = (chances[t] * _backup(mdp, reward, discount, values[t + 1])).sum(axis=1)
    return values


def occupancy(mdp: TabularMDP, policy: ArrayLike, discount: float) -> Floats:
    """Expected discounted number of times that a policy takes each action in each state, float64 ``(S, A)``.

    It sums to ``1 / (1 - discount)``; the time after an episode's end is spent in its terminal state.

    Raises:
        ValueError: As :func:`policy_evaluation`.
    """
    _check_discount(discount)
    chances = _chances(mdp, policy)
    visits = _solve(mdp, chances, discount, mdp.start, transposed=True)
    return np.asarray(visits[:, None] * chances)


def finite_horizon_occupancy(mdp: TabularMDP, policy: ArrayLike, horizon: int | None = None) -> Floats:
    """Probability of each state and action at each time, float64 ``(H, S, A)``; the policy may depend on the time.

    Each time's entries sum to 1; the time after an episode's end is spent in its terminal state.

    Raises:
        ValueError: If there is no horizon, or the policy has another shape.
    """
    steps = _horizon(mdp, horizon, 1.0)
    chances = _timed_chances(mdp, policy, steps)
    visits = np.empty_like(chances)
    states: Floats = mdp.start
    for t in range(steps):
        visits[t] = states[:, None] * chances[t]
        flow = visits[t][:, :, None] * mdp.probabilities
        states = np.asarray(np.bincount(mdp.next_states.ravel(), flow.ravel(), mdp.num_states), np.float64)
    return visits


def _backup(mdp: TabularMDP, reward: Floats, discount: float, values: Floats) -> Floats:
    return np.asarray(reward + discount * (mdp.probabilities * values[mdp.next_states]).sum(axis=2))


def _solve(mdp: TabularMDP, chances: Floats, discount: float, right: Floats, transposed: bool = False) -> Floats:
    """Solves ``(I - discount * moves) x = right``, where moves are those under a policy, or its transpose."""
    from scipy.sparse import csr_array, eye_array
    from scipy.sparse.linalg import spsolve

    states, shape = mdp.num_states, mdp.next_states.shape
    before = np.broadcast_to(np.arange(states)[:, None, None], shape).ravel()
    flow = (chances[:, :, None] * mdp.probabilities).ravel()
    system = eye_array(states) - discount * csr_array((flow, (before, mdp.next_states.ravel())), shape=(states, states))
    if transposed:
        system = system.T
    if states > _LARGE:
        return np.asarray(spsolve(system.tocsc(), right))
    return np.asarray(np.linalg.solve(system.toarray(), right))


def _chances(mdp: TabularMDP, policy: ArrayLike) -> Floats:
    """A policy as probabilities ``(S, A)``."""
    return np.asarray(_timed_chances(mdp, policy, None)[0])


def _timed_chances(mdp: TabularMDP, policy: ArrayLike, steps: int | None) -> Floats:
    """A policy as probabilities ``(H, S, A)``; ``(1, S, A)`` if no horizon is given."""
    given = np.asarray(policy)
    states, actions = mdp.num_states, mdp.num_actions
    time = () if steps is None else (steps,)
    if np.issubdtype(given.dtype, np.integer) and given.shape in {(states,), (*time, states)}:
        if given.min() < 0 or given.max() >= actions:
            raise ValueError(f"a policy's actions must be in 0..{actions - 1}; got {given.min()} to {given.max()}")
        given = np.eye(actions)[given]
    if given.shape not in {(states, actions), (*time, states, actions)}:
        raise ValueError(
            f"a policy must be integers {(states,)} or probabilities {(states, actions)}, with a first axis for the "
            f"time where there is a horizon; got {given.dtype} {given.shape}"
        )
    if (given < 0).any() or not np.allclose(given.sum(axis=-1), 1.0):
        raise ValueError("a policy's probabilities must be at least 0 and add up to 1 in every state")
    return np.broadcast_to(given.astype(np.float64), (steps or 1, states, actions))


def _check_discount(discount: float) -> None:
    if not 0.0 <= discount < 1.0:
        raise ValueError(
            f"discount must be in [0, 1) where there is no horizon, got {discount}; see finite_horizon_optimum"
        )


def _horizon(mdp: TabularMDP, horizon: int | None, discount: float) -> int:
    steps = mdp.horizon if horizon is None else horizon
    if steps is None or steps < 1:
        raise ValueError(f"this needs a horizon of at least 1 step, and the table has none: horizon={horizon}")
    if not 0.0 <= discount <= 1.0:
        raise ValueError(f"discount must be in [0, 1]; got {discount}")
    return steps
