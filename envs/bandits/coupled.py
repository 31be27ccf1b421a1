"""Restless bandits whose joint actions are combinatorial, as four families of one kind."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.coupled_instances import (
    CoupledInstance,
    capacity_instance,
    intervention_instance,
    matching_instance,
    path_instance,
)
from telos.envs.bandits.family import BOUND_TOLERANCE, BanditFamily
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.feasible.path import PathSet
from telos.envs.bandits.feasible.roaming import RoamingSet, roaming_sets
from telos.envs.bandits.interaction import interaction_bound_arguments, make_interaction
from telos.envs.bandits.params import State
from telos.envs.bandits.relaxation import hull_bound
from telos.envs.bandits.roaming_bound import roaming_bound

__all__ = ["CapacityBandit", "CoupledBandit", "InterventionBandit", "MatchingBandit", "PathBandit"]


class CoupledBandit(BanditFamily):
    """What the four problems share; see their environments for the arguments.

    Attributes:
        instance: The arms, the reward of each state that is reached, and the feasible set.
    """

    kind: ClassVar[str]
    generator: ClassVar[Any]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Gives the class the signature of its own and of the shared arguments."""
        super().__init_subclass__(**kwargs)
        shared = inspect.signature(CoupledBandit.__init__).parameters
        own = inspect.signature(cls.__init__).parameters
        named = {**own, **shared}.values()
        cls.__signature__ = inspect.Signature(
            [p for p in named if p.name != "self" and p.kind is not inspect.Parameter.VAR_KEYWORD]
        )

    def __init__(
        self,
        num_arms: int = 20,
        budget: int = 5,
        horizon: int | None = None,
        instance_seed: int = 0,
        instance: str | CoupledInstance | None = None,
        invalid: str = "error",
        observe: str = "always",
        features: bool = False,
        certify: bool = False,
        contagion: float = 0.0,
        reward_cap: float | None = None,
    ) -> None:
        made = self._generate(num_arms, budget, instance_seed) if instance is None else _loaded(instance)
        if made.kind != self.kind:
            raise ValueError(f"the instance is of kind {made.kind!r}, this environment takes {self.kind!r}")
        self.instance = made
        start = np.zeros((made.arms.num_arms, made.arms.num_states))
        start[:, :2] = 0.5
        super().__init__(
            made.arms,
            self._feasible_sets(),
            start,
            made.horizon if horizon is None else horizon,
            invalid,
            observe,
            features,
            certify,
            made.next_state_rewards,
            make_interaction(made.arms.num_arms, contagion, reward_cap, made.instance_seed),
            self._depot(),
        )

    def _feasible_sets(self) -> Sequence[FeasibleSet]:
        return [self.instance.feasible]

    def _depot(self) -> int | None:
        return None

    def bound_to_go(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See :meth:`BanditFamily.bound_to_go`; with contagion and reward cap."""
        interaction = self.params.interaction
        influence = interaction_bound_arguments(self.arms, self.instance.next_state_rewards, interaction)
        (feasible_set,) = self.feasible_sets
        bound = hull_bound(self.arms, feasible_set, self.horizon, self.start, tolerance=BOUND_TOLERANCE, **influence)
        return bound.values, bound.paid_back[:, None]

    def _generate(self, num_arms: int, budget: int, instance_seed: int) -> CoupledInstance:
        return type(self).generator(num_arms, budget, instance_seed)  # type: ignore[no-any-return]


def _loaded(path: str | Path | CoupledInstance) -> CoupledInstance:
    return path if isinstance(path, CoupledInstance) else CoupledInstance.load(Path(path))


class PathBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABPathEnv`."""

    kind, generator = "path", staticmethod(path_instance)

    def __init__(self, persistent: bool = False, **shared: Any) -> None:
        self.persistent = persistent
        super().__init__(**shared)

    def _feasible_sets(self) -> Sequence[FeasibleSet]:
        home = self._home()
        # Half a round trip a step.
        return roaming_sets(home, home.max_length // 2) if self.persistent else [home]

    def _depot(self) -> int | None:
        return self._home().source if self.persistent else None

    def _home(self) -> PathSet:
        assert isinstance(self.instance.feasible, PathSet)  # as the instance's kind says
        return self.instance.feasible

    def bound_to_go(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See :meth:`BanditFamily.bound_to_go`."""
        if not self.persistent:
            return super().bound_to_go()
        if self.params.interaction.contagion > 0:
            raise ValueError(
                "certify=True has no bound for a vehicle that stays out among arms that follow each other: "
                "leave out certify, persistent or contagion"
            )
        sets = [each for each in self.feasible_sets if isinstance(each, RoamingSet)]
        bound = roaming_bound(self.arms, sets, self._home().source, self.horizon, self.start)
        return bound.values, bound.collected

    def check_actions(self, actions: NDArray[Any], state: State) -> Any:
        """Returns the arms' levels, ``(n, J)``, and for a vehicle that stays out a column with where it goes."""
        entries = super().check_actions(actions, state)
        if not self.persistent:
            return entries
        pulls, ends = entries[:, : self.arms.num_arms], entries[:, self.arms.num_arms :]
        return np.column_stack([pulls, np.where(ends.any(axis=1), ends.argmax(axis=1), state.position)])


class MatchingBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABMatchingEnv`."""

    kind, generator = "matching", staticmethod(matching_instance)


class CapacityBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABCapacityEnv`."""

    kind, generator = "capacity", staticmethod(capacity_instance)


class InterventionBandit(CoupledBandit):
    """See :class:`telos.envs.bandits.coupled_env.CoRMABInterventionEnv`."""

    kind = "intervention"

    def __init__(self, num_actions: int = 10, **shared: Any) -> None:
        self._num_actions = num_actions
        super().__init__(**shared)

    def _generate(self, num_arms: int, budget: int, instance_seed: int) -> CoupledInstance:
        return intervention_instance(num_arms, budget, self._num_actions, instance_seed)
