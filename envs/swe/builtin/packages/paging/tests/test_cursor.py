import base64
import zlib

import pytest
from paging import decode_cursor, encode_cursor, seek

ROWS = [{"id": number, "size": number % 3} for number in (5, 3, 1, 4, 2)]


def ids(records):
    return [record["id"] for record in records]


def test_cursor_has_documented_form():
    assert encode_cursor([1, "a"]) == "hu_Z9VsxLCJhIl0"
    assert encode_cursor(range(2)) == encode_cursor([0, 1])


@pytest.mark.parametrize("values", [[], [1], [12], [123, None], ["\u00fc", 1.5, True]])
def test_cursor_round_trip(values):
    assert decode_cursor(encode_cursor(values)) == values
    assert decode_cursor(encode_cursor(values, "key"), "key") == values


def test_other_secret_is_rejected():
    token = encode_cursor([1], "one")
    for secret in ("two", ""):
        with pytest.raises(ValueError, match="checksum"):
            decode_cursor(token, secret)


def test_foreign_token_is_rejected():
    for token in ("", "A", "AAAA", "!!!!", "hu_Z9VsxLCJhIl1", "hu_Z9VsxLCJhIl0="):
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(token)


def test_content_that_is_no_list_is_rejected():
    for payload in (b"7", b'{"a":1}'):
        raw = zlib.crc32(payload).to_bytes(4, "big") + payload
        token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        with pytest.raises(ValueError, match="list"):
            decode_cursor(token)


def test_cut_or_changed_token_is_rejected():
    token = encode_cursor([1234])
    for bad in (token[:-1], token[:-4], "B" + token[1:], token + "*"):
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(bad)


def test_token_is_url_safe_without_padding():
    tokens = [encode_cursor([number]) for number in range(200)]
    assert any("-" in token or "_" in token for token in tokens)
    assert not any(char in token for token in tokens for char in "+/=")
    assert [decode_cursor(token) for token in tokens] == [[number] for number in range(200)]


def test_seek_walks_all_records_once():
    first, cursor = seek(ROWS, [("size", True)], limit=2)
    second, cursor = seek(ROWS, [("size", True)], cursor, 2)
    third, end = seek(ROWS, [("size", True)], cursor, 2)
    assert [ids(first), ids(second), ids(third)] == [[2, 5], [1, 4], [3]]
    assert end is None


def test_seek_cursor_holds_last_unique_value():
    _, cursor = seek(ROWS, [], limit=3)
    assert decode_cursor(cursor) == [3]


def test_seek_exact_fit_has_no_next_cursor():
    assert seek(ROWS, [], limit=5)[1] is None
    assert seek([], []) == ([], None)
    assert seek(ROWS, [], limit=4)[1] is not None
    assert seek(ROWS, [], seek(ROWS, [], limit=3)[1], 2)[1] is None


def test_seek_default_limit_is_twenty():
    rows = [{"id": number} for number in range(25)]
    found, cursor = seek(rows, [])
    assert ids(found) == list(range(20))
    assert ids(seek(rows, [], cursor)[0]) == [20, 21, 22, 23, 24]


def test_seek_with_other_unique_field():
    rows = [{"key": "b"}, {"key": "a"}]
    found, cursor = seek(rows, [], limit=1, unique="key")
    assert found == [{"key": "a"}]
    assert seek(rows, [], cursor, unique="key") == ([{"key": "b"}], None)


def test_seek_rejects_limit_below_one():
    with pytest.raises(ValueError, match="limit"):
        seek(ROWS, [], limit=0)
    assert ids(seek(ROWS, [], limit=1)[0]) == [1]


@pytest.mark.parametrize("values", [[99], [], [1, 2]])
def test_seek_rejects_cursor_without_record(values):
    with pytest.raises(ValueError, match="no record"):
        seek(ROWS, [], encode_cursor(values))
