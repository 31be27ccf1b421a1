import random

import pytest
from intervals import Interval, IntervalSet


def make(*pairs):
    return IntervalSet(Interval(start, end) for start, end in pairs)


def pairs_of(items):
    return [(item.start, item.end) for item in items]


def random_set(rng):
    starts = [rng.randrange(20) for _ in range(rng.randrange(6))]
    return make(*[(start, start + rng.randint(1, 4)) for start in starts])


def points_of(items):
    return {point for point in range(-5, 30) if point in items}


def test_constructor_sorts_and_joins():
    assert pairs_of(make((5, 6), (0, 2), (1, 3), (3, 4))) == [(0, 4), (5, 6)]


def test_constructor_keeps_longer_end_when_nested():
    assert pairs_of(make((0, 10), (2, 3))) == [(0, 10)]


def test_empty_set_has_no_measure_span_or_points():
    empty = IntervalSet()
    assert len(empty) == 0
    assert empty.measure == 0
    assert empty.span is None
    assert 0 not in empty


def test_find_returns_containing_interval():
    items = make((0, 2), (4, 6))
    assert items.find(0) == Interval(0, 2)
    assert items.find(5.5) == Interval(4, 6)
    assert items.find(4) == Interval(4, 6)


@pytest.mark.parametrize("point", [-1, 2, 3, 6, 7])
def test_find_outside_returns_none(point):
    items = make((0, 2), (4, 6))
    assert items.find(point) is None
    assert point not in items


def test_covers_needs_one_part_with_every_point():
    items = make((0, 4), (5, 8))
    assert items.covers(Interval(0, 4))
    assert items.covers(Interval(5, 6))
    assert not items.covers(Interval(3, 5))
    assert not items.covers(Interval(3, 6))
    assert not items.covers(Interval(4, 5))


def test_measure_and_span():
    items = make((0, 2), (4, 7))
    assert items.measure == 5
    assert items.span == Interval(0, 7)


def test_add_joins_neighbours_in_place():
    items = make((0, 2), (4, 6), (9, 10))
    items.add(Interval(2, 4))
    assert pairs_of(items) == [(0, 6), (9, 10)]
    items.add(Interval(7, 8))
    assert pairs_of(items) == [(0, 6), (7, 8), (9, 10)]


def test_discard_cuts_and_returns_removed_length():
    items = make((0, 4), (6, 9))
    assert items.discard(Interval(1, 2)) == 1
    assert pairs_of(items) == [(0, 1), (2, 4), (6, 9)]
    assert items.discard(Interval(3, 7)) == 2
    assert pairs_of(items) == [(0, 1), (2, 3), (7, 9)]


def test_discard_exact_part_and_absent_part():
    items = make((0, 4), (6, 9))
    assert items.discard(Interval(4, 6)) == 0
    assert items.discard(Interval(0, 4)) == 4
    assert pairs_of(items) == [(6, 9)]


def test_copy_is_independent():
    original = make((0, 2))
    copied = original.copy()
    copied.add(Interval(5, 6))
    assert pairs_of(original) == [(0, 2)]
    assert pairs_of(copied) == [(0, 2), (5, 6)]


def test_iteration_survives_changes():
    items = make((0, 2), (4, 6))
    iterator = iter(items)
    items.discard(Interval(0, 9))
    assert pairs_of(iterator) == [(0, 2), (4, 6)]


def test_equality_is_by_points():
    assert make((0, 2), (2, 4)) == make((0, 4))
    assert make((0, 2)) != make((0, 3))
    assert make((0, 2)) != [Interval(0, 2)]


def test_union_of_several_sets_leaves_operands():
    first, second = make((0, 1)), make((1, 2), (8, 9))
    assert pairs_of(first.union(second, make((5, 8)))) == [(0, 2), (5, 9)]
    assert pairs_of(first) == [(0, 1)]
    assert pairs_of(second) == [(1, 2), (8, 9)]


def test_intersection_walks_both_sets():
    left, right = make((0, 5), (6, 10), (12, 14)), make((1, 2), (4, 8), (14, 20))
    assert pairs_of(left.intersection(right)) == [(1, 2), (4, 5), (6, 8)]
    assert right.intersection(left) == left.intersection(right)


def test_difference_leaves_operands():
    left, right = make((0, 10)), make((0, 1), (4, 5), (9, 12))
    assert pairs_of(left.difference(right)) == [(1, 4), (5, 9)]
    assert pairs_of(left) == [(0, 10)]


def test_symmetric_difference_keeps_points_of_exactly_one():
    assert pairs_of(make((0, 5)).symmetric_difference(make((3, 8)))) == [(0, 3), (5, 8)]


def test_gaps_without_window_are_inner_gaps():
    assert pairs_of(make((0, 1), (3, 4), (9, 10)).gaps()) == [(1, 3), (4, 9)]
    assert make((0, 1)).gaps() == IntervalSet()
    assert IntervalSet().gaps() == IntervalSet()


def test_gaps_in_window():
    items = make((2, 3), (5, 20))
    assert pairs_of(items.gaps(Interval(0, 10))) == [(0, 2), (3, 5)]
    assert pairs_of(IntervalSet().gaps(Interval(0, 10))) == [(0, 10)]


def test_shifted_moves_every_interval():
    items = make((0, 1), (4, 6))
    assert pairs_of(items.shifted(3)) == [(3, 4), (7, 9)]
    assert pairs_of(items) == [(0, 1), (4, 6)]


@pytest.mark.parametrize("seed", range(20))
def test_algebra_agrees_with_point_sets(seed):
    rng = random.Random(seed)
    a, b = random_set(rng), random_set(rng)
    assert points_of(a.union(b)) == points_of(a) | points_of(b)
    assert points_of(a.intersection(b)) == points_of(a) & points_of(b)
    assert points_of(a.difference(b)) == points_of(a) - points_of(b)
    assert points_of(a.symmetric_difference(b)) == points_of(a) ^ points_of(b)
    assert a.measure == len(points_of(a))
