"""Numbers that arguments name by a string, because a wrapper's arguments must fit into a JSON spec.

* ``Signal`` - one number per environment and step: a reward term, a key of ``info``, or a function of the step
* ``SignalTransform`` - the base of transforms that read signals and add up terms over the episode
* ``evaluate`` - one number per environment, by a function of the observations
* ``load_function``, ``function_name`` - between a function and the string ``"module:function"``
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import RewardTransform, Transition
from telos.wrappers.terms import Array, Terms

__all__ = [
    "INFO",
    "Signal",
    "SignalTransform",
    "as_rows",
    "evaluate",
    "function_name",
    "load_function",
    "side_by_side",
]

INFO = "info:"
"""Prefix of a signal that is read from ``info``."""


def load_function(owner: str, argument: str, name: str) -> Callable[..., Any]:
    """Imports the function that ``"module:function"`` names.

    Args:
        owner: The wrapper's name, for messages.
        argument: The argument's name, for messages.
        name: Such as ``"my_package.rewards:distance_to_goal"``; what follows the colon may have dots.

    Raises:
        ValueError: If there is no such module or function.
    """
    module, _, path = name.partition(":")
    try:
        function = reduce(getattr, path.split("."), importlib.import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{owner}: {argument}={name!r} could not be imported ({error}). Name a function of a module that can be "
            'imported, as "module:function".'
        ) from error
    if not callable(function):
        raise ValueError(f"{owner}: {argument}={name!r} is {type(function).__name__}, not a function.")
    found: Callable[..., Any] = function
    return found


def function_name(owner: str, argument: str, function: Callable[..., Any]) -> str:
    """Returns ``"module:function"`` of a function, so that a spec can carry it.

    Raises:
        ValueError: If the name would not lead back to the function: a lambda, or one defined inside another.
    """
    name = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', None)}"
    try:
        found = load_function(owner, argument, name)
    except ValueError:
        found = None
    if found is not function:
        raise ValueError(
            f"{owner}: {argument}={function!r} cannot be found again by its name {name!r}, which env.spec records. "
            "Define the function at the top level of a module."
        )
    return name


def as_rows(owner: str, name: str, values: Any, num_envs: int) -> Array:
    """Returns what a function or ``info`` gave as an array of floats, one row per environment.

    Raises:
        ValueError: If the first axis is not the environment, or there is something else than numbers.
    """
    try:
        rows = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{owner}: {name!r} must hold numbers: {error}.") from error
    if rows.ndim == 0 or len(rows) != num_envs:
        raise ValueError(f"{owner}: {name!r} has shape {rows.shape}; its first axis must be the {num_envs} row(s).")
    return rows


def evaluate(owner: str, name: str, function: Callable[..., Any], obs: Any, num_envs: int) -> Array:
    """Returns a function of a batch of observations, float64, shape ``(num_envs,)``.

    Raises:
        ValueError: If the function returns another shape, or no numbers.
    """
    values = as_rows(owner, name, function(obs), num_envs)
    if values.shape != (num_envs,):
        raise ValueError(f"{owner}: {name!r} returned shape {values.shape}, not {(num_envs,)}.")
    return values


def side_by_side(*batches: Any) -> Array:
    """Returns batches of numbers next to each other, one row per environment, float64, shape ``(num_envs, d)``.

    Raises:
        ValueError: If a batch is no array of numbers, as those of ``Text``, ``Dict`` and ``Tuple`` spaces.
    """
    parts = []
    for batch in batches:
        # Not by conversion to floats: that would read the numbers in strings.
        part = np.asarray(batch)
        if part.dtype.kind not in "biuf":
            raise ValueError(
                f"Observations and actions are not all arrays of numbers, one is a batch of {type(batch).__name__}; "
                "give a function that makes features."
            )
        parts.append(part.reshape(len(part), -1).astype(np.float64))
    return np.concatenate(parts, axis=1)


class Signal:
    """One or more numbers per environment and step, named by a string.

    * ``"tool"`` - the reward term of that name, as it came from inside
    * ``"info:belief"`` - ``info["belief"]``; a ValueError where an active row lacks it
    * ``"info:grade.resolved"`` - ``info["grade"]["resolved"]``, if there is no key ``"grade.resolved"``
    * ``"module:function"`` - a function of the ``Transition``, which returns shape ``(num_envs, ...)``

    Attributes:
        name: The string.
        term: The term's name if it is a term, else None.
    """

    def __init__(self, owner: str, argument: str, name: str | Callable[..., Any]) -> None:
        if not isinstance(name, str):
            name = function_name(owner, argument, name)
        self._owner, self.name = owner, name
        self.term: str | None = None
        self._key: str | None = None
        self._function: Callable[..., Any] | None = None
        if name.startswith(INFO):
            self._key = name.removeprefix(INFO)
        elif ":" in name:
            self._function = load_function(owner, argument, name)
        else:
            self.term = name

    def __call__(self, step: Transition, rows: Array | None = None) -> Array:
        """Returns the numbers of a step, float64, shape ``(num_envs, ...)``.

        Args:
            step: The step.
            rows: Where numbers are needed, shape ``(num_envs,)``, bool; the active and trainable rows by default. What
                other rows get is arbitrary.

        Raises:
            ValueError: If a number that is needed is missing, or the shape is wrong.
        """
        if rows is None:
            rows = step.active & step.trainable
        num_envs = len(step.active)
        if self.term is not None:
            return np.asarray(step.terms[self.term], np.float64)
        if self._function is not None:
            return as_rows(self._owner, self.name, self._function(step), num_envs)
        values = as_rows(self._owner, self.name, self._from_info(step), num_envs)
        missing = rows & np.isnan(values.reshape(num_envs, -1)).any(axis=1)
        if missing.any():
            raise ValueError(
                f"{self._owner}: info[{self._key!r}] is missing (or NaN) in row {int(np.flatnonzero(missing)[0])}. The "
                "environment must write it in every step where it is needed."
            )
        return values

    def _from_info(self, step: Transition) -> Array:
        """Returns what ``info`` holds, NaN in rows without it."""
        assert self._key is not None
        found = step.info.get(self._key, np.nan)
        if found.dtype.kind != "O":
            return found
        boxed = [np.nan if value is None else value for value in found]
        shape = max((np.shape(value) for value in boxed), key=len)
        try:
            return np.stack([np.broadcast_to(np.asarray(value, np.float64), shape) for value in boxed])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self._owner}: info[{self._key!r}] must hold numbers of one shape: {error}.") from error


class SignalTransform(RewardTransform):
    """The base of transforms that read named signals, and add up terms over the running episode.

    Attributes:
        signals: Name to signal; a subclass sets it in ``__post_init__``.
        sums: Name to a sum over the running episode, shape ``(num_envs,)``. ``begin`` makes one for each of
            ``named_terms``, to which ``add`` adds.
    """

    state: ClassVar[tuple[str, ...]] = ("sums",)
    signals: dict[str, Signal]

    def read_signals(self, argument: str) -> dict[str, str]:
        """Makes ``signals`` of an argument that maps names to them.

        Returns:
            Name to the signal's name, for ``env.spec``.

        Raises:
            ValueError: If the argument is no mapping, or a function cannot be found by its name.
        """
        owner, given = self.public_name(), getattr(self, argument)
        if not isinstance(given, Mapping):
            raise ValueError(f"{owner}: {argument}={given!r} must map names to terms, info keys or functions.")
        self.signals = {str(name): Signal(owner, f"{argument}[{name!r}]", signal) for name, signal in given.items()}
        return {name: signal.name for name, signal in self.signals.items()}

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.sums: Terms = {term: np.zeros(num_envs) for term in self.named_terms()}

    @override
    def reset(self, mask: Array) -> None:
        for total in self.sums.values():
            total[mask] = 0.0

    @override
    def named_terms(self) -> Iterable[str]:
        return [signal.term for signal in self.signals.values() if signal.term]

    def add(self, terms: Mapping[str, Array]) -> None:
        """Adds a step's terms to the sums of those that have one."""
        for term, total in self.sums.items():
            total += terms[term]

    def at_end(self, signal: Signal, step: Transition, ended: Array) -> Array:
        """Returns what a signal says of episodes that end: a term's sum, anything else as it is at the last step.

        Args:
            signal: The signal.
            step: The step.
            ended: The rows that matter, shape ``(num_envs,)``, bool.

        Returns:
            Shape ``(num_envs,)``.

        Raises:
            ValueError: If the signal has another shape.
        """
        values = self.sums[signal.term] if signal.term else signal(step, ended)
        if values.shape != (self.num_envs,):
            raise ValueError(
                f"{self.public_name()}: {signal.name!r} has shape {values.shape}, not {(self.num_envs,)}: one number "
                "for each episode."
            )
        return values
