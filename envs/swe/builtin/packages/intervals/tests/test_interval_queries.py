import pytest
from intervals import Interval, conflicts, coverage, depth_profile, merge, overlapping


def make(*pairs):
    return [Interval(start, end) for start, end in pairs]


def test_merge_joins_adjacent_by_default():
    assert merge(make((4, 6), (0, 2), (2, 3))) == make((0, 3), (4, 6))
    assert merge(make((0, 1), (4, 6), (5, 9))) == make((0, 1), (4, 9))


def test_merge_tolerance_is_inclusive():
    items = make((0, 2), (4, 6))
    assert merge(items, 2) == make((0, 6))
    assert merge(items, 1.9) == items


def test_merge_keeps_longest_end_and_input():
    items = make((3, 4), (0, 9))
    assert merge(items, 1) == make((0, 9))
    assert items == make((3, 4), (0, 9))


def test_merge_rejects_negative_tolerance():
    with pytest.raises(ValueError, match="tolerance"):
        merge([], -1)
    assert merge([], 0) == []


def test_coverage_counts_overlaps_once():
    assert coverage(make((0, 3), (2, 5), (20, 30)), Interval(0, 10)) == 0.5


def test_coverage_clips_to_window():
    assert coverage(make((-5, 1), (3, 9)), Interval(0, 4)) == 0.5
    assert coverage([], Interval(0, 4)) == 0.0


def test_depth_profile_counts_stacked_intervals():
    profile = depth_profile(make((0, 4), (2, 6), (3, 4)))
    expected = [((0, 2), 1), ((2, 3), 2), ((3, 4), 3), ((4, 6), 1)]
    assert [((part.start, part.end), depth) for part, depth in profile] == expected


def test_depth_profile_joins_equal_depth_and_skips_gaps():
    profile = depth_profile(make((0, 2), (2, 4), (6, 7)))
    assert profile == [(Interval(0, 4), 1), (Interval(6, 7), 1)]
    assert depth_profile([]) == []


def test_overlapping_returns_indices_in_input_order():
    items = make((5, 9), (0, 3), (3, 6), (9, 12))
    assert overlapping(items, Interval(3, 9)) == [0, 2]


def test_overlapping_minimum_is_inclusive():
    items = make((0, 3), (0, 4), (0, 5))
    assert overlapping(items, Interval(2, 10), 2) == [1, 2]
    assert overlapping(items, Interval(2.5, 10)) == [0, 1, 2]


def test_conflicts_lists_overlapping_pairs():
    assert conflicts(make((0, 3), (5, 6), (2, 4), (3, 9))) == [(0, 2), (1, 3), (2, 3)]


def test_conflicts_margin_is_exclusive():
    items = make((0, 2), (4, 6))
    assert conflicts(items, 2) == []
    assert conflicts(items, 2.5) == [(0, 1)]


def test_conflicts_rejects_negative_margin():
    with pytest.raises(ValueError, match="margin"):
        conflicts([], -1)
    assert conflicts([], 0) == []
