"""Arms whose state is seen only when they are acted on, as arms over beliefs.

An arm that is acted on shows the state that it is in, and then moves. Until the next time, the belief about its state
is a function of that state, of the level taken, and of the number of passive steps since (Mate et al., "Collapsing
bandits and their application to public health interventions", arXiv:2007.04432, for two states and two levels). So
partially observed arms are again arms, and every bound, index and policy for these applies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms

__all__ = ["BeliefArms", "belief_arms"]

_MOST_CELLS = 200_000_000  # ours: entries of the transition tables, 1.6 GB


@dataclass(frozen=True, eq=False)
class BeliefArms:
    """Arms over beliefs. Belief state ``source * H + age`` with ``source`` 0 for an arm that was never acted on.

    A source above 0 is ``1 + (level - 1) * S + state``: the arm was last acted on at that level, in that state, and has
    been passive for ``age`` steps since it moved. Ages run from 0 to ``H - 1``.

    Attributes:
        arms: The arms over belief states; a step pays the expected reward under the belief.
        start: Probabilities of the first belief states, float64 ``(J, S')``: all mass on "never acted on, age 0".
        beliefs: Float64 ``(J, S', S)``, the belief of each belief state.
    """

    arms: Arms
    start: NDArray[np.float64]
    beliefs: NDArray[np.float64]


def belief_arms(arms: Arms, start: NDArray[np.float64], horizon: int) -> BeliefArms:
    """Turns arms into arms over beliefs, exactly for an episode of ``horizon`` steps.

    Args:
        arms: The arms, ``S`` states and ``A`` levels.
        start: Probabilities of the first states, float64 ``(J, S)``: the first belief.
        horizon: ``H >= 1``, steps of an episode; belief states number ``S' = (1 + (A - 1) S) H``.

    Raises:
        ValueError: If the tables would be too large.
    """
    count, levels, states = arms.rewards.shape
    sources = 1 + (levels - 1) * states
    size = sources * horizon
    if count * levels * size**2 > _MOST_CELLS:
        raise ValueError(
            f"{count} arms with {size} belief states each need tables of {count * levels * size**2:.2g} entries; "
            "use a shorter horizon, fewer arms, or observe='always'"
        )
    beliefs = np.empty((count, sources, horizon, states))
    beliefs[:, 0, 0] = start
    beliefs[:, 1:, 0] = arms.transitions[:, 1:].reshape(count, -1, states)
    for age in range(1, horizon):
        beliefs[:, :, age] = np.einsum("jus,jst->jut", beliefs[:, :, age - 1], arms.transitions[:, 0])
    flat = beliefs.reshape(count, size, states)
    transitions = np.zeros((count, levels, size, size))
    # The last age keeps itself: no episode is long enough to ask for the next one.
    older = (np.arange(sources)[:, None] * horizon + np.minimum(np.arange(horizon) + 1, horizon - 1)).reshape(-1)
    transitions[:, 0, np.arange(size), older] = 1.0
    for level in range(1, levels):
        seen = (1 + (level - 1) * states + np.arange(states)) * horizon
        transitions[:, level][:, :, seen] = flat
    # Sums of products of probabilities are off 1 by rounding.
    transitions /= transitions.sum(axis=3, keepdims=True)
    rewards = np.einsum("jus,jas->jau", flat, arms.rewards)
    first = np.zeros((count, size))
    first[:, 0] = 1.0
    return BeliefArms(Arms(transitions, rewards), first, flat)
