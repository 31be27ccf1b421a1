"""Rewards from memories of what worked and what did not.

* ``EpisodicMemoryRewardTransform`` - Memory-R+
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.intrinsic import check_whole, finite_features
from telos.wrappers.signals import function_name, load_function, side_by_side
from telos.wrappers.terms import Array, Terms, check_number

__all__ = ["EpisodicMemoryRewardTransform"]

_SMALL = 1e-12
"""Norms and ranges that are not above this count as 0."""


def _cosines(a: Array, b: Array) -> Array:
    """Cosines along the last axis, 0 where a norm is 0."""
    norms = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    result: Array = (a * b).sum(axis=-1) / np.where(norms > _SMALL, norms, np.inf)
    return result


class _ResponseMemory:
    """For each environment, the latest contexts and to each of these the latest responses.

    Args:
        num_envs: Number of environments.
        max_contexts: Contexts to keep for each; the oldest is overwritten, its responses are dropped.
        max_responses: Responses to keep for each context; the oldest is overwritten.
    """

    def __init__(self, num_envs: int, max_contexts: int, max_responses: int) -> None:
        self._max_contexts, self._max_responses = max_contexts, max_responses
        self.contexts = np.zeros((num_envs, 0, 0))
        self.responses = np.zeros((num_envs, 0, 0, 0))
        self.contexts_added = np.zeros(num_envs, np.int64)
        self.responses_added = np.zeros((num_envs, 0), np.int64)

    def nearest(self, rows: Array, contexts: Array, k: int) -> tuple[Array, Array]:
        """Returns the responses to the nearest contexts of some environments.

        Args:
            rows: Indices of n environments.
            contexts: Shape ``(n, c)``.
            k: How many contexts.

        Returns:
            Responses of shape ``(n, m, d)``, and which of these there are, shape ``(n, m)``, bool.
        """
        room, depth = self.responses.shape[1:3]
        if not room:
            return np.zeros((len(rows), 0, 0)), np.zeros((len(rows), 0), np.bool_)
        there = np.arange(room) < self.contexts_added[rows, None]
        alike = np.where(there, _cosines(self.contexts[rows], contexts[:, None]), -np.inf)
        slots = np.argsort(-alike, axis=1, kind="stable")[:, :k]
        found = self.responses[rows[:, None], slots]
        known = np.arange(depth) < self.responses_added[rows[:, None], slots][..., None]
        return found.reshape(len(rows), -1, found.shape[-1]), known.reshape(len(rows), -1)

    def add(self, rows: Array, contexts: Array, responses: Array) -> None:
        """Adds a response to a context of each of some environments.

        Args:
            rows: Indices of n different environments.
            contexts: Shape ``(n, c)``.
            responses: Shape ``(n, d)``.
        """
        if not len(rows):
            return
        if not self.contexts.shape[1]:
            self._grow(0, 0, contexts.shape[1], responses.shape[1])
        room = self.contexts.shape[1]
        there = np.arange(room) < self.contexts_added[rows, None]
        equal = there & (self.contexts[rows] == contexts[:, None]).all(axis=2)
        known = equal.any(axis=1) if room else np.zeros(len(rows), np.bool_)
        if room < self._max_contexts and (~known & (self.contexts_added[rows] >= room)).any():
            self._grow(min(self._max_contexts, max(4, 2 * room)), self.responses.shape[2])
            equal = np.pad(equal, ((0, 0), (0, self.contexts.shape[1] - room)))
        slots = np.where(known, equal.argmax(axis=1), self.contexts_added[rows] % self._max_contexts)
        self.contexts[rows, slots] = contexts
        self.contexts_added[rows] += ~known
        self.responses_added[rows, slots] *= known
        depth = self.responses.shape[2]
        if depth < self._max_responses and (self.responses_added[rows, slots] >= depth).any():
            self._grow(self.contexts.shape[1], min(self._max_responses, max(4, 2 * depth)))
        self.responses[rows, slots, self.responses_added[rows, slots] % self._max_responses] = responses
        self.responses_added[rows, slots] += 1

    def _grow(self, room: int, depth: int, context_size: int | None = None, response_size: int | None = None) -> None:
        num_envs, old_room, old_depth, size = self.responses.shape
        contexts = np.zeros((num_envs, room, context_size or self.contexts.shape[2]))
        responses = np.zeros((num_envs, room, depth, response_size or size))
        added = np.zeros((num_envs, room), np.int64)
        if old_room:
            contexts[:, :old_room] = self.contexts
            added[:, :old_room] = self.responses_added
            responses[:, :old_room, :old_depth] = self.responses
        self.contexts, self.responses, self.responses_added = contexts, responses, added

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state."""
        names = ("contexts", "responses", "contexts_added", "responses_added")
        return {name: getattr(self, name).copy() for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        for name, value in state.items():
            setattr(self, name, value.copy())


class _Range:
    """Scales numbers by the smallest and the largest of the latest ones of the same environment."""

    def __init__(self, num_envs: int, window: int) -> None:
        self.values = np.zeros((num_envs, window))
        self.added = np.zeros(num_envs, np.int64)

    def scaled(self, rows: Array, values: Array) -> Array:
        """Adds a number for each of some rows, and returns it scaled to [0, 1]; 0 if all are the same.

        Args:
            rows: Indices of n different environments.
            values: Shape ``(n,)``.
        """
        window = self.values.shape[1]
        self.values[rows, self.added[rows] % window] = values
        self.added[rows] += 1
        there = np.arange(window) < self.added[rows, None]
        low = np.where(there, self.values[rows], np.inf).min(axis=1)
        high = np.where(there, self.values[rows], -np.inf).max(axis=1)
        width = high - low
        result: Array = np.where(width > _SMALL, (values - low) / np.where(width > _SMALL, width, 1.0), 0.0)
        return result

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state."""
        return {"values": self.values.copy(), "added": self.added.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self.values, self.added = state["values"].copy(), state["added"].copy()


@dataclass(eq=False, repr=False)
class EpisodicMemoryRewardTransform(RewardTransform):
    r"""Memory-R+: pays episodes for being like earlier successes, and unlike earlier failures, in the same context.

    Two memories map the context q of an episode, made from its first observation, to responses: features of what
    happened in it, averaged over its steps. With B the responses to the ``k`` contexts in a memory with the largest
    cosine to q, an episode with response a is paid in its last step

    ``w_s R_s``,  ``R_s = scaled(-|a - mean B_success|)``  as the term ``memory_success``, and

    ``w_f R_f``,  ``R_f = scaled(1 - max_{b in B_failure} cos(a, b))``  as the term ``memory_failure``.

    ``scaled`` maps the smallest of the last ``window`` such numbers, this one included, to 0 and the largest to 1; it
    is 0 if they are all the same. A memory without a response pays 0. The episode is stored after it was paid: as a
    success if its outcomes add up to more than ``threshold``, else as a failure. Where a memory is full the oldest
    context goes, with its responses, and of one context's responses the oldest.

    Memories, windows and the count of episodes are lifelong and belong to one environment each: they see other
    contexts only if its resets bring them. They grow with what is stored, all to the size of the largest. An episode
    whose last step is not trainable is neither paid nor stored; other such steps are left out of the average.

    Timing: ``episode``. Invariance: ``none``.

    Args:
        context: ``q``: a function of a batch of observations that returns shape ``(num_envs, ...)``, as
            ``"module:function"`` or itself, if it is at the top level of a module. None takes observations as they
            are, which must be arrays of numbers.
        response: Features of a step, whose mean is ``a``: such a function of observations before the step and
            actions. None puts both side by side. A mean does not know the order of steps; features can.
        outcome: The term that tells success from failure, None for the whole reward.
        threshold: What the outcomes of a success are above, any finite number. 0.5 is the paper's.
        success_weight: ``w_s``, any finite number.
        failure_weight: ``w_f``, any finite number. With both 0 the raw reward is paid.
        k: Contexts to look up, at least 1. 1 is the paper's.
        window: Numbers to scale by, at least 2. 100 is the paper's.
        warmup: Episodes of an environment before ``memory_failure`` is paid, at least 0. The paper waits for 50
            training steps; that these are episodes is ours.
        max_contexts: Contexts in a memory, at least 1. The paper's is the size of the data set.
        max_responses: Responses to a context, at least 1. 100 is the paper's.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term does not exist; if features are no finite
            numbers, or change their number; if the environment has terms of these names of its own.

    Source: Memory-R+ (arXiv 2504.02273), its two rewards and their normalisation. Responses there are embeddings of
        generated texts; the mean over steps is ours.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "none"
    observes: ClassVar[bool] = True
    state: ClassVar[tuple[str, ...]] = (
        "steps",
        "episodes",
        "outcomes",
        "contexts",
        "sums",
        "successes",
        "failures",
        "success_range",
        "failure_range",
    )

    context: str | Callable[[Any], Array] | None = None
    response: str | Callable[[Any, Any], Array] | None = None
    outcome: str | None = "outcome"
    threshold: float = 0.5
    success_weight: float = 1.0
    failure_weight: float = 1.0
    k: int = 1
    window: int = 100
    warmup: int = 50
    max_contexts: int = 1000
    max_responses: int = 100

    def __post_init__(self) -> None:
        name = self.public_name()
        for argument in ("threshold", "success_weight", "failure_weight"):
            setattr(self, argument, check_number(name, argument, getattr(self, argument)))
        for argument, least in (("k", 1), ("window", 2), ("warmup", 0), ("max_contexts", 1), ("max_responses", 1)):
            setattr(self, argument, check_whole(name, argument, getattr(self, argument), least))
        self._functions: dict[str, Callable[..., Array]] = {}
        for argument in ("context", "response"):
            function = getattr(self, argument)
            if callable(function):
                function = function_name(name, argument, function)
                setattr(self, argument, function)
            self._functions[argument] = load_function(name, argument, function) if function else side_by_side

    @override
    def named_terms(self) -> Iterable[str]:
        return [] if self.outcome is None else [self.outcome]

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.steps, self.episodes = np.zeros((2, num_envs), np.int64)
        self.outcomes = np.zeros(num_envs)
        self.contexts, self.sums = np.zeros((2, num_envs, 0))
        self.successes, self.failures = (
            _ResponseMemory(num_envs, self.max_contexts, self.max_responses) for _ in range(2)
        )
        self.success_range, self.failure_range = (_Range(num_envs, self.window) for _ in range(2))

    @override
    def reset(self, mask: Array) -> None:
        self.steps[mask] = 0
        for values in (self.outcomes, self.contexts, self.sums):
            values[mask] = 0.0

    @override
    def update(self, step: Transition) -> Terms:
        name = self.public_name()
        for term in ("memory_success", "memory_failure"):
            if term in step.terms:
                raise ValueError(f"{name}: there already is a term {term!r}; wrap only once.")
        live = step.active & step.trainable
        first = live & (self.steps == 0)
        if first.any():
            contexts = self._features("context", first, step.obs)
            self.contexts = self._fitted(self.contexts, contexts) + contexts
        features = self._features("response", live, step.obs, step.action)
        self.sums = self._fitted(self.sums, features) + features
        self.steps = self.steps + live
        outcome = step.reward if self.outcome is None else step.terms[self.outcome]
        self.outcomes = self.outcomes + np.where(live, outcome, 0.0)
        success, failure = np.zeros((2, self.num_envs))
        rows = np.flatnonzero(step.done & live)
        if len(rows):
            success[rows], failure[rows] = self._paid(rows)
        return {**step.terms, "memory_success": success, "memory_failure": failure}

    def _features(self, argument: str, rows: Array, *batches: Any) -> Array:
        label = str(getattr(self, argument) or argument)
        return finite_features(self.public_name(), label, self._functions[argument](*batches), rows)

    def _fitted(self, values: Array, features: Array) -> Array:
        """Returns ``values``, or zeros of the size of ``features`` if there are none yet."""
        if values.shape == features.shape:
            return values
        if values.shape[1]:
            raise ValueError(
                f"{self.public_name()}: features have {features.shape[1]} numbers, but had {values.shape[1]} before."
            )
        return np.zeros_like(features)

    def _paid(self, rows: Array) -> tuple[Array, Array]:
        """Returns what both terms pay in rows whose episode ended, and stores the episodes."""
        contexts, responses = self.contexts[rows], self.sums[rows] / self.steps[rows, None]
        success, failure = np.zeros((2, len(rows)))

        found, known = self.successes.nearest(rows, contexts, self.k)
        some = np.flatnonzero(known.any(axis=1))
        if len(some):
            # Added up one by one, so that empty places do not change the rounding.
            total = np.cumsum(np.where(known[some, :, None], found[some], 0.0), axis=1)[:, -1]
            off = responses[some] - total / known[some].sum(axis=1)[:, None]
            likeness = -np.sqrt((off**2).sum(axis=1))
            success[some] = 0.0 + self.success_weight * self.success_range.scaled(rows[some], likeness)

        found, known = self.failures.nearest(rows, contexts, self.k)
        some = np.flatnonzero(known.any(axis=1) & (self.episodes[rows] >= self.warmup))
        if len(some):
            alike = np.where(known[some], _cosines(found[some], responses[some, None]), -np.inf)
            novelty = 1.0 - alike.max(axis=1)
            failure[some] = 0.0 + self.failure_weight * self.failure_range.scaled(rows[some], novelty)

        succeeded = self.outcomes[rows] > self.threshold
        for memory, chosen in ((self.successes, succeeded), (self.failures, ~succeeded)):
            memory.add(rows[chosen], contexts[chosen], responses[chosen])
        self.episodes[rows] += 1
        return success, failure
