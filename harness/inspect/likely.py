"""Whether octets in an unusual place are an IKE message."""

from __future__ import annotations

_IKEV1 = frozenset({1, 2, 4, 5, 32})  # RFC 2408 3.1, RFC 2409: the exchanges people use


def looks_like_ike(data: bytes, size: int | None = None) -> bool:
    """By version, exchange, flags and length of the header.

    `size` is that of the message where not all of it is here. Of IKEv1 the exchanges that people
    use count, for its header says less than that of IKEv2.
    """
    if len(data) < 28 or data[:8] == bytes(8):
        return False
    if int.from_bytes(data[24:28], "big") != (len(data) if size is None else size):
        return False
    if data[17] == 0x20:
        return 34 <= data[18] <= 50 and not data[19] & 0xC7
    return data[17] == 0x10 and data[18] in _IKEV1 and not data[19] & 0xF8 and data[16] <= 130
