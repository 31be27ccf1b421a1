"""Wrappers around wrappers, run as one: terms are read, checked and written once a step, however many there are.

* ``Stack`` - the transforms of a stack of wrappers, and the arithmetic of one step
* ``StackStep`` - a ``Transition`` that moves from one transform to the next
* ``Face`` - what the wrappers for ``Env``, ``VectorEnv`` and ``ParallelEnv`` share
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar, Self

from gymnasium.utils import RecordConstructorArgs

from telos.wrappers.arrays import NUMPY, Arrays
from telos.wrappers.core import InfoBatch, RewardTransform, Transition
from telos.wrappers.terms import Array, Terms, sum_terms, unknown_term

__all__ = ["Face", "Stack", "StackStep"]


class StackStep(Transition):
    """A ``Transition`` whose reward and ``done`` are worked out when a transform asks for them.

    Attributes:
        ended: Whether any episode ended in this step.
    """

    __slots__ = ("_done", "_reward", "_reward_dtype", "_xp", "ended")

    def __init__(
        self,
        xp: Arrays,
        *,
        obs: Any,
        action: Any,
        next_obs: Any,
        terms: Terms,
        reward: Array | None,
        reward_dtype: Any,
        terminated: Array,
        truncated: Array,
        active: Array,
        trainable: Array,
        info: InfoBatch,
        done: Array,
        ended: bool,
    ) -> None:
        # The generated constructor would be called by name once more, and cost a single environment a microsecond.
        self.obs, self.action, self.next_obs, self.terms, self.info = obs, action, next_obs, terms, info
        self.terminated, self.truncated, self.active, self.trainable = terminated, truncated, active, trainable
        self._xp, self._reward, self._reward_dtype, self._done, self.ended = xp, reward, reward_dtype, done, ended

    def move_on(self, terms: Terms) -> None:
        """Puts a transform's payments in the place of the terms and the reward."""
        self.terms, self._reward = terms, None

    @property
    def reward(self) -> Array:  # type: ignore[override]
        """Reward that came with the terms, shape ``(num_envs,)``."""
        if self._reward is None:
            self._reward = self._xp.cast(sum_terms(self.terms), self._reward_dtype)
        return self._reward

    @property
    def done(self) -> Array:
        """Where an episode ended in this step, shape ``(num_envs,)``, bool."""
        return self._done


class Stack:
    """Transforms from the innermost out.

    Attributes:
        transforms: The transforms.
        observes: Whether any of them looks at observations and actions.
    """

    def __init__(self, names: tuple[str, ...] = (), transforms: tuple[RewardTransform, ...] = ()) -> None:
        self.transforms = transforms
        self.observes = any(transform.observes for transform in transforms)
        self._names = names
        self._checked = False

    @property
    def observer(self) -> str:
        """The name of the first wrapper that looks at observations and actions."""
        return next(name for name, t in zip(self._names, self.transforms, strict=True) if t.observes)

    def under(self, name: str, transform: RewardTransform) -> Stack:
        """Returns this stack with one more transform outside, whose wrapper is called ``name`` in errors."""
        return Stack((*self._names, name), (*self.transforms, transform))

    def use(self, xp: Arrays) -> None:
        """Moves every transform, before its first step, to another array library or device.

        Raises:
            TypeError: If a transform cannot work on its arrays.
        """
        for name, transform in zip(self._names, self.transforms, strict=True):
            if xp.name not in transform.libraries:
                raise TypeError(
                    f"{name} works on NumPy arrays only, and the environment pays {xp.name} tensors: make it with "
                    "device='cpu', or put gymnasium.wrappers.vector.NumpyToTorch outside instead of inside."
                )
        for transform in self.transforms:
            if transform.xp is not xp:
                transform.xp = xp
                transform.begin(transform.num_envs)

    def reset(self, mask: Array) -> None:
        """Forgets the episodes of the environments in ``mask``, shape ``(num_envs,)``, bool."""
        for transform in self.transforms:
            transform.reset(mask)

    def pay(self, step: StackStep, dead: Array | None) -> tuple[Terms, dict[str, Any]]:
        """Runs every transform on a step, and forgets the episodes that ended in it.

        Args:
            step: The step; its terms, checked against the reward, may be of any dtype and anything in dead rows. It
                is used up.
            dead: Rows that are not active or not trainable, shape ``(num_envs,)``, bool; None if there are none.

        Returns:
            The terms to pay, all of one floating dtype and 0 in dead rows, and what to write into the infos of the
            episodes that ended.
        """
        xp, checked, ended = step._xp, self._checked, step.ended
        dtype = xp.common_dtype(step.terms.values())
        rows = None if dead is None else xp.rows(dead)
        step.terms = _settled(xp, step.terms, {}, dtype, rows)
        notes: dict[str, Any] = {}
        for at, transform in enumerate(self.transforms):
            if not checked:
                self._check_named(at, step.terms)
            paid = transform.update(step)
            if not checked:
                self._check_shapes(at, paid)
            paid = _settled(xp, paid, step.terms, dtype, rows)
            if ended:
                notes.update(transform.episode_info(step))
                transform.reset(step.done)
            step.move_on(paid)
        self._checked = True
        return dict(step.terms), notes

    def _check_named(self, at: int, terms: Mapping[str, Array]) -> None:
        for term in self.transforms[at].named_terms():
            if term not in terms:
                raise unknown_term(self._names[at], term, terms)

    def _check_shapes(self, at: int, terms: Mapping[str, Any]) -> None:
        expected = (self.transforms[at].num_envs,)
        for name, value in terms.items():
            if tuple(getattr(value, "shape", ())) != expected:
                raise ValueError(
                    f"{self._names[at]}: update() must return arrays of shape {expected}; term {name!r} is {value!r}."
                )


