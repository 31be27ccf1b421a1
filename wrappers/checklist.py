"""A rubric of items, each judged on its own.

* ``ChecklistRewardTransform`` - the share of items that an episode satisfies
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, Timing, Transition
from telos.wrappers.signals import SignalTransform
from telos.wrappers.terms import Array, Terms, check_choice, check_number, check_numbers

__all__ = ["ChecklistRewardTransform"]


@dataclass(eq=False, repr=False)
class ChecklistRewardTransform(SignalTransform):
    r"""Checklist reward: pays, at the end, the share of a checklist that the episode satisfies.

    With scores ``v_i`` in [0, 1] and weights ``w_i``,

    - ``aggregate="mean"``: ``R = weight * sum_i w_i v_i / sum_i w_i``, each item paid as the term ``checklist.item``;
    - ``aggregate="min"``: ``R = weight * min_i v_i``, paid under the worst item's term (the first of equals), so that
      no item makes up for another.

    An item is a reward term, whose sum over the episode counts and which is paid 0 itself; or ``"info:key"`` or
    ``"module:function"`` of the last ``Transition``, which are read at the last step. All are clipped to [0, 1]. Other
    terms are paid as they come. A truncated episode is judged as it is; one whose last step is not trainable is paid 0.

    Timing: ``episode``. Invariance: ``none``. What is on no list is worth nothing: a list of recall alone is satisfied
    best by doing everything.

    Info, at the end of each episode: ``checklist`` = ``{"items": {item: v_i}, "score": R / weight}``.

    Args:
        items: Item to a signal, see ``telos.wrappers.signals.Signal``. Functions may be given as such, if they are at
            the top level of a module.
        weights: Weight of each item, at least 0; 1 for those not listed.
        aggregate: ``"mean"`` or ``"min"``.
        weight: Factor of the whole, any finite number.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term does not exist; at the end of an episode,
            if ``info`` lacks an item.

    Source: after ACE-RL (arXiv 2509.04903), whose levels of v and length reward have not been read; ``"min"`` is ours.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "none"

    items: Mapping[str, str | Callable[[Transition], Array]] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    aggregate: Literal["mean", "min"] = "mean"
    weight: float = 1.0

    def __post_init__(self) -> None:
        name = self.public_name()
        check_choice(name, "aggregate", self.aggregate, ("mean", "min"))
        self.weight = check_number(name, "weight", self.weight)
        self.items = self.read_signals("items")
        self.weights = check_numbers(name, "weights", self.weights)
        for item, weight in (self.weights or {}).items():
            check_choice(name, "an item in weights", item, self.items)
            if weight < 0:
                raise ValueError(f"{name}: weights[{item!r}]={weight} must be at least 0.")
        weights = np.array([(self.weights or {}).get(item, 1.0) for item in self.items])
        if self.items and not weights.sum() > 0:
            raise ValueError(f"{name}: all weights are 0; give at least one item a weight.")
        self._shares = weights / (weights.sum() if self.items else 1.0)

    @override
    def update(self, step: Transition) -> Terms:
        self.add(step.terms)
        paid = {name: np.zeros(self.num_envs) if name in self.sums else value for name, value in step.terms.items()}
        self._judged = np.zeros((self.num_envs, len(self.items)))
        done = step.done & step.trainable
        if done.any() and self.items:
            self._judged[done] = self._judge(step, done)[done]
        if self.aggregate == "min":
            worst = self._judged.argmin(axis=1) if self.items else np.zeros(self.num_envs)
            shares = (worst[:, None] == np.arange(len(self.items))).astype(np.float64)
        else:
            shares = np.broadcast_to(self._shares, self._judged.shape)
        parts = shares * self._judged
        self._score = parts.sum(axis=1)
        return {**paid, **{f"checklist.{item}": self.weight * parts[:, i] for i, item in enumerate(self.items)}}

    def _judge(self, step: Transition, done: Array) -> Array:
        """Returns the scores of the items, shape ``(num_envs, items)``, in [0, 1] in rows that end."""
        scores = [self.at_end(signal, step, done) for signal in self.signals.values()]
        judged: Array = np.clip(np.stack(scores, axis=1), 0.0, 1.0)
        return judged

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        items = {item: self._judged[:, i].copy() for i, item in enumerate(self.items)}
        return {"checklist": {"items": items, "score": self._score.copy()}}
