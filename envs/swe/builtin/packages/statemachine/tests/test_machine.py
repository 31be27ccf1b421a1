import pytest
from statemachine import Definition, LogRecord, Machine, MachineError, State, Transition


def note(text):
    return lambda context: context["seen"].append(text)


def state(name, **options):
    return State(name, on_entry=note(f"+{name}"), on_exit=note(f"-{name}"), **options)


def player(history=False):
    states = [
        state("off"),
        state("on", initial="idle", history=history),
        state("idle", parent="on"),
        state("play", parent="on", initial="normal"),
        state("normal", parent="play"),
        state("double", parent="play"),
        state("broken", final=True),
    ]
    moves = [
        Transition("off", "power", "on"),
        Transition("on", "power", "off", action=note("click")),
        Transition("idle", "start", "play"),
        Transition("normal", "faster", "double"),
        Transition("on", "faster", action=note("beep")),
        Transition("play", "again", "play"),
        Transition("double", "home", "on"),
        Transition("on", "jump", "double"),
        Transition("on", "drop", "broken", guard=lambda context: context["height"] > 2),
        Transition("on", "drop", "off"),
    ]
    return Definition(states, moves, "off")


def start(*events, history=False, height=0):
    machine = Machine(player(history), {"seen": [], "height": height})
    for event in events:
        machine.send(event)
    machine.context["seen"].clear()
    return machine


def test_initial_state_is_entered():
    machine = Machine(player(), {"seen": []})
    assert machine.state == "off"
    assert machine.context["seen"] == ["+off"]
    assert machine.log == []


def test_initial_composite_state_enters_its_leaf():
    definition = Definition([State("a", initial="b"), State("b", parent="a")], [], "a")
    assert Machine(definition).active == ["a", "b"]


def test_context_is_copied_and_may_be_absent():
    given = {"seen": []}
    machine = Machine(player(), given)
    machine.context["extra"] = 1
    assert given == {"seen": ["+off"]}
    assert Machine(Definition([State("a")], [], "a")).context == {}


def test_entering_a_composite_state_goes_to_its_initial_child():
    machine = start()
    assert machine.send("power") is True
    assert machine.active == ["on", "idle"]
    assert machine.context["seen"] == ["-off", "+on", "+idle"]


def test_exit_actions_run_from_the_leaf_outwards_before_the_action():
    machine = start("power", "start")
    machine.send("power")
    assert machine.context["seen"] == ["-normal", "-play", "-on", "click", "+off"]


def test_move_between_siblings_keeps_the_parent_active():
    machine = start("power")
    machine.send("start")
    assert machine.context["seen"] == ["-idle", "+play", "+normal"]
    assert machine.active == ["on", "play", "normal"]


def test_self_transition_leaves_and_enters():
    machine = start("power", "start", "faster")
    machine.send("again")
    assert machine.context["seen"] == ["-double", "-play", "+play", "+normal"]


def test_transition_to_an_ancestor_leaves_and_enters_it():
    machine = start("power", "start", "faster")
    machine.send("home")
    assert machine.context["seen"] == ["-double", "-play", "-on", "+on", "+idle"]


def test_transition_to_a_descendant_leaves_and_enters_the_source():
    machine = start("power")
    machine.send("jump")
    assert machine.context["seen"] == ["-idle", "-on", "+on", "+play", "+double"]


def test_inner_states_are_asked_first():
    machine = start("power", "start")
    machine.send("faster")
    assert machine.state == "double"


def test_internal_transition_only_runs_its_action():
    machine = start("power")
    assert machine.send("faster") is True
    assert machine.context["seen"] == ["beep"]
    assert machine.state == "idle"
    assert machine.log[-1] == LogRecord("idle", "faster", "idle", internal=True)


def test_unknown_event_changes_nothing():
    machine = start()
    assert machine.send("start") is False
    assert (machine.state, machine.log, machine.context["seen"]) == ("off", [], [])


@pytest.mark.parametrize(("height", "target"), [(2, "off"), (3, "broken")])
def test_first_transition_with_a_true_guard_wins(height, target):
    machine = start("power", height=height)
    machine.send("drop")
    assert machine.state == target


def test_guard_without_an_alternative_blocks():
    moves = [Transition("a", "x", "b", guard=lambda context: context.get("go", False))]
    machine = Machine(Definition([State("a"), State("b")], moves, "a"))
    assert not machine.can("x")
    assert machine.send("x") is False
    machine.context["go"] = True
    assert machine.can("x")


def test_history_returns_to_the_last_child():
    machine = start("power", "start", "power", history=True)
    machine.send("power")
    assert machine.active == ["on", "play", "normal"]


def test_history_is_shallow():
    machine = start("power", "start", "faster", "power", "power", history=True)
    assert machine.state == "normal"


def test_without_history_the_initial_child_is_entered():
    assert start("power", "start", "power", "power").state == "idle"
    assert start("power", history=True).state == "idle"


def test_is_in_includes_ancestors():
    machine = start("power", "start")
    assert [machine.is_in(name) for name in ("on", "play", "normal")] == [True] * 3
    assert not machine.is_in("idle")


def test_events_are_sorted_and_possible_now():
    assert start("power").events() == ["drop", "faster", "jump", "power", "start"]
    assert start().events() == ["power"]


def test_finished_machine_refuses_events():
    machine = start("power", height=3)
    assert not machine.finished
    machine.send("drop")
    assert machine.finished
    with pytest.raises(MachineError, match="finished in 'broken'"):
        machine.send("power")


def test_log_records_leaf_states():
    machine = start("power", "start", "power")
    assert machine.log == [
        LogRecord("off", "power", "idle"),
        LogRecord("idle", "start", "normal"),
        LogRecord("normal", "power", "off"),
    ]
    assert machine.log[0].internal is False


def test_log_and_active_are_copies():
    machine = start("power")
    machine.log.clear()
    machine.active.clear()
    assert len(machine.log) == 1
    assert machine.state == "idle"


def test_send_all_counts_taken_and_stops_at_the_end():
    machine = start(height=9)
    assert machine.send_all(["power", "nope", "start", "drop", "power"]) == 3
    assert machine.state == "broken"


def test_reset_forgets_log_and_history_but_keeps_the_context():
    machine = start("power", "start", history=True)
    machine.reset()
    assert (machine.active, machine.log) == (["off"], [])
    assert machine.context == {"seen": ["+off"], "height": 0}
    machine = start("power", "start", "power", history=True)
    machine.reset()
    machine.send("power")
    assert machine.state == "idle"