def _settled(
    xp: Arrays, terms: Mapping[str, Array], known: Mapping[str, Array], dtype: Any, dead: Array | None
) -> Terms:
    """Returns terms in one dtype, 0 in dead rows. Those that are also in ``known`` are so already."""
    if dead is None:
        for value in terms.values():
            # Libraries have one object for each common dtype, and `==` is slow.
            if value.dtype is not dtype:
                return {name: xp.cast(value, dtype) for name, value in terms.items()}
        return terms  # type: ignore[return-value]
    return {
        name: value if value is known.get(name) else xp.blanked(xp.cast(value, dtype), dead)
        for name, value in terms.items()
    }


class Cursor:
    """Where the episodes of a stack's environments are; one for all its wrappers.

    Attributes:
        obs: A copy of the observations before the next step; None if no transform looks at them.
        waiting: Rows whose next step is none, shape ``(num_envs,)``, bool.
        observed: Whether any transform looks at them.
    """

    def __init__(self, waiting: Array) -> None:
        self.obs: Any = None
        self.waiting = waiting
        self.observed = False


class Face(RecordConstructorArgs):
    """What all faces share: the transform, its arguments and state, and the stack in which it is the outermost."""

    transform_type: ClassVar[type[RewardTransform]]
    transform: RewardTransform
    _first: Self | None
    """The innermost of the wrappers that run as one with this; None if that is this one."""
    _stack: Stack
    _cursor: Cursor

    def _begin(self, inside: Any, num_envs: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.transform = self.transform_type(*args, **kwargs)
        RecordConstructorArgs.__init__(self, **self.transform.arguments)
        self.transform.begin(num_envs)
        self._every: Array = NUMPY.zeros(num_envs, NUMPY.bool)
        self._never = self._every
        self._every = ~self._never
        self.transform.reset(self._every)
        self._trusted = isinstance(inside, Face)
        alike = self._trusted and all(
            getattr(type(inside), name) is getattr(type(self), name) for name in ("step", "reset")
        )
        inner = inside if alike else None
        self._first = None if inner is None else inner._innermost
        self._stack = (Stack() if inner is None else inner._stack).under(type(self).__name__, self.transform)
        self._cursor = Cursor(self._never) if inner is None else inner._cursor
        self._cursor.observed |= self.transform.observes

    @property
    def _innermost(self) -> Self:
        """The innermost wrapper of those that run as one."""
        return self if self._first is None else self._first

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the wrapper's state in the middle of episodes, without the wrapped environment's."""
        return {"transform": self.transform.state_dict(), "obs": deepcopy(self._cursor.obs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues exactly from what ``state_dict`` returned.

        Raises:
            ValueError: If the state is that of another transform or another number of environments.
        """
        self.transform.load_state_dict(state["transform"])
        self._cursor.obs = deepcopy(state["obs"])
