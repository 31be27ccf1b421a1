import pytest
from statemachine import Definition, DefinitionError, Machine, State, Transition, problems, validate


def nested(*extra_states, transitions=(), initial="run"):
    states = [
        State("run", initial="slow"),
        State("slow", parent="run"),
        State("fast", parent="run", initial="low"),
        State("low", parent="fast"),
        *extra_states,
    ]
    moves = [Transition("slow", "up", "fast"), Transition("fast", "down", "slow"), *transitions]
    return Definition(states, moves, initial)


def test_sound_definition_has_no_problems():
    assert problems(nested()) == []
    validate(nested())


def test_definition_copies_its_collections():
    states, moves = [State("a")], [Transition("a", "x")]
    definition = Definition(states, moves, "a")
    states.append(State("b"))
    moves.clear()
    assert len(definition.states) == len(definition.transitions) == 1
    assert not definition.has_state("b")


def test_state_and_transition_defaults():
    state, move = State("a"), Transition("a", "x")
    assert (state.parent, state.initial, state.on_entry, state.on_exit) == (None,) * 4
    assert (state.history, state.final) == (False, False)
    assert (move.target, move.guard, move.action) == (None, None, None)


def test_path_runs_from_the_outside_in():
    assert nested().path("low") == ["run", "fast", "low"]
    assert nested().path("run") == ["run"]


def test_children_in_order_of_definition():
    assert nested().children("run") == ["slow", "fast"]
    assert nested().children("slow") == []


def test_state_lookup():
    assert nested().state("low") == State("low", parent="fast")
    with pytest.raises(KeyError, match="nope"):
        nested().state("nope")


def test_outgoing_matches_source_and_event():
    extra = Transition("slow", "up", "run")
    definition = nested(transitions=[extra, Transition("slow", "off")])
    assert definition.outgoing("slow", "up") == [Transition("slow", "up", "fast"), extra]
    assert definition.outgoing("run", "up") == []


def test_duplicate_states():
    assert problems(nested(State("low"))) == ["duplicate state 'low'"]


def test_unknown_parent():
    found = problems(nested(State("odd", parent="nope")))
    assert found == ["state 'odd' has unknown parent 'nope'"]


@pytest.mark.parametrize(
    ("states", "names"),
    [
        ([State("a", parent="a")], ["a"]),
        ([State("a", parent="b"), State("b", parent="a")], ["a", "b"]),
        ([State("c", parent="a"), State("a", parent="b"), State("b", parent="a")], ["a", "b"]),
        ([State(a, parent=b) for a, b in ("ab", "bc", "cd", "de", "ea")], list("abcde")),
    ],
    ids=["self", "pair", "tail", "ring"],
)
def test_parent_cycles(states, names):
    found = problems(Definition(states, [], "a"))
    assert found == [f"state {name!r} is its own ancestor" for name in names]


def test_unknown_initial_state():
    assert problems(nested(initial="nope")) == ["unknown initial state 'nope'"]


@pytest.mark.parametrize("initial", [None, "low"], ids=["missing", "grandchild"])
def test_composite_needs_an_initial_child(initial):
    states = [State("run", initial=initial), State("fast", "run", "low"), State("low", "fast")]
    found = problems(Definition(states, [], "low"))
    assert found == ["composite state 'run' needs an initial child"]


@pytest.mark.parametrize(
    "state", [State("odd", initial="slow"), State("odd", history=True)], ids=["initial", "history"]
)
def test_leaf_cannot_have_initial_or_history(state):
    assert problems(nested(state)) == ["state 'odd' has no children to enter"]


def test_final_state_cannot_have_children():
    states = [State("end", initial="sub", final=True), State("sub", parent="end")]
    assert problems(Definition(states, [], "end")) == ["final state 'end' has children"]


def test_final_state_cannot_have_transitions():
    definition = Definition([State("end", final=True)], [Transition("end", "x")], "end")
    assert problems(definition) == ["final state 'end' has transitions"]


def test_unknown_states_in_transitions():
    definition = nested(transitions=[Transition("nope", "x", "run"), Transition("run", "y", "no")])
    assert problems(definition) == [
        "transition on 'x' uses unknown state 'nope'",
        "transition on 'y' uses unknown state 'no'",
    ]


def test_unreachable_states():
    definition = nested(State("lost"), State("gone"), transitions=[Transition("lost", "x", "gone")])
    assert problems(definition) == ["unreachable state 'lost'", "unreachable state 'gone'"]


def test_starting_inside_a_state_reaches_what_its_parents_reach():
    definition = nested(State("off"), transitions=[Transition("run", "x", "off")], initial="low")
    assert problems(definition) == []


def test_validate_raises_with_all_problems():
    with pytest.raises(DefinitionError, match="unknown initial state") as info:
        validate(nested(State("odd", history=True), initial="nope"))
    assert info.value.problems == [
        "unknown initial state 'nope'",
        "state 'odd' has no children to enter",
    ]


def test_definition_error_copies_its_list():
    found = ["one", "two"]
    error = DefinitionError(found)
    found.clear()
    assert error.problems == ["one", "two"]
    assert str(error) == "one; two"


def test_machine_refuses_an_unsound_definition():
    with pytest.raises(DefinitionError, match="unreachable state 'lost'"):
        Machine(nested(State("lost")))
