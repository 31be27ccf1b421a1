import pytest
from ratelimit import (
    CompositeLimit,
    Decision,
    FixedWindow,
    LimiterRegistry,
    RateLimitError,
    SlidingWindow,
    TokenBucket,
)


def composite():
    now = [0.0]
    parts = [TokenBucket(5, 1.0, lambda: now[0]), FixedWindow(3, 10.0, lambda: now[0])]
    return CompositeLimit(parts), parts, now


def registry(limit=2, **options):
    now = [0.0]

    def clock():
        return now[0]

    return LimiterRegistry(lambda: SlidingWindow(limit, 10.0, clock), clock, **options), now


def test_composite_needs_a_part():
    with pytest.raises(RateLimitError, match="at least one"):
        CompositeLimit([])


def test_composite_copies_its_parts():
    limiter, parts, _ = composite()
    parts.clear()
    assert limiter.available() == 3


def test_composite_takes_from_every_part():
    limiter, parts, _ = composite()
    assert limiter.acquire(2) == Decision(True, 1, 0.0)
    assert [part.available() for part in parts] == [3, 1]


def test_composite_refusal_takes_from_no_part():
    limiter, parts, _ = composite()
    limiter.acquire(2)
    assert limiter.acquire(2) == Decision(False, 1, 10.0)
    assert [part.available() for part in parts] == [3, 1]


def test_composite_waits_for_the_slowest_part():
    limiter, parts, now = composite()
    parts[0].consume(5)
    now[0] = 1.0
    assert limiter.check(2).retry_after == 1.0
    parts[1].consume(3)
    assert limiter.check(2).retry_after == 9.0


def test_composite_never_when_one_part_never():
    limiter, _, _ = composite()
    assert limiter.check(4).retry_after is None


def test_composite_blocking_positions():
    limiter, parts, _ = composite()
    assert limiter.blocking() == []
    assert limiter.blocking(4) == [1]
    parts[0].consume(5)
    assert limiter.blocking(4) == [0, 1]
    assert limiter.blocking() == [0]


def test_registry_keeps_keys_apart():
    limits, _ = registry()
    assert limits.acquire("a", 2) == Decision(True, 0, 0.0)
    assert limits.acquire("b") == Decision(True, 1, 0.0)
    assert not limits.acquire("a").allowed


def test_registry_check_stores_and_takes_nothing():
    limits, _ = registry()
    assert limits.check("a") == Decision(True, 1, 0.0)
    assert limits.keys() == []
    limits.acquire("a")
    assert limits.check("a").remaining == limits.check("a").remaining == 0


def test_registry_check_does_not_count_as_a_use():
    limits, now = registry()
    limits.acquire("a")
    limits.acquire("b")
    now[0] = 5.0
    limits.check("a")
    assert limits.keys() == ["a", "b"]
    assert limits.sweep(5.0) == ["a", "b"]


def test_registry_override():
    limits, _ = registry()
    limits.acquire("vip", 2)
    limits.override("vip", lambda: FixedWindow(9, 1.0, float))
    assert limits.check("vip").remaining == 8
    assert limits.acquire("vip").remaining == 8
    assert limits.acquire("other").remaining == 1


def test_registry_evicts_the_least_recently_used_key():
    limits, _ = registry(max_keys=2)
    for key in ("a", "b", "a", "c"):
        limits.acquire(key)
    assert limits.keys() == ["a", "c"]
    assert not limits.check("a").allowed


def test_registry_does_not_evict_for_a_known_key():
    limits, _ = registry(max_keys=2)
    for key in ("a", "b", "b", "a"):
        limits.acquire(key)
    assert limits.keys() == ["b", "a"]


def test_registry_forgets_the_use_of_an_evicted_key():
    limits, now = registry(max_keys=1)
    limits.acquire("a")
    limits.acquire("b")
    now[0] = 3.0
    assert limits.sweep(3.0) == ["b"]


def test_registry_max_keys():
    assert registry()[0].max_keys == 1000
    with pytest.raises(RateLimitError, match="max_keys"):
        registry(max_keys=0)


def test_registry_drop():
    limits, _ = registry()
    limits.acquire("a", 2)
    assert limits.drop("a") is True
    assert limits.drop("a") is False
    assert limits.sweep(0.0) == []
    assert limits.acquire("a").allowed


def test_registry_sweep_is_inclusive_and_sorted():
    limits, now = registry()
    for key, moment in (("b", 0.0), ("a", 1.0), ("c", 2.0)):
        now[0] = moment
        limits.acquire(key)
    now[0] = 6.0
    assert limits.sweep(5.0) == ["a", "b"]
    assert limits.keys() == ["c"]
