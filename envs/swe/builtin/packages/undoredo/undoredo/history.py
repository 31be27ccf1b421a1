"""The undo and redo stacks."""

from collections.abc import Iterator
from contextlib import contextmanager

from .commands import Command
from .document import Document

Step = tuple[Command, ...]


class History:
    """Applies commands to a document and takes them back step by step.

    A step is one command, several that were merged, or a whole group. At most ``limit`` steps
    can be undone; older ones are forgotten for good. With ``merging=False`` consecutive commands
    are never merged. Raises ValueError if ``limit`` is less than 1.
    """

    def __init__(self, document: Document, *, limit: int = 100, merging: bool = True) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self.document = document
        self._limit = limit
        self._merging = merging
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._forgotten = 0
        self._sealed = True
        self._groups: list[list[Command]] = []
        self._marks: dict[str, int] = {}

    @property
    def undo_count(self) -> int:
        """Number of steps that can be undone."""
        return len(self._done)

    @property
    def redo_count(self) -> int:
        """Number of steps that can be redone."""
        return len(self._undone)

    @property
    def forgotten_count(self) -> int:
        """Number of steps that were forgotten because of the limit, 0 at first."""
        return self._forgotten

    @property
    def _level(self) -> int:
        return self._forgotten + len(self._done)

    def do(self, command: Command) -> None:
        """Apply ``command`` and record it; all undone steps are dropped.

        Inside a group it becomes part of that group. Otherwise it is merged into the last step
        if merging is on, nothing sealed that step, and the commands agree to merge. If ``apply``
        raises, nothing is recorded or dropped.
        """
        command.apply(self.document)
        if self._groups:
            self._groups[-1].append(command)
            return
        joined = None
        if self._merging and not self._sealed:
            (last,) = self._done[-1]
            joined = last.merged(command)
        if joined is None:
            self._record((command,))
        else:
            self._done[-1] = (joined,)
        self._sealed = False

    def seal(self) -> None:
        """End the current step: the next command starts a new one."""
        self._sealed = True

    def _record(self, step: Step) -> None:
        for name in [name for name, level in self._marks.items() if level > self._level]:
            del self._marks[name]
        self._undone.clear()
        self._done.append(step)
        if len(self._done) > self._limit:
            del self._done[0]
            self._forgotten += 1

    def undo(self, steps: int = 1) -> int:
        """Undo up to ``steps`` steps, latest first, and return how many were undone.

        The step before is sealed: no command is merged into it after an undo.

        Raises ValueError if ``steps`` is negative, and RuntimeError inside a group.
        """
        self._check(steps)
        count = min(steps, len(self._done))
        for _ in range(count):
            step = self._done.pop()
            for command in reversed(step):
                command.revert(self.document)
            self._undone.append(step)
        self.seal()
        return count

    def redo(self, steps: int = 1) -> int:
        """Apply up to ``steps`` undone steps again and return how many; errors as in undo."""
        self._check(steps)
        count = min(steps, len(self._undone))
        for _ in range(count):
            step = self._undone.pop()
            for command in step:
                command.apply(self.document)
            self._done.append(step)
        return count

    def _check(self, steps: int) -> None:
        if steps < 0:
            raise ValueError("steps must not be negative")
        self._check_no_group()

    def _check_no_group(self) -> None:
        if self._groups:
            raise RuntimeError("a group is open")

    @contextmanager
    def group(self) -> Iterator[None]:
        """Record the commands of a ``with`` block as one step that is never merged.

        An inner group becomes part of the outer one; an empty group records nothing. If the
        block raises, the commands of this group are reverted and the exception goes on.
        """
        commands: list[Command] = []
        self._groups.append(commands)
        try:
            yield
        except BaseException:
            for command in reversed(commands):
                command.revert(self.document)
            commands.clear()
            raise
        finally:
            self._groups.pop()
            if commands and self._groups:
                self._groups[-1].extend(commands)
            elif commands:
                self._record(tuple(commands))
                self.seal()

    def mark(self, name: str) -> None:
        """Remember the present state as checkpoint ``name``, replacing one of that name.

        The current step is sealed, so that later commands come after the checkpoint. Raises
        RuntimeError inside a group.
        """
        self._check_no_group()
        self.seal()
        self._marks[name] = self._level

    def distance(self, name: str) -> int | None:
        """Return how many steps lead to checkpoint ``name``: > 0 to undo, < 0 to redo, 0 here.

        None if there is no such checkpoint, or if it can no longer be reached because a step
        was forgotten or undone steps were dropped.
        """
        level = self._marks.get(name)
        if level is None or level < self._forgotten:
            return None
        return self._level - level

    def return_to(self, name: str) -> int:
        """Undo or redo until checkpoint ``name`` and return the number of steps taken.

        Raises KeyError if the checkpoint is unknown or out of reach, RuntimeError in a group.
        """
        steps = self.distance(name)
        if steps is None:
            raise KeyError(name)
        return self.undo(steps) if steps >= 0 else self.redo(-steps)
