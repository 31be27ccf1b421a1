"""Experience of tabular learners: transitions between numbered states, and what episodes were worth unshaped.

* ``TabularPlayer`` - steps a vector environment and hands out transitions by the states' numbers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

__all__ = ["Floats", "Integers", "TabularPlayer", "TabularStep"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TabularStep:
    """One step of n environments.

    Attributes:
        states: Int64 ``(n,)``, states before the step.
        rewards: Float64 ``(n,)``.
        next_states: Int64 ``(n,)``, states that the step arrived at, also where an episode ended and began anew.
        terminated: Bool ``(n,)``: nothing follows.
        truncated: Bool ``(n,)``: something would have followed, so learners bootstrap.
        active: Bool ``(n,)``; False where the step only began an episode, and nothing is to be learned.
        infos: What the environment said.
    """

    states: Integers
    rewards: Floats
    next_states: Integers
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    active: NDArray[np.bool_]
    infos: dict[str, Any]

    @property
    def done(self) -> NDArray[np.bool_]:
        """Where an episode ended, bool ``(n,)``."""
        return np.asarray((self.terminated | self.truncated) & self.active)


class TabularPlayer:
    """Steps a vector environment whose observations are whole numbers, and hands out transitions.

    Args:
        envs: Environments that reset themselves, in either mode, with ``Discrete`` or ``MultiDiscrete`` observations
            and ``Discrete`` actions that all start at 0.
        seed: Environment ``i`` is seeded ``seed + i``.

    Attributes:
        envs: The environments.
        num_states: S, the number of different observations.
        num_actions: A.
        states: Int64 ``(n,)``, the present states: observations, of several numbers in row-major order.

    Raises:
        ValueError: If environments do not reset themselves, or a space is another.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], seed: int) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
            raise ValueError(
                f"training needs environments that reset themselves, these have {mode}; "
                "use gym.make_vec(..., autoreset_mode='SameStep')"
            )
        observations, actions = envs.single_observation_space, envs.single_action_space
        if isinstance(observations, spaces.Discrete) and observations.start == 0:
            self._shape: tuple[int, ...] = (int(observations.n),)
        elif (
            isinstance(observations, spaces.MultiDiscrete)
            and observations.nvec.ndim == 1
            and not observations.start.any()
        ):
            self._shape = tuple(int(size) for size in observations.nvec)
        else:
            raise ValueError(f"a table needs Discrete or MultiDiscrete observations from 0 on, not {observations}")
        if not isinstance(actions, spaces.Discrete) or actions.start != 0:
            raise ValueError(f"a table needs Discrete actions from 0 on, not {actions}")
        self.envs = envs
        self.num_states, self.num_actions = int(np.prod(self._shape)), int(actions.n)
        self._same_step = mode is AutoresetMode.SAME_STEP
        self.begin(seed)

    def begin(self, seed: int | None = None) -> None:
        """Begins an episode in every environment; without a seed, the next one of each."""
        observation, _ = self.envs.reset(seed=seed)
        self.states = self._number(observation)
        self._resetting = np.zeros(self.envs.num_envs, np.bool_)

    def step(self, actions: Integers) -> TabularStep:
        """Takes a step in every environment; ``actions`` is int64 ``(n,)``."""
        observation, rewards, terminated, truncated, infos = self.envs.step(actions)
        after = self._number(observation)
        done, next_states = terminated | truncated, after
        if self._same_step and done.any():
            next_states = after.copy()
            next_states[done] = self._number(np.stack(list(infos["final_obs"][done])))
        step = TabularStep(self.states, rewards, next_states, terminated, truncated, ~self._resetting, infos)
        self.states = after
        self._resetting = np.zeros_like(done) if self._same_step else step.done
        return step

    def _number(self, observation: NDArray[Any]) -> Integers:
        if len(self._shape) == 1:
            return np.asarray(observation, np.int64).reshape(len(observation))
        return np.asarray(np.ravel_multi_index(tuple(observation.T), self._shape), np.int64)
