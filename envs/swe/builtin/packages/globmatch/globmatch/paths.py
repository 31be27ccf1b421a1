"""Path normalising; only text is looked at, never the file system."""

from __future__ import annotations


class GlobError(ValueError):
    """Raised for malformed patterns and impossible paths."""


def normalize(path: str) -> str:
    """Return the shortest equivalent path, with forward slashes.

    Backslashes become slashes; repeated and trailing slashes and "." segments go; ".." removes
    the segment before it. At the start of a relative path, ".." stays; an absolute path that
    leaves the root raises GlobError. The empty path is "." and the root is "/".
    """
    text = path.replace("\\", "/")
    absolute = text.startswith("/")
    kept: list[str] = []
    for segment in text.split("/"):
        if segment in ("", "."):
            continue
        if segment == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif segment == ".." and absolute:
            raise GlobError(f"path leaves the root: {path!r}")
        else:
            kept.append(segment)
    joined = "/".join(kept)
    if absolute:
        return "/" + joined
    return joined or "."
