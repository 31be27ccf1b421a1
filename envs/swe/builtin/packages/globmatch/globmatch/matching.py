"""Glob matching of single segments and whole paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from globmatch.braces import expand_braces
from globmatch.paths import GlobError, normalize

Token = TypeVar("Token")


@dataclass(frozen=True)
class _OneOf:
    """A set of characters, as ranges with both ends included; `negated` means all others."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def matches(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.negated


_ANY = _OneOf((), negated=True)


def match(pattern: str, path: str, dotfiles: bool = True) -> bool:
    """Tell whether the whole path matches the pattern.

    Braces are expanded first (see `expand_braces`) and the path is normalised. Then "/"
    separates segments, "**" as a whole segment stands for any number of them, also none, and
    every other segment is matched by `match_segment`. Unless `dotfiles` is true, "**" stands
    only for segments that do not start with a dot. Raises GlobError for a bad pattern.
    """
    segments = normalize(path).split("/")
    alternatives = [
        [None if part == "**" else _tokenize(part) for part in expanded.split("/")]
        for expanded in expand_braces(pattern)
    ]

    def fits(wanted: list[_OneOf | None], segment: str) -> bool:
        return _match_tokens(wanted, segment, dotfiles)

    def skippable(segment: str) -> bool:
        return dotfiles or not segment.startswith(".")

    return any(_wild_match(tokens, segments, fits, skippable) for tokens in alternatives)


def match_segment(pattern: str, name: str, dotfiles: bool = True) -> bool:
    """Tell whether a name without slashes matches one segment of a pattern.

    "*" stands for any number of characters, also none, and "?" for one. "[a-cx]" stands for one
    of these characters and "[!a-cx]" for one other; a "]" right behind the opening is ordinary,
    and so is a "-" at either end. A backslash makes the next character ordinary. Unless
    `dotfiles` is true, a dot at the start of the name must be matched by an ordinary dot.
    Raises GlobError for a set that is not closed, a range that runs backwards, and a backslash
    at the end.
    """
    return _match_tokens(_tokenize(pattern), name, dotfiles)


def _match_tokens(tokens: list[_OneOf | None], name: str, dotfiles: bool) -> bool:
    if name.startswith(".") and not dotfiles and tokens[:1] != [_OneOf(((".", "."),))]:
        return False
    return _wild_match(tokens, list(name), _OneOf.matches, lambda char: True)


def filter_paths(pattern: str, paths: Iterable[str], dotfiles: bool = True) -> list[str]:
    """Return the paths that match, as given and in order."""
    return [path for path in paths if match(pattern, path, dotfiles)]


def _wild_match(
    tokens: Sequence[Token | None],
    items: Sequence[str],
    fits: Callable[[Token, str], bool],
    skippable: Callable[[str], bool],
) -> bool:
    """Match items with tokens one by one; a None token takes any number of skippable items."""
    reached = _past_stars({0}, tokens)  # how many of the tokens may be used up
    for item in items:
        following: set[int] = set()
        for index in reached - {len(tokens)}:
            token = tokens[index]
            if token is None:
                if skippable(item):
                    following.add(index)
            elif fits(token, item):
                following.add(index + 1)
        reached = _past_stars(following, tokens)
    return len(tokens) in reached


def _past_stars(reached: set[int], tokens: Sequence[Token | None]) -> set[int]:
    """Add the positions that can be reached by letting None tokens take nothing."""
    result = set(reached)
    for index, token in enumerate(tokens):
        if index in result and token is None:
            result.add(index + 1)
    return result


def _tokenize(pattern: str) -> list[_OneOf | None]:
    """Turn a segment of a pattern into sets of characters, and None for a star."""
    tokens: list[_OneOf | None] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            tokens.append(None)
        elif char == "?":
            tokens.append(_ANY)
        elif char == "[":
            token, position = _read_set(pattern, position)
            tokens.append(token)
        else:
            if char == "\\":
                if position == len(pattern):
                    raise GlobError(f"backslash at the end of {pattern!r}")
                char = pattern[position]
                position += 1
            tokens.append(_OneOf(((char, char),)))
    return tokens


def _read_set(pattern: str, position: int) -> tuple[_OneOf, int]:
    """Read a set from behind its "["; return it and the position behind its "]"."""
    negated = pattern[position : position + 1] == "!"
    position += 1 if negated else 0
    end = pattern.find("]", position + 1)
    if end < 0:
        raise GlobError(f"unclosed set in {pattern!r}")
    ranges: list[tuple[str, str]] = []
    while position < end:
        low = high = pattern[position]
        if pattern[position + 1] == "-" and position + 2 < end:
            high = pattern[position + 2]
            position += 2
        if low > high:
            raise GlobError(f"range runs backwards in {pattern!r}")
        ranges.append((low, high))
        position += 1
    return _OneOf(tuple(ranges), negated), end + 1
