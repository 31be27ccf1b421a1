import pytest
from undoredo import Delete, Document, History, Insert, Replace


def make(text="", **options):
    history = History(Document(text), **options)
    return history, history.document


def type_words(history, *words):
    for word in words:
        history.do(Insert(len(history.document), word))
        history.seal()


def fail_in_group(history, *commands):
    with history.group():
        for command in commands:
            history.do(command)
        raise KeyError


def test_undo_and_redo_one_step():
    history, document = make("ab")
    history.do(Insert(1, "X"))
    assert document.text == "aXb"
    assert history.undo() == 1
    assert document.text == "ab"
    assert history.redo() == 1
    assert document.text == "aXb"


def test_nothing_to_undo_or_redo():
    history, document = make("ab")
    assert history.undo() == 0
    assert history.redo() == 0
    assert document.revision == 0


def test_undo_and_redo_many_steps_in_order():
    history, document = make()
    type_words(history, "a", "b", "c", "d")
    assert history.undo(3) == 3
    assert document.text == "a"
    assert (history.undo_count, history.redo_count) == (1, 3)
    assert history.redo(2) == 2
    assert document.text == "abc"
    assert history.redo(9) == 1
    assert history.undo(9) == 4


def test_default_is_one_step():
    history, document = make()
    type_words(history, "a", "b", "c")
    history.undo()
    history.undo()
    history.redo()
    assert document.text == "ab"


def test_zero_steps_do_nothing_and_negative_raise():
    history, document = make()
    type_words(history, "a")
    assert history.undo(0) == 0
    assert document.text == "a"
    for move in (history.undo, history.redo):
        with pytest.raises(ValueError, match="negative"):
            move(-1)


def test_new_command_drops_undone_steps():
    history, document = make()
    type_words(history, "a", "b")
    history.undo()
    type_words(history, "c")
    assert history.redo_count == 0
    assert document.text == "ac"


def test_failed_command_is_not_recorded():
    history, document = make("abc")
    history.do(Insert(0, "x"))
    history.undo()
    with pytest.raises(ValueError, match="not there"):
        history.do(Delete(0, "z"))
    assert (history.undo_count, history.redo_count) == (0, 1)
    assert document.text == "abc"


def test_consecutive_typing_is_one_step():
    history, document = make()
    for index, char in enumerate("abc"):
        history.do(Insert(index, char))
    assert history.undo_count == 1
    history.undo()
    assert document.text == ""
    history.redo()
    assert document.text == "abc"


def test_merging_can_be_switched_off():
    history, _ = make(merging=False)
    history.do(Insert(0, "a"))
    history.do(Insert(1, "b"))
    assert history.undo_count == 2


def test_seal_starts_new_step():
    history, _ = make()
    history.do(Insert(0, "a"))
    history.seal()
    history.do(Insert(1, "b"))
    assert history.undo_count == 2
    history.do(Insert(2, "c"))
    assert (history.undo_count, history.forgotten_count) == (2, 0)


def test_no_merge_after_undo_or_redo():
    history, document = make()
    type_words(history, "a")
    history.do(Insert(1, "b"))
    history.undo()
    history.do(Insert(1, "c"))
    history.undo()
    history.redo()
    history.do(Insert(2, "d"))
    assert history.undo_count == 3
    history.undo()
    assert document.text == "ac"


def test_unrelated_commands_are_separate_steps():
    history, document = make("xyz")
    history.do(Insert(3, "a"))
    history.do(Insert(0, "b"))
    history.do(Replace(1, "x", "q"))
    assert document.text == "bqyza"
    assert history.undo(2) == 2
    assert document.text == "xyza"


def test_limit_forgets_oldest_steps():
    history, document = make(limit=2)
    type_words(history, "a", "b", "c")
    assert (history.undo_count, history.forgotten_count) == (2, 1)
    assert history.undo(5) == 2
    assert document.text == "a"


