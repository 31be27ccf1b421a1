import pytest
from priorityq import TopK


def test_keeps_largest_in_descending_order():
    top = TopK(3)
    top.extend([4, 9, 1, 7, 8])
    assert top.result() == [9, 8, 7]


def test_keeps_smallest_when_asked():
    top = TopK(2, largest=False)
    top.extend([4, 9, 1, 7])
    assert top.result() == [1, 4]


def test_key_decides_rank_and_first_of_equals_wins():
    top = TopK(2, key=len)
    top.extend(["bb", "aa", "ccc", "dd"])
    assert top.result() == ["ccc", "bb"]


def test_add_reports_whether_kept():
    top = TopK(1)
    assert top.add(5) is True
    assert top.add(5) is False
    assert top.add(4) is False
    assert top.add(6) is True
    assert top.result() == [6]


def test_extend_counts_kept_and_seen_counts_all():
    top = TopK(2)
    assert top.extend([5, 3, 1, 4]) == 3
    assert top.seen == 4
    assert len(top) == 2


def test_threshold_is_worst_kept_once_full():
    top = TopK(2)
    top.add(5)
    assert top.threshold() is None
    top.add(9)
    assert top.threshold() == 5


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_rejected(k):
    with pytest.raises(ValueError, match="k must"):
        TopK(k)


def test_result_is_independent_list():
    top = TopK(2)
    top.add(1)
    top.result().clear()
    assert top.result() == [1]
    assert top.seen == 1
