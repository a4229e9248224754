"""The chunked coding: RFC 9112 section 7.1. Written here; read in :mod:`slime.http.reader` by these rules."""

from __future__ import annotations

import re

from slime.errors import BadMessage
from slime.http.fields import RESPONSE_FAULTS, TOKEN, Fields, parse_fields

__all__ = ["are_trailers", "encode_chunk", "is_trailer", "last_chunk"]

MAX_CHUNK = 2**40
"""Bytes in one chunk: more than anybody sends, less than anybody's integers hold."""

MAX_EXTENSIONS = 256
"""Bytes of extensions of one chunk."""

MAX_EXTENSIONS_IN_ALL = 16384
"""Bytes of extensions in one message: they carry nothing, so that many of them are an attack."""

MAX_TRAILERS = 200
"""Trailer fields in one message."""

SIZE_LINE_WINDOW = 300
"""Bytes in which a line that begins a chunk must end, with the line break that ends the chunk before."""

# chunk-size [chunk-ext] CRLF, with the bad whitespace that a recipient has to parse (section 7.1.1).
_SIZE_LINE = (
    rb"([0-9A-Fa-f]{1,16})((?:[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|"
    rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*)\r\n'
)
FIRST_CHUNK = re.compile(_SIZE_LINE)
"""The beginning of the first chunk: its size and its extensions."""

NEXT_CHUNK = re.compile(rb"\r\n" + _SIZE_LINE)
"""The end of one chunk and the beginning of the next."""

# The same lines, cut off anywhere.
_SIZE_LINE_SO_FAR = rb"(?:[0-9A-Fa-f]{1,16}(?:[ \t]*(?:;[\t -~\x80-\xff]*)?\r?)?)?"
FIRST_CHUNK_SO_FAR = re.compile(_SIZE_LINE_SO_FAR)
NEXT_CHUNK_SO_FAR = re.compile(rb"\r?|\r\n" + _SIZE_LINE_SO_FAR)

# What was needed before the body, or concerns one hop: RFC 9110 section 6.5.1.
_NO_TRAILERS = frozenset(
    b"age authorization cache-control connection content-encoding content-length content-range content-type"
    b" cookie date expect expires forwarded host if-match if-modified-since if-none-match if-range"
    b" if-unmodified-since keep-alive location max-forwards pragma proxy-authenticate proxy-authorization"
    b" proxy-connection range retry-after set-cookie te trailer transfer-encoding upgrade vary via"
    b" www-authenticate x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)


def is_trailer(field: tuple[bytes, bytes]) -> bool:
    """Whether a field may stand behind the body (RFC 9110 section 6.5.1); slime's own never do."""
    name = field[0].lower()
    return name not in _NO_TRAILERS and not name.startswith((b"slime-", b"slime_"))


def are_trailers(fields: Fields) -> bool:
    """Whether names and values that no parser has read may be sent as trailers."""
    if not fields:
        return True
    block = b"".join([b"\r\n", *(b"%b: %b\r\n" % field for field in fields)])
    try:
        read = parse_fields(block, 2, MAX_TRAILERS, RESPONSE_FAULTS)
    except BadMessage:
        return False
    return read == fields and all(map(is_trailer, fields))


def encode_chunk(data: bytes) -> bytes:
    """``data`` as one chunk; nothing for no data, since an empty chunk would end the message."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked message, with its trailer fields."""
    return b"\r\n".join([b"0", *map(b": ".join, trailers), b"", b""])
