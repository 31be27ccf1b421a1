import pytest
from bitsets import BitSet, RankSelect, run_lengths, runs_to_bits

TEXT = "0110100111010001"


@pytest.mark.parametrize("block", [1, 3, 4, 16, 50])
def test_rank_counts_bits_before_position(block):
    index = RankSelect(BitSet.from_string(TEXT), block)
    for position in range(len(TEXT) + 1):
        assert index.rank(position) == TEXT[:position].count("1")
        assert index.rank(position, False) == TEXT[:position].count("0")


@pytest.mark.parametrize("block", [1, 3, 4, 16, 50])
def test_select_finds_kth_set_bit(block):
    index = RankSelect(BitSet.from_string(TEXT), block)
    expected = [i for i, char in enumerate(TEXT) if char == "1"]
    assert [index.select(k) for k in range(8)] == expected


def test_rank_outside_raises():
    index = RankSelect(BitSet(4))
    for position in (-1, 5):
        with pytest.raises(IndexError, match="position"):
            index.rank(position)


def test_select_outside_raises():
    index = RankSelect(BitSet(40, [1, 39]))
    assert index.select(1) == 39
    for k in (-1, 2):
        with pytest.raises(IndexError, match="no set bit"):
            index.select(k)


def test_rank_select_copies_bits():
    bits = BitSet(4, [1])
    index = RankSelect(bits)
    bits.set(0)
    assert index.rank(4) == 1
    assert index.rank(2) == 1
    assert index.select(0) == 1


def test_block_below_one_is_rejected():
    with pytest.raises(ValueError, match="block"):
        RankSelect(BitSet(4), 0)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [("0001101", [3, 2, 1, 1]), ("110", [0, 2, 1]), ("", []), ("0", [1]), ("1", [0, 1])],
    ids=["mixed", "ones_first", "empty", "zero", "one"],
)
def test_run_lengths_start_with_clear_bits(text, lengths):
    assert run_lengths(BitSet.from_string(text)) == lengths
    assert runs_to_bits(lengths).to_string() == text


@pytest.mark.parametrize("lengths", [[-1], [3, 0, 2], [2, 0], [0, 0], [1, -1]])
def test_bad_run_lengths_are_rejected(lengths):
    with pytest.raises(ValueError, match="run lengths"):
        runs_to_bits(lengths)


def test_runs_may_come_from_iterator():
    assert runs_to_bits(iter([1, 2])).to_string() == "011"
