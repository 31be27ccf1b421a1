"""Experience of value-based learners: transitions from vector environments, and a memory of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from telos.baselines.q_network import Features, Inputs

__all__ = ["Player", "Replay", "Rows", "SetOf", "concatenate", "feasible_set_indices"]

Rows = dict[str, NDArray[Any]]
SetOf = Callable[[Any], NDArray[np.int64]]


def feasible_set_indices(set_of: SetOf | None, observation: Any) -> NDArray[np.int64]:
    """The index of the feasible set at each observation, int64 ``(n,)``; 0 where there is one set."""
    if set_of is not None:
        return set_of(observation)
    first = next(iter(observation.values())) if isinstance(observation, dict) else observation
    return np.zeros(len(first), np.int64)


class Replay:
    """The newest transitions.

    Args:
        capacity: How many.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity, self._added = capacity, 0
        self._arrays: dict[str, NDArray[Any]] = {}

    def add(self, rows: Rows) -> None:
        """Takes transitions in, at most ``capacity`` at once; "rewards" is one of their parts."""
        count = len(rows["rewards"])
        places = (self._added + np.arange(count)) % self._capacity
        for name, values in rows.items():
            if name not in self._arrays:
                self._arrays[name] = np.zeros((self._capacity, *values.shape[1:]), values.dtype)
            self._arrays[name][places] = values
        self._added += count

    def draw(self, rng: np.random.Generator, count: int) -> Rows:
        """Transitions drawn with replacement, each equally likely."""
        places = rng.integers(min(self._added, self._capacity), size=count)
        return {name: values[places] for name, values in self._arrays.items()}


class Player:
    """Steps a vector environment that resets itself, and hands out transitions.

    Args:
        envs: The environments.
        features: What a network sees of an observation.
        set_of: The index of the feasible set at each observation; None where there is one set.
        seed: Seed of the environments.

    Raises:
        ValueError: If the environments do not reset themselves.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], features: Features, set_of: SetOf | None, seed: int) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
            raise ValueError(
                f"training needs environments that reset themselves, these have {mode}; "
                "use gym.make_vec(..., autoreset_mode='SameStep')"
            )
        self._envs, self._features, self._set_of = envs, features, set_of
        self._same_step = mode is AutoresetMode.SAME_STEP
        self._observation, _ = envs.reset(seed=seed)
        self._t = np.zeros(envs.num_envs, np.int64)
        self._only_resets = np.zeros(envs.num_envs, np.bool_)  # the step after an episode's last in NEXT_STEP

    def see(self) -> tuple[Inputs, NDArray[np.int64]]:
        """What the network sees now, and the indices of the feasible sets."""
        return self._features(self._observation, self._t), feasible_set_indices(self._set_of, self._observation)

    def step(self, choose: Callable[[Inputs, NDArray[np.int64]], NDArray[np.int8]]) -> Rows:
        """Takes a step with the chosen actions; the transitions, by the names of their parts."""
        inputs, sets = self.see()
        actions = choose(inputs, sets)
        observation, rewards, terminated, truncated, infos = self._envs.step(actions)
        done, skipped = terminated | truncated, self._only_resets
        expected, last = infos.get("expected_reward", rewards), observation
        if self._same_step and done.any():
            expected = np.where(done, infos["final_info"].get("expected_reward", rewards), expected)
            last = _merge(observation, infos["final_obs"], done)
        after = self._features(last, self._t + 1)
        rows = {
            "features": inputs.features,
            "gates": inputs.gates,
            "sets": sets,
            "actions": actions,
            "rewards": rewards,
            "expected": expected,
            "terminated": terminated,
            "features_after": after.features,
            "gates_after": after.gates,
            "sets_after": feasible_set_indices(self._set_of, last),
        }
        self._observation = observation
        self._t = np.where(done if self._same_step else skipped, 0, self._t + 1)
        self._only_resets = np.zeros_like(done) if self._same_step else done & ~skipped
        return {name: values[~skipped] for name, values in rows.items()}


def _merge(observation: Any, final: Any, done: NDArray[np.bool_]) -> Any:
    if isinstance(observation, dict):
        return {name: _merge(values, final[name], done) for name, values in observation.items()}
    merged = observation.copy()
    merged[done] = np.stack(list(final[done]))
    return merged


def concatenate(parts: list[Rows]) -> Rows:
    """One after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
