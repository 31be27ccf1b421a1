"""Gymnasium's ``Env`` of a family: a batch of one."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, SupportsFloat

import gymnasium as gym
import numpy as np

from telos.envs.engine.batch import Batch
from telos.envs.engine.episodes import WhenDone
from telos.envs.engine.faces import (
    Cloneable,
    Watchable,
    make_family,
    metadata_of,
    row_of,
    shown,
    signature_of,
    unbatched,
)
from telos.envs.engine.family import Family

__all__ = ["SimulatedEnv"]


class SimulatedEnv(Cloneable, Watchable, gym.Env[Any, Any]):
    """One environment of a family; subclasses name the family and carry its documentation.

    A multi-agent family with one agent is an environment, too.

    Args:
        render_mode: One of the family's, or None.
        **arguments: The family's arguments.
    """

    family_type: ClassVar[type[Family]]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes render modes and arguments from the family."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature_of(cls.family_type, render_mode=None)
        cls.metadata = metadata_of(cls.family_type)

    def __init__(self, *, render_mode: str | None = None, **arguments: Any) -> None:
        self._open(self.family_type, render_mode)
        self.family: Any = make_family(self.family_type, arguments)
        self.observation_space, self.action_space = self.family.observation_space, self.family.action_space
        # One environment is never worth a second thread.
        self._batch = Batch(self.family, 1, num_threads=1)
        self._seeded = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode: the seed's first, or without a seed the next one.

        Raises:
            ValueError: If there are options: the family has none.
        """
        super().reset(seed=seed)
        if options:
            raise ValueError(f"unknown reset option {next(iter(options))!r}: this environment takes none")
        seeds = None
        if seed is not None or not self._seeded:
            chosen = seed if seed is not None else int(self.np_random.integers(2**63))
            seeds, self._seeded = np.array([chosen], np.uint64), True
        view = self._batch.reset(np.ones(1, np.bool_), seeds)
        self._watch()
        return row_of(self.family, view.observation, 0), shown(view, 0)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes one step.

        Raises:
            ResetNeeded: Before the first ``reset`` and after an episode's end.
            ValueError: If the action is invalid.
        """
        batch = self._batch
        if batch.over[0]:
            raise gym.error.ResetNeeded("the episode is over, or none has begun; call reset() before step()")
        done = batch.step(np.asarray(action)[None], WhenDone.NOTHING)
        self._watch()
        observation, info = row_of(self.family, done.view.observation, 0), unbatched(self.family, done)
        return observation, done.rewards.item(), done.terminated.item(), done.truncated.item(), info
