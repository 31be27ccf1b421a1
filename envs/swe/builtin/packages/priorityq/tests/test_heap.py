import random

import pytest
from priorityq import PriorityQueue


def keys_of(queue):
    return [key for key, _ in queue.ordered()]


def test_lowest_priority_first_by_default():
    queue = PriorityQueue([("a", 3), ("b", 1), ("c", 2)])
    assert queue.order == "min"
    assert [queue.pop() for _ in range(3)] == [("b", 1), ("c", 2), ("a", 3)]


def test_highest_priority_first_with_max_order():
    queue = PriorityQueue([("a", 3), ("b", 1), ("c", 5)], order="max")
    assert queue.order == "max"
    assert keys_of(queue) == ["c", "a", "b"]


def test_unknown_order_is_rejected():
    with pytest.raises(ValueError, match="order"):
        PriorityQueue(order="up")


@pytest.mark.parametrize("order", ["min", "max"])
def test_ties_come_out_in_arrival_order(order):
    names = ["q", "b", "z", "a", "m", "c", "x"]
    queue = PriorityQueue([(name, 1) for name in names], order=order)
    assert keys_of(queue) == names


def test_push_of_queued_key_is_rejected():
    queue = PriorityQueue([("a", 1)])
    with pytest.raises(KeyError):
        queue.push("a", 0)
    assert queue.ordered() == [("a", 1)]


def test_popped_key_may_be_pushed_again():
    queue = PriorityQueue([("a", 1)])
    queue.pop()
    queue.push("a", 2)
    assert queue.pop() == ("a", 2)


def test_peek_leaves_key_queued():
    queue = PriorityQueue([("a", 2), ("b", 1)])
    assert queue.peek() == ("b", 1)
    assert len(queue) == 2


def test_empty_queue_cannot_peek_or_pop():
    queue = PriorityQueue()
    with pytest.raises(IndexError, match="empty"):
        queue.peek()
    with pytest.raises(IndexError, match="empty"):
        queue.pop()


def test_contains_and_length_follow_changes():
    queue = PriorityQueue([("a", 1), ("b", 2)])
    assert "a" in queue
    queue.pop()
    assert "a" not in queue
    assert len(queue) == 1


def test_priority_of_key():
    queue = PriorityQueue([("a", 1), ("b", 2)])
    assert queue.priority("b") == 2
    with pytest.raises(KeyError):
        queue.priority("zzz")


def test_remove_returns_priority():
    queue = PriorityQueue([("a", 1), ("b", 2), ("c", 3)])
    assert queue.remove("b") == 2
    assert keys_of(queue) == ["a", "c"]
    assert "b" not in queue
    with pytest.raises(KeyError):
        queue.remove("b")


def test_remove_moves_replacement_up():
    entries = [("r", 0), ("a", 10), ("b", 1), ("c", 11), ("d", 12), ("e", 2), ("f", 3)]
    queue = PriorityQueue(entries)
    queue.remove("c")
    assert keys_of(queue) == ["r", "b", "e", "f", "a", "d"]


def test_update_in_both_directions():
    queue = PriorityQueue([("a", 1), ("b", 2), ("c", 3), ("d", 4)])
    assert queue.update("d", 0) == 4
    assert queue.update("a", 9) == 1
    assert keys_of(queue) == ["d", "b", "c", "a"]
    assert queue.priority("a") == 9


def test_update_keeps_arrival_place():
    queue = PriorityQueue([("a", 1), ("b", 5), ("c", 5)])
    queue.update("a", 5)
    assert keys_of(queue) == ["a", "b", "c"]


def test_update_with_requeue_goes_behind_equals():
    queue = PriorityQueue([("a", 5), ("b", 5), ("c", 5)])
    queue.update("a", 5, requeue=True)
    queue.push("d", 5)
    assert keys_of(queue) == ["b", "c", "a", "d"]


def test_update_of_absent_key_is_rejected():
    with pytest.raises(KeyError):
        PriorityQueue().update("a", 1)


def test_push_or_improve_only_moves_ahead():
    queue = PriorityQueue([("a", 5)])
    assert queue.push_or_improve("b", 4) is True
    assert queue.push_or_improve("a", 5) is False
    assert queue.push_or_improve("a", 6) is False
    assert queue.push_or_improve("a", 1) is True
    assert queue.ordered() == [("a", 1), ("b", 4)]


def test_push_or_improve_in_max_order():
    queue = PriorityQueue([("a", 5)], order="max")
    assert queue.push_or_improve("a", 4) is False
    assert queue.push_or_improve("a", 5) is False
    assert queue.push_or_improve("a", 6) is True
    assert queue.peek() == ("a", 6)


def test_drain_stops_at_limit():
    queue = PriorityQueue([("a", 1), ("b", 2), ("c", 3)])
    assert list(queue.drain(2)) == [("a", 1), ("b", 2)]
    assert list(queue.drain(0)) == []
    assert list(queue.drain()) == [("c", 3)]
    assert len(queue) == 0


def test_drain_is_lazy():
    queue = PriorityQueue([("a", 1), ("b", 2)])
    iterator = queue.drain()
    assert next(iterator) == ("a", 1)
    assert len(queue) == 1


def test_ordered_leaves_queue_alone():
    queue = PriorityQueue([("a", 2), ("b", 1)])
    assert queue.ordered() == [("b", 1), ("a", 2)]
    assert len(queue) == 2


def test_copy_is_independent():
    queue = PriorityQueue([("a", 1), ("b", 2)], order="max")
    copied = queue.copy()
    copied.pop()
    copied.push("z", 9)
    assert queue.ordered() == [("b", 2), ("a", 1)]
    queue.update("a", 7)
    assert copied.ordered() == [("z", 9), ("a", 1)]


def test_copy_continues_arrival_order():
    queue = PriorityQueue([("b", 1), ("a", 1)])
    copied = queue.copy()
    copied.push("c", 1)
    assert keys_of(copied) == ["b", "a", "c"]


@pytest.mark.parametrize("order", ["min", "max"])
@pytest.mark.parametrize("seed", range(6))
def test_random_operations_agree_with_sorting(order, seed):
    rng = random.Random(seed)
    queue, model = PriorityQueue(order=order), {}
    for key in range(60):
        queue.push(key, model.setdefault(key, rng.randrange(12)))
        victim = rng.choice(sorted(model))
        if rng.random() < 0.3:
            assert queue.remove(victim) == model.pop(victim)
        else:
            model[victim] = rng.randrange(12)
            queue.update(victim, model[victim])
        sign = 1 if order == "min" else -1
        expected = sorted(model.items(), key=lambda item: (sign * item[1], item[0]))
        assert queue.ordered() == expected
