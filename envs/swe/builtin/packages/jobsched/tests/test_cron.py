from datetime import datetime, timedelta, timezone

import pytest
from jobsched import CronError, CronSchedule, parse_field

START = datetime(2024, 2, 28, 23, 30, 15)


def after(expression, moment=START):
    return CronSchedule(expression).next_after(moment)


def test_field_list_is_sorted_without_repeats():
    assert parse_field("7,3,5-7", 0, 9) == (3, 5, 6, 7)


def test_field_range_includes_both_ends():
    assert parse_field("*", 1, 5) == (1, 2, 3, 4, 5)
    assert parse_field("0-9", 0, 9) == tuple(range(10))
    assert parse_field("4-4", 0, 9) == (4,)


def test_field_steps():
    assert parse_field("*/4", 0, 9) == (0, 4, 8)
    assert parse_field("2-8/3", 0, 9) == (2, 5, 8)
    assert parse_field("5/2", 0, 9) == (5, 7, 9)


def test_field_names_count_from_low():
    names = ("one", "two", "three")
    assert parse_field("TWO-three,1", 1, 3, names) == (1, 2, 3)
    assert parse_field("two", 1, 3, names) == (2,)


@pytest.mark.parametrize("text", ["0", "6", "2-6", "9-10"], ids=["below", "above", "end", "both"])
def test_field_value_outside_bounds_raises(text):
    with pytest.raises(CronError, match="within"):
        parse_field(text, 1, 5)


@pytest.mark.parametrize("text", ["4-3", "*/0", "2/0"], ids=["backward", "step0", "number-step0"])
def test_field_bad_range_or_step_raises(text):
    with pytest.raises(CronError, match="bad step"):
        parse_field(text, 1, 5)


@pytest.mark.parametrize(
    "text", ["", "1,,2", "x", "-1", "1/", "1-", "1/x"], ids=["e", "gap", "x", "neg", "s", "r", "sx"]
)
def test_field_that_is_no_number_raises(text):
    with pytest.raises(CronError, match="not a number"):
        parse_field(text, 0, 5)


@pytest.mark.parametrize("text", ["* * * *", "* * * * * *", "@often"], ids=["four", "six", "alias"])
def test_wrong_number_of_fields_raises(text):
    with pytest.raises(CronError, match="5 fields"):
        CronSchedule(text)


def test_field_bounds_of_a_schedule():
    full = CronSchedule("* * * * *")
    assert (full.minutes[0], full.minutes[-1]) == (0, 59)
    assert (full.hours[0], full.hours[-1]) == (0, 23)
    assert (full.days[0], full.days[-1]) == (1, 31)
    assert (full.months[0], full.months[-1]) == (1, 12)
    assert full.weekdays == (0, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    "text",
    ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8"],
    ids=["minute", "hour", "day0", "day32", "month0", "month13", "weekday"],
)
def test_schedule_field_out_of_bounds_raises(text):
    with pytest.raises(CronError, match="within"):
        CronSchedule(text)


def test_month_and_weekday_names_and_seven():
    assert CronSchedule("0 0 * * 5-7").weekdays == (0, 5, 6)
    named = CronSchedule("0 0 * Jan,dec mon-FRI")
    assert named.months == (1, 12)
    assert named.weekdays == (1, 2, 3, 4, 5)


def test_matches_ignores_seconds():
    schedule = CronSchedule("30 23 * * *")
    assert schedule.matches(START)
    assert not schedule.matches(START + timedelta(minutes=1))


@pytest.mark.parametrize(
    "expression",
    ["31 23 28 2 *", "30 22 28 2 *", "30 23 27 2 *", "30 23 28 3 *", "30 23 * * 4"],
    ids=["minute", "hour", "day", "month", "weekday"],
)
def test_every_field_must_match(expression):
    assert CronSchedule("30 23 28 2 *").matches(START)
    assert not CronSchedule(expression).matches(START)


def test_restricted_day_or_weekday_is_enough():
    either = CronSchedule("* * 13 * fri")
    assert either.matches(datetime(2024, 9, 13))
    assert either.matches(datetime(2024, 9, 6))
    assert either.matches(datetime(2024, 8, 13))
    assert not either.matches(datetime(2024, 9, 12))


def test_next_is_strictly_after():
    exact = datetime(2024, 1, 1, 12, 0)
    assert after("0 12 * * *", exact) == datetime(2024, 1, 2, 12, 0)
    assert after("0 12 * * *", exact - timedelta(seconds=1)) == exact


def test_next_drops_seconds_and_microseconds():
    moment = datetime(2024, 1, 1, 5, 6, 7, 8)
    assert after("* * * * *", moment) == datetime(2024, 1, 1, 5, 7)


def test_next_minute_hour_and_weekday():
    assert after("30 9 * * mon-fri", datetime(2024, 3, 1, 10)) == datetime(2024, 3, 4, 9, 30)
    assert after("45 * * * *") == datetime(2024, 2, 28, 23, 45)
    assert after("15 4 * * *") == datetime(2024, 2, 29, 4, 15)


def test_next_in_a_later_hour_or_day_starts_at_its_beginning():
    assert after("5 * 10 * *") == datetime(2024, 3, 10, 0, 5)
    assert after("*/20 12 * * *", datetime(2024, 1, 1, 9, 50)) == datetime(2024, 1, 1, 12, 0)


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("@hourly", datetime(2024, 2, 29, 0)),
        ("@daily", datetime(2024, 2, 29)),
        ("@weekly", datetime(2024, 3, 3)),
        ("@monthly", datetime(2024, 3, 1)),
        ("@yearly", datetime(2025, 1, 1)),
    ],
    ids=["hourly", "daily", "weekly", "monthly", "yearly"],
)
def test_aliases(alias, expected):
    assert after(alias) == expected


def test_search_ends_with_the_eighth_year_after():
    assert after("0 0 29 2 *", datetime(1896, 3, 1)) == datetime(1904, 2, 29)

    with pytest.raises(CronError, match="never"):
        after("0 0 30 2 *")


def test_next_keeps_the_time_zone():
    moment = START.replace(tzinfo=timezone(timedelta(hours=2)))
    assert after("0 0 * * *", moment).tzinfo is moment.tzinfo


def test_upcoming_lists_the_next_firings():
    times = CronSchedule("0 */12 * * *").upcoming(START, 3)
    assert times == [datetime(2024, 2, 29), datetime(2024, 2, 29, 12), datetime(2024, 3, 1)]


def test_upcoming_count_bounds():
    assert CronSchedule("* * * * *").upcoming(START, 0) == []
    with pytest.raises(ValueError, match="negative"):
        CronSchedule("* * * * *").upcoming(START, -1)


def test_between_excludes_start_and_includes_end():
    hourly = CronSchedule("@hourly")
    first = datetime(2024, 1, 1, 6)
    assert hourly.between(first, datetime(2024, 1, 1, 8)) == [
        datetime(2024, 1, 1, 7),
        datetime(2024, 1, 1, 8),
    ]
    assert hourly.between(first, first) == []
