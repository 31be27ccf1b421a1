import pytest
from huffman import BitError, BitReader, BitWriter


def written(*pieces):
    writer = BitWriter()
    for value, width in pieces:
        writer.write(value, width)
    return writer


def test_bits_fill_bytes_from_the_top():
    assert written((0b101, 3), (0b01, 2)).to_bytes() == bytes([0b10101000])


def test_values_cross_byte_boundaries():
    assert written((1, 4), (0xABC, 12), (1, 1)).to_bytes() == bytes([0x1A, 0xBC, 0x80])


def test_length_counts_bits():
    assert len(BitWriter()) == 0
    assert len(written((0, 3))) == 3
    assert len(written((0, 8), (1, 1))) == 9


def test_nothing_written_is_no_bytes():
    assert BitWriter().to_bytes() == b""
    assert written((0, 0)).to_bytes() == b""


@pytest.mark.parametrize(("value", "width"), [(4, 2), (-1, 3), (1, 0), (0, -1)])
def test_write_refuses_values_that_do_not_fit(value, width):
    writer = written((3, 2))
    with pytest.raises(BitError, match="does not fit"):
        writer.write(value, width)
    assert len(writer) == 2


def test_to_bytes_is_a_snapshot():
    writer = written((1, 1))
    before = writer.to_bytes()
    writer.write(1, 1)
    assert (before, writer.to_bytes()) == (b"\x80", b"\xc0")


def test_reader_reads_what_was_written():
    reader = BitReader(written((5, 3), (0, 1), (0x3FF, 11), (1, 1)).to_bytes())
    assert [reader.read(width) for width in (3, 1, 11, 1)] == [5, 0, 0x3FF, 1]


def test_remaining_counts_down():
    reader = BitReader(b"\x00\xff")
    assert reader.remaining() == 16
    reader.read(5)
    assert reader.remaining() == 11


def test_reading_no_bits_gives_zero():
    reader = BitReader(b"\xff")
    assert reader.read(0) == 0
    assert reader.remaining() == 8


@pytest.mark.parametrize("width", [9, -1], ids=["long", "negative"])
def test_bad_read_raises_and_reads_nothing(width):
    reader = BitReader(b"\xf0")
    with pytest.raises(BitError, match="cannot read"):
        reader.read(width)
    assert reader.read(8) == 0xF0


def test_align_skips_to_the_next_byte():
    reader = BitReader(b"\x80\x01")
    reader.align()
    assert reader.read(1) == 1
    reader.align()
    assert reader.read(8) == 1


def test_align_refuses_padding_that_is_not_zero():
    reader = BitReader(b"\x81")
    reader.read(1)
    with pytest.raises(BitError, match="padding"):
        reader.align()


def test_reader_keeps_a_copy_of_its_data():
    data = bytearray(b"\x01")
    reader = BitReader(data)
    data[0] = 0
    assert reader.read(8) == 1
