from diffkit import Conflict, MergeResult, merge3

BASE = list("abcde")


def test_merge_joins_changes_of_both_sides():
    result = merge3(BASE, list("aXcde"), list("abcYe"))
    assert result == MergeResult((tuple("aXcYe"),))
    assert result.conflicts() == []
    assert merge3(BASE, list("acde"), list("abcdeZ")).take("ours") == list("acdeZ")


def test_merge_takes_the_only_change():
    changed = list("abXYe")
    assert merge3(BASE, changed, BASE).take("base") == changed
    assert merge3(BASE, BASE, changed).take("base") == changed


def test_merge_takes_the_same_change_once():
    assert merge3(BASE, list("abXde"), list("abXde")).parts == (tuple("abXde"),)


def test_different_changes_conflict():
    result = merge3(BASE, list("abXde"), list("abYde"))
    assert result.parts == (("a", "b"), Conflict(("c",), ("X",), ("Y",)), ("d", "e"))
    assert result.conflicts() == [Conflict(("c",), ("X",), ("Y",))]


def test_removal_against_change_conflicts():
    result = merge3(BASE, list("abde"), list("abYde"))
    assert result.conflicts() == [Conflict(("c",), (), ("Y",))]


def test_conflict_leaves_out_shared_ends():
    result = merge3(["k"], ["s", "X", "t", "u", "v"], ["s", "Y", "Z", "t", "u", "v"])
    assert result.parts == (("s",), Conflict(("k",), ("X",), ("Y", "Z")), ("t", "u", "v"))


def test_shared_ends_do_not_overlap():
    result = merge3(["k"], ["s", "s"], ["s", "s", "s"])
    assert result.parts == (("s", "s"), Conflict(("k",), (), ("s",)))


def test_no_part_is_empty():
    assert merge3([], [], []).parts == ()
    result = merge3([], ["X"], ["Y"])
    assert result.parts == (Conflict((), ("X",), ("Y",)),)


def test_take_settles_every_conflict_for_one_side():
    result = merge3(list("akb"), list("XkY"), list("PkQ"))
    assert result.take("ours") == list("XkY")
    assert result.take("theirs") == list("PkQ")
    assert result.take("base") == list("akb")


def test_marked_shows_both_sides():
    marked = merge3(BASE, list("abXde"), list("abYde")).marked()
    assert marked == [*"ab", "<<<<<<< ours", "X", "=======", "Y", ">>>>>>> theirs", *"de"]


def test_marked_with_names_and_base():
    marked = merge3(["k"], ["X"], ["Y"]).marked("me", "you", "was")
    assert marked == ["<<<<<<< me", "X", "||||||| was", "k", "=======", "Y", ">>>>>>> you"]


def test_merge_leaves_its_inputs_alone():
    base, ours, theirs = list("abc"), list("aXc"), list("aYc")
    merge3(base, ours, theirs).take("ours").append("z")
    assert (base, ours, theirs) == (list("abc"), list("aXc"), list("aYc"))


def test_merge_accepts_mixed_sequence_types():
    assert merge3(tuple("abc"), list("abc"), tuple("abX")).take("base") == list("abX")
