import pytest
from intervals import Interval


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1)])
def test_empty_or_reversed_interval_is_rejected(start, end):
    with pytest.raises(ValueError, match="empty interval"):
        Interval(start, end)


def test_length():
    assert Interval(2, 5).length == 3
    assert Interval(-2, 0.5).length == 2.5


def test_start_is_inside_and_end_is_not():
    interval = Interval(2, 5)
    assert 2 in interval
    assert 4.9 in interval
    assert 5 not in interval
    assert 1.9 not in interval


def test_intervals_sort_by_start_then_end():
    items = [Interval(2, 3), Interval(1, 9), Interval(1, 4)]
    assert len({*items, Interval(2, 3)}) == 3
    assert sorted(items) == [Interval(1, 4), Interval(1, 9), Interval(2, 3)]


def test_adjacent_intervals_touch_without_overlap():
    left, right = Interval(0, 2), Interval(2, 4)
    assert not left.overlaps(right)
    assert not right.overlaps(left)
    assert left.touches(right)
    assert right.touches(left)
    assert not left.touches(Interval(3, 4))
    assert not Interval(3, 4).touches(left)


def test_overlap_is_symmetric():
    assert Interval(0, 3).overlaps(Interval(2, 4))
    assert Interval(2, 4).overlaps(Interval(0, 3))
    assert Interval(0, 9).overlaps(Interval(3, 4))


def test_intersect_returns_shared_part():
    assert Interval(0, 5).intersect(Interval(3, 9)) == Interval(3, 5)
    assert Interval(3, 9).intersect(Interval(0, 5)) == Interval(3, 5)
    assert Interval(0, 9).intersect(Interval(3, 4)) == Interval(3, 4)


def test_intersect_of_adjacent_is_none():
    assert Interval(0, 2).intersect(Interval(2, 4)) is None


def test_gap_to_is_distance_in_either_direction():
    assert Interval(0, 2).gap_to(Interval(5, 6)) == 3
    assert Interval(5, 6).gap_to(Interval(0, 2)) == 3
    assert Interval(0, 2).gap_to(Interval(2, 6)) == 0
    assert Interval(0, 4).gap_to(Interval(2, 6)) == 0


def test_split_inside_gives_two_parts():
    assert Interval(0, 5).split(2) == (Interval(0, 2), Interval(2, 5))


@pytest.mark.parametrize("point", [-1, 0, 5, 6])
def test_split_at_edge_or_outside_gives_one_part(point):
    assert Interval(0, 5).split(point) == (Interval(0, 5),)
