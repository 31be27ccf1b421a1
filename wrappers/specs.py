"""Wrappers written as text, for the command line and configuration files.

A spec is a name and arguments, and specs are joined by ``+`` from the innermost out::

    gated:threshold=0.5,low_cap=0.3
    accumulated-reward:weights.tool=0.3,weights.format=2 + gated:pay=hindsight
    gated:priorities={"outcome": 2, "tool": 1}

Names are those of ``telos.wrappers.registry`` in any of ``GatedReward``, ``gated_reward``, ``gated-reward`` and, as the
ending says nothing, ``gated``. Values have the types of the transform's fields; ``none`` is None. A mapping is given as
JSON or, entry by entry, with dots.

* ``parse`` - one spec as a transform class and its arguments
* ``parse_stack`` - several
* ``parse_arguments`` - arguments alone, such as an environment's
* ``wrap`` - wraps an environment of any kind
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_type_hints

from telos.wrappers.core import RewardTransform
from telos.wrappers.registry import TRANSFORMS
from telos.wrappers.terms import suggestion
from telos.wrappers.values import read_value, value_type

__all__ = ["as_transforms", "parse", "parse_arguments", "parse_stack", "wrap"]

_OPEN, _CLOSE = "([{", ")]}"
_UNTYPED = int | float | None | Any


def parse(spec: str) -> tuple[type[RewardTransform], dict[str, Any]]:
    """Reads one spec.

    Args:
        spec: A name, and behind a colon arguments ``name=value``, with commas between them.

    Returns:
        The transform class and its arguments.

    Raises:
        ValueError: If a name, an argument or a value is wrong; the message suggests the nearest right one.

    Example:
        >>> parse("gated:threshold=0.5,pay=hindsight")
        (<class 'telos.wrappers.gating.GatedRewardTransform'>, {'threshold': 0.5, 'pay': 'hindsight'})
    """
    name, colon, rest = spec.strip().partition(":")
    transform = _transform(name.strip(), spec)
    types = _types(transform)
    arguments: dict[str, Any] = {}
    for part in _split(rest, ",") if colon else []:
        left, text = _assignment(f"{spec!r}: ", part)
        argument, dot, key = left.replace("-", "_").partition(".")
        if argument not in types:
            known = f"It has: {', '.join(types)}." if types else "It has no arguments."
            hint = suggestion(argument, types)
            raise ValueError(f"{spec!r}: {transform.public_name()} has no argument {argument!r}.{hint} {known}")
        if argument in arguments and not (dot and isinstance(arguments[argument], dict)):
            raise ValueError(f"{spec!r}: argument {argument!r} is given twice.")
        if dot:
            # The key as it was written: names of terms may have dashes.
            key = left.partition(".")[2]
            arguments.setdefault(argument, {}).update(_entry(spec, argument, types[argument], key, text))
        else:
            arguments[argument] = read_value(f"{spec!r}: {argument}", types[argument], text)
    return transform, arguments


def parse_arguments(texts: Iterable[str]) -> dict[str, Any]:
    """Reads arguments whose types are not known, such as those of an environment.

    Args:
        texts: ``name=value`` each. A value is a number, ``none``, ``true``, ``false`` or other JSON if it can be, and
            text if not; a number in double quotes is text.

    Returns:
        Name to value. Dashes in names become underscores.

    Raises:
        ValueError: If one has no name or no ``=``, or a name is given twice.

    Example:
        >>> parse_arguments(["size=20", "slip=1e-2", "hidden=true", "kind=ring"])
        {'size': 20, 'slip': 0.01, 'hidden': True, 'kind': 'ring'}
    """
    arguments: dict[str, Any] = {}
    for given in texts:
        left, text = _assignment("", given)
        name = left.replace("-", "_")
        if name in arguments:
            raise ValueError(f"{given!r}: argument {name!r} is given twice.")
        # As Python writes them they are no JSON, and "False" as text would be true.
        arguments[name] = read_value(name, _UNTYPED, text.lower() if text in ("True", "False") else text)
    return arguments


def parse_stack(*specs: str) -> list[tuple[type[RewardTransform], dict[str, Any]]]:
    """Reads specs, each of them perhaps several joined by ``+``, from the innermost out.

    Raises:
        ValueError: As ``parse``.
    """
    return [parse(part) for spec in specs for part in _split(spec, "+")]


def wrap(env: Any, *specs: str) -> Any:
    """Wraps an environment in the wrappers that specs name, the first innermost.

    Args:
        env: A Gymnasium ``Env`` or ``VectorEnv``, or a PettingZoo ``ParallelEnv``.
        *specs: See ``parse_stack``. Without any, ``env`` is returned as it is.

    Raises:
        TypeError: If ``env`` is none of these.
        ValueError: As ``parse``, and from the wrappers themselves.
    """
    import gymnasium as gym

    from telos import wrappers

    faces: Any
    if isinstance(env, gym.vector.VectorEnv):
        faces = wrappers.vector
    elif isinstance(env, gym.Env):
        faces = wrappers
    elif hasattr(env, "possible_agents") and not hasattr(env, "agent_iter"):
        faces = wrappers.parallel
    else:
        raise TypeError(f"wrap() takes an Env, a VectorEnv or a PettingZoo ParallelEnv, not {type(env).__name__}.")
    for transform, arguments in parse_stack(*specs):
        env = getattr(faces, transform.public_name())(env, **arguments)
    return env


def as_transforms(transform: Any, arguments: Mapping[str, Any] | None = None) -> list[RewardTransform]:
    """Makes new transforms from whatever names them.

    Args:
        transform: A transform or wrapper class, a spec, a transform, whose arguments are taken, or a sequence of these.
        arguments: Arguments of a class, or of the one transform that a spec names.

    Raises:
        TypeError: If there is no place for the arguments, or ``transform`` names none.
        ValueError: As ``parse``.
    """
    given = dict(arguments or {})
    if isinstance(transform, str):
        parsed = parse_stack(transform)
        if given and len(parsed) != 1:
            raise TypeError(f"{transform!r} names several transforms: write the arguments into the spec.")
        return [made(**(read | given)) for made, read in parsed]
    if isinstance(transform, type):
        made = getattr(transform, "transform_type", transform)
        if issubclass(made, RewardTransform):
            return [made(**given)]
    if given:
        raise TypeError(f"Arguments {', '.join(given)} need a class or a name, not {transform!r}.")
    if isinstance(transform, RewardTransform):
        return [type(transform)(**transform.arguments)]
    if isinstance(transform, Sequence):
        return [new for each in transform for new in as_transforms(each)]
    raise TypeError(f"Expected a RewardTransform, its class, a wrapper class or a spec, got {transform!r}.")


def _transform(name: str, spec: str) -> type[RewardTransform]:
    """Finds a transform by any form of its name."""
    known: dict[str, str] = {}
    for public in TRANSFORMS:
        snake = _snake(public)
        known |= {snake: public, public: public}
    for public in TRANSFORMS:
        known.setdefault(_snake(public).removesuffix("_reward"), public)
        known.setdefault(public.lower(), public)
    asked = name if name in known else _snake(name.replace("-", "_"))
    if asked not in known:
        listed = ", ".join(_snake(public) for public in TRANSFORMS)
        raise ValueError(f"{spec!r}: there is no wrapper {name!r}.{suggestion(asked, known)} There are: {listed}.")
    return TRANSFORMS[known[asked]].load()


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _types(transform: type[RewardTransform]) -> dict[str, Any]:
    hints = get_type_hints(transform)
    return {field.name: hints[field.name] for field in dataclasses.fields(transform) if field.init}  # type: ignore[arg-type]


def _assignment(where: str, text: str) -> tuple[str, str]:
    """Splits ``name=value``."""
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise ValueError(f"{where}{text.strip()!r} is no argument; write name=value.")
    return name.strip(), value.strip()


def _entry(spec: str, argument: str, hint: Any, key: str, text: str) -> dict[str, Any]:
    """Reads one entry of a mapping."""
    return {key: read_value(f"{spec!r}: {argument}.{key}", value_type(f"{spec!r}: {argument}", hint), text)}


def _split(text: str, separator: str) -> list[str]:
    """Splits outside of brackets and quotes. A plus also stands in numbers: it separates only before a name."""
    parts, depth, quote, start = [], 0, "", 0
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in _OPEN or char in _CLOSE:
            depth += 1 if char in _OPEN else -1
        elif char == separator and not depth:
            name_follows = re.match(r"\s*[A-Za-z_]", text[at + 1 :]) and not text[:at].rstrip().endswith("=")
            if separator != "+" or name_follows:
                parts.append(text[start:at])
                start = at + 1
    parts.append(text[start:])
    return parts
