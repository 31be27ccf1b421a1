"""Checks of a definition before it is used."""

from statemachine.definition import Definition


class DefinitionError(ValueError):
    """A definition has problems; ``problems`` lists all of them."""

    def __init__(self, found: list[str]) -> None:
        """Create the error from a list of problems."""
        super().__init__("; ".join(found))
        self.problems = list(found)


def problems(definition: Definition) -> list[str]:
    """Return what is wrong with ``definition``, an empty list when it is sound.

    Reported are, in this order: duplicate state names; unknown parents; cycles of parents;
    an unknown initial state of the machine; composite states whose ``initial`` is missing or
    is not one of their children; childless states with an ``initial`` or with ``history``;
    final states with children or outgoing transitions; unknown states in transitions; and
    states that cannot be reached. Later groups are checked only when the first three, and
    reachability only when all others, found nothing.
    """
    found = _tree_problems(definition)
    if found:
        return found
    if not definition.has_state(definition.initial):
        found.append(f"unknown initial state {definition.initial!r}")
    found.extend(_state_problems(definition))
    for transition in definition.transitions:
        for name in (transition.source, transition.target):
            if name is not None and not definition.has_state(name):
                found.append(f"transition on {transition.event!r} uses unknown state {name!r}")
    if found:
        return found
    reached = _reachable(definition)
    return [f"unreachable state {s.name!r}" for s in definition.states if s.name not in reached]


def validate(definition: Definition) -> None:
    """Raise DefinitionError when ``definition`` has problems."""
    found = problems(definition)
    if found:
        raise DefinitionError(found)


def _tree_problems(definition: Definition) -> list[str]:
    """Return what keeps the states from forming a forest of distinct names."""
    found: list[str] = []
    seen: set[str] = set()
    for state in definition.states:
        if state.name in seen:
            found.append(f"duplicate state {state.name!r}")
        seen.add(state.name)
    found.extend(
        f"state {state.name!r} has unknown parent {state.parent!r}"
        for state in definition.states
        if state.parent is not None and not definition.has_state(state.parent)
    )
    if found:
        return found
    for state in definition.states:
        parent = state.parent
        steps = 0
        while parent is not None and parent != state.name and steps < len(definition.states):
            parent = definition.state(parent).parent
            steps += 1
        if parent == state.name:
            found.append(f"state {state.name!r} is its own ancestor")
    return found


def _state_problems(definition: Definition) -> list[str]:
    """Return the problems of single states in a sound tree."""
    found: list[str] = []
    for state in definition.states:
        children = definition.children(state.name)
        if children and state.initial not in children:
            found.append(f"composite state {state.name!r} needs an initial child")
        if not children and (state.initial is not None or state.history):
            found.append(f"state {state.name!r} has no children to enter")
        if state.final and children:
            found.append(f"final state {state.name!r} has children")
        if state.final and any(t.source == state.name for t in definition.transitions):
            found.append(f"final state {state.name!r} has transitions")
    return found


def _reachable(definition: Definition) -> set[str]:
    """Return the names of all states that some sequence of events can enter."""
    reached: set[str] = set()
    waiting = [definition.initial]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        state = definition.state(name)
        waiting.extend(other for other in (state.parent, state.initial) if other is not None)
        waiting.extend(t.target for t in definition.transitions if t.source == name and t.target is not None)
    return reached
