"""Streams of bytes into messages: :class:`RequestParser` and :class:`ResponseParser`.

Neither does I/O nor owns a clock. Feed what the socket gave, then ask for events until there are no more::

    parser.feed(data)
    while not isinstance(event := parser.next_event(), Signal):
        ...

A message is a head, any number of :class:`Data`, and one :class:`EndOfMessage`. Behind it the parser pauses
(:attr:`Signal.PAUSED`), whatever else has arrived, until it is told to go on: a request is never looked at
before the one in front of it has been answered, and bytes behind a response are never part of another.

What is wrong is refused at the byte that makes it wrong, as far as that is cheap, and not when a head or a
chunk is complete: garbage never completes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from slime.errors import BadMessage, ErrorCode, LocalProtocolError
from slime.http.body import encode_chunk, is_trailer, last_chunk
from slime.http.fields import REQUEST_FAULTS, RESPONSE_FAULTS, Fields
from slime.http.head import (
    DEFAULT,
    MAX_METHOD,
    UNTIL_CLOSE,
    HeadLimits,
    RequestHead,
    ResponseHead,
    body_length,
    persists,
    read_request_head,
    read_request_line,
    read_response_head,
    response_body_length,
)
from slime.http.reader import Data, EndOfMessage, MessageReader, Signal

__all__ = [
    "UNTIL_CLOSE",
    "Data",
    "EndOfMessage",
    "RequestParser",
    "ResponseParser",
    "Signal",
    "body_length",
    "encode_chunk",
    "is_trailer",
    "last_chunk",
    "response_body_length",
]

MAX_TRAILER_BYTES = 16384
"""Bytes of trailer fields in one message, unless the parser is told otherwise."""

MAX_EMPTY_LINES = 2
"""Empty lines before a request; some clients send one behind a body (RFC 9112 section 2.2)."""

MAX_INTERIM = 1000
"""Interim responses to one request: hours of ``102 Processing``, but not an endless stream."""

_HEAD = b"HEAD "


class RequestParser(MessageReader[RequestHead]):
    """Requests, one behind the other, from the bytes of a connection (RFC 9112).

    :param limits: of each head.
    :param max_trailer_bytes: of the trailer section of each chunked body.
    :param read: reads heads within these limits as :func:`slime.http.head.read_request_head` does, which does it
        otherwise.
    """

    __slots__ = ("_empty_lines", "_line_checked", "_read", "_refused")

    def __init__(
        self,
        limits: HeadLimits = DEFAULT,
        max_trailer_bytes: int = MAX_TRAILER_BYTES,
        read: Callable[[bytes], tuple[RequestHead, int | None]] | None = None,
    ) -> None:
        super().__init__(limits, max_trailer_bytes, REQUEST_FAULTS)
        self._read = read or partial(read_request_head, limits=limits)
        self._refused = b""
        self.start_next()

    @property
    def wants_no_body(self) -> bool:
        """Whether a request whose head was refused is ``HEAD``, as far as one can tell: whoever sent it reads no
        body of the answer (RFC 9110 section 9.3.2)."""
        return (self._refused or self._buffer[self._at :]).startswith(_HEAD)

    def start_next(self) -> bool:
        """Read another request; to be called when the one before has been dealt with.

        :returns: whether some of it has arrived.
        :raises LocalProtocolError: the one before has not been read to its end.
        """
        if self._state is not MessageReader._pause:
            raise LocalProtocolError("the request before is not complete")
        self._state = RequestParser._read_head
        self._empty_lines, self._line_checked = 0, False
        self.head, self.body_length = None, 0
        return self._at < len(self._buffer)

    def _read_head(self) -> RequestHead | Signal:
        while self._buffer.startswith(b"\r\n", self._at):
            self._skip_empty_line()
        block = self._section(self._limits.head_bytes)
        if block is None:
            self._check_line()
            return Signal.NEED_DATA
        try:
            head, length = self._read(block)
        except BadMessage:
            self._refused = block
            raise
        self.head = head
        self._expect_body(length)
        return head

    def _skip_empty_line(self) -> None:
        self._empty_lines += 1
        if self._empty_lines > MAX_EMPTY_LINES:
            raise BadMessage(ErrorCode.BAD_REQUEST, "too many empty lines come before the request")
        self._scanned = 0
        self._consume(2)

    def _check_line(self) -> None:
        """Refuse a bad request line as soon as it is there: what is not HTTP may never send an empty line."""
        if self._line_checked:
            return
        end = self._buffer.find(b"\n", self._at)
        if end >= 0:
            read_request_line(self._buffer[self._at : end + 1], self._limits)
            self._line_checked = True
        elif self.buffered > self._limits.target_bytes + MAX_METHOD + len(b"  HTTP/1.1"):
            raise BadMessage(ErrorCode.TARGET_TOO_LONG, "the request line is too long")

    def _trailers(self, fields: Fields) -> Fields:
        if not all(map(is_trailer, fields)):
            raise BadMessage(ErrorCode.BAD_REQUEST, "a trailer field must not be one")
        return fields


class ResponseParser(MessageReader[ResponseHead]):
    """The responses to the requests that were sent on one connection (RFC 9112).

    :param limits: of each head.
    :param max_trailer_bytes: of the trailer section of each chunked body.
    """

    __slots__ = ("_interim", "_method", "_upgrade")

    def __init__(self, limits: HeadLimits = DEFAULT, max_trailer_bytes: int = MAX_TRAILER_BYTES) -> None:
        super().__init__(limits, max_trailer_bytes, RESPONSE_FAULTS)
        self._method, self._upgrade, self._interim = b"", False, 0

    @property
    def keep_alive(self) -> bool:
        """Whether the response is complete and nothing speaks against another request on its connection."""
        head = self.head
        if head is None or self._state is not MessageReader._pause or self._eof or self.buffered:
            return False
        return head.status != 101 and self.body_length != UNTIL_CLOSE and persists(head)

    def start(self, method: bytes, upgrade: bool = False) -> None:
        """Expect the response to a request that is about to be sent.

        :param method: of the request; a response to ``HEAD`` has no body.
        :param upgrade: whether the request asked for another protocol; ``101`` is refused otherwise.
        :raises LocalProtocolError: the response before has not been read to its end, or there are bytes
            behind it, which must never be taken for the answer to this request.
        """
        if self._state is not MessageReader._pause or self.buffered:
            raise LocalProtocolError("the connection is not ready for another request")
        self._state = ResponseParser._read_head
        self._method, self._upgrade, self._interim = method, upgrade, 0
        self.head, self.body_length = None, 0

    def feed_eof(self) -> None:
        """The connection has ended: ask for events until there are no more."""
        self._eof = True

    def _read_head(self) -> ResponseHead | Signal:
        """A head of any status; a final one and ``101`` end the waiting, other interim ones do not."""
        block = self._section(self._limits.head_bytes)
        if block is None:
            return Signal.NEED_DATA
        head, length = read_response_head(block, self._limits, self._method)
        if head.status == 101:
            self._switch(head)
        elif head.status < 200:
            self._count_interim()
        else:
            self.head = head
            self._expect_body(length)
        return head

    def _switch(self, head: ResponseHead) -> None:
        if not self._upgrade:
            raise BadMessage(ErrorCode.UPSTREAM_BROKE, "another protocol was not asked for")
        self.head, self._state = head, MessageReader._pause

    def _count_interim(self) -> None:
        self._interim += 1
        if self._interim > MAX_INTERIM:
            raise BadMessage(ErrorCode.UPSTREAM_BROKE, "there are too many interim responses")

    def _trailers(self, fields: Fields) -> Fields:
        """Those that belong there; a recipient may discard others (RFC 9110 section 6.5.1)."""
        return list(filter(is_trailer, fields))
