import pytest
from diffkit import (
    Hunk,
    PatchError,
    apply_hunks,
    invert,
    make_hunks,
    parse_unified,
    render_unified,
)

OLD = list("abcdefghij")
NEW = list("abXdefghYj")
CHANGE = Hunk(1, 1, ((" ", "b"), ("-", "c"), ("+", "X"), (" ", "d")))


def test_hunk_lines_and_header():
    assert CHANGE.old_lines() == ["b", "c", "d"]
    assert CHANGE.new_lines() == ["b", "X", "d"]
    assert CHANGE.header() == "@@ -2,3 +2,3 @@"


def test_hunk_header_with_a_count_of_one_or_zero():
    assert Hunk(4, 6, (("-", "a"), ("+", "b"))).header() == "@@ -5 +7 @@"
    assert Hunk(0, 0, (("+", "a"), ("+", "b"))).header() == "@@ -0,0 +1,2 @@"
    assert Hunk(3, 4, (("-", "a"),)).header() == "@@ -4 +4,0 @@"


def test_make_hunks_with_context():
    first, second = make_hunks(OLD, NEW, context=1)
    assert first == CHANGE
    assert (second.old_start, second.new_start) == (7, 7)
    assert second.old_lines() == ["h", "i", "j"]


def test_context_is_three_by_default():
    (hunk,) = make_hunks(OLD, [*OLD[:5], "X", *OLD[5:]])
    assert hunk.old_lines() == OLD[2:8]
    assert (hunk.old_start, hunk.new_start) == (2, 2)


def test_context_stops_at_the_ends():
    (hunk,) = make_hunks(["a", "b"], ["a", "x"], context=5)
    assert hunk == Hunk(0, 0, ((" ", "a"), ("-", "b"), ("+", "x")))


def test_touching_contexts_share_a_hunk():
    new = ["X", *OLD[1:5], "Y", *OLD[6:]]
    assert len(make_hunks(OLD, new, context=2)) == 1
    assert len(make_hunks(OLD, new, context=1)) == 2


def test_context_zero_keeps_only_edits_and_less_raises():
    with pytest.raises(ValueError, match="context"):
        make_hunks(OLD, NEW, context=-1)
    hunks = make_hunks(["a", "b", "c"], ["b", "x", "c"], context=0)
    assert hunks == [Hunk(0, 0, (("-", "a"),)), Hunk(2, 1, (("+", "x"),))]


def test_render_unified_text():
    text = render_unified(["a", "b"], ["a", "c"], "old.txt", "new.txt")
    assert text == "--- old.txt\n+++ new.txt\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"


def test_render_unified_defaults():
    assert render_unified(OLD, OLD) == ""
    text = render_unified(OLD, [*OLD[:5], "X", *OLD[5:]])
    assert text.startswith("--- a\n+++ b\n@@ -3,6 +3,7 @@\n c\n")


@pytest.mark.parametrize("context", [0, 1, 3])
def test_parse_reads_what_render_writes(context):
    hunks = parse_unified(render_unified(OLD, NEW, context=context))
    assert hunks == make_hunks(OLD, NEW, context)
    assert apply_hunks(OLD, hunks) == NEW


def test_parse_reads_pure_insertion_and_removal():
    assert parse_unified("@@ -3,0 +7,2 @@\n+x\n+y") == [Hunk(3, 6, (("+", "x"), ("+", "y")))]
    assert parse_unified("@@ -4 +8,0 @@ def f\n-x\n") == [Hunk(3, 8, (("-", "x"),))]


@pytest.mark.parametrize("text", ["", "--- a\n+++ b\n"], ids=["empty", "names"])
def test_parse_without_hunk_raises(text):
    with pytest.raises(PatchError, match="no hunk"):
        parse_unified(text)


@pytest.mark.parametrize("line", ["", "*a"], ids=["blank", "star"])
def test_parse_refuses_other_lines_in_a_hunk(line):
    with pytest.raises(PatchError, match="not a diff line"):
        parse_unified(f"@@ -1 +1 @@\n a\n{line}\n")


@pytest.mark.parametrize("head", ["-1,2 +1", "-1 +1,2", "-1,0 +1"], ids=["old", "new", "none"])
def test_parse_refuses_wrong_counts(head):
    with pytest.raises(PatchError, match="wrong number"):
        parse_unified(f"@@ {head} @@\n a\n")


def test_apply_returns_a_new_list():
    lines = list(OLD)
    assert apply_hunks(lines, []) == lines
    assert apply_hunks(tuple(OLD), make_hunks(OLD, NEW)) == NEW
    apply_hunks(lines, []).clear()
    apply_hunks(lines, [CHANGE])
    assert lines == OLD


def test_apply_checks_the_context_and_does_not_shift_by_default():
    with pytest.raises(PatchError):
        apply_hunks(["z", *OLD], [CHANGE])
    with pytest.raises(PatchError, match="line 2 does not fit"):
        apply_hunks(list("abcDe"), [CHANGE])


@pytest.mark.parametrize("extra", [["y", "z"], []], ids=["later", "earlier"])
def test_apply_shifts_up_to_the_limit(extra):
    hunk = Hunk(3 - len(extra), 9, CHANGE.edits)
    assert apply_hunks([*extra, *OLD], [hunk], max_shift=2) == [*extra, *"abXdefghij"]
    with pytest.raises(PatchError):
        apply_hunks(["x", *extra, *OLD] if extra else OLD[1:], [hunk], max_shift=2)


def test_apply_takes_the_nearest_then_the_earlier_place():
    hunk = Hunk(2, 2, (("-", "a"), ("+", "x")))
    assert apply_hunks(list("azzaz"), [hunk], max_shift=2) == list("azzxz")
    assert apply_hunks(list("zazaz"), [hunk], max_shift=2) == list("zxzaz")


def test_shift_carries_over_to_later_hunks():
    lines = ["y", "z", *OLD, *OLD]
    hunks = make_hunks(OLD, NEW, context=1)
    assert apply_hunks(lines, hunks, max_shift=2) == ["y", "z", *NEW, *OLD]


def test_apply_refuses_overlapping_hunks():
    with pytest.raises(PatchError):
        apply_hunks(OLD, [CHANGE, Hunk(3, 3, (("-", "d"),))])


def test_insertion_must_be_within_the_lines():
    insertion = Hunk(2, 2, (("+", "x"),))
    assert apply_hunks(["a", "b"], [insertion]) == ["a", "b", "x"]
    with pytest.raises(PatchError):
        apply_hunks(["a"], [insertion])


def test_invert_undoes_a_patch():
    hunks = make_hunks(OLD, ["new", *NEW, "end"], context=1)
    assert apply_hunks(["new", *NEW, "end"], invert(hunks)) == OLD


def test_invert_keeps_removals_first():
    edits = (("-", "a"), ("+", "b"), ("+", "c"), (" ", "k"), ("-", "d"), ("+", "e"))
    swapped = (("-", "b"), ("-", "c"), ("+", "a"), (" ", "k"), ("-", "e"), ("+", "d"))
    assert invert([Hunk(1, 5, edits)]) == [Hunk(5, 1, swapped)]
