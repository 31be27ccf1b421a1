from itertools import count, islice

import pytest
from priorityq import kway_merge, merge_groups


def test_merges_sorted_sources():
    assert list(kway_merge([[1, 4, 9], [2, 3], [], [5]])) == [1, 2, 3, 4, 5, 9]


def test_merge_of_no_sources_is_empty():
    assert list(kway_merge([])) == []


def test_merge_descending():
    assert list(kway_merge([[9, 4, 1], [5, 3]], reverse=True)) == [9, 5, 4, 3, 1]


@pytest.mark.parametrize("reverse", [False, True])
def test_equal_keys_come_out_by_source(reverse):
    sources = [["a1", "a2"], ["b1", "b2"], ["c1"]]
    merged = list(kway_merge(sources, key=len, reverse=reverse))
    assert merged == ["a1", "a2", "b1", "b2", "c1"]


def test_merge_keeps_duplicates_unless_unique():
    sources = [[1, 1, 3], [1, 2, 3, 4]]
    assert list(kway_merge(sources)) == [1, 1, 1, 2, 3, 3, 4]
    assert list(kway_merge(sources, unique=True)) == [1, 2, 3, 4]


def test_unique_keeps_item_of_lowest_source():
    sources = [["bb", "eeee"], ["aa", "ccc"]]
    assert list(kway_merge(sources, key=len, unique=True)) == ["bb", "ccc", "eeee"]


def test_merge_is_lazy():
    evens, odds = count(0, 2), count(1, 2)
    assert list(islice(kway_merge([evens, odds]), 5)) == [0, 1, 2, 3, 4]


def test_unsorted_source_is_rejected_when_reached():
    merged = kway_merge([[1, 5], [2, 1]])
    assert next(merged) == 1
    assert next(merged) == 2
    with pytest.raises(ValueError, match="source 1"):
        next(merged)


def test_ascending_source_is_rejected_in_reverse():
    with pytest.raises(ValueError, match="source 0"):
        list(kway_merge([[1, 2]], reverse=True))


def test_groups_collect_equal_keys_by_source():
    groups = merge_groups([["a", "cc"], ["b", "dd", "eee"]], key=len)
    assert list(groups) == [(1, ["a", "b"]), (2, ["cc", "dd"]), (3, ["eee"])]


def test_groups_below_min_size_are_left_out():
    sources = [[1, 2, 3], [2, 3], [3]]
    assert list(merge_groups(sources, min_size=2)) == [(2, [2, 2]), (3, [3, 3, 3])]
    assert next(merge_groups(sources, min_size=1)) == (1, [1])


def test_groups_reject_min_size_below_one():
    with pytest.raises(ValueError, match="min_size"):
        list(merge_groups([], min_size=0))
    assert list(merge_groups([], min_size=1)) == []
