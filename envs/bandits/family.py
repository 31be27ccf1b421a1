"""What all bandits share: arms that move by their levels, and a feasible set that couples the levels."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.bandits.action_spaces import FeasibleBinary, FeasibleLevels
from telos.envs.bandits.arms import Arms
from telos.envs.bandits.belief import belief_arms
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.params import (
    INDEPENDENT,
    ArmsAndFeatures,
    ArmsAndVehicle,
    ArmsFeaturesAndVehicle,
    Interaction,
    State,
    make_params,
    new_state,
)
from telos.envs.bandits.rules import (
    observe_arms,
    observe_arms_and_features,
    observe_arms_and_vehicle,
    observe_arms_features_and_vehicle,
    reset_arms,
    step_arms,
    step_interacting_arms,
)
from telos.envs.engine.arrays import on_host
from telos.envs.engine.family import Family

__all__ = ["BOUND_TOLERANCE", "BanditFamily"]

BOUND_TOLERANCE = 1e-3  # ours: of the bounds in info, relative; tighter ones take a linear program

_INVALID = ("error", "project", "noop")
_OBSERVE = ("always", "acted_on")
#: What is observed besides the arms: the type of the observation, and its rule.
_DETAILS: dict[tuple[bool, bool], tuple[Any, Any]] = {
    (False, False): (None, observe_arms),
    (True, False): (ArmsAndFeatures, observe_arms_and_features),
    (False, True): (ArmsAndVehicle, observe_arms_and_vehicle),
    (True, True): (ArmsFeaturesAndVehicle, observe_arms_features_and_vehicle),
}


class BanditFamily(Family):
    """Arms and a feasible set.

    Args:
        arms: The arms.
        feasible_sets: The joint actions that may be taken in a step: one set, or one for each position of a vehicle.
        start: Probabilities of the first states, float64 ``(J, S)``.
        horizon: Steps of an episode.
        invalid: What an infeasible action does: ``"error"``, ``"project"`` (:meth:`FeasibleSet.project`) or ``"noop"``
            (all arms passive).
        observe: ``"always"``, or ``"acted_on"``: see :mod:`telos.envs.bandits.belief`.
        features: Whether the observation holds the instance.
        certify: Whether ``info`` has a certified upper bound on the reward to go.
        next_state_rewards: Float64 ``(J, S)`` if a step pays the states that are reached; None if it pays the arms'
            expected rewards.
        interaction: How arms act on each other.
        depot: Where a vehicle that stays out is at first; None if there is none.

    Attributes:
        arms: The arms, over beliefs if they are seen only when acted on.
        start: Probabilities of their first states.
        beliefs: Float64 ``(J, S', S)``: what each belief state says of the state; None if the state is seen.
        roams: Whether there is a vehicle that stays out, so that the feasible set depends on where it is.
    """

    terms = ("arms",)
    metrics: tuple[str, ...] = ("acted_on", "expected_reward")
    reset_rule = staticmethod(reset_arms)
    step_rule = staticmethod(step_arms)
    observe_rule = staticmethod(observe_arms)
    render_modes = ("ansi",)
    # Feasibility is decided by matrix products of NumPy's.
    devices: ClassVar[tuple[str, ...]] = ("cpu",)

    def __init__(
        self,
        arms: Arms,
        feasible_sets: Sequence[FeasibleSet],
        start: NDArray[np.float64],
        horizon: int,
        invalid: str,
        observe: str,
        features: bool,
        certify: bool,
        next_state_rewards: NDArray[np.float64] | None = None,
        interaction: Interaction = INDEPENDENT,
        depot: int | None = None,
    ) -> None:
        for name, value, known in (("invalid", invalid, _INVALID), ("observe", observe, _OBSERVE)):
            if value not in known:
                raise ValueError(f"{name}={value!r} is unknown: choose from {known}")
        described = _features(arms, next_state_rewards) if features else None
        self.beliefs: NDArray[np.float64] | None = None
        if observe == "acted_on":
            if interaction is not INDEPENDENT:
                raise ValueError(
                    "observe='acted_on' needs arms that do not interact: leave contagion and reward_cap out"
                )
            hidden = belief_arms(arms, start, horizon)
            # A reward drawn from the state would show it.
            arms, start, self.beliefs, next_state_rewards = hidden.arms, hidden.start, hidden.beliefs, None
        self.arms, self.feasible_sets, self.start = arms, feasible_sets, start
        self.horizon, self.invalid = horizon, invalid
        self.params = make_params(arms, start, horizon, next_state_rewards, interaction, described, depot or 0)
        self.work = arms.num_arms * arms.num_states
        self.roams = depot is not None
        self.observation_type, self.observe_rule = _DETAILS[features, self.roams]
        seen: dict[str, spaces.Space[Any]] = {"arms": spaces.Box(0, arms.num_states - 1, (arms.num_arms,), np.int16)}
        if described is not None:
            seen["features"] = spaces.Box(-np.inf, np.inf, described.shape, np.float32)
        if self.roams:
            seen["vehicle"] = spaces.MultiBinary(arms.num_arms)
        self.observation_space = spaces.Dict(seen) if len(seen) > 1 else seen["arms"]
        if interaction is not INDEPENDENT:
            self.step_rule = step_interacting_arms
            if np.isfinite(interaction.reward_cap):
                self.metrics = ("acted_on",)
        if certify:
            values, collected = self.bound_to_go()
            self.params = self.params._replace(values=values, collected=collected)
            self.metrics = (*self.metrics, "upper_bound")
        first = feasible_sets[0]
        if self.roams:
            # A space cannot know where the vehicle is.
            self.action_space = spaces.MultiBinary(first.action_size)
        elif first.action_levels == 2:
            self.action_space = FeasibleBinary(first.action_size, first)
        else:
            self.action_space = FeasibleLevels(np.full(first.action_size, first.action_levels), first)

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` environments."""
        return new_state(num_envs, self.params)

    @abc.abstractmethod
    def bound_to_go(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A bound on the expected reward from time ``t`` on: the sum of each arm's value and of what is collected.

        Returns:
            Values ``(H + 1, J, S)``, and charges to collect ``(H + 1, 1)``, or ``(H + 1, J)`` by a vehicle's position.
        """

    def set_index(self, state: State) -> NDArray[np.int64]:
        """Which of the feasible sets holds in each environment, ``(n,)``."""
        return state.position.astype(np.int64) if self.roams else np.zeros(len(state.time), np.int64)

    def check_actions(self, actions: Any, state: State) -> Any:
        """Returns the arms' levels, ``(n, J)``, with infeasible rows treated as ``invalid`` says."""
        actions = super().check_actions(actions, state)
        if isinstance(actions, np.ndarray):
            # Of one type, so that kernels are compiled once.
            actions = actions.astype(np.int8, copy=False)
        if not self.roams:
            return self._levels(self.feasible_sets[0], actions, range(len(actions)))
        index = self.set_index(state)
        levels = np.empty((len(actions), self.feasible_sets[0].num_arms), np.int64)
        for used in np.unique(index):
            rows = np.flatnonzero(index == used)
            levels[rows] = self._levels(self.feasible_sets[used], actions[rows], rows)
        return levels

    def _levels(self, feasible_set: FeasibleSet, actions: Any, rows: NDArray[np.int64] | range) -> Any:
        """The levels of the actions of the environments ``rows``, which share a feasible set."""
        good = feasible_set.feasible_batch(actions)
        if not good.all():
            if self.invalid == "error":
                wrong = int(on_host(good).argmin())
                raise ValueError(
                    f"infeasible action of environment {rows[wrong]}: "
                    f"{feasible_set.violation(on_host(actions[wrong]))}; see "
                    "feasible(), sample_feasible() and linear_oracle(), or make the environment with "
                    "invalid='project' or 'noop'"
                )
            actions = actions + 0  # a copy, of an array or a tensor
            actions[~good] = 0 if self.invalid == "noop" else feasible_set.project(actions[~good])
        return feasible_set.levels(actions)

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The time, how many arms are in each state, and where the vehicle is."""
        counts = np.bincount(state.arms[row], minlength=self.arms.num_states)
        text = f"t={state.time[row]}  arms by state: " + "  ".join(f"{s}:{n}" for s, n in enumerate(counts) if n)
        return text + (f"  vehicle in {state.position[row]}" if self.roams else "")


def _features(arms: Arms, next_state_rewards: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """All that an arm's dynamics depend on: what its states pay, and its transition probabilities."""
    pays = arms.rewards if next_state_rewards is None else next_state_rewards
    parts = [pays.reshape(arms.num_arms, -1), arms.transitions.reshape(arms.num_arms, -1)]
    return np.concatenate(parts, axis=1).astype(np.float32)
