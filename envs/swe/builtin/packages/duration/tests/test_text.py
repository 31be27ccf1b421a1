import pytest
from duration import (
    Duration,
    DurationError,
    format_clock,
    format_iso,
    format_units,
    humanize,
    parse,
    parse_clock,
    parse_iso,
    parse_units,
)

D = Duration.of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h30m", D(hours=1, minutes=30)),
        ("1w2d3h4m5s6ms", D(9, 3, 4, 5, 6)),
        (" 2 days  4 HOURS ", D(days=2, hours=4)),
        ("-1h30m", D(hours=-1, minutes=-30)),
        ("+90s", D(seconds=90)),
        ("0", D()),
    ],
    ids=["short", "all", "long", "minus", "plus", "zero"],
)
def test_parse_units(text, expected):
    assert parse_units(text) == expected


def test_parse_units_fraction_in_last_number():
    assert parse_units("1.5h") == D(minutes=90)
    assert parse_units("1h0.25m") == D(hours=1, seconds=15)
    assert parse_units("1.0005s") == D(ms=1001)
    assert parse_units("1.0004s") == D(ms=1000)


@pytest.mark.parametrize(
    "text",
    ["", "-", "5", "h", "1x", "1h 5", "1m1h", "1h1h", "1.5h3m", "--1h", "1h-3m", "1.h"],
    ids=list("abcdefghijkl"),
)
def test_parse_units_rejects(text):
    with pytest.raises(DurationError):
        parse_units(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P1DT2H", D(days=1, hours=2)),
        ("PT1H2M3S", D(hours=1, minutes=2, seconds=3)),
        ("-P2D", D(days=-2)),
        ("P3W", D(days=21)),
        ("PT0.5S", D(ms=500)),
        ("PT0,25H", D(minutes=15)),
        (" PT5M ", D(minutes=5)),
    ],
    ids=list("abcdefg"),
)
def test_parse_iso(text, expected):
    assert parse_iso(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "QT1S",
        "P",
        "PT",
        "P1DT",
        "P1Y",
        "P1M",
        "PT1D",
        "P1H",
        "P1W1D",
        "PT1S1M",
        "PT1.5H1M",
        "P1D2",
        "PxT1S",
        "PT1",
        "PT1S!",
        "P1DT2HT",
    ],
    ids=list("abcdefghijklmnopq"),
)
def test_parse_iso_rejects(text):
    with pytest.raises(DurationError):
        parse_iso(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01:02:03.5", D(hours=1, minutes=2, seconds=3, ms=500)),
        ("100:59:59", D(hours=100, minutes=59, seconds=59)),
        ("90:05", D(minutes=90, seconds=5)),
        ("-0:01.007", D(seconds=-1, ms=-7)),
        ("+0:00.25", D(ms=250)),
    ],
    ids=["full", "large", "minutes", "minus", "plus"],
)
def test_parse_clock(text, expected):
    assert parse_clock(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "5", "1:60:00", "1:00:60", "0:60", "1:2", "1:2:03", "1:00.", "1:00.1234", "1:1:00:00"],
    ids=list("abcdefghij"),
)
def test_parse_clock_rejects(text):
    with pytest.raises(DurationError):
        parse_clock(text)


def test_parse_picks_the_notation():
    with pytest.raises(DurationError):
        parse("  ")
    assert parse(" PT1H ") == D(hours=1)
    assert parse("-P1D") == D(days=-1)
    assert parse("-1:30") == D(seconds=-90)
    assert parse("1m 30s") == D(seconds=90)


def test_format_units_leaves_out_zeros():
    assert format_units(D(9, 3, 4, 5, 6)) == "1w2d3h4m5s6ms"
    assert format_units(D(hours=1, seconds=1)) == "1h1s"
    assert format_units(D(minutes=-5)) == "-5m"


def test_format_units_keep_zeros_only_after_first():
    assert format_units(D(hours=1, seconds=1), keep_zeros=True) == "1h0m1s0ms"
    assert format_units(D(days=1), smallest="h", keep_zeros=True) == "1d0h"


def test_format_units_cuts_below_smallest():
    assert format_units(D(seconds=119, ms=999), smallest="m") == "1m"
    assert format_units(D(seconds=-59), smallest="m") == "0m"
    assert format_units(D()) == "0ms"


def test_format_units_largest_and_separator():
    assert format_units(D(days=2, minutes=1), largest="h", separator=" ") == "48h 1m"
    assert format_units(D(days=2), largest="h", smallest="h") == "48h"


@pytest.mark.parametrize(
    ("largest", "smallest"), [("s", "m"), ("y", "ms"), ("w", "y")], ids=["order", "large", "small"]
)
def test_format_units_rejects(largest, smallest):
    with pytest.raises(DurationError):
        format_units(D(1), largest, smallest)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (D(), "PT0S"),
        (D(days=1, hours=2), "P1DT2H"),
        (D(days=7), "P7D"),
        (D(hours=-1, minutes=-2, seconds=-3), "-PT1H2M3S"),
        (D(ms=500), "PT0.5S"),
        (D(seconds=10, ms=20), "PT10.02S"),
        (D(minutes=3), "PT3M"),
    ],
    ids=list("abcdefg"),
)
def test_format_iso(value, expected):
    assert format_iso(value) == expected
    assert parse_iso(expected) == value


def test_format_clock_without_decimals():
    assert format_clock(D(hours=1, minutes=2, seconds=3, ms=999)) == "01:02:03"
    assert format_clock(D(days=5)) == "120:00:00"
    assert format_clock(D(ms=-1)) == "-00:00:00"


def test_format_clock_decimals_are_cut():
    assert format_clock(D(seconds=1, ms=59), 1) == "00:00:01.0"
    assert format_clock(D(seconds=1, ms=59), 2) == "00:00:01.05"
    assert format_clock(D(seconds=1, ms=59), 3) == "00:00:01.059"


@pytest.mark.parametrize("places", [-1, 4])
def test_format_clock_rejects_places(places):
    with pytest.raises(DurationError):
        format_clock(D(1), places)


def test_humanize_two_parts_by_default():
    assert humanize(D(hours=1, minutes=30)) == "1 hour and 30 minutes"
    assert humanize(D(days=2, hours=1, minutes=29)) == "2 days and 1 hour"
    assert humanize(D(days=2, hours=1, minutes=30)) == "2 days and 2 hours"


def test_humanize_more_parts():
    assert humanize(D(8, 1), 3) == "1 week, 1 day and 1 hour"
    assert humanize(D(minutes=1, seconds=2), 9) == "1 minute and 2 seconds"


def test_humanize_rounding_carries():
    assert humanize(D(minutes=59, seconds=59), 1) == "1 hour"
    assert humanize(D(minutes=89), 1) == "1 hour"
    assert humanize(D(seconds=1, ms=500)) == "2 seconds"


def test_humanize_skips_zero_units_and_does_not_reach_further():
    assert humanize(D(days=1, minutes=5)) == "1 day"
    assert humanize(D(days=1, minutes=5), 3) == "1 day and 5 minutes"


def test_humanize_negative_and_tiny():
    assert humanize(D(days=-2)) == "minus 2 days"
    assert humanize(D()) == "no time"
    assert humanize(D(ms=999)) == humanize(D(ms=-999)) == "less than a second"
    assert humanize(D(seconds=1)) == "1 second"


def test_humanize_rejects_max_parts():
    assert humanize(D(hours=1), 1) == "1 hour"
    with pytest.raises(DurationError):
        humanize(D(), 0)
