"""What the special characters of a delimited text are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class DelimitedError(ValueError):
    """Raised for malformed text, bad dialects and unusable records.

    `line` is the 1-based line of the text at fault, or None where there is no text.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True)
class Dialect:
    """The special characters of a delimited text.

    A quote inside a quoted field is written twice, or, if there is an `escape` character,
    after it. Outside and inside quotes the escape makes the next character an ordinary one.
    Lines that start with `comment` are skipped. With `strip`, spaces around fields (but not
    those inside quotes) are removed. Raises DelimitedError if a special character is not exactly
    one character, is a line break, or is used for two purposes.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    comment: str | None = None
    strip: bool = False

    def __post_init__(self) -> None:
        optional = (self.escape, self.comment)
        chars = [self.delimiter, self.quote, *(char for char in optional if char is not None)]
        for char in chars:
            if len(char) != 1 or char in "\r\n":
                raise DelimitedError(f"not usable as a special character: {char!r}")
        if len(set(chars)) != len(chars):
            raise DelimitedError("special characters must differ from each other")


#: Dialects by name.
DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "csv": Dialect(),
        "tsv": Dialect(delimiter="\t", escape="\\"),
        "pipe": Dialect(delimiter="|", comment="#", strip=True),
    }
)


def sniff_delimiter(text: str, candidates: str = ",;\t|") -> str:
    """Guess the delimiter: the candidate that is found equally often on every line.

    Blank lines and characters between double quotes do not count. Of several such candidates
    the most frequent one wins, and the earlier candidate if they are equally frequent.
    Raises DelimitedError if no candidate is found equally often (at least once) on every line.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    best = None
    best_count = 0
    for candidate in candidates:
        counts = {_count_unquoted(line, candidate) for line in lines}
        if len(counts) == 1 and max(counts) > best_count:
            best = candidate
            best_count = max(counts)
    if best is None:
        raise DelimitedError("no candidate delimiter fits every line")
    return best


def _count_unquoted(line: str, char: str) -> int:
    """Count `char` outside double quotes."""
    return sum(part.count(char) for part in line.split('"')[::2])
