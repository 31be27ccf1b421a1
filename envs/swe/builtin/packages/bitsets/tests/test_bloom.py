import pytest
from bitsets import BloomFilter, fnv1a


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0xCBF29CE484222325), (b"a", 0xAF63DC4C8601EC8C), (b"foobar", 0x85944171F73967E8)],
    ids=["empty", "a", "foobar"],
)
def test_fnv1a_known_values(data, expected):
    assert fnv1a(data) == expected


def test_fnv1a_seed_replaces_start():
    assert fnv1a(b"", 5) == 5
    assert fnv1a(b"\x01", 0) == 0x100000001B3


def test_positions_follow_documented_formula():
    first = fnv1a(b"apple")
    step = fnv1a(b"apple", first) | 1
    expected = [first % 101, (first + step) % 101, (first + 2 * step) % 101]
    assert BloomFilter(101, 3).positions("apple") == expected


def test_positions_of_even_step_are_made_odd():
    filter_ = BloomFilter(16, 2)
    for item in ("a", "b", "c", "d"):
        low, high = filter_.positions(item)
        assert (high - low) % 2 == 1


def test_added_items_are_contained():
    filter_ = BloomFilter(256)
    words = ["apple", "pear", "fig", "gr\u00fcn"]
    for word in words:
        assert filter_.add(word) is True
        assert filter_.add(word) is False
    assert all(word in filter_ for word in words)
    assert "plum" not in filter_


def test_partly_set_bits_are_not_membership():
    filter_ = BloomFilter(64, 4)
    filter_.add("seed")
    strangers = [f"item{number}" for number in range(50)]
    assert sum(word in filter_ for word in strangers) == 0


def test_fill_ratio_counts_set_bits():
    filter_ = BloomFilter(1000)
    assert filter_.hashes == 4
    assert filter_.fill_ratio() == 0.0
    filter_.add("apple")
    assert filter_.fill_ratio() == len(set(filter_.positions("apple"))) / 1000


def test_shape_must_be_positive():
    for size, hashes in [(0, 1), (1, 0)]:
        with pytest.raises(ValueError, match="at least 1"):
            BloomFilter(size, hashes)
    assert BloomFilter(1, 1).positions("x") == [0]


def test_for_capacity_uses_documented_sizes():
    default, loose = BloomFilter.for_capacity(100), BloomFilter.for_capacity(10, 0.9)
    assert (default.size, default.hashes) == (959, 7)
    assert (loose.size, loose.hashes) == (3, 1)
    assert BloomFilter.for_capacity(1).size == 10


@pytest.mark.parametrize(("capacity", "rate"), [(0, 0.1), (10, 0), (10, 1), (10, 1.5)])
def test_for_capacity_rejects_bad_arguments(capacity, rate):
    with pytest.raises(ValueError, match=r"capacity|error_rate"):
        BloomFilter.for_capacity(capacity, rate)


def test_union_contains_both_and_leaves_operands():
    left, right = BloomFilter(200), BloomFilter(200)
    left.add("a")
    right.add("b")
    both = left.union(right)
    assert "a" in both
    assert "b" in both
    assert "b" not in left
    assert both.size == 200


def test_union_rejects_other_shape():
    with pytest.raises(ValueError, match="shapes"):
        BloomFilter(10, 2).union(BloomFilter(11, 2))
    with pytest.raises(ValueError, match="shapes"):
        BloomFilter(10, 2).union(BloomFilter(10, 3))
