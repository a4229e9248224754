"""The chunked coding, written: RFC 9112 section 7.1. (It is read in :mod:`slime.http.parser`.)"""

from __future__ import annotations

from slime.http.fields import Fields

__all__ = ["encode_chunk", "last_chunk"]


def encode_chunk(data: bytes) -> bytes:
    """``data`` as one chunk; nothing for no data, since an empty chunk would end the message."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked message, with its trailer fields."""
    return b"\r\n".join([b"0", *map(b": ".join, trailers), b"", b""])
