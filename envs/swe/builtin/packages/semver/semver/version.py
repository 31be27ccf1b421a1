"""Versions: parse, compare, bump."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(0|[1-9][0-9]*)"
_WORDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_WORDS}))?(?:\+({_WORDS}))?")

Identifier = int | str


class SemverError(ValueError):
    """Raised for malformed versions and ranges and for impossible bumps."""


@total_ordering
@dataclass(frozen=True)
class Version:
    """An immutable version MAJOR.MINOR.PATCH with an optional prerelease and build.

    Versions are compared by major, minor and patch; then a prerelease comes before the release
    and prereleases are compared identifier by identifier: numbers by size and before words,
    words as text, and a prerelease before a longer one that starts with it. The build plays no
    part in comparing, equality or hashing.
    """

    major: int
    minor: int
    patch: int
    prerelease: tuple[Identifier, ...] = ()
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Parse text such as "1.4.0-rc.1+b7"; spaces around it and one "v" before are allowed.

        Numbers, also those in the prerelease, must not have leading zeros. Raises SemverError
        for anything else.
        """
        match = _VERSION.fullmatch(text.strip().removeprefix("v"))
        if match is None:
            raise SemverError(f"not a version: {text!r}")
        major, minor, patch, prerelease, build = match.groups()
        words = prerelease.split(".") if prerelease else []
        if any(word.isdigit() and len(word) > 1 and word[0] == "0" for word in words):
            raise SemverError(f"leading zero in prerelease: {text!r}")
        identifiers = tuple(int(word) if word.isdigit() else word for word in words)
        return cls(int(major), int(minor), int(patch), identifiers, build or "")

    @property
    def release(self) -> tuple[int, int, int]:
        """Major, minor and patch."""
        return self.major, self.minor, self.patch

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.prerelease:
            text += "-" + ".".join(str(item) for item in self.prerelease)
        return f"{text}+{self.build}" if self.build else text

    def _key(self) -> tuple[object, ...]:
        words = tuple((0, item, "") if isinstance(item, int) else (1, 0, item) for item in self.prerelease)
        return (*self.release, not self.prerelease, words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def bump(self, part: str) -> Version:
        """Return the next version; prerelease and build are dropped.

        "major", "minor" and "patch" count up that number and set those after it to 0, except
        that a prerelease becomes the release it leads to where that is such a version:
        1.2.3-rc bumps to 1.2.3 by patch, 1.3.0-rc to 1.3.0 by minor or patch, and 2.0.0-rc to
        2.0.0 by any of them. Raises SemverError for another part.
        """
        major, minor, patch = self.release
        pending = bool(self.prerelease)
        if part == "major":
            done = pending and minor == 0 and patch == 0
            return Version(major if done else major + 1, 0, 0)
        if part == "minor":
            done = pending and patch == 0
            return Version(major, minor if done else minor + 1, 0)
        if part == "patch":
            return Version(major, minor, patch if pending else patch + 1)
        raise SemverError(f"cannot bump {part!r}")

    def bump_prerelease(self, label: str = "rc") -> Version:
        """Return the next prerelease with a label; the build is dropped.

        A release goes to LABEL.1 of its next patch. A prerelease of the form LABEL.N goes to
        LABEL.N+1, and any other to LABEL.1 of the same release. Raises SemverError if the result
        would not be higher, or if the label is not one word.
        """
        if re.fullmatch(r"[A-Za-z-][0-9A-Za-z-]*", label) is None:
            raise SemverError(f"not a prerelease label: {label!r}")
        number = 1
        match self.prerelease:
            case (str(word), int(last)) if word == label:
                number = last + 1
        base = self if self.prerelease else self.bump("patch")
        result = Version(*base.release, (label, number))
        if result <= self:
            raise SemverError(f"{result} is not higher than {self}")
        return result


def sort_versions(texts: Iterable[str], descending: bool = False) -> list[str]:
    """Return the texts sorted as versions; equal versions keep their order in both directions."""
    return sorted(texts, key=Version.parse, reverse=descending)


def latest(texts: Iterable[str], prereleases: bool = False) -> str | None:
    """Return the highest version, the first of equal ones, or None if there is none.

    Prereleases are left out, unless `prereleases` is true or there is nothing else.
    """
    found = list(texts)
    releases = [text for text in found if not Version.parse(text).prerelease]
    return max(found if prereleases else releases or found, key=Version.parse, default=None)
