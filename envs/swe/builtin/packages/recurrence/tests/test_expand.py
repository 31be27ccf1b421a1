from datetime import date
from itertools import islice

import pytest
from recurrence import Freq, MonthEnd, NthWeekday, Rule, occurrences


def first(number, rule, *start):
    """Return the first days of a rule as month/day numbers, such as 131 for 31 January."""
    days = islice(occurrences(rule, date(*start)), number)
    return [day.month * 100 + day.day for day in days]


def test_daily_with_and_without_interval():
    assert first(3, Rule(Freq.DAILY), 2024, 2, 28) == [228, 229, 301]
    assert first(3, Rule(Freq.DAILY, 10), 2024, 1, 25) == [125, 204, 214]


def test_daily_on_weekdays():
    workdays = Rule(Freq.DAILY, weekdays=(0, 1, 2, 3, 4))
    assert first(4, workdays, 2024, 1, 4) == [104, 105, 108, 109]


def test_weekly_keeps_the_weekday_of_the_start():
    assert first(3, Rule(Freq.WEEKLY), 2024, 1, 31) == [131, 207, 214]


def test_weekly_interval_counts_weeks_from_monday():
    rule = Rule(Freq.WEEKLY, 2, weekdays=(0, 6))
    assert first(4, rule, 2024, 1, 3) == [107, 115, 121, 129]
    assert first(2, Rule(Freq.WEEKLY, weekdays=(0, 4)), 2024, 1, 2) == [105, 108]


def test_monthly_keeps_the_day_of_the_start():
    assert first(3, Rule(Freq.MONTHLY), 2024, 11, 15) == [1115, 1215, 115]
    assert first(3, Rule(Freq.MONTHLY, 5), 2024, 10, 1) == [1001, 301, 801]


def test_monthly_skips_short_months():
    assert first(3, Rule(Freq.MONTHLY), 2024, 1, 31) == [131, 331, 531]


def test_monthly_clamps_to_the_end_of_short_months():
    rule = Rule(Freq.MONTHLY, month_end=MonthEnd.CLAMP)
    assert first(4, rule, 2024, 1, 30) == [130, 229, 330, 430]
    assert first(3, rule, 2023, 1, 31) == [131, 228, 331]


def test_clamped_days_fall_together():
    rule = Rule(Freq.MONTHLY, month_days=(29, 30, 31), month_end=MonthEnd.CLAMP)
    assert first(4, rule, 2023, 2, 1) == [228, 329, 330, 331]


def test_month_days_from_the_end():
    rule = Rule(Freq.MONTHLY, month_days=(-1, -2))
    assert first(4, rule, 2024, 2, 1) == [228, 229, 330, 331]
    rule = Rule(Freq.MONTHLY, month_days=(-31,), month_end=MonthEnd.CLAMP)
    assert first(3, rule, 2024, 1, 1) == [101, 301, 501]


def test_days_before_the_start_are_left_out():
    assert first(3, Rule(Freq.MONTHLY, month_days=(5, 10)), 2024, 1, 6) == [110, 205, 210]


@pytest.mark.parametrize(
    ("n", "weekday", "expected"),
    [
        (1, 0, [101, 205, 304]),
        (1, 6, [107, 204, 303]),
        (2, 1, [109, 213, 312]),
        (4, 3, [125, 222, 328]),
        (5, 2, [131, 529, 731]),
        (-1, 4, [126, 223, 329]),
        (-1, 2, [131, 228, 327]),
        (-2, 3, [118, 222, 321]),
        (-5, 2, [103, 501, 703]),
    ],
)
def test_nth_weekday_of_the_month(n, weekday, expected):
    assert first(3, Rule(Freq.MONTHLY, nth=(NthWeekday(n, weekday),)), 2024, 1, 1) == expected


def test_nth_weekdays_join_month_days_in_order():
    rule = Rule(Freq.MONTHLY, month_days=(3, 9), nth=(NthWeekday(2, 1), NthWeekday(1, 0)))
    assert first(5, rule, 2024, 1, 1) == [101, 103, 109, 203, 205]


def test_yearly_keeps_month_and_day():
    days = list(islice(occurrences(Rule(Freq.YEARLY, 3), date(2024, 5, 6)), 2))
    assert days == [date(2024, 5, 6), date(2027, 5, 6)]


def test_yearly_leap_day_is_skipped_or_clamped():
    skipped = occurrences(Rule(Freq.YEARLY), date(2024, 2, 29))
    assert list(islice(skipped, 2)) == [date(2024, 2, 29), date(2028, 2, 29)]
    clamped = Rule(Freq.YEARLY, month_end=MonthEnd.CLAMP)
    assert first(3, clamped, 2024, 2, 29) == [229, 228, 228]


def test_yearly_months_in_order():
    rule = Rule(Freq.YEARLY, months=(11, 2), nth=(NthWeekday(4, 3),))
    assert first(3, rule, 2024, 3, 1) == [1128, 227, 1127]


def test_count_limits_the_occurrences_after_the_start():
    rule = Rule(Freq.MONTHLY, month_days=(1, 20), count=3)
    assert first(9, rule, 2024, 1, 2) == [120, 201, 220]
    assert first(9, Rule(Freq.DAILY, count=1), 2024, 1, 2) == [102]


def test_until_is_inclusive():
    rule = Rule(Freq.DAILY, 2, until=date(2024, 1, 5))
    assert first(9, rule, 2024, 1, 1) == [101, 103, 105]
    assert first(9, rule, 2024, 1, 2) == [102, 104]
    assert first(9, rule, 2024, 1, 6) == []


@pytest.mark.parametrize("freq", list(Freq), ids=[freq.value for freq in Freq])
def test_expansion_ends_with_the_last_year(freq):
    assert first(2, Rule(freq), 9999, 12, 31) == [1231]


def test_weekly_edges_of_the_calendar():
    assert first(1, Rule(Freq.WEEKLY, weekdays=(0,)), 1, 1, 1) == [101]
    ends = Rule(Freq.WEEKLY, weekdays=(4, 5))
    assert first(9, ends, 9999, 12, 26) == [1231]
    assert first(1, Rule(Freq.YEARLY, months=(2,), month_days=(30,)), 9000, 1, 1) == []
