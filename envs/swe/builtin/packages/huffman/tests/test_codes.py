import pytest
from huffman import CodeError, canonical_codes, code_lengths, count_bytes


def test_count_bytes_by_ascending_value():
    assert list(count_bytes(b"cabca\x00").items()) == [(0, 1), (97, 2), (98, 1), (99, 2)]
    assert count_bytes(b"") == {}


def test_lengths_follow_the_counts():
    assert code_lengths({1: 45, 2: 13, 3: 12, 4: 16, 5: 9, 6: 5}) == {
        1: 1,
        2: 3,
        3: 3,
        4: 3,
        5: 4,
        6: 4,
    }


def test_lengths_of_equal_counts_are_balanced():
    assert code_lengths({7: 2, 8: 2, 9: 2, 10: 2}) == {7: 2, 8: 2, 9: 2, 10: 2}


def test_lengths_join_smallest_symbols_first_on_a_tie():
    assert code_lengths({3: 1, 2: 1, 1: 1}) == {1: 2, 2: 2, 3: 1}
    assert code_lengths({9: 1, 1: 1, 5: 2, 7: 2}) == {1: 3, 5: 2, 7: 1, 9: 3}


def test_a_joined_group_ranks_by_its_smallest_symbol():
    assert code_lengths({1: 1, 9: 1, 2: 2, 3: 3, 4: 5}) == {1: 4, 2: 3, 3: 2, 4: 1, 9: 4}
    assert code_lengths({1: 2, 2: 1, 9: 1, 3: 3}) == {1: 2, 2: 3, 3: 1, 9: 3}


def test_lengths_are_listed_by_symbol():
    assert list(code_lengths({5: 1, 3: 4, 4: 2})) == [3, 4, 5]


def test_lone_symbol_gets_one_bit():
    assert code_lengths({65: 100}) == {65: 1}
    assert code_lengths({}) == {}


def test_counts_below_one_raise():
    with pytest.raises(CodeError, match="counts"):
        code_lengths({1: 3, 2: 0})


def test_lengths_leave_the_counts_alone():
    counts = {2: 1, 1: 5}
    code_lengths(counts)
    assert list(counts.items()) == [(2, 1), (1, 5)]


def test_canonical_codes_ascend():
    assert canonical_codes({1: 2, 2: 1, 3: 3, 4: 3}) == {2: "0", 1: "10", 3: "110", 4: "111"}


def test_canonical_codes_may_skip_lengths():
    assert canonical_codes({9: 4, 8: 1, 7: 4}) == {8: "0", 7: "1000", 9: "1001"}


def test_canonical_codes_are_listed_shortest_first():
    assert list(canonical_codes({1: 3, 2: 1, 3: 3, 4: 2})) == [2, 4, 1, 3]


def test_lengths_that_cannot_hold_all_symbols_raise():
    assert len(canonical_codes({1: 1, 2: 1})) == 2
    with pytest.raises(CodeError, match="too short"):
        canonical_codes({1: 1, 2: 1, 3: 2})


def test_length_zero_raises():
    with pytest.raises(CodeError, match="at least 1"):
        canonical_codes({1: 0})
