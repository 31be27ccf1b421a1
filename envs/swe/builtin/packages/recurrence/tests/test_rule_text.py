from datetime import date

import pytest
from recurrence import Freq, MonthEnd, NthWeekday, Rule, RuleError, describe
from recurrence.text import ordinal


def test_rule_defaults():
    rule = Rule(Freq.DAILY)
    assert (rule.interval, rule.count, rule.until) == (1, None, None)
    assert (rule.weekdays, rule.month_days, rule.nth, rule.months) == ((), (), (), ())
    assert rule.month_end is MonthEnd.SKIP


def test_sequences_are_sorted_without_repeats_but_nth_keeps_its_order():
    assert Rule(Freq.WEEKLY, weekdays=[4, 0, 4]).weekdays == (0, 4)
    rule = Rule(Freq.YEARLY, months=[9, 3, 9], month_days=[15, -1, 15])
    assert (rule.months, rule.month_days) == ((3, 9), (-1, 15))
    given = [NthWeekday(3, 1), NthWeekday(1, 1)]
    rule = Rule(Freq.MONTHLY, nth=given)
    given.clear()
    assert rule.nth == (NthWeekday(3, 1), NthWeekday(1, 1))


@pytest.mark.parametrize("n", [0, 6, -6])
def test_bad_ordinal_of_a_weekday(n):
    with pytest.raises(RuleError, match="bad ordinal"):
        NthWeekday(n, 0)


@pytest.mark.parametrize("weekday", [-1, 7])
def test_bad_weekday(weekday):
    with pytest.raises(RuleError, match=f"bad weekday {weekday}"):
        NthWeekday(1, weekday)
    with pytest.raises(RuleError, match="bad weekday"):
        Rule(Freq.WEEKLY, weekdays=(3, weekday))


def test_extreme_numbers_are_allowed():
    assert [NthWeekday(n, 0).n for n in (1, 5, -1, -5)] == [1, 5, -1, -5]
    assert Rule(Freq.DAILY, weekdays=(0, 6)).weekdays == (0, 6)
    rule = Rule(Freq.YEARLY, months=(1, 12), month_days=(1, 31, -31), count=1)
    assert rule.month_days == (-31, 1, 31)


@pytest.mark.parametrize("interval", [0, -1])
def test_bad_interval_or_count(interval):
    with pytest.raises(RuleError, match="interval"):
        Rule(Freq.DAILY, interval)
    with pytest.raises(RuleError, match="count must"):
        Rule(Freq.DAILY, count=interval)


def test_count_and_until_exclude_each_other():
    with pytest.raises(RuleError, match="exclude each other"):
        Rule(Freq.DAILY, count=1, until=date(2024, 1, 1))


@pytest.mark.parametrize("day", [0, 32, -32])
def test_bad_month_day_or_month(day):
    with pytest.raises(RuleError, match="bad month day"):
        Rule(Freq.MONTHLY, month_days=(1, day))
    for month in (0, 13):
        with pytest.raises(RuleError, match=f"bad month {month}"):
            Rule(Freq.YEARLY, months=(month,))


@pytest.mark.parametrize("freq", [Freq.MONTHLY, Freq.YEARLY], ids=["monthly", "yearly"])
def test_weekdays_need_days_or_weeks(freq):
    with pytest.raises(RuleError, match="weekdays need"):
        Rule(freq, weekdays=(0,))


@pytest.mark.parametrize("freq", [Freq.DAILY, Freq.WEEKLY], ids=["daily", "weekly"])
def test_days_of_the_month_and_months_need_longer_units(freq):
    with pytest.raises(RuleError, match="days of the month need"):
        Rule(freq, month_days=(1,))
    with pytest.raises(RuleError, match="days of the month need"):
        Rule(freq, nth=(NthWeekday(1, 1),))
    with pytest.raises(RuleError, match="months need"):
        Rule(freq, months=(1,))
    with pytest.raises(RuleError, match="months need"):
        Rule(Freq.MONTHLY, months=(1,))


def test_ordinal_suffixes():
    expected = ["1st", "2nd", "3rd", "4th", "10th", "11th", "12th", "13th", "14th", "21st", "111th"]
    assert [ordinal(n) for n in (1, 2, 3, 4, 10, 11, 12, 13, 14, 21, 111)] == expected
    assert [ordinal(n) for n in (-1, -2, -3)] == ["last", "2nd last", "3rd last"]


def test_describe_interval_weekdays_and_count():
    assert describe(Rule(Freq.DAILY)) == "every day"
    assert describe(Rule(Freq.MONTHLY, 2)) == "every 2 months"
    rule = Rule(Freq.WEEKLY, 2, weekdays=(6, 0), count=5)
    assert describe(rule) == "every 2 weeks on Mon, Sun, 5 times"
    assert describe(Rule(Freq.WEEKLY, count=1)) == "every week, 1 time"


def test_describe_months_days_and_until():
    rule = Rule(Freq.YEARLY, months=(12, 1), month_days=(3, -1), until=date(2030, 1, 2))
    assert describe(rule) == "every year in Jan, Dec on the last day, 3rd, until 2030-01-02"


def test_describe_nth_and_month_end():
    rule = Rule(Freq.MONTHLY, month_days=(31,), nth=(NthWeekday(2, 1),), month_end=MonthEnd.CLAMP)
    assert describe(rule) == "every month on the 31st, 2nd Tue or the month's end"
    assert describe(Rule(Freq.WEEKLY, month_end=MonthEnd.CLAMP)) == "every week"
