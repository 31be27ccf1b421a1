import json

import pytest
from prefixtree import Trie, dumps, loads


def packed(*rows, version=1):
    return json.dumps({"version": version, "words": [list(row) for row in rows]})


def test_dumps_shares_leading_characters():
    trie = Trie(["tent", "tea", "to"])
    trie.insert("a", 7)
    rows = [[0, "a", 7], [0, "tea", 1], [2, "nt", 1], [1, "o", 1]]
    assert json.loads(dumps(trie)) == {"version": 1, "words": rows}


def test_dumps_word_that_extends_previous_one():
    rows = json.loads(dumps(Trie(["in", "inn"])))["words"]
    assert rows == [[0, "in", 1], [2, "n", 1]]


def test_round_trip_keeps_words_and_weights():
    trie = Trie(["b", "ba", "cab"])
    trie.insert("ba", 0)
    back = loads(dumps(trie))
    assert [(word, back.weight(word)) for word in back] == [("b", 1), ("ba", 0), ("cab", 1)]
    assert len(loads(dumps(Trie()))) == 0


@pytest.mark.parametrize("shared", [-1, 3])
def test_loads_rejects_bad_shared_length(shared):
    with pytest.raises(ValueError, match="shared"):
        loads(packed([0, "ab", 1], [shared, "z", 1]))


@pytest.mark.parametrize("row", [[2, "", 1], [0, "aa", 1]], ids=["repeat", "smaller"])
def test_loads_rejects_words_out_of_order(row):
    with pytest.raises(ValueError, match="order"):
        loads(packed([0, "ab", 1], row))


def test_loads_rejects_other_version():
    with pytest.raises(ValueError, match="version"):
        loads(packed(version=2))
    with pytest.raises(ValueError, match="version"):
        loads(json.dumps({"words": []}))
