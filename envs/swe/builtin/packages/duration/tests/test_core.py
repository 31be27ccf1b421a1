import pytest
from duration import UNITS, Duration, DurationError, spread, total


def ms(*values):
    return [Duration(value) for value in values]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("days", 86400000),
        ("hours", 3600000),
        ("minutes", 60000),
        ("seconds", 1000),
        ("ms", 1),
    ],
)
def test_of_single_unit(name, expected):
    assert Duration.of(**{name: 1}).ms == expected
    assert Duration.of(**{name: -2}).ms == -2 * expected


def test_of_adds_all_units():
    assert Duration.of(1, 1, 1, 1, 1).ms == 90061001
    assert Duration.of() == Duration() == Duration(0)
    assert list(UNITS) == ["w", "d", "h", "m", "s", "ms"]


def test_add_and_subtract():
    assert Duration(700) + Duration(50) == Duration(750)
    assert Duration(700) - Duration(50) == Duration(650)
    assert Duration(50) - Duration(700) == Duration(-650)


def test_negate_and_multiply():
    assert -Duration(5) == Duration(-5)
    assert Duration(5) * -3 == Duration(-15)


def test_truth_value_and_sign():
    assert (bool(Duration(0)), Duration(0).sign) == (False, "")
    assert (bool(Duration(1)), Duration(1).sign) == (True, "")
    assert (bool(Duration(-1)), Duration(-1).sign) == (True, "-")


def test_ordering_and_hash():
    assert Duration(-1) < Duration(0) < Duration(1)
    assert sorted(ms(3, 1, 2)) == ms(1, 2, 3)
    assert len({Duration(4), Duration(4)}) == 1


def test_times_returns_count_and_rest():
    assert Duration(7000).times(Duration(2000)) == (3, Duration(1000))
    assert Duration(6000).times(Duration(2000)) == (3, Duration(0))


def test_times_floors_negative_values():
    assert Duration(-7000).times(Duration(2000)) == (-4, Duration(1000))
    assert Duration(7).times(Duration(-2)) == (-4, Duration(-1))


def test_times_rejects_zero():
    with pytest.raises(DurationError):
        Duration(5).times(Duration(0))


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("down", 29, 20),
        ("down", -29, -20),
        ("up", 21, 30),
        ("up", -21, -30),
        ("half_up", 24, 20),
        ("half_up", 25, 30),
        ("half_up", -25, -30),
        ("half_up", -24, -20),
    ],
)
def test_round_to_modes(mode, value, expected):
    assert Duration(value).round_to(Duration(10), mode) == Duration(expected)


@pytest.mark.parametrize("mode", ["down", "up", "half_up"])
def test_round_to_keeps_multiples(mode):
    for value in (-30, 0, 10, 30):
        assert Duration(value).round_to(Duration(10), mode) == Duration(value)


def test_round_to_defaults_to_half_up():
    assert Duration(1500).round_to(Duration(1000)) == Duration(2000)
    assert Duration(1499).round_to(Duration(1000)) == Duration(1000)


@pytest.mark.parametrize("step", [0, -10])
def test_round_to_rejects_step(step):
    with pytest.raises(DurationError):
        Duration(5).round_to(Duration(step))


def test_round_to_rejects_unknown_mode():
    with pytest.raises(DurationError):
        Duration(5).round_to(Duration(10), "sideways")


def test_parts_of_every_unit():
    value = Duration.of(9, 3, 4, 5, 6)
    assert value.parts() == {"w": 1, "d": 2, "h": 3, "m": 4, "s": 5, "ms": 6}
    assert (-value).parts() == value.parts()


def test_parts_with_largest_hours():
    assert Duration.of(hours=100).parts("h") == {"h": 100, "m": 0, "s": 0, "ms": 0}
    assert list(Duration().parts("ms")) == ["ms"]


def test_parts_rejects_unknown_unit():
    with pytest.raises(DurationError):
        Duration(5).parts("y")


def test_split_gives_longer_pieces_first():
    assert Duration(11).split(4) == ms(3, 3, 3, 2)
    assert Duration(-11).split(4) == ms(-3, -3, -3, -2)
    assert Duration(8).split(4) == ms(2, 2, 2, 2)


def test_split_into_one_and_too_many():
    assert Duration(7).split(1) == ms(7)
    assert Duration(1).split(3) == ms(1, 0, 0)


@pytest.mark.parametrize("count", [0, -1])
def test_split_rejects_count(count):
    with pytest.raises(DurationError):
        Duration(5).split(count)


def test_total():
    assert total(ms(1, 2, -5)) == Duration(-2)
    assert total(iter([])) == Duration(0)


def test_spread_excludes_stop_and_counts_down():
    assert spread(Duration(0), Duration(30), Duration(10)) == ms(0, 10, 20)
    assert spread(Duration(0), Duration(31), Duration(10)) == ms(0, 10, 20, 30)
    assert spread(Duration(20), Duration(0), Duration(-10)) == ms(20, 10)
    with pytest.raises(DurationError):
        spread(Duration(0), Duration(20), Duration(0))
