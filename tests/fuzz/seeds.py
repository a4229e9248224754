"""Inputs to start from: one for everything that the grammar and the link know."""

from __future__ import annotations

from slime.errors import ErrorCode
from slime.testing import HELLO, WELCOME
from slime.tunnel import (
    Capacity,
    Credit,
    Data,
    Drain,
    End,
    Head,
    Open,
    Ping,
    Pong,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
)
from slime.tunnel.codec import encode
from tests.e2e.raw_cases import ANSWERS, CUT, PASSED, REFUSED
from tests.http_strategies import REQUEST_STREAMS, RESPONSE_STREAMS

__all__ = ["SEEDS", "WORDS"]

SHORT = 2000
CUTS = b"\x20\x60\xa0\xe0"
OK_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"

_FRAMES = [
    HELLO, WELCOME, Open(4, b"GET / HTTP/1.1\r\n\r\n", None), Open(5, b"GET / HTTP/1.1\r\n\r\n", 0, True),
    Open(6, b"GET / HTTP/1.1\r\n\r\n", 0, False, True), Started(2), Head(1, OK_HEAD, 3), Head(2, OK_HEAD, None,
         interim=True),
    Head(3, OK_HEAD, None, upgrade=True), Head(2, OK_HEAD, 0), Data(1, b"hello"), Data(2, b"lo"), End(1, []), End(2,
         []),
    End(3, [(b"A", b"b")]), Reset(1, ErrorCode.CANCELLED, "gone"), Reset(2, ErrorCode.NO_ERROR, ""), Credit(1, 65536),
    Credit(2, 1), Revoke(3), Revoked(3), Refused(2, ErrorCode.DRAINING), Capacity(4), Ping(7), Pong(7), Drain(),
]  # fmt: skip
_ENCODED = [encode(frame) for frame in _FRAMES]


def _link_input(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


_STREAMS = [*REQUEST_STREAMS, *(case.sent for case in (*PASSED, *REFUSED, *CUT) if len(case.sent) < SHORT)]
_ANSWERS = [*RESPONSE_STREAMS, *(case.raw for case in ANSWERS if len(case.raw) < SHORT)]

SEEDS: dict[str, list[bytes]] = {
    "requests": [CUTS + stream for stream in _STREAMS],
    "responses": [bytes([number % 4]) + CUTS + stream for number, stream in enumerate(_ANSWERS)],
    "heads": [stream.partition(b"\r\n\r\n")[0] for stream in (*_STREAMS, *_ANSWERS)],
    "frames": [*_ENCODED, b"".join(_ENCODED)],
    "link": [side + _link_input(*_ENCODED[start:]) for side in (b"\x00", b"\xff") for start in range(len(_ENCODED))],
}
"""Inputs by target."""

WORDS = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b",", b";", b"0", b"0\r\n\r\n", b"5\r\nhello\r\n",
    b"chunked", b"100",
    b"HTTP/1.1", b"HTTP/1.0", b"Host: h\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n", b"*",
    b"http://h/", b"\xff" * 8, b"\x00" * 8, b"\x00\x00\x00\x00\x00\x00\x00\x01", b"\x7f\xff\xff\xff", *_ENCODED,
]  # fmt: skip
"""What damage puts in: bytes that mean something."""
