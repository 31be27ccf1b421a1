import pytest
from caching import freeze, memoize


def counted(**options):
    calls = []

    @memoize(**options)
    def area(width, height=2, label="x"):
        calls.append((width, height, label))
        return [width, height]

    return area, calls


def test_second_call_uses_cache():
    area, calls = counted()
    assert area(3) == [3, 2]
    assert area(3) == [3, 2]
    assert calls == [(3, 2, "x")]
    assert area.cache.stats.hits == 1
    assert area.cache.maxsize == 128


def test_keyword_positional_and_default_share_entry():
    area, calls = counted()
    area(1, 2)
    area(1, height=2)
    area(width=1)
    assert len(calls) == 1


def test_different_arguments_are_separate():
    area, calls = counted()
    area(1, 2)
    area(2, 1)
    area(1, 2, "y")
    assert len(calls) == 3


def test_ignored_parameter_is_not_in_key():
    area, calls = counted(ignore=iter(["label"]))
    area(1, label="p")
    area(1, label="q")
    area(2, label="q")
    assert calls == [(1, 2, "p"), (2, 2, "q")]


def test_unknown_ignored_parameter_is_rejected():
    with pytest.raises(ValueError, match="no such parameter: zeta, depth"):
        counted(ignore=["zeta", "label", "depth"])


def test_memoize_capacity_is_respected():
    area, calls = counted(maxsize=1)
    area(1)
    area(2)
    area(1)
    assert len(calls) == 3
    assert area.cache.maxsize == 1


def test_none_result_is_cached():
    calls = []
    record = memoize()(calls.append)
    assert record(1) is None
    assert record(1) is None
    assert calls == [1]


def test_exception_is_not_cached():
    calls = []

    @memoize()
    def fail_once(value):
        calls.append(value)
        return 10 // (len(calls) - 1)

    with pytest.raises(ZeroDivisionError):
        fail_once(1)
    assert fail_once(1) == 10


@pytest.mark.parametrize(("options", "count"), [({"typed": True}, 3), ({}, 1)])
def test_only_typed_separates_equal_numbers(options, count):
    area, calls = counted(**options)
    area(1)
    area(1.0)
    area(True)
    assert len(calls) == count


def test_wrapper_keeps_name_and_cache_key():
    area, _ = counted(ignore=["label"])
    assert area.__name__ == "area"
    assert area.cache_key(1) == (("width", 1), ("height", 2))


def test_freeze_tags_containers_and_rejects_other_unhashable():
    with pytest.raises(TypeError):
        freeze(bytearray(b"x"))
    assert freeze([1, 2]) == ("list", (1, 2))
    assert freeze((1, 2)) == ("tuple", (1, 2))
    assert freeze({1}) == ("set", frozenset({1}))
    assert freeze({"a": [1]}) == ("dict", frozenset({("a", ("list", (1,)))}))


def test_freeze_dict_ignores_order():
    assert freeze({"a": 1, "b": 2}) == freeze({"b": 2, "a": 1})
    assert hash(freeze({"a": [{1: 2}]})) == hash(freeze({"a": [{1: 2}]}))


@pytest.mark.parametrize(
    "wrap",
    [lambda v: [v], lambda v: (v,), lambda v: {v}, lambda v: {v: 0}, lambda v: {0: v}],
    ids=["list", "tuple", "set", "dictkey", "dictvalue"],
)
def test_freeze_typed_reaches_nested_values(wrap):
    assert freeze(wrap(1)) == freeze(wrap(1.0))
    assert freeze(wrap(1), typed=True) != freeze(wrap(1.0), typed=True)
