"""Undo and redo of edits to a text document."""

from .commands import Command, Delete, Insert, Replace
from .document import Document
from .history import History

__all__ = ["Command", "Delete", "Document", "History", "Insert", "Replace"]
