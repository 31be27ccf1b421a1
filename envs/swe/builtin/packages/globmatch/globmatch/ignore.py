"""Ignore files with negation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from globmatch.matching import match
from globmatch.paths import GlobError, normalize


@dataclass(frozen=True)
class Rule:
    """One line of an ignore file: a pattern for `match`, and what it applies to.

    A `negated` rule includes again; a `folders_only` rule applies to folders only. `line` is
    the 1-based line in the file.
    """

    pattern: str
    negated: bool
    folders_only: bool
    line: int

    def applies(self, path: str, is_folder: bool) -> bool:
        """Tell whether the rule matches the normalised path itself."""
        return (is_folder or not self.folders_only) and match(self.pattern, path)


class IgnoreRules:
    """The rules of an ignore file, in order.

    Empty lines and lines that start with # are skipped, spaces at both ends of a line are
    dropped. "!" in front negates, and "/" at the end restricts to folders. A pattern with a
    slash elsewhere is relative to the root (a slash in front is only for that); any other
    matches at every depth. A backslash in front of # or ! makes it ordinary. Raises GlobError,
    with the line, for a bad pattern or a line without one.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.rules: list[Rule] = []
        for number, text in enumerate(lines, start=1):
            bare = text.strip()
            if bare and not bare.startswith("#"):
                self.rules.append(_parse_rule(bare, number))

    def deciding_rule(self, path: str, is_folder: bool = False) -> Rule | None:
        """Return the rule that decides about a path, or None if no rule does.

        Folders are looked at from the root down: the first one that is ignored decides about
        everything in it. Otherwise the last rule that applies to the path itself decides.
        Raises GlobError for a path that is absolute or outside the root.
        """
        clean = normalize(path)
        if clean.startswith("/") or clean.split("/")[0] == "..":
            raise GlobError(f"path is not below the root: {path!r}")
        segments = clean.split("/")
        for depth in range(1, len(segments)):
            rule = self._last_rule("/".join(segments[:depth]), True)
            if rule is not None and not rule.negated:
                return rule
        return self._last_rule(clean, is_folder)

    def is_ignored(self, path: str, is_folder: bool = False) -> bool:
        """Tell whether a path is ignored; see `deciding_rule`."""
        rule = self.deciding_rule(path, is_folder)
        return rule is not None and not rule.negated

    def keep(self, paths: Iterable[str]) -> list[str]:
        """Return the paths that are not ignored, in order; folders are written with "/" last."""
        return [path for path in paths if not self.is_ignored(path, path.endswith("/"))]

    def _last_rule(self, path: str, is_folder: bool) -> Rule | None:
        for rule in reversed(self.rules):
            if rule.applies(path, is_folder):
                return rule
        return None


def _parse_rule(text: str, line: int) -> Rule:
    negated = text.startswith("!")
    body = text[1:] if negated else text
    folders_only = body.endswith("/")
    body = body.rstrip("/")
    pattern = body.removeprefix("/") if "/" in body else f"**/{body}"
    if not body:
        raise GlobError(f"line {line}: no pattern")
    try:
        match(pattern, "")
    except GlobError as error:
        raise GlobError(f"line {line}: {error}") from error
    return Rule(pattern, negated, folders_only, line)
