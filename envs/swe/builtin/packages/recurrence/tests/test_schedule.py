from datetime import date

import pytest
from recurrence import Freq, Rule, RuleError, Schedule

START = date(2024, 1, 1)


def jan(*days):
    return [date(2024, 1, day) for day in days]


def make(excluded=(), extra=(), **options):
    return Schedule(Rule(Freq.DAILY, 2, **options), START, excluded, extra)


def test_take():
    assert make().take(3) == jan(1, 3, 5)
    assert make(count=2).take(9) == jan(1, 3)
    assert make().take(0) == []
    with pytest.raises(RuleError, match="negative"):
        make().take(-1)


def test_excluded_days_use_up_the_count():
    assert list(make(excluded=jan(3, 4), count=3)) == jan(1, 5)


def test_extra_days_are_merged_in_order_without_repeats():
    assert list(make(extra=jan(4, 3, 2), count=3)) == jan(1, 2, 3, 4, 5)


def test_extra_days_are_not_bound_by_start_and_end():
    early, late = date(2023, 12, 1), date(2024, 2, 1)
    schedule = make(extra=[late, early], until=date(2024, 1, 3))
    assert list(schedule) == [early, *jan(1, 3), late]


def test_exclusion_beats_an_extra_day():
    assert list(make(excluded=jan(2, 3), extra=jan(2, 3, 4), count=2)) == jan(1, 4)


def test_given_collections_are_copied():
    excluded, extra = set(jan(3)), set(jan(4))
    schedule = make(excluded, extra, count=2)
    excluded.clear()
    extra.clear()
    schedule.exclude(START)
    schedule.include(date(2024, 1, 6))
    assert list(schedule) == jan(4, 6)
    assert (excluded, extra) == (set(), set())


def test_exclude_twice_and_include_again():
    schedule = make(count=2)
    schedule.exclude(date(2024, 1, 3))
    schedule.exclude(date(2024, 1, 3))
    assert list(schedule) == jan(1)
    schedule.include(date(2024, 1, 3))
    assert list(schedule) == jan(1, 3)


def test_include_of_an_excluded_day_does_not_make_it_extra():
    schedule = make(excluded=jan(2), count=2)
    schedule.include(date(2024, 1, 2))
    assert list(schedule) == jan(1, 3)
    schedule.include(date(2024, 1, 2))
    assert list(schedule) == jan(1, 2, 3)


def test_between_is_inclusive():
    assert make().between(date(2024, 1, 3), date(2024, 1, 7)) == jan(3, 5, 7)
    assert make().between(date(2024, 1, 4), date(2024, 1, 6)) == jan(5)
    assert make().between(date(2024, 1, 4), date(2024, 1, 4)) == []
    with pytest.raises(RuleError, match="ends before"):
        make().between(date(2024, 1, 3), date(2024, 1, 2))


def test_includes():
    schedule = make(excluded=jan(3))
    assert [schedule.includes(day) for day in jan(1, 2, 3, 5)] == [True, False, False, True]


def test_next_after():
    schedule = make(count=2)
    assert schedule.next_after(date(2023, 6, 1)) == START
    assert schedule.next_after(START) == date(2024, 1, 3)
    assert schedule.next_after(date(2024, 1, 3)) is None
    schedule = make()
    assert schedule.next_after(START, inclusive=True) == START
    assert schedule.next_after(date(2024, 1, 2), inclusive=True) == date(2024, 1, 3)


def test_last_before():
    schedule = make()
    assert schedule.last_before(date(2024, 1, 5)) == date(2024, 1, 3)
    assert schedule.last_before(date(2024, 1, 6)) == date(2024, 1, 5)
    assert schedule.last_before(START) is None
    assert make(count=2).last_before(date(2025, 1, 1)) == date(2024, 1, 3)
