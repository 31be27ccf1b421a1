"""What a step was worth, known only when the episode is over.

* ``HindsightTransform`` - what such an idea subclasses: withholds terms, and credits each step anew at the end
* ``Hindsight`` - what the learner writes back into its rollout
* ``EpisodeLog`` - the running episodes of a batch of environments
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.batching import copied, row_in, stacked
from telos.wrappers.core import RewardTransform, Timing, Transition
from telos.wrappers.episodes import Episode
from telos.wrappers.terms import Array, Terms, sum_terms

__all__ = ["EpisodeLog", "Hindsight", "HindsightTransform", "hindsight_info"]


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
    reward: Array = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reward", sum_terms(self.terms))


def hindsight_info(num_envs: int, finished: Mapping[int, Hindsight]) -> dict[str, Array]:
    """Returns the rewards of finished episodes, by environment, as ``episode_info`` reports them."""
    found = np.full(num_envs, None, object)
    for env, hindsight in finished.items():
        found[env] = hindsight
    return {"hindsight": found}


class EpisodeLog:
    """The running episodes: terms, and observations and actions if asked for.

    Args:
        num_envs: Number of environments.
        observes: Whether to keep observations and actions.
        capacity: Steps to make room for; it doubles when they do not suffice.

    Attributes:
        length: Steps so far in each environment's episode, shape ``(num_envs,)``, int64.
        values: Term name to its steps, each of shape ``(capacity, num_envs)``, float64. An environment's rows from its
            ``length`` on are leftovers.
        seen: For each step of the batch the observations before it, the actions, the observations after it, and which
            environments made it.
        start: Where each environment's episode begins in ``seen``, shape ``(num_envs,)``, int64.
    """

    def __init__(self, num_envs: int, observes: bool = False, capacity: int = 64) -> None:
        self.length, self.start = np.zeros((2, num_envs), np.int64)
        self.values: Terms = {}
        self.seen: list[tuple[Any, Any, Any, Array]] = []
        self._observes = observes
        self._shape = (capacity, num_envs)

    def append(self, step: Transition) -> None:
        """Adds a step of the active environments. A term that they had before and that is missing counts as 0."""
        rows = np.flatnonzero(step.active)
        at = self.length[rows]
        if len(at) and at.max() >= self._shape[0]:
            self._shape = (2 * self._shape[0], self._shape[1])
            self.values = {name: np.concatenate([old, np.zeros_like(old)]) for name, old in self.values.items()}
        for name in step.terms:
            if name not in self.values:
                self.values[name] = np.zeros(self._shape)
        for name, column in self.values.items():
            column[at, rows] = step.terms[name][rows] if name in step.terms else 0.0
        self.length[rows] += 1
        if self._observes:
            self.seen.append((step.obs, copied(step.action), step.next_obs, step.active.copy()))

    def episode(self, env: int, step: Transition) -> Episode:
        """Returns a copy of an environment's episode, which ended with ``step``, the last that was added."""
        terms = {name: column[: self.length[env], env].copy() for name, column in self.values.items()}
        obs = actions = None
        if self._observes:
            made = [entry for entry in self.seen[self.start[env] :] if entry[3][env]]
            obs = stacked([*(row_in(before, env) for before, *_ in made), row_in(made[-1][2], env)])
            actions = stacked([row_in(action, env) for _, action, *_ in made])
        return Episode(obs, actions, terms, bool(step.terminated[env]), bool(step.truncated[env]))

    def reset(self, mask: Array) -> None:
        """Forgets the episodes of the environments in ``mask``, shape ``(num_envs,)``, bool."""
        self.length[mask] = 0
        self.start[mask] = len(self.seen)
        if oldest := int(self.start.min()):
            self.seen = self.seen[oldest:]
            self.start -= oldest

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the running episodes."""
        used = int(self.length.max(initial=0))
        return {
            "length": self.length.copy(),
            "values": {name: column[:used].copy() for name, column in self.values.items()},
            "start": self.start.copy(),
            "seen": deepcopy(self.seen),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a copy of what ``state_dict`` returned."""
        self.length, self.start, self.seen = (deepcopy(state[name]) for name in ("length", "start", "seen"))
        self._shape = (max(self._shape[0], int(self.length.max(initial=0))), len(self.length))
        self.values = {name: np.zeros(self._shape) for name in state["values"]}
        for name, used in state["values"].items():
            self.values[name][: len(used)] = used


