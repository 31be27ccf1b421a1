"""The error that everything in this package raises."""

from __future__ import annotations


class TemplateError(ValueError):
    """Raised for malformed templates and failed rendering.

    `template` is the name of the template at fault and `line` the 1-based line in it.
    """

    def __init__(self, message: str, template: str, line: int) -> None:
        super().__init__(f"{template}:{line}: {message}")
        self.template = template
        self.line = line
