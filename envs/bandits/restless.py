"""The classic restless bandit as a family: J arms, a budget, and nothing else that couples them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.bandits.action_spaces import FeasibleBinary, FeasibleLevels
from telos.envs.bandits.arms import Arms
from telos.envs.bandits.instances import (
    birth_death_arms,
    machine_maintenance_arms,
    maternal_health_arms,
    random_arms,
)
from telos.envs.bandits.params import State, make_params, new_state
from telos.envs.bandits.rules import observe_arms, reset_arms, step_arms
from telos.envs.engine.family import Family

__all__ = ["CLASSIC_INSTANCES", "LevelBudget", "RestlessBandit", "describe_arms"]

_INVALID = ("error", "project", "noop")
CLASSIC_INSTANCES: dict[str, Callable[[int, int], Arms]] = {
    "birth_death": birth_death_arms,
    "machine_maintenance": machine_maintenance_arms,
    "maternal_health": maternal_health_arms,
    "random": random_arms,
}


class LevelBudget:
    """The vectors of levels whose costs add up to no more than the budget.

    Args:
        costs: Cost of each level, int64 ``(A,)``.
        budget: The budget.
        num_arms: J.
    """

    def __init__(self, costs: NDArray[np.int64], budget: int, num_arms: int) -> None:
        self.costs, self.budget, self.num_arms = costs, budget, num_arms
        self._plain = np.array_equal(costs, np.arange(len(costs)))

    def _costs_of(self, levels: NDArray[Any]) -> NDArray[Any]:
        return levels if self._plain else self.costs[levels]

    def spent(self, levels: NDArray[Any]) -> int:
        """Cost of one action ``(J,)``."""
        return int(self._costs_of(levels).sum())

    def feasible_batch(self, levels: NDArray[Any]) -> NDArray[np.bool_]:
        """Which actions ``(count, J)`` keep the budget."""
        return np.asarray(self._costs_of(levels).sum(axis=-1, dtype=np.int64) <= self.budget)

    def cut(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Sets arms to passive from where the budget is used up, in the order of the arms."""
        return np.where(np.cumsum(self._costs_of(levels), axis=1) <= self.budget, levels, 0)

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Random actions: random levels for the arms in random order until the budget is used up."""
        shape = (count, self.num_arms)
        levels = self.cut(rng.integers(len(self.costs), size=shape))
        return rng.permuted(levels, axis=1)


def describe_arms(state: State, row: int, num_states: int) -> str:
    """The time of one environment, and how many of its arms are in each state."""
    counts = np.bincount(state.arms[row], minlength=num_states)
    return f"t={state.time[row]}  arms by state: " + "  ".join(f"{s}:{n}" for s, n in enumerate(counts))


class RestlessBandit(Family):
    """See :class:`telos.envs.bandits.env.RestlessBanditEnv` for the arguments.

    Attributes:
        arms: The arms.
        start: Probabilities of the first states, float64 ``(J, S)``.
        level_costs: Cost of each level, int64 ``(A,)``.
    """

    terms = ("arms",)
    metrics = ("expected_reward", "acted_on")
    reset_rule = staticmethod(reset_arms)
    step_rule = staticmethod(step_arms)
    observe_rule = staticmethod(observe_arms)
    render_modes = ("ansi",)

    def __init__(
        self,
        instance: str = "birth_death",
        num_arms: int = 20,
        budget: int = 5,
        horizon: int = 20,
        instance_seed: int = 0,
        level_costs: Sequence[int] | None = None,
        invalid: str = "error",
        arms: Arms | Mapping[str, Any] | None = None,
        start: NDArray[np.float64] | Sequence[Sequence[float]] | None = None,
    ) -> None:
        if invalid not in _INVALID:
            raise ValueError(f"invalid={invalid!r} is unknown: choose from {_INVALID}")
        if arms is not None:
            self.arms = arms if isinstance(arms, Arms) else Arms(**{k: np.asarray(v, float) for k, v in arms.items()})
        elif instance in CLASSIC_INSTANCES:
            self.arms = CLASSIC_INSTANCES[instance](num_arms, instance_seed)
        else:
            raise ValueError(f"instance {instance!r} is unknown: choose from {sorted(CLASSIC_INSTANCES)} or pass arms=")
        count, levels, states = self.arms.num_arms, self.arms.num_levels, self.arms.num_states
        self.level_costs = np.arange(levels) if level_costs is None else np.asarray(level_costs, np.int64)
        if self.level_costs.shape != (levels,) or self.level_costs[0] != 0 or (self.level_costs < 0).any():
            raise ValueError(
                f"level_costs must be {levels} non-negative integers, the first (passive) 0; got {level_costs}"
            )
        if budget < 0:
            raise ValueError(f"budget must not be negative, got {budget}")
        self.budget, self.horizon, self.invalid = budget, horizon, invalid
        self.start = np.full((count, states), 1.0 / states) if start is None else np.asarray(start, np.float64)
        self.params = make_params(self.arms, self.start, horizon)
        self.work = count * states
        self.observation_space = spaces.Box(0, states - 1, (count,), np.int16)
        self.constraint = LevelBudget(self.level_costs, budget, count)
        self.action_space = (
            FeasibleBinary(count, self.constraint)
            if levels == 2
            else FeasibleLevels(np.full(count, levels), self.constraint)
        )

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` environments."""
        return new_state(num_envs, self.params)

    def check_actions(self, actions: NDArray[Any], state: State) -> NDArray[Any]:
        """Returns the arms' levels, ``(n, J)``, with invalid rows treated as ``invalid`` says."""
        levels = super().check_actions(actions, state)
        over = ~self.constraint.feasible_batch(levels)
        if not over.any():
            return levels
        if self.invalid == "error":
            row = int(np.argmax(over))
            raise ValueError(
                f"budget: the action of environment {row} costs {self.constraint.spent(levels[row])}, the budget is "
                f"{self.budget}; act on fewer arms, or make the environment with invalid='project' or 'noop'"
            )
        if self.invalid == "noop":
            return np.where(over[:, None], 0, levels)
        # The arms that come first keep their levels for as long as the budget lasts.
        return self.constraint.cut(levels)

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The time, and how many arms are in each state."""
        return describe_arms(state, row, self.arms.num_states)
