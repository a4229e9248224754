"""How a request's body travels to the upstream (RFC 9112 section 6): declared, chunked, or not at all.

Pure. Our own head always says which, whatever the application's said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from slime.errors import LocalProtocolError
from slime.http.body import encode_chunk, last_chunk
from slime.http.head import Fields, RequestHead, serialise_request_head

__all__ = ["NOTHING", "RAW", "BodyFraming", "opening"]

#: Methods whose requests say that they have no body (RFC 9110 section 8.6).
_BODY_EXPECTED = frozenset({b"POST", b"PUT", b"PATCH"})


class BodyFraming(Protocol):
    """Turns body bytes into what goes over the connection."""

    def pieces(self, data: bytes) -> Sequence[bytes]:
        """Frame ``data``, which is not empty.

        :raises LocalProtocolError: there is more than was declared.
        """

    def end(self, trailers: Fields) -> Sequence[bytes]:
        """What follows the body.

        :raises LocalProtocolError: too little came, or a trailer is not one line.
        """


class Declared:
    """A body whose length the head said; trailers have no place behind it and are dropped."""

    __slots__ = ("_remaining",)

    def __init__(self, length: int) -> None:
        self._remaining = length

    def pieces(self, data: bytes) -> Sequence[bytes]:
        if len(data) > self._remaining:
            raise LocalProtocolError("the request's body is longer than declared")
        self._remaining -= len(data)
        return (data,)

    def end(self, trailers: Fields) -> Sequence[bytes]:
        if self._remaining > 0:
            raise LocalProtocolError("the request's body is shorter than declared")
        return ()


class Chunked:
    """A body whose length only its end tells (RFC 9112 section 7.1)."""

    __slots__ = ()

    def pieces(self, data: bytes) -> Sequence[bytes]:
        return (encode_chunk(data),)

    def end(self, trailers: Fields) -> Sequence[bytes]:
        block = last_chunk(trailers)
        if not block.count(b"\n") == block.count(b"\r") == len(trailers) + 2:
            raise LocalProtocolError("a line break in a trailer that was to be sent")
        return (block,)


class Raw:
    """Whatever the protocol upgraded to says (RFC 9110 section 7.8)."""

    __slots__ = ()

    def pieces(self, data: bytes) -> Sequence[bytes]:
        return (data,)

    def end(self, trailers: Fields) -> Sequence[bytes]:
        return ()


RAW = Raw()
_CHUNKED = Chunked()
NOTHING = Declared(0)


def opening(head: RequestHead, body_length: int | None) -> tuple[bytes, BodyFraming]:
    """The bytes a request begins with, and how its body follows them.

    :param head: without framing fields, which are added here.
    :param body_length: bytes of body to come; ``None`` when only the end will tell.
    """
    block = serialise_request_head(head)
    if body_length is None:
        return block[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", _CHUNKED
    if body_length > 0:
        return block[:-2] + b"Content-Length: %d\r\n\r\n" % body_length, Declared(body_length)
    if head.method in _BODY_EXPECTED:
        block = block[:-2] + b"Content-Length: 0\r\n\r\n"
    return block, NOTHING
