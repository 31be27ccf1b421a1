"""The base of every reward idea: written once, batch first, for any number of environments.

* ``RewardTransform`` - what a reward idea subclasses
* ``Transition`` - what it sees of one step of every environment

``telos.wrappers.faces`` turns a transform into a wrapper for ``Env`` and one for ``VectorEnv``.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from telos.wrappers.arrays import NUMPY, Arrays
from telos.wrappers.terms import Array, Terms

if TYPE_CHECKING:
    from telos.wrappers.episodes import Episode

__all__ = ["InfoBatch", "Invariance", "Library", "RewardTransform", "Timing", "Transition"]

Library = Literal["numpy", "torch"]
"""An array library."""

Timing = Literal["causal", "episode", "hindsight"]
"""``"causal"`` pays when earned; ``"episode"`` can pay some terms only at the end; ``"hindsight"`` rewrites finished
rollouts and is called by the learner."""

Invariance = Literal["exact", "conditional", "none"]
"""Whether the optimal policies of the environment stay optimal: always, under a condition that the docstring states, or
not in general."""


class InfoBatch(Protocol):
    """The infos of one step, one row per environment, whatever face they came through."""

    def get(self, key: str, default: Any) -> Array:
        """Returns ``info[key]`` of every environment, ``default`` where it is missing.

        Args:
            key: A key, or a path such as ``"grade.resolved"`` into nested infos, see ``telos.wrappers.infos.look_up``.
            default: What rows without it get.

        Returns:
            Shape ``(num_envs, ...)``, of a dtype that can hold both.
        """


@dataclass(slots=True)
class Transition:
    """One step of every environment.

    Rows whose ``active`` is false are dummy autoreset steps: their terms are 0, and a transform must leave the state
    of these environments alone. Treat all arrays as read-only, and copy what must outlast the step: environments may
    write into theirs again.

    Attributes:
        obs: Observations before the step, batched as in ``VectorEnv``; None unless the transform ``observes``.
        action: Actions, batched; None unless the transform ``observes``.
        next_obs: Observations after the step, the final one (not the reset one) where an episode ended; None unless
            the transform ``observes``.
        terms: Term name to values of shape ``(num_envs,)``, floating. 0 in rows that are not ``active``, and in rows
            that the environment marked ``info["trainable"] = False``.
        reward: Reward that came with the terms, shape ``(num_envs,)``.
        terminated: Shape ``(num_envs,)``, bool.
        truncated: Shape ``(num_envs,)``, bool.
        active: Which rows are real steps, shape ``(num_envs,)``, bool.
        trainable: False where the infrastructure failed and the step must not be learned from,
            shape ``(num_envs,)``, bool.
        info: The step's infos, by row.
    """

    obs: Any
    action: Any
    next_obs: Any
    terms: Mapping[str, Array]
    reward: Array
    terminated: Array
    truncated: Array
    active: Array
    trainable: Array
    info: InfoBatch

    @property
    def done(self) -> Array:
        """Where an episode ended in this step, for whatever reason, shape ``(num_envs,)``, bool."""
        done: Array = (self.terminated | self.truncated) & self.active
        return done


class RewardTransform(ABC):
    """A reward idea, over a batch of environments.

    Subclasses are dataclasses (``@dataclass(eq=False, repr=False)``) whose fields are the arguments, all of them
    JSON-serialisable so that ``env.spec`` can carry them, and are named ``<PublicName>Transform``. All state is named
    in ``state``. It is per environment, first axis first, and no method looks at another environment's row, unless the
    transform is ``pooled``.

    Attributes:
        timing: When it pays, see ``Timing``.
        invariance: Whether optimal policies survive, see ``Invariance``.
        observes: Whether it needs ``obs``, ``action`` and ``next_obs``. Faces keep copies only for those that do.
        pooled: Whether environments share what it learns. Then the payments of one depend on the others, and faces
            agree for one environment.
        state: Names of the attributes that ``state_dict`` saves: arrays, numbers, dicts and lists of them, or objects
            that have a ``state_dict`` and a ``load_state_dict`` themselves.
        libraries: Whose arrays it can work on. With ``"torch"`` it promises to use operators, methods that both
            libraries have, and ``xp``, and to allocate with ``zeros``; terms, state and payments then stay on the
            environment's device.
        xp: Functions of the library that the environment uses. A face sets it before ``begin``.
        num_envs: Number of rows, set by ``begin``.
    """

    timing: ClassVar[Timing]
    invariance: ClassVar[Invariance]
    observes: ClassVar[bool] = False
    pooled: ClassVar[bool] = False
    state: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[Library, ...]] = ("numpy",)
    xp: Arrays = NUMPY
    num_envs: int

    def begin(self, num_envs: int) -> None:
        """Allocates state for ``num_envs`` environments; extend it to allocate more.

        Faces call it when they are made, and once more before the first step if that shows that the environment's
        arrays are not NumPy's.

        Args:
            num_envs: Number of rows in every array to come, at least 1.
        """
        self.num_envs = num_envs

    @abstractmethod
    def reset(self, mask: Array) -> None:
        """Forgets the episodes of some environments.

        Faces call it when an episode ends, straight after the step, and when the environment is reset.

        Args:
            mask: Which environments, shape ``(num_envs,)``, bool.
        """

    @abstractmethod
    def update(self, step: Transition) -> Terms:
        """Turns the terms of one step into those to pay.

        Args:
            step: The step.

        Returns:
            The new terms, in the order in which they will be added up. Arrays of shape ``(num_envs,)``; values in
            rows that are not active or not trainable are ignored.
        """

    def episode_info(self, step: Transition) -> dict[str, Any]:
        """Returns what to write into ``info`` for the episodes that ended in ``step``.

        Called after ``update`` and before ``reset``, only if ``step.done.any()``.

        Args:
            step: The step that ``update`` just saw.

        Returns:
            Info key to an array of shape ``(num_envs, ...)`` or a dict of such. Only rows in ``step.done`` are used.
            What differs in shape between environments comes as objects, in an array of ``dtype=object``.
        """
        return {}

    def rewrite(self, episode: Episode) -> Array:
        """Returns the rewards that a learner trains on for a finished episode.

        These are the rewards that a face pays, unless the transform rewrites them in hindsight: then they are those of
        ``info["hindsight"]``. A new transform with the same arguments computes them: running episodes are not touched,
        and what this one may have learned from earlier episodes is not used.

        Args:
            episode: A finished episode.

        Returns:
            Rewards of shape ``(T,)``.
        """
        from telos.wrappers.logged import relabel

        (relabelled,) = relabel([episode], self)
        hindsight = relabelled.info.get("hindsight")
        return relabelled.reward if hindsight is None else hindsight.reward

    def zeros(self, *shape: int, dtype: Any = None) -> Array:
        """Returns zeros of shape ``(num_envs, *shape)`` in the environment's library and on its device.

        Args:
            *shape: Further axes.
            dtype: The library's dtype; float64 by default.
        """
        zeros: Array = self.xp.zeros((self.num_envs, *shape), dtype=dtype or self.xp.float64)
        return zeros

    def where(self, condition: Array, value: Any, other: Any) -> Array:
        """Returns ``value`` where the condition holds and ``other`` elsewhere; either may be a number."""
        chosen: Array = self.xp.where(condition, value, other)
        return chosen

    def named_terms(self) -> Iterable[str]:
        """Returns the terms that the arguments name; a face checks at the first step that they all exist."""
        return ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor arguments, as ``env.spec`` records them."""
        return {field.name: getattr(self, field.name) for field in _fields(self)}

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state; ``load_state_dict`` continues from it exactly."""
        return {"num_envs": self.num_envs, **{name: _saved(getattr(self, name)) for name in self.state}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a state that ``state_dict`` returned, which is copied.

        Args:
            state: State of a transform of this class, for the same number of environments.

        Raises:
            ValueError: If keys or the number of environments do not fit.
        """
        if set(state) != {"num_envs", *self.state}:
            raise ValueError(f"{self.public_name()}: expected state {['num_envs', *self.state]}, got {list(state)}.")
        if state["num_envs"] != self.num_envs:
            raise ValueError(
                f"{self.public_name()}: the state is for {state['num_envs']} environments, not {self.num_envs}."
            )
        for name in self.state:
            if hasattr(getattr(self, name), "load_state_dict"):
                getattr(self, name).load_state_dict(state[name])
            else:
                setattr(self, name, deepcopy(state[name]))

    @classmethod
    def public_name(cls) -> str:
        """Returns the public name: the class's, without ``Transform``."""
        return cls.__name__.removesuffix("Transform")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.described()})"

    def described(self) -> str:
        """Returns the arguments that differ from their defaults, as ``name=value``."""
        pairs = ((field, getattr(self, field.name)) for field in _fields(self))
        return ", ".join(f"{field.name}={value!r}" for field, value in pairs if value != _default(field))


def _saved(value: Any) -> Any:
    return value.state_dict() if hasattr(value, "state_dict") else deepcopy(value)


def _fields(transform: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(transform)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
