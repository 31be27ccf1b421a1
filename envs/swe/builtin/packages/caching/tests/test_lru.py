import pytest
from caching import CacheStats, LRUCache


def filled(maxsize, *keys):
    cache = LRUCache(maxsize)
    for key in keys:
        cache.put(key, key.upper())
    return cache


def test_get_returns_stored_value_and_default_for_absent():
    cache = filled(2, "a")
    assert cache.get("a") == "A"
    assert cache.get("b") is None
    assert cache.get("b", 7) == 7


def test_default_capacity_is_128_entries():
    cache = LRUCache()
    assert cache.maxsize == 128
    for number in range(128):
        assert cache.put(number, number) == []
    assert cache.put(128, 128) == [0]


def test_get_protects_entry_from_eviction():
    cache = filled(2, "a", "b")
    cache.keys().clear()
    cache.get("a")
    assert cache.put("c", "C") == ["b"]
    assert cache.keys() == ["a", "c"]


def test_peek_and_contains_leave_order_and_stats():
    cache = filled(2, "a", "b")
    assert cache.peek("a") == "A"
    assert cache.peek("z", "none") == "none"
    assert "a" in cache
    assert cache.keys() == ["a", "b"]
    assert cache.stats.requests == 0


def test_overwrite_makes_most_recent_and_keeps_length():
    cache = filled(2, "a", "b")
    assert cache.put("a", "new") == []
    assert cache.keys() == ["b", "a"]
    assert len(cache) == 2
    assert cache.peek("a") == "new"


def test_stats_count_hits_misses_and_evictions():
    cache = filled(1, "a", "b")
    cache.get("b")
    cache.get("b")
    cache.get("a")
    assert cache.stats == CacheStats(hits=2, misses=1, evictions=1, expirations=0)


@pytest.mark.parametrize("maxsize", [0, -1])
def test_maxsize_below_one_is_rejected(maxsize):
    with pytest.raises(ValueError, match="maxsize"):
        LRUCache(maxsize)


def test_weights_decide_how_many_are_evicted():
    cache = LRUCache(10, sizeof=len)
    cache.put("a", "xxxx")
    cache.put("b", "yyyy")
    assert cache.put("c", "zzzzz") == ["a"]
    assert cache.total_size == 9
    assert cache.put("d", "wwwwwwwwww") == ["b", "c"]
    assert cache.total_size == 10


def test_overwrite_releases_old_weight_first():
    cache = LRUCache(10, sizeof=len)
    cache.put("a", "x" * 6)
    cache.put("b", "y" * 2)
    assert cache.put("a", "x" * 8) == []
    assert cache.total_size == 10


def test_too_heavy_value_is_rejected_and_cache_unchanged():
    cache = LRUCache(3, sizeof=len)
    cache.put("a", "xxx")
    with pytest.raises(ValueError, match="larger"):
        cache.put("a", "xxxx")
    assert cache.peek("a") == "xxx"
    assert cache.total_size == 3


def test_negative_weight_is_rejected_and_zero_allowed():
    cache = LRUCache(1, sizeof=lambda value: value)
    assert cache.put("a", 1) == []
    assert cache.put("b", 0) == []
    assert len(cache) == 2
    with pytest.raises(ValueError, match="negative"):
        cache.put("c", -1)


def test_on_evict_sees_key_and_value_only_for_evictions():
    seen = []
    cache = LRUCache(1, on_evict=lambda key, value: seen.append((key, value)))
    cache.put("a", 1)
    cache.put("a", 2)
    cache.delete("a")
    cache.put("b", 3)
    assert seen == []
    cache.put("c", 4)
    assert seen == [("b", 3)]


def test_delete_reports_presence_and_frees_weight():
    cache = LRUCache(5, sizeof=len)
    cache.put("a", "xxx")
    assert cache.delete("a") is True
    assert cache.delete("a") is False
    assert cache.total_size == 0
    assert len(cache) == 0


def test_hit_rate_divides_hits_by_requests():
    assert CacheStats().hit_rate == 0.0
    stats = CacheStats(hits=3, misses=1)
    assert stats.requests == 4
    assert stats.hit_rate == 0.75
    copy = stats.snapshot()
    stats.hits += 5
    assert copy == CacheStats(hits=3, misses=1)
