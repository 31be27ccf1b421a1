import pytest
from prefixtree import Trie, common_prefix, complete, match, within_distance


def weighted(**weights):
    trie = Trie()
    for word, weight in weights.items():
        trie.insert(word, weight)
    return trie


def test_complete_ranks_by_weight_first():
    trie = weighted(car=1, cart=9, cat=5, dog=50)
    assert complete(trie, "ca") == ["cart", "cat", "car"]


def test_complete_breaks_ties_by_length_then_order():
    trie = weighted(tab=2, taste=2, ta=2, taa=2)
    assert complete(trie, "ta") == ["ta", "taa", "tab", "taste"]


def test_complete_default_limit_is_five():
    trie = Trie(["a", "b", "c", "d", "e", "f"])
    assert complete(trie, "") == ["a", "b", "c", "d", "e"]


def test_complete_respects_limit():
    trie = weighted(a=1, b=3, c=2)
    assert complete(trie, "", 2) == ["b", "c"]
    assert complete(trie, "", 1) == ["b"]
    assert complete(trie, "zzz", 1) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_complete_rejects_limit_below_one(limit):
    with pytest.raises(ValueError, match="limit"):
        complete(Trie(), "", limit)


def test_complete_minimum_weight_is_inclusive():
    trie = weighted(aa=1, ab=2, ac=3, az=0)
    assert complete(trie, "a", min_weight=2) == ["ac", "ab"]
    assert complete(trie, "a") == ["ac", "ab", "aa", "az"]


def test_complete_can_leave_out_exact_word():
    trie = Trie(["car", "cart"])
    assert complete(trie, "car") == ["car", "cart"]
    assert complete(trie, "car", include_exact=False) == ["cart"]


def test_common_prefix_extends_to_branch():
    trie = Trie(["interact", "interest", "zoo"])
    assert common_prefix(trie, "i") == "inter"
    assert common_prefix(trie, "z") == "zoo"
    assert common_prefix(trie) == ""


def test_common_prefix_stops_at_stored_word():
    assert common_prefix(Trie(["car", "cart", "carts"])) == "car"


def test_common_prefix_without_words_is_none():
    assert common_prefix(Trie()) is None
    assert common_prefix(Trie(["a"]), "b") is None


def test_question_mark_is_exactly_one_character():
    trie = Trie(["ca", "cat", "car", "cart"])
    assert match(trie, "ca?") == ["car", "cat"]
    assert match(trie, "?a") == ["ca"]


def test_star_is_any_run_even_empty():
    trie = Trie(["ca", "cat", "cart", "dog"])
    assert match(trie, "ca*") == ["ca", "cart", "cat"]
    assert match(trie, "*t") == ["cart", "cat"]
    assert match(trie, "c*r*t") == ["cart"]


def test_repeated_stars_report_each_word_once():
    trie = Trie(["aaa", "ab"])
    assert match(trie, "**a**") == ["aaa", "ab"]
    assert match(trie, "*?*") == ["aaa", "ab"]


def test_plain_pattern_matches_whole_word_only():
    trie = Trie(["car", "cart"])
    assert match(trie, "car") == ["car"]
    assert match(trie, "ca") == []
    assert match(trie, "") == []


def test_backslash_takes_next_character_literally():
    trie = Trie(["a*b", "axb", "a?b", "a\\b", "**"])
    assert match(trie, "a\\*b") == ["a*b"]
    assert match(trie, "a\\?b") == ["a?b"]
    assert match(trie, "a\\\\b") == ["a\\b"]
    assert match(trie, "\\**") == ["**"]
    assert match(trie, "\\*\\*") == ["**"]


def test_lone_backslash_is_rejected():
    with pytest.raises(ValueError, match="backslash"):
        match(Trie(["a"]), "a\\")


def test_within_distance_covers_all_edit_kinds():
    trie = Trie(["cat", "at", "cart", "cut", "cots", "xxcat"])
    assert within_distance(trie, "cat") == [(0, "cat"), (1, "at"), (1, "cart"), (1, "cut")]


def test_within_distance_zero_is_exact():
    trie = Trie(["cat", "cut"])
    assert within_distance(trie, "cat", 0) == [(0, "cat")]
    with pytest.raises(ValueError, match="max_edits"):
        within_distance(trie, "cat", -1)


def test_within_distance_counts_each_edit():
    trie = Trie(["sitting", "kitten", "mitten", "bit"])
    assert within_distance(trie, "kitten", 3) == [(0, "kitten"), (1, "mitten"), (3, "sitting")]
    assert within_distance(trie, "", 3) == [(3, "bit")]
