import pytest
from prefixtree import Trie

WORDS = ["tea", "ten", "to", "inn", "in", "tent"]


def test_insert_reports_new_words():
    trie = Trie()
    assert trie.insert("tea") is True
    assert trie.insert("tea") is False
    assert len(trie) == 1


def test_prefix_of_word_is_not_contained():
    trie = Trie(["tea"])
    assert "tea" in trie
    assert "te" not in trie
    assert "teas" not in trie
    assert "" not in trie


def test_empty_word_is_rejected():
    trie = Trie()
    with pytest.raises(ValueError, match="empty"):
        trie.insert("")
    assert len(trie) == 0


def test_negative_weight_is_rejected_and_zero_allowed():
    trie = Trie()
    with pytest.raises(ValueError, match="negative"):
        trie.insert("a", -1)
    assert trie.node_count == 1
    assert trie.insert("a", 0) is True
    assert "a" in trie


def test_default_weight_is_one_and_reinsert_replaces():
    trie = Trie(["a"])
    assert trie.weight("a") == 1
    trie.insert("a", 5)
    assert trie.weight("a") == 5


@pytest.mark.parametrize("word", ["te", "x", "teas"])
def test_weight_of_missing_word_raises(word):
    with pytest.raises(KeyError):
        Trie(["tea"]).weight(word)


def test_bump_adds_to_weight_and_inserts():
    trie = Trie(["a"])
    assert trie.bump("a") == 2
    assert trie.bump("a", 3) == 5
    assert trie.bump("new") == 1
    assert trie.bump("other", 4) == 4
    assert len(trie) == 3


def test_bump_stops_at_zero():
    trie = Trie(["a"])
    assert trie.bump("a", -1) == 0
    assert trie.bump("a", -9) == 0


def test_iteration_is_in_code_point_order():
    assert list(Trie(WORDS)) == ["in", "inn", "tea", "ten", "tent", "to"]


def test_words_are_limited_to_prefix():
    trie = Trie(WORDS)
    assert list(trie.words("te")) == ["tea", "ten", "tent"]
    assert list(trie.words("in")) == ["in", "inn"]
    assert list(trie.words("x")) == []


def test_node_count_shares_prefixes():
    assert Trie().node_count == 1
    assert Trie(["tea", "ten"]).node_count == 5


def test_count_prefix_counts_words_below_and_equal():
    trie = Trie(WORDS)
    assert trie.count_prefix("te") == 3
    assert trie.count_prefix("ten") == 2
    assert trie.count_prefix("") == 6
    assert trie.count_prefix("x") == 0


def test_count_prefix_ignores_reinsertion():
    trie = Trie(["tea", "tea"])
    assert trie.count_prefix("t") == 1


def test_delete_reports_presence():
    trie = Trie(["tea"])
    assert trie.delete("te") is False
    assert trie.delete("x") is False
    assert trie.delete("tea") is True
    assert trie.delete("tea") is False
    assert len(trie) == 0


def test_delete_prunes_unneeded_nodes():
    trie = Trie(["tea", "tent"])
    assert trie.delete("tent") is True
    assert trie.node_count == 4
    assert trie.delete("tea") is True
    assert trie.node_count == 1


def test_delete_of_inner_word_keeps_longer_ones():
    trie = Trie(["in", "inner"])
    assert trie.delete("in") is True
    assert list(trie) == ["inner"]
    assert trie.node_count == 6


def test_delete_of_longer_word_keeps_inner_one():
    trie = Trie(["in", "inner"])
    trie.delete("inner")
    assert list(trie) == ["in"]
    assert trie.node_count == 3


def test_delete_updates_prefix_counts():
    trie = Trie(WORDS)
    trie.delete("ten")
    assert trie.count_prefix("te") == 2
    assert trie.count_prefix("ten") == 1
    assert len(trie) == 5


def test_prefixes_of_text_shortest_first():
    trie = Trie(["a", "abc", "abcd", "b"])
    assert trie.prefixes_of("abcx") == ["a", "abc"]
    assert trie.prefixes_of("xabc") == []
    assert trie.prefixes_of("") == []
    assert trie.prefixes_of("axb") == ["a"]


def test_longest_prefix_may_equal_text():
    trie = Trie(["a", "abc"])
    assert trie.longest_prefix("abc") == "abc"
    assert trie.longest_prefix("abz") == "a"
    assert trie.longest_prefix("zzz") is None
