from itertools import product

import pytest
from diffkit import diff_lines, lcs_pairs, similarity


def longest(a, b):
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + longest(a[1:], b[1:])
    return max(longest(a[1:], b), longest(a, b[1:]))


@pytest.mark.parametrize("a", ["abcbdab", "aabca", "cacbbc"])
def test_lcs_is_common_and_longest(a):
    for b in product("abc", repeat=4):
        pairs = lcs_pairs(a, b)
        assert all(a[i] == b[j] for i, j in pairs)
        assert pairs == sorted(pairs)
        assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == longest(a, b)


def test_lcs_does_not_stop_at_a_greedy_match():
    assert lcs_pairs("cab", "abc") == [(1, 0), (2, 1)]
    assert lcs_pairs("abc", "cab") == [(0, 1), (1, 2)]


def test_lcs_leaves_out_the_line_of_a_on_a_tie():
    assert lcs_pairs("ab", "ba") == [(1, 0)]


def test_lcs_of_unrelated_or_empty_sequences_is_empty():
    assert lcs_pairs("ab", "xyz") == []
    assert lcs_pairs([], ["a"]) == []


def test_similarity_counts_common_lines_twice():
    assert similarity(["a", "b", "c"], ["a", "c", "d", "e", "f"]) == 0.5


def test_similarity_bounds():
    assert similarity(["a"], ["a"]) == 1.0
    assert similarity(["a"], []) == 0.0
    assert similarity([], []) == 1.0


def test_diff_puts_removals_before_additions():
    assert diff_lines(["k", "a", "b"], ["k", "x", "y"]) == [
        (" ", "k"),
        ("-", "a"),
        ("-", "b"),
        ("+", "x"),
        ("+", "y"),
    ]


def test_diff_covers_lines_before_and_after_the_matches():
    assert diff_lines("akb", "ckd") == [
        ("-", "a"),
        ("+", "c"),
        (" ", "k"),
        ("-", "b"),
        ("+", "d"),
    ]


def test_diff_of_equal_or_empty_sequences():
    assert diff_lines("ab", "ab") == [(" ", "a"), (" ", "b")]
    assert diff_lines([], ["a", "b"]) == [("+", "a"), ("+", "b")]
    assert diff_lines(["a"], []) == [("-", "a")]