class HindsightTransform(RewardTransform):
    """The base of ideas that know what a step was worth only when its episode is over.

    While an episode runs the withheld terms pay 0. At its end ``credit`` says what each step should have been paid:

    - ``pay="terminal"`` pays each term's sum in the last step;
    - ``pay="hindsight"`` pays nothing; ``info["hindsight"]`` (a ``Hindsight``) holds each step's rewards for the
      learner to write back;
    - ``pay="both"`` does both, for learners that may or may not write back.

    The undiscounted return is the same, up to rounding; with a discount below 1 it differs. Terms that are not withheld
    are paid as they come. An episode that ends with ``info["trainable"] = False`` is paid nothing for what was
    withheld.

    Attributes:
        pay: ``"terminal"``, ``"hindsight"`` or ``"both"``.
        new_terms: Names that ``credit`` adds to those of the environment.
        log: The running episodes, with observations and actions if the subclass ``observes``.
    """

    timing: ClassVar[Timing] = "hindsight"
    state: ClassVar[tuple[str, ...]] = ("log",)
    new_terms: ClassVar[tuple[str, ...]] = ()
    pay: str = "both"

    def withheld(self, terms: Iterable[str]) -> Iterable[str]:
        """Returns which of the environment's terms are withheld; all by default."""
        return terms

    @abstractmethod
    def credit(self, episode: Episode, env: int) -> Mapping[str, Array]:
        """Returns what each step of a finished episode is worth.

        Args:
            episode: The episode; not to be changed. Its terms are float64, and 0 in steps that are not trainable; its
                observations and actions are None unless the transform ``observes``.
            env: Whose episode it is, for subclasses that keep something for each environment.

        Returns:
            Term, withheld or in ``new_terms``, to T values. A name that is missing pays 0.
        """

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.log = EpisodeLog(num_envs, self.observes)

    @override
    def reset(self, mask: Array) -> None:
        self.log.reset(mask)

    @override
    def update(self, step: Transition) -> Terms:
        self.log.append(step)
        withheld = {*self.withheld(step.terms)}
        paid = {name: np.zeros(self.num_envs) if name in withheld else value for name, value in step.terms.items()}
        paid |= {name: np.zeros(self.num_envs) for name in self.new_terms}
        self._finished = {
            env: self.rewritten(self.log.episode(env, step), env, bool(step.trainable[env]))
            for env in np.flatnonzero(step.done).tolist()
        }
        if self.pay in ("terminal", "both"):
            for env, hindsight in self._finished.items():
                for name in self._credited(hindsight.raw_terms):
                    paid.setdefault(name, np.zeros(self.num_envs))[env] = hindsight.terms[name].sum()
        return paid

    def rewritten(self, episode: Episode, env: int, trainable: bool = True) -> Hindsight:
        """Returns the rewards of a finished episode.

        Args:
            episode: The episode.
            env: Passed on to ``credit``.
            trainable: Whether its last step is.

        Raises:
            ValueError: If ``credit`` pays a term that is neither withheld nor in ``new_terms``.
        """
        credited = {*self._credited(episode.terms)}
        new = self.credit(episode, env) if trainable else {}
        if unknown := new.keys() - credited:
            raise ValueError(
                f"{self.public_name()}: credit() made up {sorted(unknown)}: list new names in new_terms, and pay "
                "others only if they are withheld."
            )
        zeros = np.zeros(len(episode))
        terms = {
            name: np.array(new.get(name, zeros) if name in credited else episode.terms[name], np.float64)
            for name in dict.fromkeys((*episode.terms, *self.new_terms))
        }
        return Hindsight(dict(episode.terms), terms)

    def _credited(self, terms: Iterable[str]) -> Iterable[str]:
        return (*self.withheld(terms), *self.new_terms)

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        return hindsight_info(self.num_envs, self._finished) if self.pay in ("hindsight", "both") else {}
