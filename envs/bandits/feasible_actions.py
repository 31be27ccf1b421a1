"""What every bandit environment tells about its feasible actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.feasible.base import FeasibleSet, LinearDescription
from telos.envs.engine.batch import Batch

__all__ = ["FeasibleActions"]


class FeasibleActions:
    """Mixed into the single and the vector face: the feasible set's methods."""

    family: Any
    np_random: np.random.Generator
    _batch: Batch

    @property
    def feasible_set(self) -> FeasibleSet:
        """What joint actions may be taken now; in a vector environment, in the first one."""
        found: FeasibleSet = self.family.feasible_sets[self.family.set_index(self._batch.state)[0]]
        return found

    def feasible(self, action: ArrayLike) -> bool:
        """Whether one joint action ``(n,)`` may be taken."""
        return self.feasible_set.feasible(action)

    def sample_feasible(self, count: int = 1) -> NDArray[np.int8]:
        """Random feasible joint actions, int8 ``(count, n)``, drawn with ``np_random``."""
        return self.feasible_set.sample(self.np_random, count)

    def linear_oracle(self, weights: ArrayLike) -> NDArray[np.int8]:
        """The joint actions that maximise the sum of ``weights[..., j, level of arm j]``; exact."""
        return self.feasible_set.linear_oracle(weights)

    def linear_constraints(self) -> LinearDescription:
        """The feasible set as mixed-integer linear constraints."""
        return self.feasible_set.linear_constraints()

    def enumerate(self) -> NDArray[np.int8]:
        """Every feasible joint action of a small instance."""
        return self.feasible_set.enumerate()
