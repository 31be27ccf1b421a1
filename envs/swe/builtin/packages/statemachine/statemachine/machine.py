"""Running a definition."""

from dataclasses import dataclass

from statemachine.definition import Context, Definition, Transition
from statemachine.validation import validate


class MachineError(RuntimeError):
    """A machine was used in a way its present state does not allow."""


@dataclass(frozen=True)
class LogRecord:
    """One transition that was taken: where from, on what event, and where to (leaf states)."""

    source: str
    event: str
    target: str
    internal: bool = False


class Machine:
    """An instance of a definition with its own context, history and log."""

    def __init__(self, definition: Definition, context: Context | None = None) -> None:
        """Check the definition and enter its initial state, outermost state first.

        The machine works on a shallow copy of ``context``. Raise DefinitionError when the
        definition is not sound.
        """
        validate(definition)
        self.definition = definition
        self.context: Context = dict(context or {})
        self._history: dict[str, str] = {}
        self._log: list[LogRecord] = []
        self._active: list[str] = []
        self._enter(definition.initial)

    @property
    def state(self) -> str:
        """Return the name of the active leaf state."""
        return self._active[-1]

    @property
    def active(self) -> list[str]:
        """Return all active states, outermost first, as a list of the caller's own."""
        return list(self._active)

    @property
    def log(self) -> list[LogRecord]:
        """Return the transitions taken so far, oldest first, as a list of the caller's own."""
        return list(self._log)

    @property
    def finished(self) -> bool:
        """Return whether the active leaf state is final."""
        return self.definition.state(self.state).final

    def is_in(self, name: str) -> bool:
        """Return whether ``name`` is the active leaf state or one of its ancestors."""
        return name in self._active

    def find(self, event: str) -> Transition | None:
        """Return the transition that ``event`` would take now, or None.

        The active states are asked from the leaf outwards; within a state the first
        transition in order of definition wins whose guard is absent or true.
        """
        for name in reversed(self._active):
            for transition in self.definition.outgoing(name, event):
                if transition.guard is None or transition.guard(self.context):
                    return transition
        return None

    def can(self, event: str) -> bool:
        """Return whether ``event`` would take a transition now."""
        return self.find(event) is not None

    def events(self) -> list[str]:
        """Return the events that would take a transition now, sorted, each once."""
        return sorted({t.event for t in self.definition.transitions if self.can(t.event)})

    def send(self, event: str) -> bool:
        """Handle ``event`` and return whether a transition was taken.

        The order is: exit actions from the leaf outwards up to the innermost state that holds
        both the source and the target, the transition's action, entry actions from the outside
        inwards. The source and the target themselves are always left and entered, also when
        one contains the other. Composite states that are left remember their active child. An
        event without a transition changes nothing and is not logged. Raise MachineError when
        the machine has finished.
        """
        if self.finished:
            raise MachineError(f"machine finished in {self.state!r}")
        transition = self.find(event)
        if transition is None:
            return False
        before = self.state
        if transition.target is not None:
            self._leave(self._common_depth(transition.source, transition.target))
        if transition.action is not None:
            transition.action(self.context)
        if transition.target is not None:
            self._enter(transition.target)
        internal = transition.target is None
        self._log.append(LogRecord(before, event, self.state, internal))
        return True

    def send_all(self, events: list[str]) -> int:
        """Send events in order until one finishes the machine; return how many were taken."""
        taken = 0
        for event in events:
            if self.finished:
                break
            taken += self.send(event)
        return taken

    def reset(self) -> None:
        """Forget history and log and enter the initial state anew, without exit actions.

        The context is kept.
        """
        self._history.clear()
        self._log.clear()
        self._active.clear()
        self._enter(self.definition.initial)

    def _common_depth(self, source: str, target: str) -> int:
        """Return how many outermost active states stay active between two states."""
        above_source = self.definition.path(source)[:-1]
        above_target = self.definition.path(target)[:-1]
        depth = 0
        for left, right in zip(above_source, above_target, strict=False):
            if left != right:
                break
            depth += 1
        return depth

    def _leave(self, depth: int) -> None:
        """Leave active states from the leaf outwards until ``depth`` of them are left."""
        while len(self._active) > depth:
            name = self._active.pop()
            state = self.definition.state(name)
            if state.on_exit is not None:
                state.on_exit(self.context)
            if state.parent is not None:
                self._history[state.parent] = name

    def _enter(self, target: str) -> None:
        """Enter the states down to ``target`` that are not active, and then its default leaf."""
        for name in self.definition.path(target)[len(self._active) :]:
            self._activate(name)
        state = self.definition.state(target)
        while state.initial is not None:
            child = state.initial
            if state.history:
                child = self._history.get(state.name, child)
            self._activate(child)
            state = self.definition.state(child)

    def _activate(self, name: str) -> None:
        """Make one more state active and run its entry action."""
        self._active.append(name)
        state = self.definition.state(name)
        if state.on_entry is not None:
            state.on_entry(self.context)
