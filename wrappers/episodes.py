"""Logged episodes.

* ``Episode`` - one finished episode, as a learner or a data set holds it
* ``as_episode`` - the same from Minari's ``EpisodeData``, or anything with its attributes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from telos.wrappers.infos import TERMS, look_up
from telos.wrappers.terms import REWARD, Array, sum_terms

__all__ = ["Episode", "as_episode"]


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode of T steps, T at least 1.

    Attributes:
        obs: T + 1 observations, the last one after the last step: an array of shape ``(T + 1, ...)``, a dict or a tuple
            of such as the space has it, or a list of T + 1 observations. None if no transform looks at them.
        actions: T actions, in the same forms. None if no transform looks at them.
        terms: Term name to values of shape ``(T,)``; at least one.
        terminated: Whether the last step ended the episode for good.
        truncated: Whether it cut it.
        infos: A sequence of T infos, or info key to an array or a list of length T; None if there are none. Only
            transforms that read infos need them, and ``"trainable"``, if steps are not to be learned from.

    Raises:
        ValueError: If there are no terms, or lengths do not fit.
    """

    obs: Any
    actions: Any
    terms: Mapping[str, Array]
    terminated: bool = True
    truncated: bool = False
    infos: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("An episode needs at least one reward term: terms={'reward': rewards} if it has no names.")
        terms = {name: np.asarray(values) for name, values in self.terms.items()}
        shapes = {name: values.shape for name, values in terms.items()}
        if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1 or not _length(terms):
            raise ValueError(f"All terms of an episode must have one shape (T,), T at least 1; they have {shapes}.")
        object.__setattr__(self, "terms", terms)
        for name, values, expected in (("obs", self.obs, len(self) + 1), ("actions", self.actions, len(self))):
            if isinstance(values, (np.ndarray, list)) and len(values) != expected:
                raise ValueError(f"An episode of {len(self)} steps needs {expected} {name}, not {len(values)}.")

    def __len__(self) -> int:
        """The number of steps, T."""
        return _length(self.terms)

    @property
    def reward(self) -> Array:
        """The rewards before any transform, shape ``(T,)``: the sum of the terms."""
        return sum_terms(self.terms)

    def has_info(self, key: str) -> bool:
        """Whether any step's info has ``key``."""
        if self.infos is None:
            return False
        return key in self.infos if isinstance(self.infos, Mapping) else any(key in info for info in self.infos)

    def info(self, key: str, step: int, default: Any) -> Any:
        """Returns what ``look_up`` finds in one step's info; ``default`` if nothing, or if the episode is over."""
        if self.infos is None or step >= len(self):
            return default
        if isinstance(self.infos, Mapping):
            values = look_up(self.infos, key, None)
            return default if values is None else values[step]
        return look_up(self.infos[step], key, default)


def _length(terms: Mapping[str, Array]) -> int:
    return len(next(iter(terms.values())))


def as_episode(episode: Any) -> Episode:
    """Returns an ``Episode`` from one, or from Minari's ``EpisodeData``.

    Args:
        episode: An ``Episode``, or an object with ``observations``, ``actions``, ``rewards``, ``terminations``,
            ``truncations`` and perhaps ``infos``. Its ``infos["reward_terms"]`` are the terms; without them the reward
            is the one term.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(episode, Episode):
        return episode
    needed = ("observations", "actions", "rewards", "terminations", "truncations")
    if missing := [name for name in needed if not hasattr(episode, name)]:
        raise TypeError(
            f"Expected telos.wrappers.Episode or an episode of Minari, got {type(episode).__name__}, which has no "
            f"{', '.join(missing)}."
        )
    length = len(episode.rewards)
    infos = _last_steps(getattr(episode, "infos", None) or {}, length)
    terms = infos.pop(TERMS, None) or {REWARD: np.asarray(episode.rewards)}
    ends = bool(np.any(episode.terminations)), bool(np.any(episode.truncations))
    return Episode(episode.observations, episode.actions, terms, *ends, infos)


def _last_steps(infos: Mapping[str, Any], length: int) -> dict[str, Any]:
    """Drops the info of the reset, which Minari keeps in front of those of the steps."""
    return {
        key: _last_steps(values, length) if isinstance(values, Mapping) else values[-length:]
        for key, values in infos.items()
    }
