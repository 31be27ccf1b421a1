import pytest
from caching import CacheStats, ManualClock, TTLCache


def make(ttl=10, **options):
    clock = ManualClock(100)
    return TTLCache(ttl, clock, **options), clock


def test_clock_starts_at_zero_and_advances():
    clock = ManualClock()
    assert clock() == 0.0
    assert clock.advance(2.5) == 2.5
    assert clock.advance(0) == 2.5
    assert clock() == 2.5
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)


def test_entry_is_live_until_just_before_deadline():
    cache, clock = make()
    cache.put("a", 1)
    clock.advance(9.5)
    assert "a" in cache
    assert cache.get("a") == 1


def test_entry_expires_exactly_at_deadline():
    cache, clock = make()
    cache.put("a", 1)
    clock.advance(10)
    assert "a" not in cache
    assert len(cache) == 0
    assert cache.remaining("a") == 0.0
    assert cache.remaining("b") == 0.0
    assert cache.get("a", "gone") == "gone"


def test_own_ttl_overrides_default():
    cache, clock = make()
    cache.put("a", 1, ttl=3)
    cache.put("b", 2)
    clock.advance(3)
    assert "a" not in cache
    assert "b" in cache


@pytest.mark.parametrize("ttl", [0, -1])
def test_ttl_must_be_positive(ttl):
    with pytest.raises(ValueError, match="ttl"):
        make(ttl)
    cache, _ = make()
    with pytest.raises(ValueError, match="ttl"):
        cache.put("a", 1, ttl=ttl)


def test_maxsize_must_be_at_least_one():
    with pytest.raises(ValueError, match="maxsize"):
        make(maxsize=0)
    cache, _ = make(maxsize=1)
    assert cache.put("a", 1) == []
    cache, _ = make()
    assert [cache.put(number, 0) for number in range(129)] == [[]] * 128 + [[0]]


def test_full_cache_evicts_earliest_deadline():
    cache, _ = make(maxsize=2)
    cache.put("long", 1, ttl=50)
    cache.put("short", 2, ttl=5)
    assert cache.put("new", 3) == ["short"]
    assert cache.stats.evictions == 1
    assert "long" in cache


def test_equal_deadlines_evict_first_stored():
    cache, _ = make(maxsize=2)
    cache.put("x", 1)
    cache.put("b", 2)
    assert cache.put("c", 3) == ["x"]


def test_expired_entries_make_room_before_eviction():
    cache, clock = make(maxsize=2)
    cache.put("a", 1, ttl=1)
    cache.put("b", 2)
    clock.advance(1)
    assert cache.put("c", 3) == []
    assert cache.stats == CacheStats(expirations=1)


def test_overwriting_live_key_evicts_nothing_and_renews():
    cache, clock = make(maxsize=1)
    cache.put("a", 1)
    clock.advance(6)
    assert cache.put("a", 2) == []
    assert cache.remaining("a") == 10
    assert cache.get("a") == 2


def test_get_counts_hits_misses_and_expirations():
    cache, clock = make()
    cache.put("a", 1)
    cache.get("a")
    cache.get("zzz")
    clock.advance(10)
    cache.get("a")
    cache.get("a")
    assert cache.stats == CacheStats(hits=1, misses=3, expirations=1)


@pytest.mark.parametrize(("options", "left"), [({"sliding": True}, 4), ({}, 1)])
def test_get_restarts_own_lifetime_only_when_sliding(options, left):
    cache, clock = make(**options)
    cache.put("a", 1, ttl=4)
    clock.advance(3)
    assert cache.get("a") == 1
    assert cache.remaining("a") == left


def test_delete_is_true_only_for_live_entry():
    cache, clock = make()
    cache.put("a", 1)
    assert cache.delete("a") is True
    assert cache.delete("a") is False
    cache.put("b", 2)
    clock.advance(10)
    assert cache.delete("b") is False
    assert cache.purge() == []


def test_purge_returns_expired_keys_in_order():
    cache, clock = make()
    cache.put("z", 1, ttl=2)
    cache.put("keep", 2)
    cache.put("a", 3, ttl=1)
    clock.advance(2)
    assert cache.purge() == ["z", "a"]
    assert cache.stats.expirations == 2
    assert cache.purge() == []
    assert cache.stats.expirations == 2


def test_length_counts_live_entries():
    cache, clock = make()
    cache.put("a", 1, ttl=2)
    cache.put("b", 1)
    assert len(cache) == 2
    clock.advance(2)
    assert len(cache) == 1
    assert cache.purge() == ["a"]
