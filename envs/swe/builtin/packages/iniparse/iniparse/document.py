"""The lines of an INI file, kept as they were written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HEADER = re.compile(r"\[\s*([^\[\]:]*?)\s*(?::\s*([^\[\]:]*?)\s*)?\]\s*(?:[#;].*)?")
_ENTRY = re.compile(r"([^\s=:][^=:]*?)\s*[=:]\s*(.*)")
_INLINE_COMMENT = re.compile(r"(?:^|\s+)[#;].*$")


class IniError(ValueError):
    """Raised for malformed files, failed look-ups and bad values.

    `line` is the 1-based line of the file at fault, or None where there is none.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


@dataclass
class Line:
    """One line, or an entry together with its continuation lines.

    `kind` is "section", "entry", "comment" or "blank"; `text` is what was written, without the
    last line break; `section` is the section the line is in; only entries have a key and value.
    """

    kind: str
    text: str
    section: str
    key: str = ""
    value: str = ""


@dataclass
class Document:
    """The lines of a file, and the parent (or None) of each section in order of appearance."""

    lines: list[Line] = field(default_factory=list)
    parents: dict[str, str | None] = field(default_factory=dict)

    def text(self) -> str:
        """Return the file as written; it ends with a line feed unless it has no lines."""
        return "".join(line.text + "\n" for line in self.lines)

    def find(self, section: str, key: str) -> int | None:
        """Return the index of the line with this entry, or None."""
        for index, line in enumerate(self.lines):
            if line.kind == "entry" and line.section == section and line.key == key:
                return index
        return None

    def end_of(self, section: str) -> int:
        """Return the index behind the last entry or header of a section.

        That is where a new entry belongs. Raises IniError if there is no such section.
        """
        last = None
        for index, line in enumerate(self.lines):
            if line.section == section and line.kind in ("section", "entry"):
                last = index
        if last is None:
            raise IniError(f"no section {section!r}")
        return last + 1


def parse_document(text: str) -> Document:
    """Parse the text of an INI file.

    A section starts with "[name]" or "[name : parent]"; the parent must come earlier. Entries
    are "key = value" or "key: value", with the key in lower case. Lines that start with # or ;
    are comments, and so is the rest of a section or entry line from a # or ; after a space.
    Indented lines behind an entry continue its value, joined with line feeds; an indented
    comment or a blank line ends it. Raises IniError, with the line, for anything else, for
    entries before the first section, repeated sections and repeated keys of a section.
    """
    document = Document()
    section: str | None = None
    entry: Line | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        bare = raw.strip()
        if not bare or bare[0] in "#;":
            kind = "comment" if bare else "blank"
            document.lines.append(Line(kind, raw, section or ""))
            entry = None
        elif raw[0].isspace():
            if entry is None:
                raise IniError("nothing to continue", number)
            entry.text += "\n" + raw
            entry.value += "\n" + strip_comment(bare)
        elif raw[0] == "[":
            section = _add_header(document, raw, number)
            entry = None
        else:
            match = _ENTRY.fullmatch(raw)
            if section is None or match is None:
                raise IniError("expected a section or an entry", number)
            key = match.group(1).lower()
            if document.find(section, key) is not None:
                raise IniError(f"repeated key {key!r}", number)
            entry = Line("entry", raw, section, key, strip_comment(match.group(2)))
            document.lines.append(entry)
    return document


def _add_header(document: Document, raw: str, number: int) -> str:
    """Add a section line to the document and return the name of the section."""
    match = _HEADER.fullmatch(raw)
    if match is None or match.group(1) == "":
        raise IniError("malformed section", number)
    name, parent = match.groups()
    if name in document.parents:
        raise IniError(f"repeated section {name!r}", number)
    if parent is not None and parent not in document.parents:
        raise IniError(f"unknown parent {parent!r}", number)
    document.parents[name] = parent
    document.lines.append(Line("section", raw, name))
    return name


def strip_comment(text: str) -> str:
    """Remove an inline comment and the spaces around what is left."""
    return _INLINE_COMMENT.sub("", text).strip()
