"""Ranges of versions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from semver.version import SemverError, Version

_PART = r"(0|[1-9][0-9]*|[xX*])"
_PARTIAL = rf"v?{_PART}(?:\.{_PART}(?:\.{_PART}(-[0-9A-Za-z.-]+)?)?)?"
_HYPHEN = re.compile(rf"({_PARTIAL})\s+-\s+({_PARTIAL})")
_TERM = re.compile(rf"(\^|~|>=|<=|>|<|=)?\s*({_PARTIAL})(?:\s+|$)")


@dataclass(frozen=True)
class Bound:
    """A comparison with a version: the operator is ">=", ">", "<=" or "<"."""

    operator: str
    version: Version

    def allows(self, version: Version) -> bool:
        """Tell whether the comparison is true for a version."""
        if self.operator == ">=":
            return version >= self.version
        if self.operator == ">":
            return version > self.version
        if self.operator == "<=":
            return version <= self.version
        return version < self.version


@dataclass(frozen=True)
class Range:
    """Alternatives, each a tuple of bounds that must all be true (no bounds allow anything)."""

    alternatives: tuple[tuple[Bound, ...], ...]

    def allows(self, version: Version) -> bool:
        """Tell whether a version is in the range.

        A prerelease is in an alternative only if one of its bounds is written with a prerelease
        of the same major, minor and patch.
        """
        return any(_all_allow(bounds, version) for bounds in self.alternatives)


def _all_allow(bounds: tuple[Bound, ...], version: Version) -> bool:
    if not all(bound.allows(version) for bound in bounds):
        return False
    if not version.prerelease:
        return True
    written = [bound.version for bound in bounds if bound.version.prerelease]
    return any(other.release == version.release for other in written)


def parse_range(text: str) -> Range:
    """Parse a range.

    "||" separates alternatives and spaces separate terms that must all hold. An empty
    alternative allows every release. The parts of a version in a term may be missing, or x,
    X or *; all parts behind such a part count as missing too. The terms are:

    - 1.2.3 and =1.2.3: that version; 1.2: any 1.2 patch; 1: any 1 minor; *: anything
    - >1.2.3, >=1.2.3, <1.2.3, <=1.2.3; with missing parts, > and <= look at the whole group:
      >1.2 is >=1.3.0, <=1.2 is <1.3.0, >=1.2 is >=1.2.0 and <1.2 is <1.2.0
    - ~1.2.3: >=1.2.3 <1.3.0; ~1.2: the same as 1.2; ~1: the same as 1
    - ^1.2.3: >=1.2.3 and no change of the first part that is not 0: ^0.2.3 is >=0.2.3 <0.3.0,
      ^0.0.3 is >=0.0.3 <0.0.4; missing parts may change: ^0.0 is <0.1.0 and ^0 is <1.0.0
    - 1.2.3 - 2.3: >=1.2.3 <=2.3, alone in its alternative

    Raises SemverError for anything else, and for > or < of nothing but a missing part.
    """
    return Range(tuple(_parse_alternative(part.strip()) for part in text.split("||")))


def _parse_alternative(text: str) -> tuple[Bound, ...]:
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen:
        low, high = hyphen.group(1), hyphen.group(6)
        return (*_bounds(">=", low), *_bounds("<=", high))
    bounds: list[Bound] = []
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise SemverError(f"cannot read range at {text[position:]!r}")
        bounds.extend(_bounds(term.group(1) or "=", term.group(2)))
        position = term.end()
    return tuple(bounds)


def _bounds(operator: str, text: str) -> list[Bound]:
    """Return the bounds for an operator and a version whose parts may be missing."""
    numbers, low = _read_partial(text)
    known = len(numbers)
    if known == 0:
        if operator in (">", "<"):
            raise SemverError(f"nothing is {operator} than {text!r}")
        return []
    if operator == "^":
        nonzero = [index for index, number in enumerate(numbers) if number > 0]
        return [Bound(">=", low), Bound("<", _after(numbers, min([*nonzero, known - 1])))]
    if operator == "~":
        return [Bound(">=", low), Bound("<", _after(numbers, min(1, known - 1)))]
    if operator in (">=", "<"):
        return [Bound(operator, low)]
    if known == 3:
        if operator == "=":
            return [Bound(">=", low), Bound("<=", low)]
        return [Bound(operator, low)]
    end = _after(numbers, known - 1)
    if operator == ">":
        return [Bound(">=", end)]
    return [Bound("<", end)] if operator == "<=" else [Bound(">=", low), Bound("<", end)]


def _read_partial(text: str) -> tuple[list[int], Version]:
    """Return the numbers before the first missing part, and the lowest version they allow."""
    core, dash, prerelease = text.removeprefix("v").partition("-")
    numbers: list[int] = []
    for part in core.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    padded = ".".join(str(number) for number in [*numbers, 0, 0, 0][:3])
    complete = len(numbers) == 3
    if dash and not complete:
        raise SemverError(f"prerelease of an incomplete version: {text!r}")
    return numbers, Version.parse(padded + dash + prerelease)


def _after(numbers: list[int], index: int) -> Version:
    """Return the lowest release in which the number at the index is one higher."""
    major, minor, patch = [*numbers[:index], numbers[index] + 1, 0, 0][:3]
    return Version(major, minor, patch)


def best_match(texts: Iterable[str], wanted: str | Range) -> str | None:
    """Return the highest of the versions that is in the range, or None if none is.

    Of equal versions the first is returned. Raises SemverError for malformed versions or ranges.
    """
    allowed = parse_range(wanted) if isinstance(wanted, str) else wanted
    fitting = [text for text in texts if allowed.allows(Version.parse(text))]
    return max(fitting, key=Version.parse, default=None)
