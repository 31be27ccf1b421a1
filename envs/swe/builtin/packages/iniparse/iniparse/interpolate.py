"""Replace references in values."""

from __future__ import annotations

import re
from collections.abc import Callable

from iniparse.document import IniError

_TOKEN = re.compile(r"\$(?:\$|\{([^{}$]+)\}|)")


def interpolate(text: str, section: str, lookup: Callable[[str, str], str]) -> str:
    """Replace "${key}" and "${section:key}" in `text`, and "$$" by a single "$".

    Keys are looked up in `section` unless the reference names another one. `lookup` gets a
    section and a key (in lower case, both without surrounding spaces) and returns the text
    to insert as it is. Raises IniError for a $ that starts none of these.
    """

    def replace(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        reference = match.group(1)
        if reference is None:
            raise IniError(f"stray $ in {text!r}")
        where, colon, key = reference.partition(":")
        if not colon:
            where, key = section, reference
        return lookup(where.strip(), key.strip().lower())

    return _TOKEN.sub(replace, text)
