"""Opaque cursors and seeking behind them."""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from .sorting import Record, SortKey, sort_records


def _token(payload: bytes, secret: str) -> str:
    checksum = zlib.crc32(secret.encode() + payload).to_bytes(4, "big")
    return base64.urlsafe_b64encode(checksum + payload).decode().rstrip("=")


def encode_cursor(values: Sequence[Any], secret: str = "") -> str:
    """Return a URL-safe token for a list of JSON values.

    The token is the unpadded URL-safe base64 form of a CRC-32 checksum (four bytes, big-endian)
    followed by the compact JSON text. The checksum covers ``secret`` and then the JSON text.
    """
    return _token(json.dumps(list(values), separators=(",", ":")).encode(), secret)


def decode_cursor(token: str, secret: str = "") -> list[Any]:
    """Return the values of a token made by ``encode_cursor`` with the same ``secret``.

    Raises ValueError for anything else: a token that was cut, padded or changed in any character,
    another secret, or content that is not a list.
    """
    try:
        payload = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[4:]
    except ValueError as error:
        raise ValueError("malformed cursor") from error
    if _token(payload, secret) != token:
        raise ValueError("cursor does not match its checksum")
    values = json.loads(payload)
    if not isinstance(values, list):
        raise ValueError("cursor does not hold a list")
    return values


def seek(
    records: Sequence[Record],
    keys: Sequence[SortKey],
    after: str | None = None,
    limit: int = 20,
    *,
    unique: str = "id",
) -> tuple[list[Record], str | None]:
    """Return up to ``limit`` records behind cursor ``after``, and the cursor for the next ones.

    Records are sorted by ``keys`` and then ascending by the field ``unique``, which every record
    has. Without ``after`` the first records are returned. The next cursor is None when nothing
    follows; otherwise it holds the value of ``unique`` of the last record returned. Raises
    ValueError if ``limit`` is less than 1, if the cursor is not valid, or if the record it
    points to is gone.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    ordered = sort_records(records, [*keys, (unique, False)])
    start = 0
    if after is not None:
        known = [[record[unique]] for record in ordered]
        last = decode_cursor(after)
        if last not in known:
            raise ValueError("cursor points to no record")
        start = known.index(last) + 1
    chosen = ordered[start : start + limit]
    if start + limit >= len(ordered):
        return chosen, None
    return chosen, encode_cursor([chosen[-1][unique]])
