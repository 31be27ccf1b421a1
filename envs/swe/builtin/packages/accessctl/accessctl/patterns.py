"""Patterns for actions and resources such as ``docs/*/draft`` or ``docs/**``."""


class PatternError(ValueError):
    """A pattern is not well formed."""


def check_pattern(pattern: str) -> None:
    """Raise PatternError for an empty segment, ``**`` before the end, and ``*`` inside a word."""
    segments = pattern.split("/")
    for position, segment in enumerate(segments):
        if not segment:
            raise PatternError(f"empty segment in {pattern!r}")
        if segment == "**" and position != len(segments) - 1:
            raise PatternError(f"** must be last in {pattern!r}")
        if "*" in segment and segment not in ("*", "**"):
            raise PatternError(f"* must be a whole segment in {pattern!r}")


def matches(pattern: str, name: str) -> bool:
    """Return whether ``name`` fits ``pattern``, both split at slashes.

    ``*`` fits exactly one segment. A last ``**`` fits one or more segments. All else fits
    itself, in the same letter case.
    """
    wanted = pattern.split("/")
    given = name.split("/")
    if wanted[-1] == "**":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
    elif len(given) != len(wanted):
        return False
    return all(w in ("*", g) for w, g in zip(wanted, given, strict=False))


def specificity(pattern: str) -> tuple[int, int]:
    """Return a rank by which more specific patterns are greater.

    It is the number of literal segments, and then the number of ``*`` segments; ``**`` counts
    for nothing.
    """
    segments = pattern.split("/")
    literal = sum(1 for segment in segments if "*" not in segment)
    return literal, segments.count("*")
