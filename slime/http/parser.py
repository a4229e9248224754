"""Streams of bytes into messages: :class:`RequestParser` and :class:`ResponseParser`.

Neither does I/O nor owns a clock. Feed what the socket gave, then ask for events until there are no more::

    parser.feed(data)
    while not isinstance(event := parser.next_event(), Signal):
        ...

A message is a head, any number of :class:`Data`, and one :class:`EndOfMessage`. Behind it the parser pauses
(:attr:`Signal.PAUSED`), whatever has arrived, until it is told to go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from slime.errors import BadMessage, ErrorCode, LocalProtocolError
from slime.http.body import encode_chunk, last_chunk
from slime.http.fields import (
    REQUEST_FAULTS,
    RESPONSE_FAULTS,
    TOKEN,
    Faults,
    Fields,
    parse_fields,
    refuse_hopeless,
)
from slime.http.head import (
    DEFAULT,
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

__all__ = [
    "UNTIL_CLOSE",
    "Data",
    "EndOfMessage",
    "RequestParser",
    "ResponseParser",
    "Signal",
    "body_length",
    "encode_chunk",
    "last_chunk",
    "response_body_length",
]

MAX_TRAILER_BYTES = 16384
MAX_EXTENSION_BYTES = 16384
MAX_SIZE_LINE = 256
MAX_CHUNK = 2**40
MAX_INTERIM = 1000
MAX_EMPTY_LINES = 2

_CHUNK_EXTENSIONS = (
    rb"((?:[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN
    + rb'|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*)'
)
_FIRST_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})" + _CHUNK_EXTENSIONS + rb"\r\n")
_NEXT_SIZE = re.compile(rb"\r\n" + _FIRST_SIZE.pattern)
_SIZE_SO_FAR = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:[ \t]*(?:;[\t -~\x80-\xff]*)?\r?)?)?")
_NEXT_SIZE_SO_FAR = re.compile(rb"\r?|\r\n" + _SIZE_SO_FAR.pattern)

# What may not come behind the body, since it was needed before it (RFC 9110 section 6.5.1).
_NO_TRAILERS = frozenset(
    b"age authorization cache-control connection content-encoding content-length content-range content-type"
    b" cookie date expect expires forwarded host if-match if-modified-since if-none-match if-range"
    b" if-unmodified-since keep-alive location max-forwards pragma proxy-authenticate proxy-authorization"
    b" proxy-connection range retry-after set-cookie te trailer transfer-encoding upgrade vary via"
    b" www-authenticate x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)


class Signal(Enum):
    """Why there is no event: more bytes are needed, or the caller has to say that it is ready for more."""

    NEED_DATA = "need data"
    PAUSED = "paused"


@dataclass(slots=True)
class Data:
    """Some bytes of the body; never none. Chunks are joined and split as they happen to arrive."""

    data: bytes


@dataclass(slots=True)
class EndOfMessage:
    """The message is complete, with these trailer fields."""

    trailers: Fields


_Head = TypeVar("_Head", RequestHead, ResponseHead)


class _MessageReader(Generic[_Head]):
    """What both parsers share: the buffer, the state and the ways a body can be framed.

    The state is the function that reads what comes next; it is called with the parser, so that a parser holds
    no reference to itself.

    :ivar head: the head of the message in progress, if it has been read.
    :ivar body_length: the length of its body: ``None`` for chunked, :data:`UNTIL_CLOSE` for unknown.
    """

    __slots__ = (
        "_at", "_buffer", "_eof", "_extensions", "_failure", "_faults", "_left", "_limits", "_max_trailers",
        "_scanned", "_size", "_state", "body_length", "head",
    )  # fmt: skip

    def __init__(self, limits: HeadLimits, max_trailer_bytes: int, faults: Faults) -> None:
        self._limits = limits
        self._max_trailers = max_trailer_bytes
        self._faults = faults
        self._buffer = b""
        self._at = self._scanned = self._left = self._extensions = 0
        self._eof = False
        self._size = _FIRST_SIZE
        self._failure = (ErrorCode.NO_ERROR, "")
        self._state: Callable[[Any], _Head | Data | EndOfMessage | Signal] = _MessageReader._paused
        self.head: _Head | None = None
        self.body_length: int | None = 0

    @property
    def buffered(self) -> int:
        """How many bytes were fed and are not part of any event yet."""
        return len(self._buffer) - self._at

    @property
    def mid_message(self) -> bool:
        """Whether some bytes of a message have been read, but not all of it."""
        if self._state is _MessageReader._paused:
            return False
        return self.head is not None or self.buffered > 0

    def feed(self, data: bytes) -> None:
        """Take what has arrived. The caller bounds what it feeds while nothing is asked for."""
        buffer, at = self._buffer, self._at
        self._buffer = buffer[at:] + data if at < len(buffer) else data
        self._at = 0

    def next_event(self) -> _Head | Data | EndOfMessage | Signal:
        """The next part of the message, or why there is none.

        :raises BadMessage: the message is refused; it is so at every later call too.
        """
        try:
            return self._state(self)
        except BadMessage as error:
            self._failure = (error.code, error.detail)
            self._state = _MessageReader._failed
            raise

    def detach(self) -> bytes:
        """Give up the stream, which speaks something else from here on: the bytes not read yet."""
        rest = self._buffer[self._at :]
        self._buffer, self._at = b"", 0
        self._state = _MessageReader._paused
        return rest

    def _failed(self) -> Signal:
        raise BadMessage(*self._failure)

    def _paused(self) -> Signal:
        return Signal.PAUSED

    def _section(self, max_bytes: int) -> bytes | None:
        """The lines before the next empty line, the CRLF of each included; ``None`` if it is not here yet."""
        buffer, at = self._buffer, self._at
        end = buffer.find(b"\r\n\r\n", at + self._scanned)
        if end < 0:
            refuse_hopeless(buffer, at + self._scanned, self._faults)
            if len(buffer) - at > max_bytes + 3:
                raise BadMessage(self._faults.too_large, "there are too many bytes before an empty line")
            self._scanned = max(0, len(buffer) - at - 3)
            return None
        self._at, self._scanned = end + 4, 0
        return buffer[at : end + 2]

    def _expect_body(self, length: int | None) -> None:
        self.body_length = length
        if length is None:
            self._state, self._size, self._left, self._extensions = _MessageReader._read_chunks, _FIRST_SIZE, 0, 0
        elif length > 0:
            self._state, self._left = _MessageReader._read_exactly, length
        else:
            self._state = _MessageReader._read_to_close if length else _MessageReader._finish

    def _finish(self) -> EndOfMessage:
        self._state = _MessageReader._paused
        return EndOfMessage([])

    def _read_exactly(self) -> Data | Signal:
        data = self._buffer[self._at : self._at + self._left]
        if not data:
            return Signal.NEED_DATA
        self._consume(len(data))
        self._left -= len(data)
        if not self._left:
            self._state = _MessageReader._finish
        return Data(data)

    def _consume(self, size: int) -> None:
        """Step over ``size`` bytes, and don't keep a large buffer alive when nothing is left in it."""
        self._at += size
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0

    def _read_to_close(self) -> Data | EndOfMessage | Signal:
        data = self._buffer[self._at :]
        self._consume(len(data))
        if data:
            return Data(data)
        return self._finish() if self._eof else Signal.NEED_DATA

    def _read_chunks(self) -> Data | EndOfMessage | Signal:
        """All chunks that have arrived as one event; what they were cut into means nothing."""
        pieces: list[bytes] = []
        buffer, at, left = self._buffer, self._at, self._left
        while True:
            if not left:
                found = self._size.match(buffer, at, at + MAX_SIZE_LINE)
                if found is None:
                    break
                at, left = found.end(), self._chunk_size(found)
                if not left:
                    self._state = _MessageReader._read_trailers
                    break
            piece = buffer[at : at + left]
            if not piece:
                break
            pieces.append(piece)
            at += len(piece)
            left -= len(piece)
        self._left = left
        self._consume(at - self._at)
        if pieces:
            return Data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        return self._between_chunks()

    def _chunk_size(self, found: re.Match[bytes]) -> int:
        self._size = _NEXT_SIZE
        digits, extensions = found.groups()
        size = int(digits, 16)
        if extensions:
            self._extensions += len(extensions)
        if size > MAX_CHUNK or self._extensions > MAX_EXTENSION_BYTES:
            raise BadMessage(self._faults.broken, "a chunk or its extensions are too large")
        return size

    def _between_chunks(self) -> EndOfMessage | Signal:
        if self._state is _MessageReader._read_trailers:
            return self._read_trailers()
        if not self._left:
            self._check_size_so_far()
        return Signal.NEED_DATA

    def _check_size_so_far(self) -> None:
        """Refuse a size line at its first wrong byte, not when its sender gives up waiting."""
        so_far = _SIZE_SO_FAR if self._size is _FIRST_SIZE else _NEXT_SIZE_SO_FAR
        if self.buffered >= MAX_SIZE_LINE or not so_far.fullmatch(self._buffer, self._at):
            raise BadMessage(self._faults.broken, "a chunk does not begin or end as it should")

    def _read_trailers(self) -> EndOfMessage | Signal:
        if self._buffer.startswith(b"\r\n", self._at):
            self._consume(2)
            return self._finish()
        block = self._section(self._max_trailers)
        if block is None:
            return Signal.NEED_DATA
        fields = parse_fields(b"\r\n" + block, 2, self._limits.fields, self._faults)
        self._state = _MessageReader._paused
        return EndOfMessage(self._checked_trailers(fields))

    def _checked_trailers(self, fields: Fields) -> Fields:
        raise NotImplementedError


