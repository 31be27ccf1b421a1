"""The base of bonuses for what is new, and the features that they look at.

* ``IntrinsicBonus`` - pays one more term, by how new a step is
* ``MemoryBonus`` - judges that by a memory that each environment has of its observations
* ``RandomEncoder`` - features of observations that nobody had to learn
* ``NeighbourMemory`` - the latest features of each environment, and the nearest of them
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.arrays import NUMPY, Arrays
from telos.wrappers.core import Invariance, RewardTransform, Timing, Transition
from telos.wrappers.signals import as_rows, function_name, load_function, side_by_side
from telos.wrappers.terms import Array, Terms, check_choice, check_number

__all__ = [
    "IntrinsicBonus",
    "MemoryBonus",
    "NeighbourMemory",
    "RandomEncoder",
    "check_whole",
    "finite_features",
    "meant",
    "products",
]

_BLOCK = 4_000_000
"""Differences to hold in memory at a time."""

_HIDDEN = 64
"""Width of the random encoder's hidden layer. Ours."""


def check_whole(owner: str, argument: str, value: int, least: int = 1) -> int:
    """Returns ``value`` as an int.

    Raises:
        ValueError: If it is no whole number, or below ``least``.
    """
    number = check_number(owner, argument, value)
    if number != int(number) or number < least:
        raise ValueError(f"{owner}: {argument}={value!r} must be a whole number, at least {least}.")
    return int(number)


def products(rows: Array, matrix: Array) -> Array:
    """Returns each row times its matrix, to the bit the same however many rows there are.

    Args:
        rows: Shape ``(n, d)``.
        matrix: Shape ``(d, k)``, or ``(n, d, k)``.

    Returns:
        Shape ``(n, k)``.
    """
    # One product for each row: a product of the whole batch is rounded differently for different batch sizes.
    result: Array = (rows[:, None, :] @ matrix)[:, 0]
    return result


def meant(rows: Array, xp: Arrays) -> Any:
    """Returns an index of the rows to work on: those that are meant, if these are few, else all.

    Args:
        rows: Which are meant, shape ``(num_envs,)``, bool.
        xp: Their library. A device would have to be waited for.
    """
    return rows.nonzero()[0] if xp is NUMPY and 4 * np.count_nonzero(rows) < len(rows) else slice(None)


def finite_features(owner: str, name: str, values: Any, rows: Array) -> Array:
    """Returns what a function gave as one row of features for each environment, 0 where they are not needed.

    Args:
        owner: The wrapper's name, for messages.
        name: The function's, for messages.
        values: Numbers, the first axis is the environment.
        rows: Where they are needed, shape ``(num_envs,)``, bool.

    Returns:
        Float64, shape ``(num_envs, d)``.

    Raises:
        ValueError: If these are no numbers, or the first axis does not fit, or one is not finite where it is needed.
    """
    features = as_rows(owner, name, values, len(rows)).reshape(len(rows), -1)
    features = np.where(rows[:, None], features, 0.0)
    if not np.isfinite(features).all():
        raise ValueError(f"{owner}: {name!r} is not finite; give features that are.")
    return features


