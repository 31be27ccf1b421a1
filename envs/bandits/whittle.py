"""Whittle indices of many two-level arms at once, with a test of indexability.

The index of a state is the subsidy for passivity at which acting and resting are equally good there. As the subsidy
``x`` rises from minus to plus infinity, an arm's optimal policy changes at finitely many values. Between two of them
the advantage of acting, ``a(s) + b(s) x`` in state ``s``, is linear in ``x``, so the next change is read off exactly,
and one rank-one update moves the advantages on to the next policy: ``S`` updates of an ``S x S`` matrix for an
indexable arm, exact up to rounding, with no bisection. All arms take their steps together, as array operations.

The subsidy-path view and the indexability test follow Gast, Gaujal and Khun, "Testing indexability and computing
Whittle and Gittins index in subcubic time", Mathematical Methods of Operations Research 97(3), 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms

__all__ = ["WhittleResult", "whittle_indices"]

# Ours: advantages and slopes below this fraction of the arm's largest one are rounding, not signs.
_RELATIVE_ZERO = 1e-11
# Ours: a path with more changes of policy than this per state belongs to an arm whose path we give up on.
_MAX_CHANGES_PER_STATE = 64
# Ours: arms are handled in blocks whose S x S matrices hold about this many numbers, so that a block stays in cache.
_BLOCK_NUMBERS = 1 << 15


@dataclass(frozen=True, eq=False)
class WhittleResult:
    """What :func:`whittle_indices` returns.

    Attributes:
        indices: Float64 ``(J, S)``, in units of reward per step: the least subsidy from which on resting stays optimal
            in the state. For an indexable arm that is the Whittle index. For an arm that is not, it still orders the
            states, and is NaN only where the path of optimal policies was too long to follow.
        indexable: Bool ``(J,)``: whether resting, once optimal in a state, stays optimal for every larger subsidy.
    """

    indices: NDArray[np.float64]
    indexable: NDArray[np.bool_]


def whittle_indices(arms: Arms, discount: float) -> WhittleResult:
    """Computes the Whittle index of every state of every arm, exactly (to about 1e-9 of the rewards' scale).

    Args:
        arms: ``J`` arms with two levels, passive and active.
        discount: Discount factor in ``(0, 1)``, or exactly 1 for the average reward; then every policy of every arm
            must have a single recurrent class (unichain).

    Returns:
        Indices ``(J, S)`` and the indexability of each arm.

    Raises:
        ValueError: If the arms have other than two levels, the discount is outside ``(0, 1]``, or, for the average
            reward, a policy on an arm's path has several recurrent classes (the message names the arm).
    """
    if arms.num_levels != 2:
        raise ValueError(
            f"Whittle indices are defined for two levels, passive and active; these arms have {arms.num_levels}. "
            "Use lagrangian_bound's prices for more levels"
        )
    if not 0.0 < discount <= 1.0:
        raise ValueError(f"discount must be in (0, 1), or 1 for the average reward; got {discount}")
    indices = np.empty((arms.num_arms, arms.num_states))
    indexable = np.empty(arms.num_arms, dtype=np.bool_)
    block = max(1, _BLOCK_NUMBERS // arms.num_states**2)
    for start in range(0, arms.num_arms, block):
        part = slice(start, start + block)
        indices[part], indexable[part] = _follow_paths(arms.transitions[part], arms.rewards[part], discount, start)
    return WhittleResult(indices, indexable)


def _follow_paths(
    transitions: NDArray[np.float64], rewards: NDArray[np.float64], discount: float, first_arm: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Follows each arm's optimal policy from "always act" to "always rest" as the subsidy rises.

    A policy's values solve ``M V = reward + subsidy`` with ``M = I - discount P``. For the average reward the value of
    state 0 is fixed at 0 and its column of ``M`` carries the gain instead. ``effect`` is ``D M^-1``, where row ``s`` of
    ``D`` is what changes in ``M`` when ``s`` turns from passive to active.
    """
    count, _, size, _ = transitions.shape
    difference = -discount * (transitions[:, 1] - transitions[:, 0])
    system = np.eye(size) - discount * transitions[:, 1]
    if discount == 1.0:
        system[:, :, 0] = 1.0
        difference[:, :, 0] = 0.0
    effect = _effect(system, difference, first_arm)
    offset = rewards[:, 1] - rewards[:, 0] - (effect @ rewards[:, 1, :, None])[:, :, 0]
    slope = np.full((count, size), -1.0)
    passive = np.zeros((count, size), dtype=np.bool_)
    subsidy = np.full(count, -np.inf)
    index = np.empty((count, size))

    indices = np.full((count, size), np.nan)
    indexable = np.ones(count, dtype=np.bool_)
    arm = np.arange(count)
    for _ in range(_MAX_CHANGES_PER_STATE * size):
        state, subsidy, breaks = _next_change(offset, slope, passive, subsidy)
        lost = np.isinf(subsidy)
        indexable[arm[breaks | lost]] = False
        row = np.arange(len(arm))
        index[row, state] = np.where(breaks, index[row, state], subsidy)
        passive[row, state] = ~breaks
        finished = passive.all(axis=1)
        indices[arm[finished]] = index[finished]
        ended = finished | lost
        if ended.any():
            keep = ~ended
            arm, state, breaks, subsidy = arm[keep], state[keep], breaks[keep], subsidy[keep]
            effect, offset, slope = effect[keep], offset[keep], slope[keep]
            passive, index = passive[keep], index[keep]
            if not len(arm):
                break
            row = row[: len(arm)]
        sign = np.where(breaks, -1.0, 1.0)
        column = effect[row, :, state]
        own = column[row, state]
        pivot = 1.0 - sign * own
        singular = np.abs(pivot) < _RELATIVE_ZERO * (1.0 + np.abs(own))
        if singular.any():
            raise _not_unichain(first_arm + int(arm[singular][0]))
        column *= (sign / pivot)[:, None]
        effect += column[:, :, None] * effect[row, state][:, None, :]
        offset += offset[row, state][:, None] * column
        slope += slope[row, state][:, None] * column
    else:
        indexable[arm] = False
    return indices, indexable


def _next_change(
    offset: NDArray[np.float64],
    slope: NDArray[np.float64],
    passive: NDArray[np.bool_],
    subsidy: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    """Finds, per arm, the state whose best action changes next, at what subsidy, and whether it turns active.

    A state that turns active again breaks indexability. To count, its advantage must be clearly positive where the next
    state turns passive: ties between states leave advantages of rounding size there.
    """
    steep = _RELATIVE_ZERO * np.abs(slope).max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.maximum(-offset / slope, subsidy[:, None])
    falling = np.where(~passive & (slope < -steep), root, np.inf)
    state = falling.argmin(axis=1)
    row = np.arange(len(state))
    after = falling[row, state]
    rising = passive & (slope > steep)
    breaks = np.zeros(len(state), dtype=np.bool_)
    if rising.any():
        moved = np.where(np.isinf(after), 0.0, after)[:, None] * slope
        noise = _RELATIVE_ZERO * (np.abs(offset) + np.abs(moved)).max(axis=1, keepdims=True)
        rising &= (offset + moved > noise) | np.isinf(after)[:, None]
        back = np.where(rising, root, np.inf)
        first = back.argmin(axis=1)
        breaks = rising.any(axis=1)
        state = np.where(breaks, first, state)
        after = np.where(breaks, back[row, first], after)
    return state, after, breaks


def _effect(system: NDArray[np.float64], difference: NDArray[np.float64], first_arm: int) -> NDArray[np.float64]:
    """Computes ``difference @ inv(system)`` per arm; an arm that cannot be solved is named."""
    try:
        solved = np.linalg.solve(system.transpose(0, 2, 1), difference.transpose(0, 2, 1))
    except np.linalg.LinAlgError:
        raise _not_unichain(first_arm + int(np.linalg.matrix_rank(system).argmin())) from None
    return np.ascontiguousarray(solved.transpose(0, 2, 1))


def _not_unichain(arm: int) -> ValueError:
    return ValueError(
        f"arm {arm} has a policy with several recurrent classes, so its average reward depends on the start; "
        "use a discount below 1, or make every state reachable"
    )