class RequestParser(_MessageReader[RequestHead]):
    """Requests, one behind the other, from the bytes of a connection (RFC 9112).

    :param limits: of each head.
    :param max_trailer_bytes: of the trailer section of each chunked body.
    """

    __slots__ = ("_empty_lines", "_line_checked")

    def __init__(self, limits: HeadLimits = DEFAULT, max_trailer_bytes: int = MAX_TRAILER_BYTES) -> None:
        super().__init__(limits, max_trailer_bytes, REQUEST_FAULTS)
        self.start_next()

    def start_next(self) -> None:
        """Be ready for another request; to be called when the one before has been dealt with.

        :raises LocalProtocolError: the one before is not complete.
        """
        if self._state is not _MessageReader._paused:
            raise LocalProtocolError("the request before is not complete")
        self._state = RequestParser._read_head
        self._empty_lines, self._line_checked = 0, False
        self.head, self.body_length = None, 0

    def _read_head(self) -> RequestHead | Signal:
        while self._buffer.startswith(b"\r\n", self._at):
            self._skip_empty_line()
        block = self._section(self._limits.head_bytes)
        if block is None:
            self._check_line_so_far()
            return Signal.NEED_DATA
        self.head, length = read_request_head(block, self._limits)
        self._expect_body(length)
        return self.head

    def _skip_empty_line(self) -> None:
        """Some send an empty line too many behind a body (RFC 9112 section 2.2)."""
        self._empty_lines += 1
        if self._empty_lines > MAX_EMPTY_LINES:
            raise BadMessage(ErrorCode.BAD_REQUEST, "there are too many empty lines before the request")
        self._consume(2)

    def _check_line_so_far(self) -> None:
        """Refuse a bad request line as soon as it is there: what is not HTTP may never send an empty line."""
        if self._line_checked:
            return
        end = self._buffer.find(b"\r\n", self._at)
        if end >= 0:
            read_request_line(self._buffer[self._at : end + 2], self._limits)
            self._line_checked = True
        elif self.buffered > self._limits.target_bytes + MAX_SIZE_LINE:
            raise BadMessage(ErrorCode.TARGET_TOO_LONG, "the request line is too long")

    def _checked_trailers(self, fields: Fields) -> Fields:
        if not all(map(is_trailer, fields)):
            raise BadMessage(ErrorCode.BAD_REQUEST, "a trailer field must not stand behind the body")
        return fields


