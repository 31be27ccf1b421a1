"""The parts of a state machine, as plain data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Context = dict[str, Any]
Action = Callable[[Context], None]
Guard = Callable[[Context], bool]


@dataclass(frozen=True)
class State:
    """A state, optionally inside a ``parent`` state.

    A state that has children is composite: entering it goes on to its ``initial`` child, or,
    with ``history``, to the child that was active when it was last left. ``final`` states end
    the machine. ``on_entry`` and ``on_exit`` are called with the context.
    """

    name: str
    parent: str | None = None
    initial: str | None = None
    history: bool = False
    final: bool = False
    on_entry: Action | None = None
    on_exit: Action | None = None


@dataclass(frozen=True)
class Transition:
    """On ``event`` in ``source`` (or a state inside it), go to ``target``.

    ``target`` None is an internal transition: only ``action`` runs, and no state is left or
    entered. ``guard`` must return true for the transition to be taken.
    """

    source: str
    event: str
    target: str | None = None
    guard: Guard | None = None
    action: Action | None = None


class Definition:
    """States and transitions; read-only queries about the tree they form."""

    def __init__(self, states: Iterable[State], transitions: Iterable[Transition], initial: str) -> None:
        """Store copies of both collections; nothing is checked here (see validate).

        ``initial`` is the name of the state in which a machine starts.
        """
        self.states = tuple(states)
        self.transitions = tuple(transitions)
        self.initial = initial
        self._by_name = {state.name: state for state in self.states}

    def state(self, name: str) -> State:
        """Return a state by its name; raise KeyError when there is none."""
        return self._by_name[name]

    def has_state(self, name: str) -> bool:
        """Return whether a state of that name is defined."""
        return name in self._by_name

    def children(self, name: str) -> list[str]:
        """Return the names of the direct children of a state, in order of definition."""
        return [state.name for state in self.states if state.parent == name]

    def path(self, name: str) -> list[str]:
        """Return the names from the outermost ancestor down to ``name`` itself."""
        found = [name]
        parent = self.state(name).parent
        while parent is not None:
            found.insert(0, parent)
            parent = self.state(parent).parent
        return found

    def outgoing(self, source: str, event: str) -> list[Transition]:
        """Return the transitions of exactly ``source`` on ``event``, in order of definition."""
        return [t for t in self.transitions if t.source == source and t.event == event]
