"""What tabular policies are worth before any shaping, exactly, and training that is watched in this way.

* ``expected_episode`` - a policy's expected terms, length and completion
* ``train`` - updates of ``Reinforce``, with the expected episode every few of them
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from telos.baselines.reinforce import Reinforce
from telos.baselines.tabular_experience import Floats, Integers
from telos.envs.tabular.mdp import TabularMDP
from telos.envs.tabular.optimum import finite_horizon_occupancy

__all__ = ["Training", "expected_episode", "train"]


def expected_episode(mdp: TabularMDP, policy: Floats) -> dict[str, float]:
    """Expectations over an episode with a finite horizon H.

    Args:
        mdp: The table, with a horizon.
        policy: Probabilities of actions: ``(S, A)``, or ``(S * (H + 1), A)`` where observations are state and time.

    Returns:
        Each reward term's expected sum by its name; ``length``, the expected number of steps; and ``completion``, the
        probability of ending in a terminal state and not at the horizon.

    Raises:
        ValueError: If the table has no horizon, or the policy has another shape.
    """
    if mdp.horizon is None:
        raise ValueError("the expectation over an episode needs a table with a horizon")
    horizon, states, actions = mdp.horizon, mdp.num_states, mdp.num_actions
    if policy.shape == (states * (horizon + 1), actions):
        timed = policy.reshape(states, horizon + 1, actions).transpose(1, 0, 2)
    elif policy.shape == (states, actions):
        timed = np.broadcast_to(policy, (horizon + 1, states, actions))
    else:
        raise ValueError(
            f"policy must have shape {(states, actions)} or {(states * (horizon + 1), actions)}, not {policy.shape}"
        )
    visits = finite_horizon_occupancy(mdp, timed, horizon + 1)
    pairs = visits[:horizon].sum(axis=0)
    worth = {name: (mdp.probabilities * values).sum(axis=2) for name, values in mdp.outcome_rewards.items()}
    return {
        **{name: float((pairs * values).sum()) for name, values in worth.items()},
        "length": float(pairs[~mdp.terminal].sum()),
        "completion": float(visits[horizon][mdp.terminal].sum()),
    }


@dataclass(frozen=True, eq=False)
class Training:
    """How training went, with p points and n runs.

    Attributes:
        updates: Updates made before each point, int64 ``(p + 1,)``.
        paid: What episodes were paid on average between this point and the next, float64 ``(p, n)``.
        expected: What ``expected_episode`` says, by name, float64 ``(p + 1, n)``.
    """

    updates: Integers
    paid: Floats
    expected: dict[str, Floats]


def train(
    learner: Reinforce, mdp: TabularMDP, updates: int, every: int, tick: Callable[[], None] | None = None
) -> Training:
    """Makes updates and evaluates the policy of each run every few of them.

    Args:
        learner: What learns.
        mdp: The table of its environments.
        updates: Updates to make, a multiple of ``every``.
        every: Updates between points.
        tick: Called after every point.

    Raises:
        ValueError: If the numbers do not fit, or as ``expected_episode``.
    """
    if every < 1 or updates < every or updates % every:
        raise ValueError(f"updates={updates} must be a multiple of every={every}, both at least 1")

    def evaluate() -> list[dict[str, float]]:
        return [expected_episode(mdp, policy) for policy in learner.policy]

    points, paid = [evaluate()], []
    for _ in range(updates // every):
        paid.append(np.mean([learner.update().mean(axis=1) for _ in range(every)], axis=0))
        points.append(evaluate())
        if tick is not None:
            tick()
    expected = {name: np.array([[run[name] for run in point] for point in points]) for name in points[0][0]}
    return Training(np.arange(0, updates + 1, every), np.array(paid), expected)