class ResponseParser(_MessageReader[ResponseHead]):
    """The responses to the requests sent on one connection (RFC 9112).

    :param limits: of each head.
    :param max_trailer_bytes: of the trailer section of each chunked body.
    """

    __slots__ = ("_interim", "_method", "_upgrade")

    def __init__(self, limits: HeadLimits = DEFAULT, max_trailer_bytes: int = MAX_TRAILER_BYTES) -> None:
        super().__init__(limits, max_trailer_bytes, RESPONSE_FAULTS)
        self._method, self._upgrade, self._interim = b"", False, 0

    @property
    def keep_alive(self) -> bool:
        """Whether the response is complete and the connection may carry another request."""
        if self._state is not _MessageReader._paused or self.head is None or self._eof or self.buffered:
            return False
        return self.body_length != UNTIL_CLOSE and self.head.status != 101 and persists(self.head)

    def start(self, method: bytes, upgrade: bool = False) -> None:
        """Expect the response to a request that is about to be sent.

        :param method: of the request; a response to ``HEAD`` has no body.
        :param upgrade: whether the request asked for another protocol; ``101`` is refused otherwise.
        :raises LocalProtocolError: the response before is not complete, or there are bytes behind it, which
            must never be taken for an answer to this request.
        """
        if self._state is not _MessageReader._paused or self.buffered:
            raise LocalProtocolError("the connection is not ready for another request")
        self._state = ResponseParser._read_head
        self._method, self._upgrade, self._interim = method, upgrade, 0
        self.head, self.body_length = None, 0

    def feed_eof(self) -> None:
        """The connection has ended: ask for events until there are no more."""
        self._eof = True

    def next_event(self) -> ResponseHead | Data | EndOfMessage | Signal:
        """The next part of the response, or why there is none.

        :raises BadMessage: the response is refused or was cut off; it is so at every later call too.
        """
        event = super().next_event()
        if event is Signal.NEED_DATA and self._eof:
            self._failure = (ErrorCode.UPSTREAM_BROKE, "the connection ended before the response did")
            self._state = _MessageReader._failed
            self._failed()
        return event

    def _read_head(self) -> ResponseHead | Signal:
        block = self._section(self._limits.head_bytes)
        if block is None:
            return Signal.NEED_DATA
        head = read_response_head(block, self._limits)
        if head.status == 101:
            self._switch(head)
        elif head.status < 200:
            self._count_interim()
        else:
            self.head = head
            self._expect_body(response_body_length(head, self._method))
        return head

    def _switch(self, head: ResponseHead) -> None:
        if not self._upgrade:
            raise BadMessage(ErrorCode.UPSTREAM_BROKE, "nobody asked for another protocol")
        self.head = head
        self._state = _MessageReader._paused

    def _count_interim(self) -> None:
        self._interim += 1
        if self._interim > MAX_INTERIM:
            raise BadMessage(ErrorCode.UPSTREAM_BROKE, "there are too many interim responses")

    def _checked_trailers(self, fields: Fields) -> Fields:
        """Recipients may discard what does not belong there (RFC 9110 section 6.5.1); the body is whole."""
        return list(filter(is_trailer, fields))


def is_trailer(field: tuple[bytes, bytes]) -> bool:
    """Whether a field may stand in a trailer section (RFC 9110 section 6.5.1)."""
    name = field[0].lower()
    return name not in _NO_TRAILERS and not name.startswith(b"slime-")
