"""Conditions on the attributes of a request."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Attributes = Mapping[str, Any]
Condition = Callable[[Attributes], bool]


def equals(left: str, right: str) -> Condition:
    """Return a condition that two attributes are both present and equal."""
    return lambda given: left in given and right in given and given[left] == given[right]


def one_of(name: str, values: Iterable[Any]) -> Condition:
    """Return a condition that an attribute is present and among ``values`` (copied now)."""
    allowed = list(values)
    return lambda given: name in given and given[name] in allowed


def at_most(name: str, limit: float) -> Condition:
    """Return a condition that an attribute is present and not above ``limit``."""
    return lambda given: name in given and given[name] <= limit


def all_of(*conditions: Condition) -> Condition:
    """Return a condition that all of ``conditions`` hold; true without any."""
    return lambda given: all(condition(given) for condition in conditions)


def any_of(*conditions: Condition) -> Condition:
    """Return a condition that at least one of ``conditions`` holds; false without any."""
    return lambda given: any(condition(given) for condition in conditions)


def not_(condition: Condition) -> Condition:
    """Return the opposite of a condition."""
    return lambda given: not condition(given)
