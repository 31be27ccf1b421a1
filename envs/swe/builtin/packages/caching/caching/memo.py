"""Memoization on top of LRUCache, with arguments normalised to hashable keys."""

import inspect
from collections.abc import Callable, Hashable, Iterable
from functools import wraps
from typing import Any

from .lru import LRUCache

_ABSENT = object()


def freeze(value: Any, *, typed: bool = False) -> Hashable:
    """Turn ``value`` into a hashable key.

    Lists, tuples, dicts and sets (nested too) become tagged tuples, so a list and a tuple with
    the same items give different keys. Dicts and sets that are equal give equal keys whatever
    their order. Any other value is its own key, or with ``typed`` is paired with its type's name,
    so that 1, 1.0 and True differ. Raises TypeError for other unhashable values.
    """
    if isinstance(value, list):
        return ("list", tuple(freeze(item, typed=typed) for item in value))
    if isinstance(value, tuple):
        return ("tuple", tuple(freeze(item, typed=typed) for item in value))
    if isinstance(value, dict):
        pairs = ((freeze(k, typed=typed), freeze(v, typed=typed)) for k, v in value.items())
        return ("dict", frozenset(pairs))
    if isinstance(value, (set, frozenset)):
        return ("set", frozenset(freeze(item, typed=typed) for item in value))
    hash(value)
    return ("typed", type(value).__name__, value) if typed else value


def memoize(
    maxsize: int = 128, *, typed: bool = False, ignore: Iterable[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that caches a function's results in an LRUCache of ``maxsize``.

    Calls that bind the same values to the same parameters share a result, whether the values
    came by position, by keyword or from defaults. Parameters named in ``ignore`` play no part in
    the key; ValueError at decoration if the function has no such parameter. ``typed`` is passed
    to ``freeze``. Exceptions are not cached; a result of None is.

    The decorated function has ``cache`` (the LRUCache) and ``cache_key(*args, **kwargs)``.
    """
    ignored = tuple(ignore)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)
        unknown = [name for name in ignored if name not in signature.parameters]
        if unknown:
            raise ValueError(f"no such parameter: {', '.join(unknown)}")
        cache = LRUCache(maxsize)

        def cache_key(*args: Any, **kwargs: Any) -> Hashable:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return tuple(
                (name, freeze(value, typed=typed)) for name, value in bound.arguments.items() if name not in ignored
            )

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            key = cache_key(*args, **kwargs)
            found = cache.get(key, _ABSENT)
            if found is not _ABSENT:
                return found
            result = function(*args, **kwargs)
            cache.put(key, result)
            return result

        wrapper.cache = cache  # type: ignore[attr-defined]
        wrapper.cache_key = cache_key  # type: ignore[attr-defined]
        return wrapper

    return decorate
