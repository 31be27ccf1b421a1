"""Restless bandits whose joint actions are combinatorial, as four families of one kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.bandits.action_spaces import FeasibleBinary
from telos.envs.bandits.coupled_instances import (
    CoupledInstance,
    capacity_instance,
    intervention_instance,
    matching_instance,
    path_instance,
)
from telos.envs.bandits.params import State, make_params, new_state
from telos.envs.bandits.restless import describe_arms
from telos.envs.bandits.rules import observe_arms, reset_arms, step_arms
from telos.envs.engine.family import Family

__all__ = ["CapacityBandit", "CoupledBandit", "InterventionBandit", "MatchingBandit", "PathBandit"]

_INVALID = ("error", "project", "noop")


class CoupledBandit(Family):
    """What the four problems share.

    Attributes:
        instance: The arms, the reward of each state that is reached, and the feasible set.
        start: Probabilities of the first states, float64 ``(J, 4)``.
    """

    terms = ("arms",)
    metrics = ("expected_reward", "acted_on")
    reset_rule = staticmethod(reset_arms)
    step_rule = staticmethod(step_arms)
    observe_rule = staticmethod(observe_arms)
    render_modes = ("ansi",)
    kind: ClassVar[str]
    generator: ClassVar[Any]

    def __init__(
        self,
        num_arms: int = 20,
        budget: int = 5,
        horizon: int | None = None,
        instance_seed: int = 0,
        instance: str | CoupledInstance | None = None,
        invalid: str = "error",
    ) -> None:
        made = self._generate(num_arms, budget, instance_seed) if instance is None else _loaded(instance)
        self._configure(made, horizon, invalid)

    def _generate(self, num_arms: int, budget: int, instance_seed: int) -> CoupledInstance:
        return type(self).generator(num_arms, budget, instance_seed)  # type: ignore[no-any-return]

    def _configure(self, instance: CoupledInstance, horizon: int | None, invalid: str) -> None:
        if invalid not in _INVALID:
            raise ValueError(f"invalid={invalid!r} is unknown: choose from {_INVALID}")
        if instance.kind != self.kind:
            raise ValueError(f"the instance is of kind {instance.kind!r}, this environment takes {self.kind!r}")
        self.instance, self.invalid = instance, invalid
        self.horizon = instance.horizon if horizon is None else horizon
        arms = instance.arms
        start = np.zeros((arms.num_arms, arms.num_states))
        start[:, :2] = 0.5
        self.start = start
        self.params = make_params(arms, start, self.horizon, instance.next_state_rewards)
        self.work = arms.num_arms * arms.num_states
        self.observation_space = spaces.Box(0, arms.num_states - 1, (arms.num_arms,), np.int16)
        self.action_space = FeasibleBinary(instance.feasible.action_size, instance.feasible)

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` environments."""
        return new_state(num_envs, self.params)

    def check_actions(self, actions: NDArray[Any], state: State) -> NDArray[Any]:
        """Returns the arms' levels, ``(n, J)``, with infeasible rows treated as ``invalid`` says."""
        actions = super().check_actions(actions, state).astype(np.int8, copy=False)
        feasible_set = self.instance.feasible
        levels = feasible_set.levels(actions)
        good = feasible_set.feasible_batch(actions)
        if good.all():
            return levels
        if self.invalid == "error":
            row = int(np.argmin(good))
            raise ValueError(
                f"infeasible action of environment {row}: {feasible_set.violation(actions[row])}; see feasible(), "
                "sample_feasible() and linear_oracle(), or make the environment with invalid='project' or 'noop'"
            )
        levels = levels.copy()
        levels[~good] = 0
        if self.invalid == "project":
            wanted = feasible_set.levels(actions[~good])
            agreement = np.zeros((*wanted.shape, feasible_set.num_levels))
            np.put_along_axis(agreement, wanted[..., None], 1.0, axis=-1)
            levels[~good] = feasible_set.levels(feasible_set.linear_oracle(agreement))
        return levels

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The time, and how many arms are in each state."""
        return describe_arms(state, row, self.instance.arms.num_states)


def _loaded(path: str | Path | CoupledInstance) -> CoupledInstance:
    return path if isinstance(path, CoupledInstance) else CoupledInstance.load(Path(path))


class PathBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABPathEnv`."""

    kind, generator = "path", staticmethod(path_instance)


class MatchingBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABMatchingEnv`."""

    kind, generator = "matching", staticmethod(matching_instance)


class CapacityBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABCapacityEnv`."""

    kind, generator = "capacity", staticmethod(capacity_instance)


class InterventionBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABInterventionEnv`."""

    kind = "intervention"

    def __init__(
        self,
        num_arms: int = 20,
        budget: int = 5,
        num_actions: int = 10,
        horizon: int | None = None,
        instance_seed: int = 0,
        instance: str | CoupledInstance | None = None,
        invalid: str = "error",
    ) -> None:
        self._num_actions = num_actions
        super().__init__(num_arms, budget, horizon, instance_seed, instance, invalid)

    def _generate(self, num_arms: int, budget: int, instance_seed: int) -> CoupledInstance:
        return intervention_instance(num_arms, budget, self._num_actions, instance_seed)