class RandomEncoder:
    """A fixed random network with one hidden layer of 64 tanh units.

    Weights are normal with variance 1 / inputs, the hidden biases standard normal. They follow from the seed and the
    number of inputs, so that there is nothing to save.

    Args:
        size: Number of outputs.
        seed: Of the weights.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._seed = size, seed
        self._weights: tuple[Array, Array, Array] | None = None

    def __call__(self, inputs: Array, xp: Arrays = NUMPY) -> Array:
        """Returns the outputs for inputs of shape ``(n, d)``, in a library: shape ``(n, size)``."""
        if self._weights is None or len(self._weights[0]) != inputs.shape[1]:
            rng, width = np.random.default_rng(self._seed), inputs.shape[1]
            first = rng.normal(size=(width, _HIDDEN)) / np.sqrt(max(width, 1))
            bias, second = rng.normal(size=_HIDDEN), rng.normal(size=(_HIDDEN, self._size)) / np.sqrt(_HIDDEN)
            self._weights = xp.asarray(first), xp.asarray(bias), xp.asarray(second)
        first, bias, second = self._weights
        return products(xp.tanh(products(inputs, first) + bias), second)


@dataclass(eq=False, repr=False)
class IntrinsicBonus(RewardTransform):
    """Pays one more term, by how new a step is. Steps that are not trainable are neither paid nor remembered.

    Attributes:
        term: Name of the term; it ends in ``_bonus``, by which ``telos.wrappers.value_heads`` knows it.
    """

    timing: ClassVar[Timing] = "causal"
    invariance: ClassVar[Invariance] = "none"
    observes: ClassVar[bool] = True
    term: ClassVar[str]

    features: str | Callable[[Any], Array] | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        name = self.public_name()
        self.weight = check_number(name, "weight", self.weight)
        if callable(self.features):
            self.features = function_name(name, "features", self.features)
        self._function: Callable[..., Array] | None = None
        if self.features is not None:
            self._function = load_function(name, "features", self.features)

    @abstractmethod
    def novelty(self, step: Transition, live: Array) -> Array:
        """Remembers a step, and returns how new it was before.

        Args:
            step: The step.
            live: Which rows are to be remembered, shape ``(num_envs,)``, bool.

        Returns:
            Numbers of shape ``(num_envs,)``, finite in these rows.
        """

    @override
    def update(self, step: Transition) -> Terms:
        if self.term in step.terms:
            raise ValueError(f"{self.public_name()}: there already is a term {self.term!r}; wrap only once.")
        live = step.active & step.trainable
        # 0 + and not alone: a weight of 0 pays 0.0, not -0.0.
        return {**step.terms, self.term: self.where(live, 0.0 + self.weight * self.novelty(step, live), 0.0)}


@dataclass(eq=False, repr=False)
class MemoryBonus(IntrinsicBonus):
    """Pays by how new the observation is that a step arrives at, to its environment.

    The first observation of an episode is remembered at the episode's first step, and earns nothing.
    """

    state: ClassVar[tuple[str, ...]] = ("fresh",)

    memory: Literal["lifelong", "episodic"] = "lifelong"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.public_name(), "memory", self.memory, ("lifelong", "episodic"))

    @abstractmethod
    def remember(self, features: Array, rows: Array) -> Array:
        """Adds features to the memory, and returns how new they were before, at least in these rows.

        Args:
            features: Shape ``(num_envs, d)``, float64; finite in these rows, 0 elsewhere.
            rows: Which environments, shape ``(num_envs,)``, bool. The state of others stays as it is.

        Returns:
            Finite numbers of shape ``(num_envs,)``.
        """

    @abstractmethod
    def forget(self, mask: Array) -> None:
        """Empties the memory of some environments.

        Args:
            mask: Which environments, shape ``(num_envs,)``, bool.
        """

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.fresh = ~self.zeros(dtype=self.xp.bool)

    @override
    def reset(self, mask: Array) -> None:
        self.fresh = self.fresh | mask
        if self.memory == "episodic":
            self.forget(mask)

    @override
    def novelty(self, step: Transition, live: Array) -> Array:
        first = live & self.fresh
        if first.any():
            self.remember(self._features(step.obs, first), first)
        self.fresh = self.fresh & ~live
        return self.remember(self._features(step.next_obs, live), live)

    def _features(self, obs: Any, rows: Array) -> Array:
        if self.xp.name == "torch":
            features: Any = obs if self._function is None else self._function(obs)
            # Whether they are finite is not looked at: that would wait for the device.
            return self.where(rows[:, None], features.reshape(self.num_envs, -1).double(), 0.0)
        label = str(self.features or "observation")
        return finite_features(self.public_name(), label, (self._function or side_by_side)(obs), rows)


class NeighbourMemory:
    """The latest points of each environment, up to a capacity, and their distances to a new one.

    Args:
        num_envs: Number of environments.
        capacity: Points to keep for each; older ones are overwritten.
        xp: Library and device.
    """

    def __init__(self, num_envs: int, capacity: int, xp: Arrays = NUMPY) -> None:
        self.capacity, self._xp = capacity, xp
        self.points = xp.zeros((num_envs, 0, 0))
        self.added = xp.cast(xp.zeros(num_envs), xp.int64)
        self._envs = xp.asarray(np.arange(num_envs))

    def nearest(self, points: Array, k: int, rows: Array) -> Array:
        """Returns the squared distances to the nearest points of the same environment.

        Args:
            points: Shape ``(num_envs, d)``.
            k: How many, at least 1.
            rows: Where they are needed, shape ``(num_envs,)``, bool.

        Returns:
            In ascending order, infinite where there are fewer or they are not needed, shape ``(num_envs, k)``.

        Raises:
            ValueError: If d is not that of earlier points.
        """
        self._fit(points.shape[1])
        xp = self._xp
        num_envs, room, width = self.points.shape
        nearest: Array = xp.zeros((num_envs, k)) + np.inf
        needed = self._envs[meant(rows, xp)]
        block = max(1, _BLOCK // max(1, room * width))
        for start in range(0, len(needed), block):
            # A slice where it can be one: that copies nothing.
            part = slice(start, start + block) if len(needed) == num_envs else needed[start : start + block]
            squared = ((self.points[part] - points[part, None]) ** 2).sum(axis=2)
            known = xp.asarray(np.arange(room)) < self.added[part, None]
            nearest[part, : min(k, room)] = xp.smallest(xp.where(known, squared, np.inf), min(k, room))
        return nearest

    def add(self, points: Array, rows: Array) -> None:
        """Adds a point of shape ``(d,)`` in each of some rows; ``points`` has shape ``(num_envs, d)``."""
        self._fit(points.shape[1])
        room = self.points.shape[1]
        if not room or (room < self.capacity and bool((rows & (self.added >= room)).any())):
            grown = self._xp.zeros((len(self.points), min(self.capacity, max(16, 2 * room)), points.shape[1]))
            grown[:, :room] = self.points
            self.points = grown
        # Rows that add nothing may be full.
        slot = (self.added % self.capacity).clip(max=self.points.shape[1] - 1)
        self.points[self._envs, slot] = self._xp.where(rows[:, None], points, self.points[self._envs, slot])
        self.added = self.added + rows

    def _fit(self, width: int) -> None:
        if self.points.shape[2] == width:
            return
        if self.points.shape[1]:
            raise ValueError(f"Features have {width} numbers, but had {self.points.shape[2]} before.")
        self.points = self._xp.zeros((len(self.points), 0, width))

    def forget(self, mask: Array) -> None:
        """Drops the points of some environments."""
        self.added = self._xp.where(mask, 0, self.added)

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state."""
        return {"points": self._xp.copy(self.points), "added": self._xp.copy(self.added)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self.points, self.added = self._xp.copy(state["points"]), self._xp.copy(state["added"])
