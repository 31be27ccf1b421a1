import pytest
from bitsets import BitSet


def test_new_set_is_clear_except_for_indices():
    assert BitSet(4).to_string() == "0000"
    assert BitSet(4, [0, 3]).to_string() == "1001"


def test_negative_size_is_rejected_and_zero_allowed():
    with pytest.raises(ValueError, match="size"):
        BitSet(-1)
    assert len(BitSet(0)) == 0
    assert BitSet(0).to_bytes() == b""


@pytest.mark.parametrize("name", ["test", "set", "clear", "flip"])
@pytest.mark.parametrize("index", [-1, 4, 5])
def test_index_outside_raises(name, index):
    bits = BitSet(4)
    with pytest.raises(IndexError):
        getattr(bits, name)(index)
    assert bits.count() == 0


def test_first_and_last_index_are_usable():
    bits = BitSet(4)
    bits.set(0)
    bits.set(3)
    assert [bits.test(index) for index in range(4)] == [True, False, False, True]


def test_set_and_clear_report_change():
    bits = BitSet(4)
    assert bits.set(2) is True
    assert bits.set(2) is False
    assert bits.clear(2) is True
    assert bits.clear(2) is False
    assert bits.count() == 0


def test_clear_leaves_other_bits():
    bits = BitSet.from_string("1111")
    bits.clear(1)
    assert bits.to_string() == "1011"


def test_flip_returns_new_state():
    bits = BitSet.from_string("0110")
    assert bits.flip(0) is True
    assert bits.flip(1) is False
    assert bits.to_string() == "1010"


def test_set_range_is_half_open():
    bits = BitSet(6)
    bits.set_range(1, 4)
    assert bits.to_string() == "011100"
    bits.set_range(2, 3, False)
    assert bits.to_string() == "010100"


def test_set_range_full_and_empty():
    bits = BitSet(3)
    bits.set_range(2, 2)
    assert bits.count() == 0
    bits.set_range(0, 3)
    assert bits.to_string() == "111"
    bits.set_range(3, 3, False)
    assert bits.count() == 3


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 1), (0, 4)])
def test_set_range_outside_raises(start, stop):
    with pytest.raises(IndexError):
        BitSet(3).set_range(start, stop)


def test_from_string_rejects_other_characters():
    with pytest.raises(ValueError, match="only 0 and 1"):
        BitSet.from_string("0120")


def test_bytes_put_bit_zero_lowest():
    assert BitSet(10, [0, 3, 9]).to_bytes() == bytes([9, 2])
    assert BitSet(8, [7]).to_bytes() == bytes([128])
    assert BitSet(9, [8]).to_bytes() == bytes([0, 1])
    assert BitSet.from_bytes(bytes([0, 1]), 9) == BitSet(9, [8])
    assert BitSet.from_bytes(bytes([128]), 8) == BitSet(8, [7])
    assert BitSet.from_bytes(bytes([9, 2]), 10) == BitSet(10, [0, 3, 9])


@pytest.mark.parametrize("data", [b"", b"\x01\x00\x00"], ids=["short", "long"])
def test_from_bytes_rejects_wrong_length(data):
    with pytest.raises(ValueError, match="number of bytes"):
        BitSet.from_bytes(data, 9)


def test_from_bytes_rejects_bits_beyond_size():
    with pytest.raises(ValueError, match="beyond"):
        BitSet.from_bytes(bytes([8]), 3)
    assert BitSet.from_bytes(bytes([4]), 3).to_string() == "001"


def test_iteration_is_ascending():
    assert list(BitSet(9, [8, 0, 5, 5])) == [0, 5, 8]
    assert list(BitSet(9)) == []


def test_next_set_starts_at_index():
    bits = BitSet(8, [2, 5])
    assert [bits.next_set(start) for start in (0, 2, 3, 5)] == [2, 2, 5, 5]
    assert bits.next_set(6) is None
    assert bits.next_set(99) is None
    with pytest.raises(IndexError):
        bits.next_set(-1)


def test_next_clear_starts_at_index():
    bits = BitSet.from_string("110110")
    assert [bits.next_clear(start) for start in (0, 2, 3, 5)] == [2, 2, 5, 5]
    assert BitSet.from_string("11").next_clear(0) is None
    assert bits.next_clear(6) is None


def test_equality_needs_same_size():
    assert BitSet(4, [1]) == BitSet(4, [1])
    assert BitSet(4, [1]) != BitSet(5, [1])
    assert BitSet(4, [1]) != BitSet(4, [2])
    assert BitSet(1) != 0


def test_copy_is_independent():
    bits = BitSet(4, [1])
    copied = bits.copy()
    copied.set(2)
    bits.clear(1)
    assert list(copied) == [1, 2]
    assert list(bits) == []


def test_algebra_returns_new_sets():
    left, right = BitSet.from_string("0011"), BitSet.from_string("0101")
    assert (left & right).to_string() == "0001"
    assert (left | right).to_string() == "0111"
    assert (left ^ right).to_string() == "0110"
    assert (left - right).to_string() == "0010"
    assert (~left).to_string() == "1100"
    assert left.to_string() == "0011"


def test_algebra_rejects_different_sizes():
    with pytest.raises(ValueError, match="sizes differ"):
        BitSet(3) & BitSet(4)
    with pytest.raises(ValueError, match="sizes differ"):
        BitSet(4) - BitSet(3)
