"""Per-step rewards that are known only when the episode is over.

* ``HindsightTransform`` - what an idea subclasses that rewrites finished episodes
* ``Hindsight`` - what the learner writes back into its rollout
* ``StepLog`` - the terms of running episodes, step by step, for a batch of environments
* ``RolloutLog`` - the same with observations and actions
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.batching import copied, row_in, stacked
from telos.wrappers.core import RewardTransform, Timing, Transition
from telos.wrappers.episodes import Episode
from telos.wrappers.terms import Array, Terms, sum_terms

__all__ = ["Hindsight", "HindsightTransform", "RolloutLog", "StepLog"]


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


class RolloutLog:
    """The running episodes of a batch of environments, with observations and actions.

    Attributes:
        start: Where each environment's episode begins in ``steps``, shape ``(num_envs,)``, int64.
        steps: For each step of the batch the observations before it, the actions, the observations after it, the terms
            and which environments made it.
    """

    def __init__(self, num_envs: int) -> None:
        self.start = np.zeros(num_envs, np.int64)
        self.steps: list[tuple[Any, Any, Any, Terms, Array]] = []

    def append(self, step: Transition) -> None:
        """Adds a step of the active environments."""
        terms = {name: values.copy() for name, values in step.terms.items()}
        active = step.active.copy()
        self.steps.append((step.obs, copied(step.action), step.next_obs, terms, active))

    def episode(self, env: int, terminated: bool, truncated: bool) -> Episode:
        """Returns one environment's episode; its observations and actions are None unless they were seen."""
        made = [step for step in self.steps[self.start[env] :] if step[4][env]]
        obs = actions = None
        if made[0][0] is not None:
            obs = stacked([*(row_in(step[0], env) for step in made), row_in(made[-1][2], env)])
            actions = stacked([row_in(step[1], env) for step in made])
        names = dict.fromkeys(name for step in made for name in step[3])
        terms = {name: np.array([step[3][name][env] if name in step[3] else 0.0 for step in made]) for name in names}
        return Episode(obs, actions, terms, terminated, truncated)

    def reset(self, mask: Array) -> None:
        """Forgets the episodes of the environments in ``mask``, shape ``(num_envs,)``, bool."""
        self.start[mask] = len(self.steps)
        if oldest := int(self.start.min()):
            self.steps = self.steps[oldest:]
            self.start -= oldest

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the running episodes."""
        return {"start": self.start.copy(), "steps": deepcopy(self.steps)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a copy of what ``state_dict`` returned."""
        self.start, self.steps = state["start"].copy(), deepcopy(state["steps"])


class HindsightTransform(RewardTransform):
    """A reward idea that needs the whole episode: ``timing`` is ``"hindsight"``.

    A learner calls ``rewrite`` on its finished episodes. As a wrapper it pays 0 until an episode's last step, and there
    each term's sum of ``rewrite_terms``, so that the undiscounted return is the same, up to rounding; with a discount
    below 1 they differ. ``info["hindsight"]`` (a ``Hindsight``) then holds each step's rewards. An episode that ends
    with ``info["trainable"] = False`` is paid nothing. A subclass that ``observes`` gets observations and actions.

    Attributes:
        new_terms: Names that ``rewrite_terms`` adds to those of the environment.
    """

    timing: ClassVar[Timing] = "hindsight"
    state: ClassVar[tuple[str, ...]] = ("log",)
    new_terms: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def rewrite_terms(self, episode: Episode) -> Terms:
        """Returns the new terms of a finished episode, arrays of shape ``(T,)``.

        Args:
            episode: The episode; not to be changed.

        Returns:
            Names that the episode or ``new_terms`` has; those that are missing pay 0.
        """

    @override
    def rewrite(self, episode: Episode) -> Array:
        return self._rewritten(episode).reward

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.log = RolloutLog(num_envs)

    @override
    def reset(self, mask: Array) -> None:
        self.log.reset(mask)

    @override
    def update(self, step: Transition) -> Terms:
        self.log.append(step)
        paid = {name: self.zeros() for name in (*step.terms, *self.new_terms)}
        self._finished: dict[int, Hindsight] = {}
        for env in np.flatnonzero(step.done).tolist():
            episode = self.log.episode(env, bool(step.terminated[env]), bool(step.truncated[env]))
            self._finished[env] = self._rewritten(episode, bool(step.trainable[env]))
            for name, values in self._finished[env].terms.items():
                paid[name][env] = values.sum()
        return paid

    def _rewritten(self, episode: Episode, trainable: bool = True) -> Hindsight:
        names = [*dict.fromkeys((*episode.terms, *self.new_terms))]
        new = self.rewrite_terms(episode) if trainable else {}
        if unknown := new.keys() - set(names):
            raise ValueError(f"{self.public_name()}: rewrite_terms() made up {sorted(unknown)}: list it in new_terms.")
        terms = {name: np.asarray(new.get(name, np.zeros(len(episode))), np.float64) for name in names}
        return Hindsight(dict(episode.terms), terms, sum_terms(terms))

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        found = np.full(self.num_envs, None, object)
        for env, hindsight in self._finished.items():
            found[env] = hindsight
        return {"hindsight": found}
