"""Reward transforms over logged episodes.

* ``relabel`` - what a wrapper would have paid
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from telos.wrappers.arrays import NUMPY
from telos.wrappers.batching import columns, step_of
from telos.wrappers.core import RewardTransform
from telos.wrappers.episodes import Episode, as_episode
from telos.wrappers.infos import by_row, row_of
from telos.wrappers.specs import as_transforms
from telos.wrappers.stacks import Stack, StackStep
from telos.wrappers.terms import Array, sum_terms

__all__ = ["Relabelled", "relabel"]

_ROWS = 1024
"""Episodes at a time, of similar lengths."""


@dataclass(frozen=True, eq=False)
class Relabelled:
    """An episode's rewards after a transform.

    Attributes:
        terms: Term name to what is paid, shape ``(T,)``.
        reward: Sum of ``terms`` at each step, shape ``(T,)``, by ``sum_terms``.
        info: What the wrapper would have added to the info of the last step.
    """

    terms: dict[str, Array]
    reward: Array
    info: dict[str, Any]


def relabel(
    episodes: Iterable[Any], transform: str | type[Any] | RewardTransform | Sequence[Any], **arguments: Any
) -> list[Relabelled]:
    """Computes what a wrapper, or a stack of them, would have paid in logged episodes.

    Step by step the result is that of the wrapper for ``Env``, to the bit. Episodes of different lengths are processed
    together, as rows of a batch.

    Args:
        episodes: ``Episode`` objects, or Minari's episodes; see ``as_episode``.
        transform: A transform or wrapper class, a name or spec such as ``"gated:threshold=0.5"`` (see
            ``telos.wrappers.specs``), a transform, whose arguments are taken, or a sequence of these from the innermost
            out.
        **arguments: The transform's arguments.

    Returns:
        One result an episode, in order.

    Raises:
        TypeError: If arguments are given beside a transform that has them, or an episode is none.
        ValueError: If a spec, an argument or an episode is of no use; if a term does not exist.

    Example:
        >>> episode = Episode(None, None, {"outcome": [0.0, 1.0], "tool": [0.5, 0.5]})
        >>> relabel([episode], "gated", threshold=0.5)[0].reward.tolist()
        [0.0, 2.0]
    """
    logged = [as_episode(episode) for episode in episodes]
    results: list[Relabelled | None] = [None] * len(logged)
    order = sorted(range(len(logged)), key=lambda k: len(logged[k]))
    for first in range(0, len(order), _ROWS):
        rows = order[first : first + _ROWS]
        batch = _relabel_batch([logged[k] for k in rows], as_transforms(transform, arguments))
        for k, result in zip(rows, batch, strict=True):
            results[k] = result
    return [result for result in results if result is not None]


class _LoggedInfo:
    """The infos of one step of several episodes."""

    def __init__(self, episodes: Sequence[Episode], step: int) -> None:
        self._episodes, self._step = episodes, step

    def get(self, key: str, default: Any) -> Array:
        return by_row([episode.info(key, self._step, default) for episode in self._episodes])


def _relabel_batch(episodes: list[Episode], transforms: list[RewardTransform]) -> list[Relabelled]:
    num, lengths = len(episodes), np.array([len(episode) for episode in episodes])
    longest = int(lengths.max())
    stack = Stack()
    for transform in transforms:
        transform.begin(num)
        stack = stack.under(transform.public_name(), transform)
    stack.reset(np.ones(num, np.bool_))
    names = dict.fromkeys(name for episode in episodes for name in episode.terms)
    raw = {name: columns([_values(episode, name) for episode in episodes], longest) for name in names}
    obs = actions = None
    if stack.observes:
        if any(episode.obs is None or episode.actions is None for episode in episodes):
            raise ValueError(f"{stack.observer} looks at observations and actions: give each Episode obs and actions.")
        obs = columns([episode.obs for episode in episodes], longest + 1)
        actions = columns([episode.actions for episode in episodes], longest)
    marked = any(episode.has_info("trainable") for episode in episodes)
    last, every = lengths - 1, np.ones(num, np.bool_)
    terminated, truncated = (np.array([getattr(e, name) for e in episodes]) for name in ("terminated", "truncated"))
    paid: dict[str, Array] = {}
    infos: list[dict[str, Any]] = [{} for _ in episodes]
    for t in range(longest):
        active, info = t < lengths, _LoggedInfo(episodes, t)
        trainable = every
        if marked:
            trainable = np.not_equal(info.get("trainable", True), False).astype(np.bool_)
        live = active & trainable
        done = (t == last) & (terminated | truncated)
        terms = {name: step_of(column, t) for name, column in raw.items()}
        step = StackStep(
            NUMPY,
            obs=step_of(obs, t),
            action=step_of(actions, t),
            next_obs=step_of(obs, t + 1),
            terms=terms,
            reward=np.where(active, sum_terms(terms), 0.0),
            reward_dtype=NUMPY.float64,
            terminated=(t == last) & terminated,
            truncated=(t == last) & truncated,
            active=active,
            trainable=trainable,
            info=info,
            done=done,
            ended=bool(done.any()),
        )
        payment, notes = stack.pay(step, None if live.all() else ~live)
        for name, values in payment.items():
            if name not in paid:
                paid[name] = np.zeros((longest, num), values.dtype)
            paid[name][t] = values
        for row in np.flatnonzero(done).tolist():
            infos[row] = {key: row_of(note, row) for key, note in notes.items()}
    results = []
    for row, length in enumerate(lengths.tolist()):
        terms = {name: values[:length, row].copy() for name, values in paid.items()}
        results.append(Relabelled(terms, sum_terms(terms), infos[row]))
    return results


def _values(episode: Episode, name: str) -> Array:
    """Returns an episode's term, 0 if it has none of that name."""
    values = episode.terms.get(name)
    return np.zeros(len(episode), np.float32) if values is None else values
