import pytest
from huffman import FrameError, RunError, checksum, decode, encode, expand_runs, pack_runs

ABA = b"HF\x00\x00\x00\x00\x03\x4a\x25\x00\x02a\x01b\x01\x40"


def test_runs_of_four_or_more_are_packed():
    assert pack_runs(b"aaab") == b"aaab"
    assert pack_runs(b"aaaab") == b"aaaa\x00b"
    assert pack_runs(b"baaaaaa") == b"baaaa\x02"


def test_longest_run_is_259_bytes():
    assert pack_runs(b"x" * 259) == b"xxxx\xff"
    assert pack_runs(b"x" * 260) == b"xxxx\xffx"
    assert pack_runs(b"x" * 263) == b"xxxx\xffxxxx\x00"


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 259, 260, 262, 263, 600])
def test_runs_expand_to_what_they_were(length):
    for data in (b"x" * length, b"y" + b"x" * length + b"\x00\x00y"):
        assert expand_runs(pack_runs(data)) == data


def test_count_byte_is_not_part_of_the_next_run():
    assert expand_runs(b"\x01\x01\x01\x01\x01\x01\x01\x01") == b"\x01" * 8
    assert expand_runs(b"aaaa\x00aaa") == b"a" * 7


def test_run_without_count_raises():
    with pytest.raises(RunError, match="lacks its count"):
        expand_runs(b"baaaa")


def test_checksum_is_fletcher_16():
    assert checksum(b"abcde") == 0xC8F0
    assert checksum(b"abcdef") == 0x2057
    assert checksum(b"") == 0


def test_frame_layout():
    assert encode(b"aba") == ABA
    assert decode(ABA) == b"aba"


def test_frame_of_nothing():
    assert encode(b"") == b"HF" + bytes(9)
    assert decode(encode(b"")) == b""


@pytest.mark.parametrize(
    "data",
    [b"a", b"abracadabra", bytes(range(256)), b"\x00" * 1000, b"aaaab" * 50, b"\xff\x00"],
    ids=["one", "word", "all", "zeros", "runs", "ends"],
)
def test_frames_read_back(data):
    assert decode(encode(data)) == data
    assert decode(encode(data, runs=True)) == data
    assert decode(encode(data, runs=False)) == data


def test_runs_are_packed_when_that_is_shorter():
    assert encode(b"a" * 9)[2] == 1
    assert encode(b"a" * 5)[2] == 0
    assert encode(b"ab")[2] == 0


def test_runs_can_be_forced_and_refused():
    assert encode(b"aaaab", runs=True)[2:7] == b"\x01\x00\x00\x00\x06"
    assert encode(b"a" * 9, runs=False)[2:7] == b"\x00\x00\x00\x00\x09"


def damaged(frame, index, value):
    return frame[:index] + bytes([value]) + frame[index + 1 :]


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (1, 0, "not a Huffman"),
        (2, 2, "unknown flags 2"),
        (7, 0, "checksum"),
        (13, 97, "ascend"),
        (12, 0, "at least 1"),
        (15, 0x41, "padding"),
        (15, 0x60, "checksum"),
        (6, 9, "cannot read"),
    ],
    ids=["magic", "flags", "sum", "order", "length", "padding", "bits", "size"],
)
def test_damage_is_noticed(index, value, message):
    with pytest.raises(FrameError, match=message):
        decode(damaged(ABA, index, value))


def test_frame_cut_short_raises():
    frame = encode(b"abracadabra")
    for end in range(len(frame)):
        with pytest.raises(FrameError):
            decode(frame[:end])


def test_bytes_after_the_end_raise():
    with pytest.raises(FrameError, match="after the end"):
        decode(ABA + b"\x00")


def test_code_without_symbol_raises():
    frame = encode(b"aa")
    assert decode(frame) == b"aa"
    with pytest.raises(FrameError, match="no symbol has the code '1'"):
        decode(damaged(frame, len(frame) - 1, 0x80))


def test_size_without_symbols_raises():
    with pytest.raises(FrameError, match="no symbol has the code ''"):
        decode(b"HF\x00\x00\x00\x00\x01" + bytes(4))


def test_payload_that_ends_within_a_run_raises():
    frame = encode(b"aaaa", runs=False)
    with pytest.raises(FrameError, match="lacks its count"):
        decode(damaged(frame, 2, 1))
