"""The base of transforms that know what a step was worth only when the episode is over.

* ``EpisodeRewrite`` - withholds terms, rewrites them at the end, and pays them there or reports them in hindsight
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import RewardTransform, Transition
from telos.wrappers.hindsight import Hindsight, StepLog
from telos.wrappers.terms import Array, Terms, sum_terms

__all__ = ["EpisodeRewrite"]


class EpisodeRewrite(RewardTransform):
    """Withholds some terms and credits them anew, step by step, when the episode ends.

    While an episode runs the withheld terms pay 0. At its end, ``credit`` turns each one's T values into T new ones:

    - ``pay="terminal"`` pays their sum in the last step;
    - ``pay="hindsight"`` pays nothing; ``info["hindsight"]`` (a ``Hindsight``) holds each step's rewards for the
      learner to write back. Both have the same undiscounted return;
    - ``pay="both"`` does both, for learners that may or may not write back.

    Terms that are not withheld are paid as they come. An episode that ends with ``info["trainable"] = False`` is paid
    nothing for what was withheld.
    """

    pay: str = "terminal"
    state: ClassVar[tuple[str, ...]] = ("log",)

    @abstractmethod
    def withheld(self, terms: Mapping[str, Array]) -> list[str]:
        """Returns which of ``terms`` are withheld, in any order."""

    @abstractmethod
    def credit(self, env: int, steps: dict[str, Array]) -> dict[str, Array]:
        """Returns the new values of the withheld terms of one finished episode.

        Args:
            env: The environment.
            steps: Term name to its T values, float64, for all terms.

        Returns:
            Withheld term to its T new values. A name that is missing pays 0.
        """

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.log = StepLog(num_envs)

    @override
    def reset(self, mask: Array) -> None:
        self.log.reset(mask)

    @override
    def update(self, step: Transition) -> Terms:
        self.log.append(step.terms, step.active)
        withheld = set(self.withheld(step.terms))
        paid = {
            name: np.zeros(self.num_envs) if name in withheld else np.asarray(value, np.float64)
            for name, value in step.terms.items()
        }
        self._credited = {int(env): self._credit(step, int(env), withheld) for env in np.flatnonzero(step.done)}
        if self.pay in ("terminal", "both"):
            for env, terms in self._credited.items():
                for name in withheld & terms.keys():
                    paid[name][env] = terms[name].sum()
        return paid

    def _credit(self, step: Transition, env: int, withheld: set[str]) -> dict[str, Array]:
        steps = self.log.episode(env)
        new = self.credit(env, {name: values.copy() for name, values in steps.items()}) if step.trainable[env] else {}
        return {
            name: new.get(name, np.zeros_like(values)) if name in withheld else values for name, values in steps.items()
        }

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        if self.pay not in ("hindsight", "both"):
            return {}
        found = np.full(self.num_envs, None, object)
        for env, terms in self._credited.items():
            found[env] = Hindsight(self.log.episode(env), terms, sum_terms(terms))
        return {"hindsight": found}