def test_default_limit_is_100():
    history, _ = make()
    type_words(history, *("x" * 101))
    assert history.undo_count == 100


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_rejected(limit):
    with pytest.raises(ValueError, match="limit"):
        make(limit=limit)
    assert make(limit=1)[0].undo_count == 0


def test_group_is_one_step():
    history, document = make("abc")
    with history.group():
        history.do(Insert(0, "x"))
        history.do(Delete(1, "a"))
        history.do(Insert(3, "!"))
    assert document.text == "xbc!"
    assert history.undo_count == 1
    history.undo()
    assert document.text == "abc"
    history.redo()
    assert document.text == "xbc!"


def test_group_is_not_merged_with_neighbours():
    history, _ = make()
    history.do(Insert(0, "a"))
    with history.group():
        history.do(Insert(1, "b"))
    history.do(Insert(2, "c"))
    assert history.undo_count == 3


def test_inner_group_joins_outer():
    history, document = make()
    with history.group():
        history.do(Insert(0, "a"))
        with history.group():
            history.do(Insert(1, "b"))
        history.do(Insert(2, "c"))
    assert history.undo_count == 1
    history.undo()
    assert document.text == ""


def test_empty_group_records_nothing():
    history, _ = make()
    type_words(history, "a")
    history.undo()
    with history.group():
        pass
    assert (history.undo_count, history.redo_count) == (0, 1)


def test_failed_group_is_reverted():
    history, document = make("abc")
    with pytest.raises(KeyError):
        fail_in_group(history, Insert(0, "x"), Delete(0, "xa"))
    assert document.text == "abc"
    assert history.undo_count == 0
    history.do(Insert(0, "y"))
    assert history.undo_count == 1


def test_failed_inner_group_keeps_outer_commands():
    history, document = make()
    with history.group():
        history.do(Insert(0, "a"))
        with pytest.raises(KeyError):
            fail_in_group(history, Insert(1, "b"))
        assert document.text == "a"
    assert history.undo_count == 1
    history.undo()
    assert document.text == ""


@pytest.mark.parametrize("name", ["undo", "redo"])
def test_moving_inside_group_raises(name):
    history, _ = make()
    type_words(history, "a")
    with history.group(), pytest.raises(RuntimeError, match="group"):
        getattr(history, name)()
    with history.group(), pytest.raises(RuntimeError, match="group"):
        history.mark("here")
    assert history.distance("here") is None


def test_checkpoint_is_reached_by_undo_and_redo():
    history, document = make()
    type_words(history, "a")
    history.mark("here")
    type_words(history, "b", "c")
    assert history.distance("here") == 2
    assert history.return_to("here") == 2
    assert document.text == "a"
    assert history.return_to("here") == 0
    history.undo()
    assert history.distance("here") == -1
    assert history.return_to("here") == 1
    assert document.text == "a"


def test_mark_seals_step():
    history, document = make()
    history.do(Insert(0, "a"))
    history.mark("here")
    history.do(Insert(1, "b"))
    assert history.return_to("here") == 1
    assert document.text == "a"


def test_mark_again_moves_checkpoint():
    history, _ = make()
    history.mark("here")
    type_words(history, "a")
    history.mark("here")
    assert history.distance("here") == 0


def test_dropped_redo_steps_take_checkpoint_along():
    history, _ = make()
    type_words(history, "a")
    history.mark("kept")
    type_words(history, "b")
    history.mark("lost")
    history.undo()
    type_words(history, "c")
    assert history.distance("kept") == 1
    assert history.distance("lost") is None


def test_forgotten_checkpoint_is_out_of_reach():
    history, document = make(limit=2)
    history.mark("start")
    type_words(history, "a")
    history.mark("first")
    type_words(history, "b", "c")
    assert history.distance("start") is None
    assert history.return_to("first") == 2
    assert document.text == "a"


def test_unknown_checkpoint_raises():
    history, _ = make()
    assert history.distance("nowhere") is None
    with pytest.raises(KeyError):
        history.return_to("nowhere")
