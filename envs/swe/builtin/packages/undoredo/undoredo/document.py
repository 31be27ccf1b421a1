"""The text that commands work on."""


class Document:
    """A text that is changed by position; positions count characters from 0.

    ``revision`` starts at 0 and grows by 1 with every change.
    """

    def __init__(self, text: str = "") -> None:
        self._text = text
        self.revision = 0

    @property
    def text(self) -> str:
        """The whole text."""
        return self._text

    def __len__(self) -> int:
        """Number of characters."""
        return len(self._text)

    def read(self, start: int, length: int) -> str:
        """Return ``length`` characters from ``start`` on.

        Raises IndexError if ``start`` or ``length`` is negative or the range passes the end.
        """
        if start < 0 or length < 0 or start + length > len(self._text):
            raise IndexError(f"no range of {length} characters at {start}")
        return self._text[start : start + length]

    def replace(self, start: int, length: int, text: str) -> str:
        """Put ``text`` in the place of ``length`` characters and return what was there.

        With ``length`` 0 this inserts, also at the very end. Raises IndexError as ``read`` does,
        changing nothing.
        """
        removed = self.read(start, length)
        self._text = self._text[:start] + text + self._text[start + length :]
        self.revision += 1
        return removed

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based ``(line, column)`` of the character at ``offset``.

        The end of the text (``offset == len``) is allowed; IndexError for anything outside.
        """
        before = self.read(0, offset)
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
