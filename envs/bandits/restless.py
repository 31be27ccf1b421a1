"""The classic restless bandit as a family: J arms, a budget, and nothing else that couples them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.family import BOUND_TOLERANCE, BanditFamily
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.instances import (
    birth_death_arms,
    machine_maintenance_arms,
    maternal_health_arms,
    random_arms,
    streaming_arms,
)
from telos.envs.bandits.relaxation import lagrangian_bound

__all__ = ["CLASSIC_INSTANCES", "RestlessBandit"]

CLASSIC_INSTANCES: dict[str, Callable[[int, int], Arms]] = {
    "birth_death": birth_death_arms,
    "machine_maintenance": machine_maintenance_arms,
    "maternal_health": maternal_health_arms,
    "random": random_arms,
    "streaming": streaming_arms,
}


class RestlessBandit(BanditFamily):
    """See :class:`telos.envs.bandits.env.RestlessBanditEnv` for the arguments."""

    devices = ("cpu", "cuda")

    def __init__(
        self,
        instance: str = "birth_death",
        num_arms: int = 20,
        budget: int = 5,
        horizon: int = 20,
        instance_seed: int = 0,
        level_costs: Sequence[int] | None = None,
        invalid: str = "error",
        observe: str = "always",
        features: bool = False,
        certify: bool = False,
        arms: Arms | Mapping[str, Any] | None = None,
        start: NDArray[np.float64] | Sequence[Sequence[float]] | None = None,
    ) -> None:
        if arms is not None:
            made = arms if isinstance(arms, Arms) else Arms(**{k: np.asarray(v, float) for k, v in arms.items()})
        elif instance in CLASSIC_INSTANCES:
            made = CLASSIC_INSTANCES[instance](num_arms, instance_seed)
        else:
            raise ValueError(f"instance {instance!r} is unknown: choose from {sorted(CLASSIC_INSTANCES)} or pass arms=")
        count, levels, states = made.num_arms, made.num_levels, made.num_states
        costs = np.arange(levels) if level_costs is None else np.asarray(level_costs)
        if costs.shape != (levels,):
            raise ValueError(f"level_costs must hold a cost for each of {levels} levels; got {level_costs}")
        super().__init__(
            made,
            [BudgetSet(count, budget, costs)],
            np.full((count, states), 1.0 / states) if start is None else np.asarray(start, np.float64),
            horizon,
            invalid,
            observe,
            features,
            certify,
        )

    def bound_to_go(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See :meth:`BanditFamily.bound_to_go`; for any number of arms."""
        (budget_set,) = self.feasible_sets
        assert isinstance(budget_set, BudgetSet)
        costs, budget = budget_set.level_costs, budget_set.budget
        bound = lagrangian_bound(self.arms, budget, self.horizon, self.start, costs=costs, tolerance=BOUND_TOLERANCE)
        return bound.values, bound.paid_back[:, None]
