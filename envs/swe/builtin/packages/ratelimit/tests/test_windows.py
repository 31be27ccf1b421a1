import pytest
from ratelimit import Decision, FixedWindow, RateLimitError, SlidingWindow


def fixed(limit=3, window=10.0, start=25.0, **options):
    now = [start]
    return FixedWindow(limit, window, lambda: now[0], **options), now


def sliding(limit=3, window=10.0, start=25.0):
    now = [start]
    return SlidingWindow(limit, window, lambda: now[0]), now


@pytest.mark.parametrize("kind", [FixedWindow, SlidingWindow])
def test_window_configuration_is_checked(kind):
    with pytest.raises(RateLimitError, match="limit must"):
        kind(0, 1.0, float)
    for window in (0.0, -1.0):
        with pytest.raises(RateLimitError, match="window must"):
            kind(1, window, float)
    assert kind(1, 0.5, float).available() == 1


@pytest.mark.parametrize("make", [fixed, sliding])
def test_limit_is_reached_exactly(make):
    limiter, _ = make()
    assert [limiter.acquire().remaining for _ in range(3)] == [2, 1, 0]
    assert not limiter.acquire().allowed


@pytest.mark.parametrize("make", [fixed, sliding])
def test_cost_above_the_limit_never_succeeds(make):
    limiter, _ = make()
    assert limiter.acquire(4) == Decision(False, 3, None)
    assert limiter.acquire(3) == Decision(True, 0, 0.0)


def test_fixed_retry_after_is_the_next_window():
    limiter, _ = fixed()
    limiter.acquire(2)
    assert limiter.acquire(2) == Decision(False, 1, 5.0)


def test_fixed_window_resets_at_its_end():
    limiter, now = fixed()
    limiter.acquire(3)
    now[0] = 29.5
    assert limiter.available() == 0
    now[0] = 30.0
    assert limiter.available() == 3


def test_fixed_window_forgets_even_after_several_windows():
    limiter, now = fixed()
    limiter.acquire(3)
    now[0] = 77.0
    assert limiter.acquire(2).remaining == 1
    assert limiter.check(2).retry_after == 3.0


def test_fixed_window_with_an_origin():
    limiter, now = fixed(origin=4.0)
    limiter.acquire(3)
    assert limiter.check().retry_after == 9.0
    now[0] = 34.0
    assert limiter.check().allowed


def test_fixed_window_before_the_origin():
    limiter, now = fixed(start=1.0, origin=4.0)
    limiter.acquire(3)
    assert limiter.check().retry_after == 3.0
    now[0] = 4.0
    assert limiter.available() == 3


def test_fixed_window_ignores_a_clock_going_back():
    limiter, now = fixed()
    limiter.acquire(3)
    now[0] = 15.0
    assert limiter.available() == 0
    assert limiter.check().retry_after == 15.0


def test_fixed_consume_belongs_to_the_current_window():
    limiter, now = fixed()
    now[0] = 31.0
    limiter.consume(2)
    assert limiter.available() == 1


def test_sliding_units_leave_one_by_one():
    limiter, now = sliding()
    for moment in (25.0, 27.0, 30.0):
        now[0] = moment
        limiter.acquire()
    now[0] = 34.5
    assert limiter.available() == 0
    now[0] = 35.0
    assert limiter.available() == 1
    now[0] = 39.0
    assert limiter.available() == 2


def test_sliding_retry_after_waits_for_enough_units():
    limiter, now = sliding()
    limiter.acquire(1)
    now[0] = 28.0
    limiter.acquire(2)
    now[0] = 30.0
    assert [limiter.check(cost).retry_after for cost in (1, 2, 3)] == [5.0, 8.0, 8.0]


def test_sliding_waiting_for_retry_after_is_enough():
    limiter, now = sliding()
    limiter.acquire(3)
    now[0] = 26.0
    now[0] += limiter.acquire(1).retry_after
    assert limiter.acquire(3) == Decision(True, 0, 0.0)


def test_sliding_history_is_a_copy_of_what_counts():
    limiter, now = sliding()
    limiter.acquire(1)
    now[0] = 30.0
    limiter.acquire(2)
    now[0] = 35.0
    assert limiter.history() == [(30.0, 2)]
    limiter.history().clear()
    assert limiter.available() == 1
