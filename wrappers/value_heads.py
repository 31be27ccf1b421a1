"""Rewards for learners that value what is earned and what is new apart.

* ``split_reward`` - a step's extrinsic and intrinsic reward
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from telos.wrappers.arrays import arrays_of
from telos.wrappers.infos import SingleInfo, VectorInfo
from telos.wrappers.terms import sum_terms

__all__ = ["split_reward"]


def split_reward(reward: Any, info: Mapping[str, Any], intrinsic: Collection[str] | None = None) -> tuple[Any, Any]:
    """Splits what a wrapped environment pays by its terms, for a value function of each kind.

    Two value functions can have discounts of their own, and only one of them need be episodic: random network
    distillation bootstraps the intrinsic value also where an episode ended, so that an agent that may lose nothing new
    is not afraid of the end, and the extrinsic value only where it was truncated.

    Args:
        reward: The reward of one environment's step, or of a vector environment's, shape ``(num_envs,)``, an array or
            a tensor.
        info: What came with it; of a ``ParallelEnv``, one agent's.
        intrinsic: Names of the intrinsic terms; by default those that end in ``"_bonus"``, as the terms of all
            intrinsic wrappers do.

    Returns:
        The sums of the other terms and of these, each like ``reward``, of the terms' dtype. 0 where a vector
        environment only reset.

    Source: Burda et al., Exploration by Random Network Distillation (ICLR 2019, arXiv 1810.12894), section 2.3.

    Example:
        >>> split_reward(1.5, {"reward_terms": {"outcome": 1.0, "rnd_bonus": 0.5}})
        (1.0, 0.5)
    """
    if getattr(reward, "ndim", 0):
        xp = arrays_of(reward)
        every = ~xp.zeros(len(reward), dtype=xp.bool)
        terms = VectorInfo(info, len(reward), xp).read_terms(reward, every)
        nothing = xp.zeros(len(reward), dtype=xp.common_dtype(terms.values()))
    else:
        read, _ = SingleInfo(info).read_terms(reward)
        terms = {name: value.item() for name, value in read.items()}
        nothing = 0.0
    chosen = {name for name in terms if (name.endswith("_bonus") if intrinsic is None else name in intrinsic)}
    parts = ({name: v for name, v in terms.items() if (name in chosen) == inside} for inside in (False, True))
    extrinsic, bonus = (sum_terms(part) if part else nothing for part in parts)
    return extrinsic, bonus
