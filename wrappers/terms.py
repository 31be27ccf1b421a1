"""Named reward terms: how they are added, named and compared.

* ``sum_terms`` - the one order of summation, so that terms add up to the reward bit for bit
* ``unknown_term`` - the error for a term that does not exist, with a suggestion
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "REWARD",
    "Array",
    "Terms",
    "check_choice",
    "check_integers",
    "check_number",
    "check_numbers",
    "check_sum",
    "suggestion",
    "sum_terms",
    "unknown_term",
]

Array = npt.NDArray[Any]
"""An array whose first axis is the environment."""

Terms = dict[str, Array]
"""Term name to its values, each of shape ``(num_envs,)``."""

REWARD = "reward"
"""The single term of an environment that writes no ``info["reward_terms"]``."""

_TOLERANCE = 1e-6
_Value = TypeVar("_Value", float, Array)


def sum_terms(terms: Mapping[str, _Value]) -> _Value:
    """Adds the terms from left to right in the mapping's order, starting from the first.

    Every reward in Telos is computed by this function, so that "the terms sum to the reward" holds to
    the last bit. The built-in ``sum`` will not do: from Python 3.12 on it compensates floats, but not arrays.

    Args:
        terms: At least one term. Values are floats or arrays of one shape.

    Returns:
        The sum. An array is always a new one, never one of the terms.

    Raises:
        ValueError: If ``terms`` is empty.

    Example:
        >>> sum_terms({"outcome": 1.0, "format": -0.25})
        0.75
    """
    values = iter(terms.values())
    total = next(values, None)
    if total is None:
        raise ValueError("There are no reward terms to add.")
    if len(terms) == 1:
        if isinstance(total, np.ndarray):
            return total.copy()
        return total.clone() if hasattr(total, "clone") else total
    for value in values:
        total = total + value
    return total


def check_sum(owner: str, terms: Mapping[str, Any], total: Any, reward: Any, rows: Any = True) -> None:
    """Checks that the terms that came from inside add up to the reward that came with them.

    Args:
        owner: The wrapper's name, for the message.
        terms: The terms, arrays of shape ``(num_envs,)``.
        total: Their sum, an array of shape ``(num_envs,)``.
        reward: The reward, of the same shape.
        rows: Which rows to check, shape ``(num_envs,)``, bool; all by default.

    Raises:
        ValueError: If they differ by more than 1e-6 of the terms' sizes (or than 1e-6, if these are below 1).
    """
    if (total == reward).all():
        return
    size = sum(abs(value) for value in terms.values())
    wrong = (abs(total - reward) > _TOLERANCE * size.clip(min=1.0)) & rows
    if wrong.any():
        raise ValueError(
            f"{owner}: info['reward_terms'] sums to {total[wrong][0]}, but the reward is {reward[wrong][0]}. Either "
            f"the environment breaks its contract, or a wrapper inside {owner} (ClipReward, NormalizeReward, ...) "
            "changed the reward and not its terms: put that wrapper outside."
        )


def unknown_term(owner: str, name: str, known: Iterable[str]) -> ValueError:
    """Makes the error for a reward term that the environment does not have.

    Args:
        owner: The wrapper's name.
        name: The term that was asked for.
        known: The terms that the environment's first step listed.

    Returns:
        An error that lists the terms, suggests the nearest, and says why it comes no earlier.
    """
    known = list(known)
    hint = suggestion(name, known)
    message = f"{owner}: the environment has no reward term {name!r}.{hint} Its terms are: {_listed(known)}."
    if known == [REWARD]:
        message += " (It writes no info['reward_terms'], so its whole reward is one term.)"
    return ValueError(
        message + " Terms are known only from the first step on, so this could not be checked earlier; an environment "
        "must list every term in every step, 0.0 where nothing is paid."
    )


def check_choice(owner: str, argument: str, value: str, choices: Iterable[str]) -> None:
    """Checks that ``value`` is one of ``choices``.

    Raises:
        ValueError: If it is not; the message lists the choices and suggests the nearest.
    """
    choices = list(choices)
    if value not in choices:
        raise ValueError(
            f"{owner}: {argument}={value!r} is not one of {_listed(choices)}.{suggestion(str(value), choices)}"
        )


def check_number(owner: str, argument: str, value: float, *, infinite: bool = False) -> float:
    """Returns ``value`` as a float.

    Raises:
        ValueError: If it is NaN, or infinite unless ``infinite``, or no number.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number) or (math.isinf(number) and not infinite):
        raise ValueError(f"{owner}: {argument}={value!r} must be a {'' if infinite else 'finite '}number.")
    return number


def check_numbers(
    owner: str, argument: str, values: Mapping[str, float] | None, *, infinite: bool = False
) -> dict[str, float] | None:
    """Returns a mapping from terms to numbers as a plain dict of floats, None as None.

    Raises:
        ValueError: If it is no mapping, or a number is not one by ``check_number``.
    """
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise ValueError(f"{owner}: {argument}={values!r} must map names of terms to numbers.")
    return {
        str(name): check_number(owner, f"{argument}[{name!r}]", value, infinite=infinite)
        for name, value in values.items()
    }


def check_integers(owner: str, argument: str, values: Mapping[str, int]) -> dict[str, int]:
    """Returns a mapping from terms to whole numbers as a plain dict of ints.

    Raises:
        ValueError: If it is no mapping, or a number is not whole.
    """
    numbers = check_numbers(owner, argument, values) or {}
    for name, number in numbers.items():
        if number != int(number):
            raise ValueError(f"{owner}: {argument}[{name!r}]={number} must be a whole number.")
    return {name: int(number) for name, number in numbers.items()}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Returns ``" Did you mean 'x'?"`` for the nearest of ``known``, or nothing if none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
