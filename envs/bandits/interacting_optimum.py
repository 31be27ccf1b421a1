"""Exact optima of small bandits whose arms follow each other or share a reward cap, by dynamic programming.

Given the joint state, arms still move independently of each other. So a backup contracts the values of the next joint
states with one arm's transition probabilities after the other, for all levels at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from telos.envs.bandits.dual import Floats
from telos.envs.bandits.feasible.base import batches
from telos.envs.bandits.optimum import FiniteHorizonOptimum

if TYPE_CHECKING:
    from telos.envs.bandits.coupled import CoupledBandit

__all__ = ["interacting_optimum"]

_MAX_CELLS = 500_000_000  # ours: joint states times values of a backup, a few seconds a step


def interacting_optimum(family: CoupledBandit) -> FiniteHorizonOptimum:
    """Computes the exact optimum of a coupled bandit, with its contagion and its reward cap.

    Args:
        family: ``env.unwrapped.family`` of a coupled bandit that is always observed and has no vehicle that stays out.

    Raises:
        ValueError: If the bandit is of another kind, or too large.
    """
    if family.beliefs is not None or family.roams:
        raise ValueError("this needs observe='always', and a path problem that is not persistent")
    arms, (feasible_set,) = family.arms, family.feasible_sets
    count, num_levels, num_states = arms.rewards.shape
    size, choices_size = num_states**count, num_levels**count
    cells = size * max(num_levels * size // num_states, choices_size)
    if cells > _MAX_CELLS:
        raise ValueError(f"{count} arms with {num_states} states take tables of {cells:.2g} numbers; use fewer arms")
    joint = np.stack(np.unravel_index(np.arange(size), (num_states,) * count), axis=1)
    chances = _chances(family, joint)
    paid = _joint_rewards(family, joint)
    actions = feasible_set.enumerate()
    number = np.ravel_multi_index(tuple(feasible_set.levels(actions).T), (num_levels,) * count)
    values = np.zeros((family.horizon + 1, size))
    choices = np.empty((family.horizon, size), dtype=np.int32)
    for t in range(family.horizon - 1, -1, -1):
        following = paid + values[t + 1]
        for rows in batches(size, num_levels * size // num_states):
            worth = np.broadcast_to(following, (len(joint[rows]), 1, size))
            for arm in range(count):
                table = worth.reshape(len(worth), worth.shape[1], num_states, -1)
                expected = np.einsum("nlsr,nas->nlar", table, chances[arm][rows], optimize=True)
                worth = expected.reshape(len(worth), worth.shape[1] * num_levels, -1)
            offers = worth[:, number, 0]
            choices[t, rows] = offers.argmax(axis=1)
            values[t, rows] = offers.max(axis=1)
    mean = values[0]
    for distribution in family.start:
        mean = distribution @ mean.reshape(num_states, -1)
    return FiniteHorizonOptimum(values, choices, actions, (num_states,) * count, float(mean[0]))


def _chances(family: CoupledBandit, joint: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> list[Floats]:
    """For each arm float64 ``(N, A, S)``: the probabilities of its next state in each joint state, by level."""
    interaction, transitions = family.params.interaction, family.arms.transitions
    influence = float(interaction.contagion)
    ladder = np.arange(family.arms.num_states)
    chances = []
    for arm in range(family.arms.num_arms):
        alone = transitions[arm][:, joint[:, arm]].transpose(1, 0, 2)
        degree = int(interaction.degrees[arm]) if interaction.degrees.size else 0
        followed = np.zeros_like(alone)
        for neighbour in interaction.neighbours[arm, :degree] if degree else ():
            reached = ladder + np.sign(joint[:, neighbour, None] - ladder)  # (N, S)
            for after in ladder:
                followed[np.arange(len(joint)), :, reached[:, after]] += alone[:, :, after] / degree
        chances.append((1.0 - influence) * alone + influence * followed if degree else alone)
    return chances


def _joint_rewards(family: CoupledBandit, joint: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> Floats:
    """What a step pays for the joint state that it reaches, float64 ``(N,)``."""
    earned = family.instance.next_state_rewards[np.arange(joint.shape[1]), joint]
    interaction = family.params.interaction
    if not interaction.groups.size:
        return np.asarray(earned.sum(axis=1))
    by_group = earned @ np.eye(interaction.groups.max() + 1)[interaction.groups]
    return np.asarray(np.minimum(by_group, interaction.reward_cap).sum(axis=1))
