"""Reversible edits."""

from dataclasses import dataclass
from typing import Protocol

from .document import Document


class Command(Protocol):
    """What the history needs of an edit; commands are immutable values."""

    def apply(self, document: Document) -> None:
        """Perform the edit."""

    def revert(self, document: Document) -> None:
        """Undo the edit on the document as ``apply`` left it."""

    def merged(self, later: "Command") -> "Command | None":
        """Return one command equal to this one followed by ``later``, or None."""


@dataclass(frozen=True)
class Insert:
    """Insert ``text`` before position ``start``."""

    start: int
    text: str

    def apply(self, document: Document) -> None:
        """Insert the text; IndexError if ``start`` is outside the document."""
        document.replace(self.start, 0, self.text)

    def revert(self, document: Document) -> None:
        """Remove the inserted text again."""
        document.replace(self.start, len(self.text), "")

    def merged(self, later: Command) -> "Insert | None":
        """Join with an insertion that starts right behind this one.

        Nothing is joined onto a text that ends in a newline, so that each line is undone alone.
        """
        if not isinstance(later, Insert) or self.text.endswith("\n"):
            return None
        if later.start != self.start + len(self.text):
            return None
        return Insert(self.start, self.text + later.text)


@dataclass(frozen=True)
class Delete:
    """Delete ``text``, which must stand at position ``start``."""

    start: int
    text: str

    @classmethod
    def at(cls, document: Document, start: int, length: int) -> "Delete":
        """Return the command that deletes ``length`` characters of ``document`` at ``start``.

        Raises IndexError if the document has no such range. The document is not changed.
        """
        return cls(start, document.read(start, length))

    def apply(self, document: Document) -> None:
        """Delete the text; ValueError, changing nothing, if another text stands there."""
        if document.read(self.start, len(self.text)) != self.text:
            raise ValueError("the text to delete is not there")
        document.replace(self.start, len(self.text), "")

    def revert(self, document: Document) -> None:
        """Put the deleted text back."""
        document.replace(self.start, 0, self.text)

    def merged(self, later: Command) -> "Delete | None":
        """Join with a deletion right before this one (backspace) or at its place (delete key)."""
        if not isinstance(later, Delete):
            return None
        if later.start == self.start:
            return Delete(self.start, self.text + later.text)
        if later.start + len(later.text) == self.start:
            return Delete(later.start, later.text + self.text)
        return None


@dataclass(frozen=True)
class Replace:
    """Replace ``old``, which must stand at position ``start``, by ``new``."""

    start: int
    old: str
    new: str

    def apply(self, document: Document) -> None:
        """Replace the text; ValueError, changing nothing, if another text stands there."""
        if document.read(self.start, len(self.old)) != self.old:
            raise ValueError("the text to replace is not there")
        document.replace(self.start, len(self.old), self.new)

    def revert(self, document: Document) -> None:
        """Put the old text back."""
        document.replace(self.start, len(self.new), self.old)

    def merged(self, later: Command) -> None:
        """Replacements are never joined; always returns None."""
        return None
