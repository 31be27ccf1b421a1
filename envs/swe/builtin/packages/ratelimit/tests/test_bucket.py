import pytest
from ratelimit import Decision, RateLimitError, TokenBucket


def make(capacity=4, rate=2.0, initial=None, start=100.0):
    now = [start]
    return TokenBucket(capacity, rate, lambda: now[0], initial), now


def test_bucket_starts_full():
    bucket, _ = make()
    assert bucket.available() == 4
    assert bucket.acquire(4) == Decision(True, 0, 0.0)


def test_acquire_counts_down_by_one_unless_told():
    bucket, _ = make()
    assert bucket.acquire() == Decision(True, 3, 0.0)
    assert bucket.acquire(2) == Decision(True, 1, 0.0)
    assert bucket.available() == 1


def test_refusal_takes_nothing_and_says_when():
    bucket, _ = make(initial=1)
    assert bucket.acquire(3) == Decision(False, 1, 1.0)
    assert bucket.acquire(1).allowed


def test_waiting_for_retry_after_is_enough():
    bucket, now = make(initial=0)
    now[0] += bucket.acquire(3).retry_after
    assert bucket.acquire(3).allowed


def test_refill_over_time():
    bucket, now = make(initial=0)
    now[0] += 1.0
    assert bucket.available() == 2
    now[0] += 0.5
    assert bucket.available() == 3


def test_a_part_of_a_token_does_not_count():
    bucket, now = make(initial=0)
    now[0] += 0.75
    assert bucket.available() == 1
    assert bucket.check(2) == Decision(False, 1, 0.25)


def test_refill_stops_at_the_capacity():
    bucket, now = make()
    now[0] += 1000
    bucket.acquire(4)
    assert bucket.available() == 0


def test_clock_going_back_adds_and_removes_nothing():
    bucket, now = make(initial=1)
    now[0] -= 50
    assert bucket.available() == 1
    now[0] += 50.5
    assert bucket.available() == 2


def test_consume_refills_first():
    bucket, now = make(initial=0)
    now[0] += 50
    bucket.consume(1)
    assert bucket.available() == 3


def test_cost_above_the_capacity_never_succeeds():
    bucket, _ = make()
    assert bucket.acquire(5) == Decision(False, 4, None)


def test_check_takes_nothing():
    bucket, _ = make()
    assert bucket.check() == bucket.check() == Decision(True, 3, 0.0)


@pytest.mark.parametrize("cost", [0, -1])
def test_cost_must_be_positive(cost):
    bucket, _ = make()
    with pytest.raises(RateLimitError, match="bad cost"):
        bucket.acquire(cost)


@pytest.mark.parametrize(
    ("capacity", "rate", "initial", "message"),
    [
        (0, 1, None, "capacity must"),
        (1, 0, None, "rate must"),
        (1, -1, None, "rate must"),
        (2, 1, 3, "initial tokens"),
        (2, 1, -1, "initial tokens"),
    ],
    ids=["capacity", "rate_zero", "rate_negative", "too_many", "too_few"],
)
def test_bad_configuration(capacity, rate, initial, message):
    with pytest.raises(RateLimitError, match=message):
        make(capacity, rate, initial)


def test_smallest_configuration():
    bucket, _ = make(1, 0.5, 0)
    assert bucket.check().retry_after == 2.0
    assert make(1, 0.5, 1)[0].check().allowed
