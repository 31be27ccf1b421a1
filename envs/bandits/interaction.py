"""How arms act on each other, and how their rewards add up, where a bandit is made harder than its published form."""

from __future__ import annotations

import numpy as np

from telos.envs.bandits.coupled_instances import planar_edges
from telos.envs.bandits.instances import stream
from telos.envs.bandits.params import INDEPENDENT, Interaction

__all__ = ["make_interaction"]

GROUP = 5  # ours: arms that share a reward cap


def make_interaction(num_arms: int, contagion: float, reward_cap: float | None, instance_seed: int) -> Interaction:
    """Draws the graph of neighbours and the groups that share a cap.

    Args:
        num_arms: J.
        contagion: The chance, 0 to 1, that an arm, having moved, follows a random neighbour by one state. Neighbours
            are joined by an edge of :func:`~telos.envs.bandits.coupled_instances.planar_edges`.
        reward_cap: The most that the arms of a group of five earn together in a step, above 0; None for no cap.
        instance_seed: >= 0.

    Returns:
        The interaction, or ``INDEPENDENT`` if there is none.

    Raises:
        ValueError: If an argument is out of range.
    """
    if not 0.0 <= contagion <= 1.0:
        raise ValueError(f"contagion must be a probability in 0..1, got {contagion}")
    if reward_cap is not None and not reward_cap > 0.0:
        raise ValueError(f"reward_cap must be above 0, or None for no cap; got {reward_cap}")
    if contagion == 0.0 and reward_cap is None:
        return INDEPENDENT
    neighbours: list[list[int]] = [[] for _ in range(num_arms)]
    for one, other in planar_edges(num_arms, instance_seed).tolist() if contagion else ():
        neighbours[one].append(other)
        neighbours[other].append(one)
    degrees = np.array([len(joined) for joined in neighbours])
    table = np.zeros((num_arms, max(1, int(degrees.max()))), np.int32)
    for arm, joined in enumerate(neighbours):
        table[arm, : len(joined)] = joined
    order = stream(instance_seed, "reward groups").permutation(num_arms)
    return Interaction(
        np.array(contagion, np.float64),
        table,
        degrees,
        order // GROUP,
        np.array(np.inf if reward_cap is None else reward_cap, np.float64),
    )
