"""Policies that recommend items at random with probabilities that are known exactly.

* ``SlatePolicy`` - softmax or greedy over item scores, mixed with uniform items; single items and slates
* ``LOGGING_POLICIES``, ``make_logging_policy`` - these by name, for an environment
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numba import njit
from numpy.typing import NDArray

import telos  # noqa: F401 - registers the environments
from telos.baselines.policies.registry import call_with
from telos.baselines.recsys_features import ItemFeatures, item_features
from telos.envs.engine.random import episode_key, step_key, uniform
from telos.wrappers.terms import suggestion

__all__ = ["LOGGING_POLICIES", "Scores", "SlatePolicy", "make_logging_policy"]

Floats = NDArray[np.float64]
Scores = Callable[[NDArray[Any]], Floats]
"""Observations ``(n, ...)`` to scores of items, float64 ``(n, items)``; ``(1, items)`` if these are always the same."""

_CHOICE, _EXPLORE = 0, 1
_CHUNK = 2**24
"""Scores that are held at a time, at most."""


@njit(cache=True, nogil=True, inline="always")
def _weigh(logits: Any, taken: Any, greedy: Any, weights: Any) -> Any:
    """Writes the probabilities of the items that are left, up to a factor, and returns their sum."""
    most, best = -np.inf, 0
    for j in range(len(logits)):
        if not taken[j] and logits[j] > most:
            most, best = logits[j], j
    total = 0.0
    for j in range(len(logits)):
        weights[j] = 0.0
        if not taken[j]:
            weights[j] = (1.0 if j == best else 0.0) if greedy else math.exp(logits[j] - most)
        total += weights[j]
    return total


@njit(cache=True, nogil=True, inline="always")
def _pick(weights: Any, total: Any, u: Any) -> Any:
    """The item at a share ``u`` of the weights."""
    left, last = u * total, 0
    for j in range(len(weights)):
        if weights[j] > 0.0:
            last = j
            left -= weights[j]
            if left < 0.0:
                break
    return last


@njit(cache=True, nogil=True, inline="always")
def _pick_any(chosen: Any, rest: Any, u: Any) -> Any:
    """The item at a share ``u`` of those that are not among the chosen ones."""
    item = min(int(u * rest), rest - 1)
    # Items from the smallest chosen one on move up by one, and so on.
    below = -1
    for _ in range(len(chosen)):
        smallest = -1
        for other in chosen:
            if other > below and (smallest < 0 or other < smallest):
                smallest = other
        if item < smallest:
            break
        item, below = item + 1, smallest
    return item


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    logits: Any, epsilon: Any, greedy: Any, draws: Any, seed: Any, sessions: Any, times: Any, slates: Any, slots: Any
) -> None:
    """Draws slates, or takes them as they are; writes the probability of each slot given those above it."""
    items = logits.shape[1]
    weights, taken = np.empty(items), np.zeros(items, np.bool_)
    first, whole_slate = np.empty(items), 0.0
    for i in range(len(slates)):
        scores = logits[i if len(logits) > 1 else 0]
        taken[:] = False
        if i == 0 or len(logits) > 1:
            whole_slate = _weigh(scores, taken, greedy, first)
        weights[:] = first
        whole = total = whole_slate
        key = step_key(episode_key(np.uint64(seed), np.uint64(sessions[i])), times[i])  # type: ignore[no-untyped-call]
        for k in range(slates.shape[1]):
            # What is left of a sum after subtractions is exact to 1e-13 as long as it is not small.
            if k and (greedy or total < 1e-3 * whole):
                whole = total = _weigh(scores, taken, greedy, weights)
            rest = items - k
            if draws:
                u = uniform(key, _CHOICE, k)  # type: ignore[no-untyped-call]
                if epsilon > 0.0 and uniform(key, _EXPLORE, k) < epsilon:  # type: ignore[no-untyped-call]
                    slates[i, k] = _pick_any(slates[i, :k], rest, u)
                else:
                    slates[i, k] = _pick(weights, total, u)
            item = slates[i, k]
            if taken[item]:
                slots[i, k:] = 0.0
                break
            slots[i, k] = (1.0 - epsilon) * weights[item] / total + epsilon / rest
            taken[item] = True
            total -= weights[item]
            weights[item] = 0.0


class SlatePolicy:
    """Fills a slate from above, each slot with one of the items that are left.

    With probability ``1 - epsilon`` the slot's item is drawn from the softmax of the scores of the items that are left
    (with ``greedy``, it is the one with the highest score, the first of several); else it is drawn uniformly from them.
    So slot k holds item a with the probability, given the items above,

        p_k(a) = (1 - epsilon) * exp(s_a) / sum_{j left} exp(s_j) + epsilon / (items - k),

    and the slate has the product of its slots. Without ``epsilon`` that is the Plackett-Luce model (Plackett, "The
    Analysis of Permutations", Applied Statistics 1975). With one slot it is the softmax, or epsilon-greedy.

    Each draw is a function of seed, session and step alone, however sessions are batched. It is also a
    ``telos.baselines.evaluation.Policy``.

    Args:
        scores: Of all items, see ``Scores``.
        space: ``Discrete(items)``, or ``MultiDiscrete`` with as many equal entries as there are slots.
        epsilon: Share of uniform draws in each slot, in [0, 1].
        greedy: Whether the other draws take the highest score.
        seed: Of the draws.

    Raises:
        ValueError: If the space is another one, or epsilon is not in [0, 1].
    """

    def __init__(
        self, scores: Scores, space: spaces.Space[Any], epsilon: float = 0.0, greedy: bool = False, seed: int = 0
    ) -> None:
        self.items, self.slots = slate_shape(space)
        if not 0.0 <= epsilon <= 1.0:
            raise ValueError(f"epsilon must be in [0, 1], got {epsilon}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self._scores, self._single, self._calls = scores, isinstance(space, spaces.Discrete), 0
        self._epsilon, self._greedy, self._seed = float(epsilon), bool(greedy), int(seed)

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Returns a batch of actions, as ``Policy``."""
        self._calls += 1
        return self.draw(observations, np.arange(len(begins)), np.full(len(begins), self._calls))[0]

    def draw(
        self, observations: NDArray[Any], sessions: NDArray[np.int64], times: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Floats]:
        """Draws actions.

        Args:
            observations: ``(n, ...)``.
            sessions: A number of each session, int64 ``(n,)``: others have other luck.
            times: Steps since its start, int64 ``(n,)``.

        Returns:
            Actions, int64 ``(n,)`` or ``(n, slots)``, and the probability of each slot, float64 ``(n, slots)``.
        """
        slates, slots = np.empty((len(sessions), self.slots), np.int64), np.empty((len(sessions), self.slots))
        self._fill(observations, slates, slots, sessions, times)
        return slates[:, 0] if self._single else slates, slots

    def propensities(self, observations: NDArray[Any], actions: NDArray[Any]) -> Floats:
        """The probability of each slot of given actions, float64 ``(n, slots)``; from a repeated item on it is 0.

        Raises:
            ValueError: If an action has another shape, or an item that there is not.
        """
        slates = np.asarray(actions).reshape(len(actions), -1)
        if slates.shape[1] != self.slots or (slates < 0).any() or (slates >= self.items).any():
            raise ValueError(
                f"actions must be {self.slots} items from 0 to {self.items - 1}, and are of shape "
                f"{np.shape(actions)} from {slates.min()} to {slates.max()}"
            )
        slots = np.empty(slates.shape)
        self._fill(observations, slates.astype(np.int64), slots)
        return slots

    def probabilities(self, observations: NDArray[Any]) -> Floats:
        """The probability of each item in the first slot, float64 ``(n, items)``."""
        scores = self._scored(observations)
        if self._greedy:
            chosen = (np.arange(self.items) == scores.argmax(axis=1)[:, None]).astype(np.float64)
        else:
            chosen = np.exp(scores - scores.max(axis=1, keepdims=True))
            chosen /= chosen.sum(axis=1, keepdims=True)
        mixed = (1.0 - self._epsilon) * chosen + self._epsilon / self.items
        return np.array(np.broadcast_to(mixed, (len(observations), self.items)))

    def expected(self, observations: NDArray[Any], per_item: Floats, looks: Floats, draws: int = 8) -> Floats:
        """The mean, over the policy's actions, of ``sum_k looks_k * per_item[item in slot k]``.

        Args:
            observations: ``(n, ...)``.
            per_item: Features of items, float64 ``(items, P)``.
            looks: How much each slot counts, float64 ``(slots,)``.
            draws: Slates that the mean is over; of single items it is exact.

        Returns:
            Float64 ``(n, P)``.
        """
        if self.slots == 1:
            parts = (self.probabilities(observations[rows]) @ per_item for rows in self._chunks(len(observations)))
            return np.concatenate([looks[0] * part for part in parts])
        total, own = np.zeros((len(observations), per_item.shape[1])), np.arange(len(observations))
        for number in range(draws):
            # Sessions below 0 are nobody's: this luck is not that of any log.
            slates, _ = self.draw(observations, -1 - own, np.full(len(own), number))
            for k, weight in enumerate(looks.tolist()):
                total += weight * per_item[slates[:, k] if slates.ndim > 1 else slates]
        return total / draws

    def _scored(self, observations: NDArray[Any]) -> Floats:
        scores = np.asarray(self._scores(observations), np.float64)
        if scores.shape not in ((len(observations), self.items), (1, self.items)) or not np.isfinite(scores).all():
            raise ValueError(
                f"scores must be finite, ({len(observations)}, {self.items}) or (1, {self.items}); got {scores.shape}"
            )
        return scores

    def _chunks(self, number: int) -> list[slice]:
        """Rows that are scored at a time; at least one slice."""
        step = max(_CHUNK // self.items, 1)
        return [slice(start, start + step) for start in range(0, max(number, 1), step)]

    def _fill(
        self,
        observations: NDArray[Any],
        slates: NDArray[np.int64],
        slots: Floats,
        sessions: NDArray[np.int64] | None = None,
        times: NDArray[np.int64] | None = None,
    ) -> None:
        """Writes slates, if there are sessions to draw for, and the probabilities of their slots."""
        nobody = np.zeros(len(slates), np.int64)
        luck = (nobody, nobody) if sessions is None or times is None else (sessions, times)
        for rows in self._chunks(len(slates)):
            scores = self._scored(observations[rows])
            fixed = self._epsilon, self._greedy, sessions is not None, self._seed
            _fill(scores, *fixed, luck[0][rows], luck[1][rows], slates[rows], slots[rows])


def slate_shape(space: spaces.Space[Any]) -> tuple[int, int]:
    """The number of items and of slots of an action space.

    Raises:
        ValueError: If its actions are no items and no slates of them.
    """
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return int(space.n), 1
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1 and not np.any(space.start):
        (items, *others), slots = set(space.nvec.tolist()), len(space.nvec)
        if not others and slots <= items:
            return int(items), slots
    raise ValueError(f"actions must be an item, Discrete(items), or a slate of such, MultiDiscrete; they are {space}")


def _uniform(space: spaces.Space[Any], features: ItemFeatures, seed: int) -> SlatePolicy:
    return SlatePolicy(lambda _: np.zeros((1, len(features.items))), space, seed=seed)


def _softmax_popularity(
    space: spaces.Space[Any], features: ItemFeatures, seed: int, temperature: float = 1.0, epsilon: float = 0.0
) -> SlatePolicy:
    scores = (features.popularity / _positive(temperature))[None]
    return SlatePolicy(lambda _: scores, space, epsilon, seed=seed)


def _softmax_linear(
    space: spaces.Space[Any],
    features: ItemFeatures,
    seed: int,
    weights: Any = None,
    temperature: float = 1.0,
    epsilon: float = 0.0,
) -> SlatePolicy:
    return SlatePolicy(_linear(features, weights, temperature), space, epsilon, seed=seed)


def _epsilon_greedy(
    space: spaces.Space[Any], features: ItemFeatures, seed: int, weights: Any = None, epsilon: float = 0.1
) -> SlatePolicy:
    return SlatePolicy(_linear(features, weights, 1.0), space, epsilon, greedy=True, seed=seed)


def _positive(temperature: float) -> float:
    if not temperature > 0.0:
        raise ValueError(f"temperature must be above 0, got {temperature}; epsilon-greedy takes the highest score")
    return temperature


def _linear(features: ItemFeatures, weights: Any, temperature: float) -> Scores:
    """Scores ``context @ weights @ item``, see ``ItemFeatures``."""
    given = np.asarray(features.weights if weights is None else weights, np.float64)
    if given.shape != features.weights.shape:
        raise ValueError(
            f"weights must be of shape {features.weights.shape}, and are {given.shape}: a row for each of "
            f"{', '.join(features.context_names)}, and a column for each of {', '.join(features.item_names)}"
        )
    of_items = given @ features.items.T / _positive(temperature)
    return lambda observations: np.asarray(features.context(observations) @ of_items)


LOGGING_POLICIES: Mapping[str, Callable[..., SlatePolicy]] = {
    "uniform": _uniform,
    "softmax-popularity": _softmax_popularity,
    "softmax-linear": _softmax_linear,
    "epsilon-greedy": _epsilon_greedy,
}
"""Names to what makes the policy: all items alike; softmax of popularity; of scores that are linear in the features of
items and observations; the highest of these, mixed with uniform items."""


def make_logging_policy(
    name: str, env_id: str, kwargs: dict[str, Any], *, seed: int = 0, arguments: Mapping[str, Any] | None = None
) -> SlatePolicy:
    """Makes a policy with known probabilities.

    Args:
        name: In ``LOGGING_POLICIES``.
        env_id: Gymnasium's id of a recommender.
        kwargs: The environment's arguments.
        seed: Of the policy's draws.
        arguments: The policy's: ``temperature`` and ``epsilon`` of softmax-popularity; these and ``weights``,
            ``(contexts, features)``, of softmax-linear; ``weights`` and ``epsilon`` of epsilon-greedy.

    Raises:
        ValueError: If there is no such policy, the environment has no public features of items, or an argument is
            wrong.
        gymnasium.error.Error: If there is no such environment.
    """
    if name not in LOGGING_POLICIES:
        known = ", ".join(LOGGING_POLICIES)
        raise ValueError(f"no policy {name!r} has known probabilities.{suggestion(name, LOGGING_POLICIES)} {known} do.")
    gym.spec(env_id)
    env = gym.make(env_id, **kwargs)
    try:
        policy: SlatePolicy = call_with(
            LOGGING_POLICIES[name],
            arguments or {},
            f"the policy {name!r}",
            env.action_space,
            item_features(env_id, env),
            seed,
        )
        return policy
    finally:
        env.close()
