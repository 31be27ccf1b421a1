"""Per-step rewards that are known only when the episode is over.

* ``Hindsight`` - what the learner writes back into its rollout
* ``StepLog`` - the terms of running episodes, step by step, for a batch of environments
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from telos.wrappers.terms import Array, Terms

__all__ = ["Hindsight", "StepLog"]


@dataclass(frozen=True)
class Hindsight:
    """The rewards of one finished episode, rewritten; in ``info["hindsight"]`` at its last step.

    A learner replaces the T rewards that it stored for the episode by ``reward``. It is an object, not a dict of
    arrays, because Gymnasium's vector infos cannot hold arrays whose length differs between environments.

    Attributes:
        raw_terms: Term name to what came from inside, shape ``(T,)``.
        terms: Term name to what the transform pays in hindsight, shape ``(T,)``.
        reward: Sum of ``terms`` at each step, shape ``(T,)``, by ``sum_terms``.
    """

    raw_terms: dict[str, Array]
    terms: dict[str, Array]
    reward: Array


class StepLog:
    """Grows by one row per active step; one column per environment.

    Attributes:
        length: Steps so far in each environment's episode, shape ``(num_envs,)``, int64.
        values: Term name to its steps, each of shape ``(capacity, num_envs)``, float64. Rows from ``length`` on are
            leftovers.
    """

    def __init__(self, num_envs: int, capacity: int = 64) -> None:
        self.length = np.zeros(num_envs, np.int64)
        self.values: Terms = {}
        self._shape = (capacity, num_envs)

    def append(self, terms: Mapping[str, Array], active: Array) -> None:
        """Adds a step of the active environments.

        Args:
            terms: Term name to values of shape ``(num_envs,)``. A term that is missing counts as 0.
            active: Which environments made the step, shape ``(num_envs,)``, bool.
        """
        rows = np.flatnonzero(active)
        at = self.length[rows]
        if len(at) and at.max() >= self._shape[0]:
            self._shape = (2 * self._shape[0], self._shape[1])
            self.values = {name: np.concatenate([old, np.zeros_like(old)]) for name, old in self.values.items()}
        for name in terms:
            if name not in self.values:
                self.values[name] = np.zeros(self._shape)
        for name, column in self.values.items():
            column[at, rows] = terms[name][rows] if name in terms else 0.0
        self.length[rows] += 1

    def episode(self, env: int) -> dict[str, Array]:
        """Returns a copy of one environment's steps: term name to shape ``(T,)``, float64."""
        return {name: column[: self.length[env], env].copy() for name, column in self.values.items()}

    def reset(self, mask: Array) -> None:
        """Forgets the episodes of the environments in ``mask``, shape ``(num_envs,)``, bool."""
        self.length[mask] = 0

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the running episodes."""
        used = int(self.length.max(initial=0))
        return {"length": self.length.copy(), "values": {name: col[:used].copy() for name, col in self.values.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a copy of what ``state_dict`` returned."""
        self.length = state["length"].copy()
        self._shape = (max(self._shape[0], int(self.length.max(initial=0))), len(self.length))
        self.values = {name: np.zeros(self._shape) for name in state["values"]}
        for name, used in state["values"].items():
            self.values[name][: len(used)] = used
