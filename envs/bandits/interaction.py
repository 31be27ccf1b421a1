"""How arms act on each other, and how their rewards add up, where a bandit is made harder than its published form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.coupled_instances import planar_edges
from telos.envs.bandits.instances import stream
from telos.envs.bandits.params import INDEPENDENT, Interaction

__all__ = ["contagion_alternatives", "interaction_bound_arguments", "leader_chances", "make_interaction"]

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


def contagion_alternatives(
    arms: Arms, next_state_rewards: NDArray[np.float64], interaction: Interaction
) -> tuple[Arms, ...]:
    """The ways in which a bandit's arms may move, one for each state that the leader of every arm may be in.

    Whatever its neighbours' states, an arm moves as a mixture of these: as ``alternatives`` of
    :func:`~telos.envs.bandits.relaxation.hull_bound` they give a bound for arms that follow each other. An arm without
    neighbours moves on its own in all of them.

    Args:
        arms: How the arms move before they follow, ``J`` arms with ``S`` states.
        next_state_rewards: The reward of the state that is reached, float64 ``(J, S)``.
        interaction: Who follows whom, and how often.

    Returns:
        ``S`` sets of arms, with the expected rewards of the states that they reach; one without contagion.
    """
    count, _, states, _ = arms.transitions.shape
    influence = (
        float(interaction.contagion) * (interaction.degrees > 0) if interaction.degrees.size else np.zeros(count)
    )
    ladder = np.arange(states)
    made = []
    for leader in ladder if influence.any() else ladder[:1]:
        shift = np.eye(states)[ladder + np.sign(leader - ladder)]
        weight = influence[:, None, None, None]
        transitions = (1.0 - weight) * arms.transitions + weight * (arms.transitions @ shift)
        made.append(Arms(transitions, np.einsum("jast,jt->jas", transitions, next_state_rewards)))
    return tuple(made)


def leader_chances(interaction: Interaction) -> NDArray[np.float64]:
    """Whom each arm follows, where it follows: float64 ``(J, J)``, a row of 0 for an arm without neighbours."""
    count = len(interaction.degrees)
    chances = np.zeros((count, count))
    for arm, degree in enumerate(interaction.degrees):
        chances[arm, interaction.neighbours[arm, :degree]] = 1.0 / max(1, degree)
    return chances


def interaction_bound_arguments(
    arms: Arms, next_state_rewards: NDArray[np.float64], interaction: Interaction
) -> dict[str, Any]:
    """What :func:`~telos.envs.bandits.relaxation.hull_bound` must know of an interaction, by argument."""
    known: dict[str, Any] = {}
    if interaction.contagion > 0:
        known["alternatives"] = contagion_alternatives(arms, next_state_rewards, interaction)
        known["leaders"] = leader_chances(interaction)
    if np.isfinite(interaction.reward_cap):
        known |= {"groups": interaction.groups, "cap": float(interaction.reward_cap)}
    return known
